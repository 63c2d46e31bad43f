"""DCGAN: the counts and outputs of the networks that people know, and its training step."""


def tiny(preset):
    """Overrides that make a preset of this family small."""
    size = 28 if preset.model["image_size"] == 28 else 16
    return {"model.image_size": size, "model.base_filters": 4, "model.latent_dim": 5}
