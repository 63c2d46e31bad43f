"""When the progressive GAN grows."""

import math

import keras
import numpy as np
import pytest

from ganzoo.errors import TrainingError
from ganzoo.models.progan.growth import ramp
from ganzoo.models.progan.schedule import Schedule
from ganzoo.optimizers import reset

SMALL = [
    {"resolution": 4, "stabilize_kimg": 0.01},
    {"resolution": 8, "fade_kimg": 0.02, "stabilize_kimg": 0.03, "batch_size": 4},
    {"resolution": 16, "fade_kimg": 0.04, "stabilize_kimg": 0.05, "learning_rate": 2e-3},
]


def authors_level(kimg, resolution, training, transition):
    """The level of detail by the authors' rule: 0 at full resolution, one more a halving."""
    phase = math.floor(kimg / (training + transition))
    inside = kimg - phase * (training + transition)
    level = math.log2(resolution) - 2 - phase - max(inside - training, 0) / transition
    return max(level, 0.0)


@pytest.mark.parametrize("length", [600, 800])
def test_growth_is_that_of_the_authors_code(length):
    sides = [2**power for power in range(2, 11)]
    rows = [
        {"resolution": side, "stabilize_kimg": length, "fade_kimg": 0 if side == 4 else length}
        for side in sides
    ]
    schedule = Schedule.of(rows, 1024)
    for kimg in np.arange(1, 20 * length, 13.37):
        moment = schedule.at(round(kimg * 1000))
        level = math.log2(1024 / moment.stage.resolution) + 1 - moment.alpha(round(kimg * 1000))
        assert level == pytest.approx(authors_level(kimg, 1024, length, length), abs=1e-5)


def test_default_phases_are_those_of_the_tensorflow_code():
    schedule = Schedule.of(None, 32)
    assert [stage.resolution for stage in schedule.stages] == [4, 8, 16, 32]
    assert [stage.fade_kimg for stage in schedule.stages] == [0, 600, 600, 600]
    assert schedule.images == 7 * 600_000


@pytest.mark.parametrize(
    ("seen", "resolution", "phase", "alpha", "end"),
    [
        (0, 4, 1, 1.0, 10),
        (9, 4, 1, 1.0, 10),
        (10, 8, 2, 0.0, 30),
        (25, 8, 2, 0.75, 30),
        (30, 8, 3, 1.0, 60),
        (60, 16, 4, 0.0, 100),
        (100, 16, 5, 1.0, math.inf),
        (10_000, 16, 5, 1.0, math.inf),
    ],
)
def test_moments(seen, resolution, phase, alpha, end):
    moment = Schedule.of(SMALL, 16).at(seen)
    assert (moment.stage.resolution, moment.phase, moment.end) == (resolution, phase, end)
    assert moment.alpha(seen) == pytest.approx(alpha)


def test_a_schedule_gives_its_rows_and_its_length():
    schedule = Schedule.of(SMALL, 16)
    assert schedule.rows == SMALL
    assert schedule.images == 150
    assert schedule.stage(16) == (schedule.stages[2], 60)


def test_auto_batch_sizes_are_replaced_once():
    rows = [SMALL[0] | {"batch_size": "auto"}, SMALL[1], SMALL[2] | {"batch_size": "auto"}]
    schedule = Schedule.of(rows, 16).with_batch_sizes(lambda resolution: 1000 + resolution)
    assert [stage.batch_size for stage in schedule.stages] == [1004, 4, 1016]


def changed(row, **changes):
    return [stage | (changes if index == row else {}) for index, stage in enumerate(SMALL)]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (changed(1, fade=3), r"phases\[1\] has no key 'fade'\. Did you mean 'fade_kimg'"),
        (changed(1, fade_kimg=-1), r"phases\[1\]\.fade_kimg is -1"),
        (changed(2, stabilize_kimg="8"), r"phases\[2\]\.stabilize_kimg is '8'"),
        (changed(2, batch_size=0), r"phases\[2\]\.batch_size is 0\. .* 'auto'"),
        (changed(0, fade_kimg=1), r"phases\[0\] fades 4x4 in"),
        (changed(1, resolution=16), r"resolutions \[4, 16, 16\].* such as \[4, 8, 16\]"),
        (SMALL[:2], r"resolutions \[4, 8\], and images of 16x16"),
        (changed(1, stabilize_kimg=math.inf), r"phases\[1\]\.stabilize_kimg is inf\. Give a fin"),
        (changed(1, stabilize_kimg=None), r"phases\[1\]\.stabilize_kimg is None\."),
        (changed(1, fade_kimg=None), r"phases\[1\]\.fade_kimg is None\."),
        (changed(2, resolution=16.0), r"phases\[2\]\.resolution is 16\.0\. Give a whole number"),
        (changed(1, batch_size=True), r"phases\[1\]\.batch_size is True\. .* 'auto'"),
        ([1], r"phases\[0\] is 1\. Write it as \{resolution: "),
        ({"resolution": 4}, r"phases is \{'resolution': 4\}\. Give a list with a row for each"),
        ([], r"resolutions \[\]"),
        ([{"resolution": 16}], r"phases\[0\] lacks stabilize_kimg"),
    ],
)
def test_phases_that_lead_nowhere_are_refused(rows, message):
    with pytest.raises(TrainingError, match=message):
        Schedule.of(rows, 16)


def test_growth_may_begin_at_any_resolution():
    schedule = Schedule.of([{"resolution": 16, "stabilize_kimg": 1}], 16)
    assert schedule.at(0).stage.resolution == 16
    assert schedule.at(0).alpha(0) == 1.0


def test_the_rate_rises_to_one():
    assert float(ramp(0, 40_000)) == pytest.approx(math.exp(-5))
    assert float(ramp(20_000, 40_000)) == pytest.approx(math.exp(-1.25))
    assert float(ramp(40_000, 40_000)) == 1.0
    assert float(ramp(9_999_999, 40_000)) == 1.0


@pytest.mark.parametrize("kind", ["Adam", "Nadam", "Adagrad", "Ftrl", "RMSprop", "Adadelta"])
def test_an_optimizer_that_was_reset_moves_as_a_fresh_one(kind):
    """The sums of some do not start at zero, and without a gradient Ftrl then gave NaN."""
    start, slope = np.float32([1.0, -2.0, 3.0]), np.float32([0.5, 0.0, -2.0])
    weights, used, fresh = keras.Variable(start), make(kind), make(kind)
    for optimizer in (used, fresh):
        optimizer.build([weights])
    for _ in range(3):
        used.apply([keras.ops.convert_to_tensor(slope)], [weights])
    reset(used)
    ends = []
    for optimizer in (used, fresh):
        weights.assign(start)
        for _ in range(2):
            optimizer.apply([keras.ops.convert_to_tensor(slope)], [weights])
        ends.append(keras.ops.convert_to_numpy(weights))
    assert np.isfinite(ends).all()
    np.testing.assert_array_equal(*ends)


def make(kind):
    return getattr(keras.optimizers, kind)(0.1)
