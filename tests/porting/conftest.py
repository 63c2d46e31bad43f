"""Where the checkpoints of tools/make_porting_fixtures.py lie, and how others are read."""

import pathlib

import pytest

from ganzoo.porting import read_checkpoint
from tests.porting.handmade import legacy_checkpoint, zip_checkpoint


@pytest.fixture(scope="session")
def fixtures():
    return pathlib.Path(__file__).parent / "fixtures"


@pytest.fixture
def read(tmp_path):
    """Writes bytes to a file and reads it as a checkpoint."""

    def read(content):
        path = tmp_path / "checkpoint.pth"
        path.write_bytes(content)
        return read_checkpoint(path)

    return read


@pytest.fixture(params=[zip_checkpoint, legacy_checkpoint], ids=["zip", "legacy"])
def container(request):
    return request.param
