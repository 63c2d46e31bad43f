"""What the tests of several families need."""

import numpy as np
import pytest

from ganzoo import randomness


@pytest.fixture
def noise(monkeypatch):
    """Everything that models draw while training, in order."""
    drawn, plain = [], randomness.rows

    def recorded(*arguments):
        rows = plain(*arguments)
        drawn.append(np.asarray(rows, "float64"))
        return rows

    monkeypatch.setattr(randomness, "rows", recorded)
    return drawn
