"""What is read off a checkpoint builds a whole model that takes its networks."""

import numpy as np
import pytest

from ganzoo.errors import WeightsError
from ganzoo.models import cyclegan, dcgan, progan
from ganzoo.porting import fill, read_checkpoint, recognise


@pytest.mark.parametrize(
    ("name", "family"),
    [("cyclegan_both", cyclegan), ("dcgan28_both", dcgan), ("progan32", progan)],
)
def test_the_family_builds_what_was_recognised(fixtures, name, family):
    recognised = recognise(read_checkpoint(fixtures / f"{name}.pth"))
    assert family.__name__ == f"ganzoo.models.{recognised.family}"
    model = family.build(**recognised.settings)
    assert set(recognised.networks) == set(model.networks)
    assert set(fill(model.networks, recognised.networks)) == set(model.networks)
    for role, arrays in recognised.networks.items():
        for variable in model.networks[role].trainable_variables:
            np.testing.assert_array_equal(variable, arrays[variable.path])


def test_an_average_that_the_file_lacks_is_the_generator_itself(fixtures):
    recognised = recognise({"netG": read_checkpoint(fixtures / "progan32.pth")["netG"]})
    model = progan.build(**recognised.settings)
    filled = fill(model.networks, recognised.networks)
    assert sorted(filled) == ["ema_generator", "generator"]
    latents = np.ones((1, 8), "float32")
    np.testing.assert_array_equal(model.ema_generator(latents), model.generator(latents))


def test_a_network_that_the_model_lacks_changes_nothing(fixtures):
    recognised = recognise(read_checkpoint(fixtures / "dcgan28_both.pth"))
    model = dcgan.build(**recognised.settings)
    before = [np.asarray(weight) for weight in model.generator.weights]
    arrays = recognised.networks | {"ema_generator": recognised.networks["generator"]}
    with pytest.raises(WeightsError, match=r"g\.pth does not fit this model: left over: ema_gen"):
        fill(model.networks, arrays, origin="g.pth")
    for weight, old in zip(model.generator.weights, before, strict=True):
        np.testing.assert_array_equal(weight, old)
