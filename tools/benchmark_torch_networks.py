"""The rival's networks: the four families' layers in PyTorch, with ganzoo's parameter counts.

Written from the papers and from what their official code does, as someone would who trains them
in PyTorch. `build` takes the arguments of ganzoo's own `build` that decide shapes.
"""

import math

import torch
from torch import nn
from torch.nn import functional

_GAIN = math.sqrt(2)  # He et al. 2015, for (leaky) ReLU


def build(family, model):
    """Builds the networks of a family by name, from the `model` section of a preset."""
    return {"gan": _gan, "dcgan": _dcgan, "progan": _progan, "cyclegan": _cyclegan}[family](**model)


def count_parameters(network):
    """Counts the trained numbers of a network."""
    return sum(parameter.numel() for parameter in network.parameters() if parameter.requires_grad)


def _gan(
    image_shape, latent_dim, generator_units, discriminator_units, maxout_pieces,
    input_dropout, hidden_dropout, **_,
):  # fmt: skip
    pixels = math.prod(image_shape)
    widths = [latent_dim, *generator_units]
    layers = []
    for inputs, outputs in zip(widths, widths[1:], strict=False):
        layers += [nn.Linear(inputs, outputs), nn.ReLU()]
    height, width, channels = image_shape
    layers += [
        nn.Linear(widths[-1], pixels), nn.Sigmoid(), nn.Unflatten(1, (channels, height, width))
    ]  # fmt: skip
    judge = [nn.Flatten(), nn.Dropout(input_dropout)]
    widths = [pixels, *discriminator_units]
    for inputs, outputs in zip(widths, widths[1:], strict=False):
        judge += [Maxout(inputs, outputs, maxout_pieces), nn.Dropout(hidden_dropout)]
    judge += [nn.Linear(widths[-1], 1)]
    return {"generator": nn.Sequential(*layers), "discriminator": nn.Sequential(*judge)}


class Maxout(nn.Module):
    """The largest of some affine maps for each unit."""

    def __init__(self, inputs, units, pieces):
        super().__init__()
        self.affine = nn.Linear(inputs, units * pieces)
        self.shape = (units, pieces)

    def forward(self, x):
        return self.affine(x).unflatten(1, self.shape).amax(-1)


def _dcgan(image_size, channels, latent_dim, base_filters, **_):
    if image_size & (image_size - 1):
        raise ValueError(f"The rival's DCGAN has no side of {image_size}, only powers of two.")
    levels = int(math.log2(image_size)) - 2
    widths = [base_filters * 2**level for level in range(levels)]
    layers = [nn.Unflatten(1, (latent_dim, 1, 1))]
    layers += [nn.ConvTranspose2d(latent_dim, widths[-1], 4, 1, 0, bias=False)]
    for inputs, outputs in zip(widths[::-1], [*widths[-2::-1], channels], strict=True):
        layers += [nn.BatchNorm2d(inputs), nn.ReLU(True)]
        layers += [nn.ConvTranspose2d(inputs, outputs, 4, 2, 1, bias=False)]
    judge = [nn.Conv2d(channels, widths[0], 4, 2, 1, bias=False), nn.LeakyReLU(0.2, True)]
    for inputs, outputs in zip(widths, widths[1:], strict=False):
        judge += [nn.Conv2d(inputs, outputs, 4, 2, 1, bias=False)]
        judge += [nn.BatchNorm2d(outputs), nn.LeakyReLU(0.2, True)]
    judge += [nn.Conv2d(widths[-1], 1, 4, 1, 0, bias=False), nn.Flatten()]
    return {
        "generator": nn.Sequential(*layers, nn.Tanh()),
        "discriminator": nn.Sequential(*judge),
    }


def _cyclegan(channels, base_filters, residual_blocks, discriminator_filters, **_):
    def generator():
        return _residual_generator(channels, base_filters, residual_blocks)

    def discriminator():
        return _patch_discriminator(channels, discriminator_filters)

    return {
        "generator_ab": generator(),
        "generator_ba": generator(),
        "discriminator_a": discriminator(),
        "discriminator_b": discriminator(),
    }


