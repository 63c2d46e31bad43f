"""The vanilla GAN: the official numbers, the game's rules, and a world whose truth is known."""


def tiny(preset):
    """Overrides that make a preset of this family small."""
    shape = preset.model["image_shape"]
    size = {"model.image_shape": [8, 8, shape[2]]} if len(shape) == 3 else {}
    return size | {
        "model.generator_units": [8, 8],
        "model.discriminator_units": [6, 6],
        "model.latent_dim": 5,
    }
