"""The wheel holds everything that an installed ganzoo needs."""

import os
import pathlib
import subprocess
import sys
import zipfile

import pytest

from ganzoo import presets

ROOT = pathlib.Path(__file__).parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, ROOT]
    built = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert built.returncode == 0, built.stderr[-3000:]
    (path,) = folder.glob("ganzoo-*.whl")
    return path


def installed(wheel, folder, code):
    """Runs code in a process that finds ganzoo in the unpacked wheel only."""
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        capture_output=True,
        text=True,
        timeout=300,
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(folder), "TF_CPP_MIN_LOG_LEVEL": "3"},
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def test_the_wheel_holds_presets_families_and_weights(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    shipped = {f"ganzoo/zoo_configs/{name}.yaml" for name in presets.preset_names()}
    for pattern in ("*.py", "*/*.py", "*/*/*.py", "weights/*.h5"):
        files = (ROOT / "ganzoo").glob(pattern)
        shipped |= {f"ganzoo/{file.relative_to(ROOT / 'ganzoo').as_posix()}" for file in files}
    assert shipped <= names
    others = {name for name in names - shipped if ".dist-info/" not in name}
    assert all(name.startswith("ganzoo/") for name in others), "only ganzoo is installed"


def test_a_preset_loads_from_the_wheel(wheel, tmp_path):
    printed = installed(
        wheel,
        tmp_path,
        "import ganzoo\n"
        "model = ganzoo.load('gan_ring', weights=False)\n"
        "print(ganzoo.__file__, model.generate(3, seed=1).shape)",
    )
    assert printed.split() == [str(tmp_path / "ganzoo" / "__init__.py"), "(3,", "2)"]


def test_the_digit_classifier_comes_along(wheel, tmp_path):
    printed = installed(
        wheel,
        tmp_path,
        "import numpy as np\n"
        "from ganzoo.metrics.extractors import load_extractor\n"
        "black = np.zeros((2, 28, 28, 1), 'uint8')\n"
        "print(load_extractor('lenet_mnist')(black, ('logits',))['logits'].shape)",
    )
    assert printed.strip() == "(2, 10)"
