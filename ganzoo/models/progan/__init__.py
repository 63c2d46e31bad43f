"""The progressive GAN: Karras et al. 2018, Progressive Growing of GANs for Improved Quality,
Stability, and Variation, arXiv:1710.10196."""

from ganzoo.checks import check_choice, check_whole
from ganzoo.errors import GanzooError
from ganzoo.layers import is_power_of_two
from ganzoo.models.progan.model import ProgressiveGAN
from ganzoo.models.progan.networks import build_discriminator, build_generator
from ganzoo.models.progan.schedule import Schedule

PAPER = "https://arxiv.org/abs/1710.10196"
MODEL = ProgressiveGAN
STATISTICS = ("official", "pytorch_gan_zoo")


def build(
    image_size=1024,
    channels=3,
    latent_dim=512,
    classes=0,
    base_filters=16,
    max_filters=512,
    group_size=4,
    group_statistic="official",
    pool_activations=False,
    unit_biases=False,
    ema_decay=0.999,
    ema_half_life=None,
    seed=0,
):
    """Builds a progressive GAN; the defaults are those of the authors' TensorFlow code.

    Args:
        image_size: Side of the largest images, a power of two from 4 to 1024.
        channels: 1 or 3, or any other number.
        latent_dim: Length of a latent vector; they are N(0, 1) and normalised to one length.
        classes: How many of a latent's last values are its image's class, as a one-hot vector;
            the discriminator then tells classes apart. For networks that were trained elsewhere:
            with classes they make images, and cannot be trained here.
        base_filters: Width of the convolutions at `image_size`; doubled with each halving.
        max_filters: Greatest width.
        group_size: Images in a group of the minibatch statistics; None for the whole batch,
            as in the paper.
        group_statistic: "official", or "pytorch_gan_zoo" for networks that come from there;
            see `ganzoo.equalized.MinibatchStdDev`.
        pool_activations: Halve the side after the activation, as in the paper's table, not
            before it, as the TensorFlow code does.
        unit_biases: Give each value of the generator's first layer a bias of its own, not
            each channel; for networks that come from PyTorch.
        ema_decay: Share of the averaged generator that a step keeps; None for no average.
        ema_half_life: Half-life of the average in images, in place of that.
        seed: Seed of all that training draws.

    Returns:
        A `ProgressiveGAN`, not compiled.

    Raises:
        GanzooError: The image size, the classes or the statistic are none of those, or a number
            is too small.
    """
    shape = {
        "image_size": image_size,
        "channels": channels,
        "base_filters": base_filters,
        "max_filters": max_filters,
    }
    _check(latent_dim, classes, group_size, group_statistic, **shape)
    discriminator = build_discriminator(
        group_size=group_size,
        group_statistic=group_statistic,
        pool_activations=pool_activations,
        classes=classes,
        **shape,
    )
    return ProgressiveGAN(
        build_generator(latent_dim, unit_biases=unit_biases, **shape),
        discriminator,
        latent_dim,
        ema_decay=ema_decay if ema_half_life is None else None,
        ema_half_life=ema_half_life,
        seed=seed,
    )


def written_out(phases, settings):
    """Writes the phases of one of the authors' tables as a list.

    Args:
        phases: Name of the table.
        settings: Arguments of `build`, by name; an image size that it refuses leaves the name.
    """
    image_size = settings.get("image_size", 1024)
    return Schedule.of(phases, image_size).rows if _is_side(image_size) else phases


def _is_side(image_size):
    return is_power_of_two(image_size) and 4 <= image_size <= 1024


def _check(latent_dim, classes, group_size, group_statistic, *, image_size, **widths):
    if not _is_side(image_size):
        raise GanzooError(
            f"A progressive GAN cannot have image_size {image_size!r}. Use a power of two from 4 "
            "to 1024."
        )
    for name, number in (widths | {"latent_dim": latent_dim}).items():
        check_whole(name, number)
    if group_size is not None:
        check_whole("group_size", group_size)
    check_whole("classes", classes, least=0)
    if not 0 <= classes < latent_dim:
        raise GanzooError(
            f"classes is {classes}, and each takes one of the {latent_dim} values of a latent. "
            "Use 0 for none, or make latent_dim longer by the number of classes."
        )
    check_choice(f"group_statistic is {group_statistic!r}", group_statistic, STATISTICS)
