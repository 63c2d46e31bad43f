"""Small models with lively weights, for pictures of what is inside."""

import numpy as np
import pytest

from ganzoo.zoo import load


def lively(model, seed=0):
    """Draws all weights anew, far from the small ones that training starts from."""
    random = np.random.default_rng(seed)
    for network in model.networks.values():
        for weight in network.trainable_variables:
            values = random.normal(0, 0.3, weight.shape)
            weight.assign(np.exp(values) if "gamma" in weight.path else values)
    return model


@pytest.fixture(scope="session")
def dcgan():
    overrides = {"model.image_size": 16, "model.base_filters": 4, "model.latent_dim": 6}
    overrides |= {"model.ema_half_life": None}
    return lively(load("dcgan_mnist", weights=False, **overrides))


@pytest.fixture(scope="session")
def cyclegan():
    overrides = {
        "model.base_filters": 4,
        "model.residual_blocks": 1,
        "model.discriminator_filters": 4,
    }
    return lively(load("cyclegan_horse2zebra", weights=False, **overrides))


@pytest.fixture
def half_grown():
    """A progressive GAN of 16 x 16 that has reached 8 x 8, and fades that in."""
    overrides = {"model.image_size": 16, "model.base_filters": 4, "model.max_filters": 8}
    model = lively(load("progan_mnist", weights=False, phases=None, **overrides))
    model.growth.resolution.assign(8)
    model.growth.alpha.assign(0.25)
    return model