def _residual_generator(channels, filters, blocks):
    layers = [nn.ReflectionPad2d(3), nn.Conv2d(channels, filters, 7), *_norm_relu(filters)]
    for width in (filters, 2 * filters):
        layers += [nn.Conv2d(width, 2 * width, 3, 2, 1), *_norm_relu(2 * width)]
    layers += [ResidualBlock(4 * filters) for _ in range(blocks)]
    for width in (4 * filters, 2 * filters):
        layers += [nn.ConvTranspose2d(width, width // 2, 3, 2, 1, 1), *_norm_relu(width // 2)]
    return nn.Sequential(*layers, nn.ReflectionPad2d(3), nn.Conv2d(filters, channels, 7), nn.Tanh())


def _patch_discriminator(channels, filters, halvings=3):
    layers = [nn.Conv2d(channels, filters, 4, 2, 1), nn.LeakyReLU(0.2, True)]
    width = filters
    for number in range(1, halvings + 1):
        wider = filters * min(2**number, 8)
        stride = 2 if number < halvings else 1
        layers += [nn.Conv2d(width, wider, 4, stride, 1), nn.InstanceNorm2d(wider)]
        layers += [nn.LeakyReLU(0.2, True)]
        width = wider
    return nn.Sequential(*layers, nn.Conv2d(width, 1, 4, 1, 1))


class ResidualBlock(nn.Module):
    """Two convolutions under reflection padding, added to what came in."""

    def __init__(self, filters):
        super().__init__()
        self.inner = nn.Sequential(
            nn.ReflectionPad2d(1), nn.Conv2d(filters, filters, 3), *_norm_relu(filters),
            nn.ReflectionPad2d(1), nn.Conv2d(filters, filters, 3), nn.InstanceNorm2d(filters),
        )  # fmt: skip

    def forward(self, x):
        return x + self.inner(x)


def _norm_relu(filters):
    return [nn.InstanceNorm2d(filters), nn.ReLU(True)]


def _progan(
    image_size, channels, latent_dim, base_filters, max_filters, group_size,
    fused=False, pool_activations=False, **_,
):  # fmt: skip
    def filters(side):
        return min(base_filters * image_size // side, max_filters)

    sides = [2**power for power in range(3, image_size.bit_length())]
    return {
        "generator": GrownGenerator(latent_dim, channels, filters, sides, fused),
        "discriminator": GrownDiscriminator(
            channels, filters, sides, fused, group_size, pool_activations
        ),
    }


class EqualConv(nn.Module):
    """A convolution with N(0, 1) weights, scaled in every call.

    Args:
        resample: "up" or "down": a strided convolution in one with doubling or halving.
    """

    def __init__(self, inputs, outputs, side, gain=_GAIN, resample=None):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs, side, side))
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.scale = gain / math.sqrt(inputs * side * side)
        self.resample = resample

    def forward(self, x):
        weight = self.weight * self.scale
        padding = weight.shape[-1] // 2
        if self.resample is None:
            return functional.conv2d(x, weight, self.bias, padding=padding)
        weight = functional.pad(weight, (1, 1, 1, 1))
        weight = sum(
            weight[:, :, i : i - 1 or None, j : j - 1 or None] for i in (0, 1) for j in (0, 1)
        )
        if self.resample == "down":
            return functional.conv2d(x, weight / 4, self.bias, stride=2, padding=1)
        weight = weight.flip(2, 3).transpose(0, 1)
        return functional.conv_transpose2d(x, weight, self.bias, stride=2, padding=1)


class EqualLinear(nn.Module):
    """A dense layer with N(0, 1) weights, scaled in every call."""

    def __init__(self, inputs, outputs, gain=_GAIN):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs))
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.scale = gain / math.sqrt(inputs)

    def forward(self, x):
        return functional.linear(x, self.weight * self.scale, self.bias)


