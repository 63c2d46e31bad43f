"""Small models with lively weights, for pictures of what is inside."""

import numpy as np
import pytest

from ganzoo import zoo


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
    return lively(zoo.load("dcgan_mnist", weights=False, **overrides))


@pytest.fixture(scope="session")
def cyclegan():
    overrides = {
        "model.base_filters": 4,
        "model.residual_blocks": 1,
        "model.discriminator_filters": 4,
    }
    return lively(zoo.load("cyclegan_horse2zebra", weights=False, **overrides))
