"""The wheel holds everything that an installed ganzoo needs, and nothing else."""

import ast
import configparser
import os
import pathlib
import re
import shutil
import subprocess
import sys
import zipfile

import pytest

ROOT = pathlib.Path(__file__).parents[1]
# Of libraries that are imported by another name than they are installed by.
NAMES = {"PIL": "pillow", "yaml": "pyyaml"}
PARTS = {"ganzoo": "ganzoo", "zoo_configs": "ganzoo/zoo_configs"}  # and where each is installed


def project_files():
    """Lists the files of the project that Git tracks; those that are there, where it has no Git."""
    git = shutil.which("git")
    if git:
        listed = subprocess.run([git, "ls-files"], cwd=ROOT, capture_output=True, text=True)
        if listed.stdout:
            return [name for name in listed.stdout.splitlines() if (ROOT / name).is_file()]
    paths = [*ROOT.iterdir(), *(path for part in PARTS for path in (ROOT / part).rglob("*"))]
    files = [path.relative_to(ROOT) for path in paths if path.is_file()]
    return [path.as_posix() for path in files if "__pycache__" not in path.parts]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel of a copy of the project: what was built before does not get into it."""
    folder = tmp_path_factory.mktemp("wheel")
    copy = folder / "project"
    for name in project_files():
        if "/" not in name or name.partition("/")[0] in PARTS:
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, copy / name)
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, copy]
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


def test_the_wheel_holds_the_projects_files_and_no_others(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
    expected = set()
    for name in project_files():
        part, _, below = name.partition("/")
        if below and part in PARTS:
            expected.add(f"{PARTS[part]}/{below}")
    assert {"ganzoo/models/gan/model.py", "ganzoo/zoo_configs/gan_ring.yaml"} < expected
    assert any(name.startswith("ganzoo/weights/dcgan_mnist-") for name in expected)
    assert names == expected


def test_every_library_that_is_imported_outright_is_required(wheel):
    """What a file imports at its head is there without any extra."""
    found = {
        name.partition(".")[0]
        for path in (ROOT / "ganzoo").rglob("*.py")
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        for name in imported_names(node)
    }
    with zipfile.ZipFile(wheel) as archive:
        (metadata,) = (name for name in archive.namelist() if name.endswith("/METADATA"))
        text = archive.read(metadata).decode()
    required = set(re.findall(r"^Requires-Dist: ([\w-]+)(?!.*extra)", text, re.MULTILINE))
    libraries = found - set(sys.stdlib_module_names) - {"ganzoo"}
    named = {NAMES.get(library, library) for library in libraries}
    assert "tensorflow" in named
    assert named <= required


def imported_names(node):
    """Names the modules that a statement imports."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    return [node.module] if isinstance(node, ast.ImportFrom) else []


def test_the_readme_names_every_extra():
    settings = configparser.RawConfigParser()
    settings.read(ROOT / "setup.cfg", encoding="utf-8")
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    table = text.partition("| extra | for |\n")[2].partition("\n\n")[0]
    named = re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)
    extras = settings.options("options.extras_require")
    assert sorted(named) == sorted(set(extras) - {"test"})  # which `make test` installs


def test_the_pictures_of_the_readme_are_in_the_project():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    shown = re.findall(r"!\[[^]]+\]\(([^)]+)\)", text)
    assert len(shown) == text.count("![") >= 3
    assert set(shown) <= set(project_files())


def test_a_preset_loads_from_the_wheel_and_the_digit_classifier_comes_along(wheel, tmp_path):
    printed = installed(
        wheel,
        tmp_path,
        "import ganzoo, numpy as np\n"
        "from ganzoo.metrics.extractors import load_extractor\n"
        "model = ganzoo.load('gan_ring', weights=False)\n"
        "print(ganzoo.__file__, model.generate(3, seed=1).shape)\n"
        "black = np.zeros((2, 28, 28, 1), 'uint8')\n"
        "print(load_extractor('lenet_mnist')(black, ('logits',))['logits'].shape)",
    )
    generated, judged = printed.splitlines()
    assert generated == f"{tmp_path / 'ganzoo' / '__init__.py'} (3, 2)"
    assert judged == "(2, 10)"
