"""What the metrics' tests share: the reference packages' numbers."""

import json
import pathlib

import pytest


@pytest.fixture(scope="session")
def references():
    """Numbers made by tools/make_metric_references.py with the reference packages."""
    return json.loads((pathlib.Path(__file__).parent / "references.json").read_text())
