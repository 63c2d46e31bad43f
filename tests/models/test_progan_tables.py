"""The authors' schedules by name: written out, checked against the presets, and trained by."""

import numpy as np
import pytest
import yaml

import ganzoo
from ganzoo.errors import GanzooError, TrainingError
from ganzoo.models.progan.schedule import Schedule
from ganzoo.models.progan.tables import TABLES, named_rows
from ganzoo.presets import read_preset
from ganzoo.training.settings import run_settings

SIDES = [4, 8, 16, 32, 64, 128, 256, 512, 1024]
# config.py:99-103 of the TensorFlow code: `minibatch_dict` with `minibatch_base`, `G_lrate_dict`.
BATCHES = {
    "v1-1gpu": [16, 16, 16, 16, 16, 16, 14, 6, 3],
    "v2-1gpu": [128, 128, 128, 64, 32, 16, 8, 4, 4],
    "v2-2gpus": [256, 256, 128, 64, 32, 16, 8, 8, 8],
    "v2-4gpus": [512, 256, 128, 64, 32, 16, 16, 16, 16],
    "v2-8gpus": [512, 256, 128, 64, 32, 32, 32, 32, 32],
}
RATES = {
    "v1-1gpu": {},
    "v2-1gpu": {1024: 1.5e-3},
    "v2-2gpus": {512: 1.5e-3, 1024: 2e-3},
    "v2-4gpus": {256: 1.5e-3, 512: 2e-3, 1024: 3e-3},
    "v2-8gpus": {128: 1.5e-3, 256: 2e-3, 512: 3e-3, 1024: 3e-3},
}


@pytest.mark.parametrize("name", TABLES)
def test_a_table_is_that_of_the_authors(name):
    rows = named_rows(name, 1024)
    assert [row["resolution"] for row in rows] == SIDES
    assert [row["batch_size"] for row in rows] == BATCHES[name]
    rates = {row["resolution"]: row["learning_rate"] for row in rows if "learning_rate" in row}
    assert rates == RATES[name]
    total = 19_000 if name == "v1-1gpu" else 12_000
    for side in (128, 1024):
        assert Schedule.of(name, side).images == 1000 * total


@pytest.mark.parametrize("name", TABLES)
def test_the_batches_divide_over_the_gpus_in_groups_of_4(name):
    gpus = int(name.removeprefix("v1-").removeprefix("v2-").removesuffix("s").removesuffix("gpu"))
    for size in BATCHES[name]:
        assert size % gpus == 0
        assert name == "v1-1gpu" or size // gpus % 4 == 0


@pytest.mark.parametrize(
    ("preset", "table"), [("progan_ffhq1024", "v2-1gpu"), ("progan_celebahq1024", "v1-1gpu")]
)
def test_the_presets_have_the_tables_of_their_source(preset, table):
    found = read_preset(preset)
    size = found.training["batch_size"]
    rows = [{"batch_size": size} | row for row in found.phases]
    assert rows == named_rows(table, 1024)


def test_a_run_writes_the_rows_down(tmp_path):
    settings = run_settings(
        "progan_celebahq128",
        data_source=None,
        steps=None,
        epochs=None,
        overrides={"phases": "v2-8gpus"},
        training={},
    )
    written = yaml.safe_load(settings.to_yaml())["phases"]
    assert written == named_rows("v2-8gpus", 128)
    narrow = {"model.image_size": 8, "model.base_filters": 2, "model.max_filters": 2}
    model = ganzoo.load("progan_mnist", weights=False, phases="v2-2gpus", **narrow)
    assert model.preset.phases == model.schedule.rows == named_rows("v2-2gpus", 8)
    assert np.shape(model.generate(1, seed=0)) == (1, 8, 8, 1)


@pytest.mark.parametrize("size", [8.0, 2, 12, 8192])
def test_a_size_that_cannot_be_is_refused_as_ever(size):
    with pytest.raises(GanzooError, match=rf"cannot have image_size {size}\. Use a power of two"):
        ganzoo.load("progan_mnist", weights=False, phases="v2-8gpus", **{"model.image_size": size})


def test_unknown_tables_are_refused():
    with pytest.raises(TrainingError, match=r"no phases named 'v2-8gpu'\. Did you mean 'v2-8gpus'"):
        ganzoo.load("progan_mnist", weights=False, phases="v2-8gpu")
