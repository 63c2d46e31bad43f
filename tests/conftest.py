"""What all tests share: quiet TensorFlow, few threads, and the optional folder of real data."""

import os
import pathlib

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def shared_data():
    """The folder of real images and reference weights; skips the test where it is absent."""
    folder = pathlib.Path(os.environ.get("GANZOO_TEST_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no real data at {folder} (set GANZOO_TEST_DATA)")
    return folder
