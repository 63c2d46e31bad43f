"""The vanilla GAN: Goodfellow et al. 2014, Generative Adversarial Nets, arXiv:1406.2661."""

from ganzoo.checks import check_number, check_whole, is_whole
from ganzoo.errors import GanzooError
from ganzoo.models.gan.model import VanillaGAN
from ganzoo.models.gan.networks import build_discriminator, build_generator

PAPER = "https://arxiv.org/abs/1406.2661"
MODEL = VanillaGAN


def build(
    image_shape=(28, 28, 1),
    latent_dim=100,
    latent_distribution="uniform",
    latent_bound=3**0.5,
    generator_units=(1200, 1200),
    generator_activations=("relu", "relu"),
    output_activation="sigmoid",
    generator_scale=0.05,
    generator_output_scale=None,
    discriminator_units=(240, 240),
    discriminator_activation="maxout",
    maxout_pieces=5,
    discriminator_scale=0.005,
    input_dropout=0.2,
    hidden_dropout=0.5,
    ema_half_life=None,
    seed=0,
):
    """Builds a vanilla GAN; the defaults are the official MNIST settings.

    Args:
        image_shape: `(h, w, c)`, or `(2,)` for points in the plane.
        latent_dim: Length of a latent vector.
        latent_distribution: "uniform" or "normal".
        latent_bound: Uniform latents lie in [-latent_bound, latent_bound).
        generator_units: Width of each hidden layer of the generator.
        generator_activations: Activation of each hidden layer of the generator.
        output_activation: "sigmoid" (its pixels in [0, 1] are mapped to [-1, 1]), "tanh", or
            "linear".
        generator_scale: Initial weights are uniform in ± this; None for Glorot's.
        generator_output_scale: The same of the last layer; None for `generator_scale`.
        discriminator_units: Units of each hidden layer of the discriminator.
        discriminator_activation: "maxout", "leaky_relu" or "relu".
        maxout_pieces: Affine maps for each maxout unit.
        discriminator_scale: As `generator_scale`.
        input_dropout: Share of the discriminator's inputs that training drops.
        hidden_dropout: Share of its hidden units that training drops.
        ema_half_life: Half-life, in images, of an averaged generator; None for none.
        seed: Seed of all that training draws.

    Returns:
        A `VanillaGAN`, not compiled.

    Raises:
        GanzooError: A number is out of its range, or the shape is neither of images nor points.
    """
    image_shape = _checked_shape(image_shape)
    check_whole("maxout_pieces", maxout_pieces)
    for name, share in (("input_dropout", input_dropout), ("hidden_dropout", hidden_dropout)):
        check_number(name, share, below=1.0)
    scales = {
        "generator_scale": generator_scale,
        "generator_output_scale": generator_output_scale,
        "discriminator_scale": discriminator_scale,
    }
    for name, scale in scales.items():
        if scale is not None:
            check_number(name, scale, positive=True)
    generator = build_generator(
        image_shape,
        latent_dim,
        units=generator_units,
        activations=generator_activations,
        output_activation=output_activation,
        scale=generator_scale,
        output_scale=generator_output_scale,
    )
    discriminator = build_discriminator(
        image_shape,
        units=discriminator_units,
        activation=discriminator_activation,
        pieces=maxout_pieces,
        unit_range=output_activation == "sigmoid",
        scale=discriminator_scale,
        input_dropout=input_dropout,
        hidden_dropout=hidden_dropout,
    )
    return VanillaGAN(
        generator,
        discriminator,
        latent_dim,
        latent_distribution=latent_distribution,
        latent_bound=latent_bound,
        ema_half_life=ema_half_life,
        seed=seed,
    )


def _checked_shape(image_shape):
    """Gives `(h, w, c)` or `(2,)`; refuses other shapes, which no data has and no picture shows."""
    shape = tuple(image_shape) if isinstance(image_shape, list | tuple) else ()
    whole = all(is_whole(size) and size > 0 for size in shape)
    if not whole or not (len(shape) == 3 or shape == (2,)):
        raise GanzooError(
            f"image_shape is {image_shape!r:.80}. Give height, width and channels of the images, "
            "such as [28, 28, 1], or [2] for points in the plane."
        )
    return tuple(map(int, shape))