def _pixel_norm(x):
    return x * torch.rsqrt(x.square().mean(1, keepdim=True) + 1e-8)


def _relu(x):
    return functional.leaky_relu(x, 0.2)


class GrownGenerator(nn.Module):
    """The progressive GAN's generator at its largest side, wholly grown."""

    def __init__(self, latent_dim, channels, filters, sides, fused):
        super().__init__()
        width = filters(4)
        self.fused = fused
        # The bias belongs to the channels of the 4×4, and not to its values.
        self.dense = nn.Parameter(torch.randn(16 * width, latent_dim))
        self.dense_bias = nn.Parameter(torch.zeros(width, 1, 1))
        self.dense_scale = math.sqrt(2) / 4 / math.sqrt(latent_dim)
        self.first = EqualConv(width, width, 3)
        self.blocks, rgb = nn.ModuleList(), [EqualConv(width, channels, 1, gain=1.0)]
        for side in sides:
            inputs, outputs = filters(side // 2), filters(side)
            up = EqualConv(inputs, outputs, 3, resample="up" if fused else None)
            self.blocks.append(nn.ModuleList([up, EqualConv(outputs, outputs, 3)]))
            rgb.append(EqualConv(outputs, channels, 1, gain=1.0))
        self.to_rgb = nn.ModuleList(rgb)

    def forward(self, latents):
        x = functional.linear(_pixel_norm(latents), self.dense * self.dense_scale)
        x = x.unflatten(1, (-1, 4, 4)) + self.dense_bias
        x = _pixel_norm(_relu(self.first(_pixel_norm(_relu(x)))))
        for up, second in self.blocks:
            if not self.fused:
                x = functional.interpolate(x, scale_factor=2)
            x = _pixel_norm(_relu(up(x)))
            x = _pixel_norm(_relu(second(x)))
        return self.to_rgb[-1](x)


class GrownDiscriminator(nn.Module):
    """The progressive GAN's discriminator at its largest side, wholly grown."""

    def __init__(self, channels, filters, sides, fused, group_size, pool_activations):
        super().__init__()
        fused = fused and not pool_activations
        self.fused, self.group_size, self.pool_activations = fused, group_size, pool_activations
        self.blocks, rgb = nn.ModuleList(), [EqualConv(channels, filters(4), 1)]
        for side in sides:
            width, wider = filters(side), filters(side // 2)
            down = EqualConv(width, wider, 3, resample="down" if fused else None)
            self.blocks.insert(0, nn.ModuleList([EqualConv(width, width, 3), down]))
            rgb.append(EqualConv(channels, width, 1))
        self.from_rgb = nn.ModuleList(rgb)
        self.last = EqualConv(filters(4) + 1, filters(4), 3)
        self.dense = EqualLinear(16 * filters(4), filters(2))
        self.logits = EqualLinear(filters(2), 1, gain=1.0)

    def forward(self, images):
        x = _relu(self.from_rgb[-1](images))
        for first, second in self.blocks:
            x = second(_relu(first(x)))
            if self.fused:
                x = _relu(x)
            elif self.pool_activations:
                x = functional.avg_pool2d(_relu(x), 2)
            else:
                x = _relu(functional.avg_pool2d(x, 2))
        x = _relu(self.last(self._with_spread(x)))
        return self.logits(_relu(self.dense(x.flatten(1))))

    def _with_spread(self, x):
        batch, _, height, width = x.shape
        size = min(self.group_size or batch, batch)
        groups = x.float().unflatten(0, (size, -1))
        spread = (groups - groups.mean(0)).square().mean(0).add(1e-8).sqrt().mean((1, 2, 3))
        spread = spread.repeat(size).to(x.dtype).view(batch, 1, 1, 1)
        return torch.cat([x, spread.expand(batch, 1, height, width)], 1)
