"""Keras's ways to copy a model keep which of its networks are trained."""

import copy
import pickle

import keras
import numpy as np
import pytest

from ganzoo import building
from ganzoo.errors import WeightsError
from ganzoo.serialization import SerializableModel, under_policy
from tests.models import conformance


def through_a_file(model, folder):
    model.save(folder / "model.keras")
    return keras.saving.load_model(folder / "model.keras")


WAYS = {
    "file": through_a_file,
    "pickle": lambda model, folder: pickle.loads(pickle.dumps(model)),
    "deepcopy": lambda model, folder: copy.deepcopy(model),
}


def half_trained():
    """A CycleGAN of one trained direction, as the published ones are."""
    model = conformance.build(conformance.tiny_preset("cyclegan_horse2zebra"))
    model.trained = frozenset({"generator_ab"})
    return model


@pytest.mark.parametrize("way", WAYS)
def test_a_copy_knows_which_direction_is_trained(way, tmp_path):
    model = half_trained()
    found = WAYS[way](model, tmp_path)
    assert found.trained == {"generator_ab"}
    picture = np.zeros((32, 32, 3), "uint8")
    np.testing.assert_array_equal(found.translate(picture), model.translate(picture))
    with pytest.raises(WeightsError, match=r"no trained weights for the direction 'ba', only for"):
        found.translate(picture, direction="ba")
    found.check_batch(conformance.batches(found).element_spec)
    found.prepare(4)
    assert found.begin_stage(0, 4) == (4, 4 * found.warmup_steps), "its discriminators are fresh"


@pytest.mark.parametrize("way", WAYS)
def test_a_copy_of_trained_networks_counts_as_grown(way, tmp_path):
    model = conformance.build(conformance.tiny_preset("progan_mnist"))
    assert model.images_seen == 0
    model.trained = frozenset(model.network_names)
    found = WAYS[way](model, tmp_path)
    assert found.trained == model.trained
    assert found.images_seen == found.schedule.images > 0


POLICIES = (("bfloat16", "mixed_float16"), ("float16", "float32"), ("float32", "mixed_float16"))


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("precision", "elsewhere"), POLICIES)
def test_a_copy_keeps_its_precision_whatever_policy_holds(way, precision, elsewhere, tmp_path):
    preset = conformance.tiny_preset("dcgan_mnist")
    model = building.build(preset, precision=precision)
    model.fit(conformance.batches(model), verbose=0)
    with under_policy(elsewhere):
        found = WAYS[way](model, tmp_path)
        assert keras.config.dtype_policy().name == elsewhere
    assert found.dtype_policy == model.dtype_policy
    for name, network in model.networks.items():
        assert found.networks[name].dtype_policy == network.dtype_policy
    assert conformance.greatest_difference(model, found)[0] == 0
    for name, optimizer in model.optimizers.items():
        assert type(found.optimizers[name]) is type(optimizer)
        for kept, read in zip(optimizer.variables, found.optimizers[name].variables, strict=True):
            np.testing.assert_array_equal(keras.ops.convert_to_numpy(kept), read)
    np.testing.assert_array_equal(found.generate(2, seed=1), model.generate(2, seed=1))


def test_what_is_trained_goes_with_the_weights_and_not_with_the_config(tmp_path):
    model = half_trained()
    model.save_weights(tmp_path / "model.weights.h5")
    fresh = type(model).from_config(model.get_config())
    assert fresh.trained == frozenset()
    fresh.load_weights(tmp_path / "model.weights.h5")
    assert fresh.trained == {"generator_ab"}
    assert conformance.greatest_difference(model, fresh)[0] == 0


def test_files_of_earlier_versions_are_read(tmp_path, monkeypatch):
    model = half_trained()
    with monkeypatch.context() as patch:
        patch.delattr(SerializableModel, "save_own_variables")
        model.save(tmp_path / "model.keras")
    found = keras.saving.load_model(tmp_path / "model.keras")
    assert found.trained == frozenset()
    assert conformance.greatest_difference(model, found)[0] == 0
