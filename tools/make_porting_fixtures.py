"""Writes the checkpoints that tests/porting reads: random weights in each PyTorch layout and
format, with PyTorch's own outputs beside them.

Run with PyTorch, which ganzoo itself never needs (2.13.0 made the files that are committed):

    python tools/make_porting_fixtures.py tests/porting/fixtures

The widths are a few filters: what is tested is the map, not the pictures.
"""

import collections
import pathlib
import sys
import types

import numpy as np
import torch
from porting_networks import (
    DCGANDiscriminator,
    DCGANGenerator,
    DNet,
    GNet,
    PatchDiscriminator,
    ResNetGenerator,
)
from torch import nn


class BaseConfig:
    """Stands for the class whose live object pytorch_GAN_zoo stores beside its tensors."""


def base_config(**attributes):
    """Makes a config that pickles under the name `models.utils.config.BaseConfig`."""
    module = types.ModuleType("models.utils.config")
    module.BaseConfig = BaseConfig
    BaseConfig.__module__ = module.__name__
    sys.modules |= {"models": module, "models.utils": module, module.__name__: module}
    config = BaseConfig()
    vars(config).update(attributes)
    return config


def randomise(network):
    """Gives every norm its own scale, offset and statistics; no bias is zero, no output flat."""
    for name, tensor in network.state_dict().items():
        if name.startswith("main.") and tensor.ndim == 4:
            nn.init.kaiming_normal_(tensor)
        if tensor.ndim <= 1 and tensor.is_floating_point():
            tensor.normal_(0, 0.3)
            if name.endswith(("running_var", "weight")):
                tensor.abs_().add_(0.5)
    return network.eval()


def outputs(network, *shape, classes=0):
    """Runs a network on normal inputs, with a class at their end where there are classes.

    Returns both, as numpy arrays in PyTorch's layout.
    """
    # Few bits, so that the files compress; each image of a batch with a contrast of its own.
    contrast = torch.linspace(0.5, 2, shape[0]).view(-1, *[1] * (len(shape) - 1))
    inputs = (torch.randn(shape) * contrast * 8).round() / 8
    if classes:
        labels = torch.arange(shape[0]) % classes
        inputs = torch.cat([inputs, nn.functional.one_hot(labels, classes)], 1)
    with torch.no_grad():
        results = network(inputs)
    if results.std() < 0.05 or (results.abs() == 1).any():
        raise SystemExit(f"{type(network).__name__} gives flat outputs: change the seed or widths")
    return {"inputs": inputs.numpy(), "outputs": results.numpy()}


def save(folder, name, content, legacy=False, **arrays):
    """Writes `name`.pth and, if there are any, the arrays to compare with as `name`.npz."""
    torch.save(content, folder / f"{name}.pth", _use_new_zipfile_serialization=not legacy)
    if arrays:
        np.savez_compressed(folder / f"{name}.npz", **arrays)


def prefixed(**parts):
    return {
        f"{part}_{key}": array for part, arrays in parts.items() for key, array in arrays.items()
    }


def make_cyclegan(folder):
    for blocks, affine, legacy in ((9, False, True), (6, True, False), (9, True, False)):
        network = randomise(ResNetGenerator(2, blocks, affine))
        name = f"cyclegan_resnet{blocks}" + "_affine" * affine
        save(folder, name, network.state_dict(), legacy, **outputs(network, 2, 3, 24, 32))
    networks = {
        "G_A": randomise(ResNetGenerator(2, 6, False)),
        "G_B": randomise(ResNetGenerator(2, 6, False)),
        "D_A": randomise(PatchDiscriminator(2, False)),
        "D_B": randomise(PatchDiscriminator(2, False)),
    }
    content = {name: network.state_dict() for name, network in networks.items()}
    results = {name: outputs(network, 1, 3, 32, 32) for name, network in networks.items()}
    save(folder, "cyclegan_both", {"epoch": 3, **content}, **prefixed(**results))


def make_dcgan(folder):
    generator = randomise(DCGANGenerator(8, 4, 3, (4, 4, 4, 4)))
    save(folder, "dcgan64_generator", generator.state_dict(), **outputs(generator, 3, 8))
    discriminator = randomise(DCGANDiscriminator(2, 3, 4, 1, 0))
    images = outputs(discriminator, 3, 3, 64, 64)
    save(folder, "dcgan64_discriminator", discriminator.state_dict(), True, **images)
    generator = randomise(DCGANGenerator(8, 4, 1, (3, 4, 4)))
    discriminator = randomise(DCGANDiscriminator(4, 1, 3, 2, 1))
    optimizer = torch.optim.Adam(generator.parameters(), 2e-4, (0.5, 0.999))
    generator(torch.randn(2, 8)).sum().backward()
    optimizer.step()
    content = {"netG": generator.state_dict(), "netD": discriminator.state_dict()}
    content["optimizerG"] = optimizer.state_dict()
    results = {"netG": outputs(generator, 3, 8), "netD": outputs(discriminator, 3, 1, 28, 28)}
    save(folder, "dcgan28_both", content, **prefixed(**results))


