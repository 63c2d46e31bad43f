"""CycleGAN: Zhu et al. 2017, Unpaired Image-to-Image Translation using Cycle-Consistent
Adversarial Networks, arXiv:1703.10593."""

from ganzoo.checks import check_whole
from ganzoo.models.cyclegan.model import CycleGAN
from ganzoo.models.cyclegan.networks import build_discriminator, build_generator
from ganzoo.models.cyclegan.schedule import LinearDecay as LinearDecay

PAPER = "https://arxiv.org/abs/1703.10593"
MODEL = CycleGAN


def build(
    channels=3,
    base_filters=64,
    residual_blocks=9,
    discriminator_filters=64,
    discriminator_layers=3,
    discriminator_padding=1,
    affine=False,
    seed=0,
):
    """Builds a CycleGAN for images of any size; the defaults are the authors' PyTorch code's.

    Args:
        channels: Of the images of both domains.
        base_filters: Width of the generators' first convolution.
        residual_blocks: 9 for images of 256 and more, 6 for 128.
        discriminator_filters: Width of the discriminators' first convolution.
        discriminator_layers: Convolutions that halve: 3 for patches of 70×70.
        discriminator_padding: Zeros around each convolution of the discriminators: 1, or 2 in
            the paper's Lua code.
        affine: Give instance norm a scale and an offset, as the Lua code does.
        seed: Seed of all that training draws.

    Returns:
        A `CycleGAN`, not compiled.

    Raises:
        GanzooError: A number is no whole one, or too small.
    """
    for name, number in {
        "channels": channels,
        "base_filters": base_filters,
        "residual_blocks": residual_blocks,
        "discriminator_filters": discriminator_filters,
        "discriminator_layers": discriminator_layers,
    }.items():
        check_whole(name, number)
    check_whole("discriminator_padding", discriminator_padding, least=0)
    generator = {
        "channels": channels,
        "base_filters": base_filters,
        "residual_blocks": residual_blocks,
        "affine": affine,
    }
    discriminator = {
        "channels": channels,
        "base_filters": discriminator_filters,
        "layer_count": discriminator_layers,
        "padding": discriminator_padding,
        "affine": affine,
    }
    return CycleGAN(
        build_generator("generator_ab", **generator),
        build_generator("generator_ba", **generator),
        build_discriminator("discriminator_a", **discriminator),
        build_discriminator("discriminator_b", **discriminator),
        seed=seed,
    )
