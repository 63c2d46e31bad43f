"""A fifth family is a folder, a YAML and a test file: one is added to a copy of the project."""

import pathlib
import shutil
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[2]
TESTS = """
from tests.models.test_dcgan import tiny

NUMBERS = {"fifth_mnist": {"training.batch_size": 128}}


def test_tiny():
    assert tiny
"""


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """A copy of the project with a family `fifth`: DCGAN's networks and step by other names."""
    folder = tmp_path_factory.mktemp("copy")
    for part in ("ganzoo", "zoo_configs", "tests"):
        leave_out = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / part, folder / part, ignore=leave_out)
    for name in ("pyproject.toml", "README.md"):
        shutil.copyfile(ROOT / name, folder / name)
    family = folder / "ganzoo" / "models" / "fifth"
    family.mkdir()
    for path in (ROOT / "ganzoo" / "models" / "dcgan").glob("*.py"):
        text = path.read_text(encoding="utf-8").replace("class DCGAN", "class FifthGAN")
        text = text.replace("import DCGAN", "import FifthGAN").replace("= DCGAN", "= FifthGAN")
        text = text.replace("return DCGAN(", "return FifthGAN(").replace(".dcgan.", ".fifth.")
        (family / path.name).write_text(text, encoding="utf-8")
    text = (ROOT / "zoo_configs" / "dcgan_mnist.yaml").read_text(encoding="utf-8")
    start, _, rest = text.replace("family: dcgan", "family: fifth").partition("weights:")
    text = f"{start}weights: null\ndeviations:{rest.partition('deviations:')[2]}"
    (folder / "zoo_configs" / "fifth_mnist.yaml").write_text(text, encoding="utf-8")
    (folder / "tests" / "models" / "test_fifth.py").write_text(TESTS, encoding="utf-8")
    return folder


def run_tests(copy, *arguments):
    """Runs tests of the copy, which find the copy's ganzoo; gives the last line."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments]
    done = subprocess.run(command, cwd=copy, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stdout[-3000:]
    return done.stdout.splitlines()[-1]


def test_no_list_has_to_be_edited(copy):
    files = ("test_architecture", "test_catalogue", "test_preset_numbers", "test_presets")
    files = [f"tests/{name}.py" for name in files]
    assert " passed" in run_tests(copy, *files, "tests/models/test_fifth.py")


@pytest.mark.soak
def test_it_has_to_do_what_every_model_does(copy):
    line = run_tests(copy, "tests/models/test_conformance.py", "-k", "fifth")
    assert int(line.split()[0]) > 10