def make_progan(folder):
    depths = [16, 16, 16, 8]  # narrower, and pixel norm would magnify the rounding
    config = base_config(
        depthScale0=depths[0],
        depthOtherScales=depths[1:],
        latentVectorDim=8,
        dimOutput=3,
        alpha=0,
        lossCriterion="WGANGP",
        miniBatchStdDev=True,
        attribKeysOrder=None,
    )
    networks = {"netG": GNet(8, depths), "netD": DNet(depths), "avgG": GNet(8, depths)}
    networks = {name: randomise(network) for name, network in networks.items()}
    content = {name: network.state_dict() for name, network in networks.items()}
    results = {name: outputs(networks[name], 3, 8) for name in ("netG", "avgG")}
    results |= {"netD": outputs(networks["netD"], 8, 3, 32, 32)}
    results |= {"netD5": outputs(networks["netD"], 5, 3, 32, 32)}
    save(folder, "progan32", {"config": config, **content}, True, **prefixed(**results))


def make_progan_of_classes(folder):
    """As trained with AC-GAN: latents end in a class, and D has an output more for each."""
    depths, noise, names = [16, 16, 8], 8, ["woven", "banded", "dotted"]
    latents = noise + len(names)
    config = base_config(
        depthScale0=depths[0],
        depthOtherScales=depths[1:],
        noiseVectorDim=noise,
        categoryVectorDim=len(names),
        latentVectorDim=latents,
        dimOutput=3,
        alpha=0,
        lossCriterion="WGANGP",
        miniBatchStdDev=True,
        attribKeysOrder={"Main": {"order": 0, "values": names}},
    )
    generator = randomise(GNet(latents, depths))
    discriminator = randomise(DNet(depths, outputs=1 + len(names)))
    content = {"netG": generator.state_dict(), "netD": discriminator.state_dict()}
    results = {"netG": outputs(generator, 4, noise, classes=len(names))}
    results |= {"netD": outputs(discriminator, 8, 3, 16, 16)}
    save(folder, "progan16_classes", {"config": config, **content}, True, **prefixed(**results))


def make_reader(folder):
    """Every dtype, shared and strided storages, and what else checkpoints carry."""
    base = torch.arange(24.0).reshape(2, 3, 4)
    model = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))
    optimizer = torch.optim.Adam(model.parameters())
    model(torch.randn(4, 2)).sum().backward()
    optimizer.step()
    tensors = collections.OrderedDict(
        base=base, transposed=base.transpose(0, 2), part=base[1, :, ::2], empty=base[:0]
    )
    for dtype in (torch.float16, torch.bfloat16, torch.float64, torch.int64, torch.uint8):
        tensors[str(dtype).removeprefix("torch.")] = (base * 1.7).to(dtype)
    tensors |= {"bool": base > 5, "scalar": torch.tensor(5), "parameter": nn.Parameter(base / 3)}
    content = {"tensors": tensors, "model": model.state_dict(), "optimizer": optimizer.state_dict()}
    content |= {"config": base_config(depth=3, names=["a", "b"]), "epoch": 7, "size": base.shape}
    content |= {"notes": ["x", None, 2.5, True, b"raw", {1, 2}], "device": torch.device("cpu")}
    arrays = {f"tensors.{name}": tensor for name, tensor in tensors.items()}
    arrays |= {f"model.{name}": tensor for name, tensor in model.state_dict().items()}
    arrays = {name: tensor.detach() for name, tensor in arrays.items()}
    arrays["tensors.bfloat16"] = arrays["tensors.bfloat16"].float()
    arrays = {name: tensor.numpy() for name, tensor in arrays.items()}
    save(folder, "reader_zip", content)
    save(folder, "reader_legacy", content, legacy=True, **arrays)


def make_paper_discriminator(folder):
    """The discriminator of CycleGAN's Lua code: padding of 2, norms with scale and offset."""
    network = randomise(PatchDiscriminator(2, True, padding=2))
    arrays = outputs(network, 2, 3, 24, 32)
    save(folder, "cyclegan_paper_discriminator", network.state_dict(), **arrays)


def main(folder):
    torch.manual_seed(2)
    folder = pathlib.Path(folder)
    make_all = (make_cyclegan, make_dcgan, make_progan, make_reader, make_paper_discriminator)
    make_all += (make_progan_of_classes,)  # the last: each file depends on those before it
    for make in make_all:
        make(folder)


if __name__ == "__main__":
    main(*sys.argv[1:])
