"""Intervals are those of the step, also where steps are skipped or taken back."""

import pytest

from ganzoo.errors import TrainingError
from ganzoo.training.intervals import Interval


def due(interval, *steps):
    """The steps after which it is time again."""
    return [step for step in steps if interval.passed(step)]


def test_a_multiple_counts_once_also_between_two_steps():
    assert due(Interval(5), 1, 4, 5, 6, 9, 12, 14, 25, 29) == [5, 12, 25]
    assert due(Interval(1), 1, 2, 5) == [1, 2, 5]


def test_a_run_that_goes_on_stops_at_the_same_multiples():
    interval = Interval(5)
    interval.start(7)
    assert due(interval, 8, 9, 10, 11) == [10]


def test_what_was_taken_back_comes_again():
    interval = Interval(5)
    assert due(interval, 4, 8, 11) == [8, 11]
    assert due(interval, 3, 4, 6) == [6]


@pytest.mark.parametrize("every", [0, -5, 2.5, True, "5"])
def test_an_interval_that_is_none_is_refused(every):
    with pytest.raises(TrainingError, match="^The interval in steps is "):
        Interval(every)
