"""What all tests share: quiet TensorFlow, few threads, and the optional folder of real data."""

import gc
import os
import pathlib
import sys
import tempfile

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[1]
# The files that take longest: workers that begin with these end at about the same time.
_LONG = (
    *("test_resume.py", "test_workers.py", "test_conformance.py"),
    *("test_fitting.py", "test_progan.py", "test_run.py", "test_exporting.py"),
)


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: item.path.name not in _LONG)


def pytest_collection_finish():
    # TensorFlow's modules are half a million objects, which every full collection looks through.
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def shared_data():
    """The folder of real images and reference weights; skips the test where it is absent."""
    folder = pathlib.Path(os.environ.get("GANZOO_TEST_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no real data at {folder} (set GANZOO_TEST_DATA)")
    return folder


@pytest.fixture
def unwritable():
    """A folder that this process may not write to, also where root runs the tests."""
    before = os.geteuid()
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        folder.chmod(0o555)
        if before == 0:
            os.seteuid(65534)  # nobody
        try:
            yield folder
        finally:
            os.seteuid(before)
            folder.chmod(0o755)


@pytest.fixture
def run(monkeypatch, capsys):
    """Calls the command line in this process; gives its exit status and what it wrote."""
    from ganzoo import cli

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["ganzoo", *map(str, arguments)])
        capsys.readouterr()
        try:
            cli.main()
            status = 0
        except SystemExit as ended:
            status = ended.code or 0
        return status, *capsys.readouterr()

    return call


@pytest.fixture
def fails(run):
    """Calls a command that has to end in one `error:` line, whose text is given back."""

    def call(*arguments):
        status, out, errors = run(*arguments)
        assert (status, out) == (2, "")
        assert errors.startswith("error: ")
        assert errors.count("\n") == 1, "one line, without a traceback"
        return errors.removeprefix("error: ").rstrip()

    return call
