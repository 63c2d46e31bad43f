"""Where the checkpoints of tools/make_porting_fixtures.py lie."""

import pathlib

import pytest


@pytest.fixture(scope="session")
def fixtures():
    return pathlib.Path(__file__).parent / "fixtures"
