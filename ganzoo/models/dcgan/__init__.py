"""DCGAN: Radford et al. 2016, Unsupervised Representation Learning with Deep Convolutional
Generative Adversarial Networks, arXiv:1511.06434."""

from ganzoo.checks import check_number, check_whole, is_whole
from ganzoo.errors import GanzooError
from ganzoo.models.dcgan.model import DCGAN
from ganzoo.models.dcgan.networks import build_discriminator, build_generator

PAPER = "https://arxiv.org/abs/1511.06434"
MODEL = DCGAN


def build(
    image_size=64,
    channels=3,
    latent_dim=100,
    latent_distribution="normal",
    latent_bound=1.0,
    base_filters=64,
    kernel_size=4,
    dense_ends=False,
    batch_norm_epsilon=1e-5,
    batch_norm_momentum=0.9,
    ema_half_life=None,
    seed=0,
):
    """Builds a DCGAN; the defaults are the network that people know by that name.

    Args:
        image_size: Side of the square images: 28, or a power of two from 16 to 256.
        channels: 1 or 3, or any other number.
        latent_dim: Length of a latent vector.
        latent_distribution: "normal" or "uniform".
        latent_bound: Uniform latents lie in [-latent_bound, latent_bound).
        base_filters: Width of the convolution next to the image.
        kernel_size: 4 (`recipe: common`) or 5 (the authors' code); 3 in any case in the layer
            from side 4 to 7, which images of 28 have.
        dense_ends: Batch-normalise the units of the generator's first layer one by one, and
            end the discriminator in a dense layer, as the authors' code does.
        batch_norm_epsilon: Added to the variance.
        batch_norm_momentum: Share of the old statistics that one step keeps.
        ema_half_life: Half-life, in images, of an averaged generator; None for none.
        seed: Seed of all that training draws.

    Returns:
        A `DCGAN`, not compiled.

    Raises:
        GanzooError: The image size is none of those, or a number is out of its range.
    """
    for name, number in (("channels", channels), ("base_filters", base_filters)):
        check_whole(name, number)
    check_whole("kernel_size", kernel_size)
    check_number("batch_norm_epsilon", batch_norm_epsilon, positive=True)
    check_number("batch_norm_momentum", batch_norm_momentum, below=1.0)
    if not (is_whole(image_size) and image_size in (16, 28, 32, 64, 128, 256)):
        raise GanzooError(
            f"A DCGAN cannot have image_size {image_size!r}. Use 28, 16, 32, 64, 128 or 256."
        )
    shape = {
        "image_size": image_size,
        "channels": channels,
        "base_filters": base_filters,
        "kernel_size": kernel_size,
        "dense_ends": dense_ends,
        "epsilon": batch_norm_epsilon,
        "momentum": batch_norm_momentum,
    }
    return DCGAN(
        build_generator(latent_dim, **shape),
        build_discriminator(**shape),
        latent_dim,
        latent_distribution=latent_distribution,
        latent_bound=latent_bound,
        ema_half_life=ema_half_life,
        seed=seed,
    )
