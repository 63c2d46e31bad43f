"""The networks behind tests/porting/fixtures, in PyTorch, under the published checkpoints' names.

Written from the papers and from the names and shapes of the published checkpoints.
"""

import torch
from torch import nn
from torch.nn import functional

LEAK = 0.2


# --- CycleGAN ---------------------------------------------------------------------------------


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions under reflection padding; `conv_block.1, .2, .5, .6` hold weights."""

    def __init__(self, filters, affine):
        super().__init__()
        layers = []
        for last in (False, True):
            layers += [nn.ReflectionPad2d(1), nn.Conv2d(filters, filters, 3)]
            layers += [nn.InstanceNorm2d(filters, affine=affine)] + [nn.ReLU()] * (not last)
        self.conv_block = nn.Sequential(*layers)

    def forward(self, images):
        return images + self.conv_block(images)


class ResNetGenerator(nn.Module):
    """c7s1-f, d2f, d4f, R4f x blocks, u2f, uf, c7s1-3 (Zhu et al. 2017, appendix 7.2)."""

    def __init__(self, filters, blocks, affine, channels=3):
        super().__init__()

        def normalised(layer, width):
            return [layer, nn.InstanceNorm2d(width, affine=affine), nn.ReLU()]

        layers = [nn.ReflectionPad2d(3)]
        layers += normalised(nn.Conv2d(channels, filters, 7), filters)
        for width in (2 * filters, 4 * filters):
            layers += normalised(nn.Conv2d(width // 2, width, 3, 2, 1), width)
        layers += [ResidualBlock(4 * filters, affine) for _ in range(blocks)]
        for width in (2 * filters, filters):
            layers += normalised(nn.ConvTranspose2d(2 * width, width, 3, 2, 1, 1), width)
        layers += [nn.ReflectionPad2d(3), nn.Conv2d(filters, channels, 7), nn.Tanh()]
        self.model = nn.Sequential(*layers)

    def forward(self, images):
        return self.model(images)


class PatchDiscriminator(nn.Module):
    """C-f (no norm), C-2f, C-4f, C-8f with stride 1, and a 4x4 convolution to one logit.

    The authors' PyTorch code pads by 1, their Lua code by 2.
    """

    def __init__(self, filters, affine, channels=3, padding=1):
        super().__init__()
        layers = [nn.Conv2d(channels, filters, 4, 2, padding), nn.LeakyReLU(LEAK)]
        for factor, stride in ((2, 2), (4, 2), (8, 1)):
            width = factor * filters
            layers += [nn.Conv2d(width // 2, width, 4, stride, padding)]
            layers += [nn.InstanceNorm2d(width, affine=affine), nn.LeakyReLU(LEAK)]
        self.model = nn.Sequential(*layers, nn.Conv2d(8 * filters, 1, 4, 1, padding))

    def forward(self, images):
        return self.model(images)


# --- DCGAN ------------------------------------------------------------------------------------


class DCGANGenerator(nn.Module):
    """The PyTorch examples' generator; `kernels` of the strided layers: 3 takes 4x4 to 7x7."""

    def __init__(self, latent_dim, filters, channels, kernels):
        super().__init__()
        width = filters * 2 ** (len(kernels) - 1)
        layers = [nn.ConvTranspose2d(latent_dim, width, 4, 1, 0, bias=False)]
        for kernel in kernels[:-1]:
            layers += [nn.BatchNorm2d(width), nn.ReLU()]
            layers += [nn.ConvTranspose2d(width, width // 2, kernel, 2, 1, bias=False)]
            width //= 2
        layers += [nn.BatchNorm2d(width), nn.ReLU()]
        layers += [nn.ConvTranspose2d(width, channels, kernels[-1], 2, 1, bias=False), nn.Tanh()]
        self.main = nn.Sequential(*layers)

    def forward(self, latents):
        return self.main(latents[:, :, None, None])


class DCGANDiscriminator(nn.Module):
    """The PyTorch examples' discriminator, logits instead of the sigmoid of them."""

    def __init__(self, filters, channels, depth, last_stride, last_padding):
        super().__init__()
        layers = [nn.Conv2d(channels, filters, 4, 2, 1, bias=False), nn.LeakyReLU(LEAK)]
        for width in (filters * 2**k for k in range(1, depth)):
            layers += [nn.Conv2d(width // 2, width, 4, 2, 1, bias=False)]
            layers += [nn.BatchNorm2d(width), nn.LeakyReLU(LEAK)]
        layers += [nn.Conv2d(width, 1, 4, last_stride, last_padding, bias=False)]
        self.main = nn.Sequential(*layers)

    def forward(self, images):
        return self.main(images).flatten(1)


# --- the progressive GAN ----------------------------------------------------------------------


class Equalized(nn.Module):
    """A layer whose whole output, bias included, is scaled by sqrt(2 / fan-in)."""

    def __init__(self, module):
        super().__init__()
        self.module = module
        nn.init.normal_(module.weight)
        self.scale = (2 / module.weight[0].numel()) ** 0.5

    def forward(self, inputs):
        return self.module(inputs) * self.scale


def convolution(inputs, outputs, kernel):
    return Equalized(nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2))


def pixel_norm(features):
    return features * ((features**2).mean(1, keepdim=True) + 1e-8).rsqrt()


class GNet(nn.Module):
    """The generator at its last resolution, under the names of pytorch_GAN_zoo."""

    def __init__(self, latent_dim, depths, channels=3):
        super().__init__()
        self.formatLayer = Equalized(nn.Linear(latent_dim, 16 * depths[0]))
        self.groupScale0 = nn.ModuleList([convolution(depths[0], depths[0], 3)])
        self.scaleLayers = nn.ModuleList(
            nn.ModuleList([convolution(before, depth, 3), convolution(depth, depth, 3)])
            for before, depth in zip(depths, depths[1:], strict=False)
        )
        self.toRGBLayers = nn.ModuleList(convolution(depth, channels, 1) for depth in depths)

    def forward(self, latents):
        features = functional.leaky_relu(self.formatLayer(pixel_norm(latents)), LEAK)
        features = pixel_norm(features.view(len(latents), -1, 4, 4))
        for scale, layers in enumerate([self.groupScale0, *self.scaleLayers]):
            if scale:
                features = features.repeat_interleave(2, 2).repeat_interleave(2, 3)
            for layer in layers:
                features = pixel_norm(functional.leaky_relu(layer(features), LEAK))
        return self.toRGBLayers[-1](features)


class DNet(nn.Module):
    """The discriminator; its minibatch statistic takes neighbours and the unbiased variance."""

    def __init__(self, depths, channels=3, outputs=1):
        super().__init__()
        self.decisionLayer = Equalized(nn.Linear(depths[0], outputs))
        self.groupScaleZero = nn.ModuleList(
            [
                convolution(depths[0] + 1, depths[0], 3),
                Equalized(nn.Linear(16 * depths[0], depths[0])),
            ]
        )
        self.scaleLayers = nn.ModuleList(
            nn.ModuleList([convolution(depth, depth, 3), convolution(depth, after, 3)])
            for after, depth in zip(depths, depths[1:], strict=False)
        )
        self.fromRGBLayers = nn.ModuleList(convolution(channels, depth, 1) for depth in depths)

    def forward(self, images):
        features = functional.leaky_relu(self.fromRGBLayers[-1](images), LEAK)
        for layers in reversed(self.scaleLayers):
            for layer in layers:
                features = functional.leaky_relu(layer(features), LEAK)
            features = functional.avg_pool2d(features, 2)
        features = self.with_deviation(features)
        features = functional.leaky_relu(self.groupScaleZero[0](features), LEAK)
        features = functional.leaky_relu(self.groupScaleZero[1](features.flatten(1)), LEAK)
        return self.decisionLayer(features)

    def with_deviation(self, features):
        batch, _, height, width = features.shape
        group = 4 if batch % 4 == 0 else batch
        variance = features.view(-1, group, *features.shape[1:]).var(1)
        mean = (variance + 1e-8).sqrt().mean((1, 2, 3)).repeat_interleave(group)
        extra = mean.view(batch, 1, 1, 1).expand(batch, 1, height, width)
        return torch.cat([features, extra], 1)
