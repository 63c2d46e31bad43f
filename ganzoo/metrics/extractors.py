"""Networks that turn images into features, each with a name and a sha256 for the protocol."""

import dataclasses
import os
import pathlib
import re
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from ganzoo.checks import check_unused
from ganzoo.errors import GanzooError, WeightsError, nearest
from ganzoo.files import sha256_of
from ganzoo.metrics import resizers
from ganzoo.metrics.keras_models import open_keras_model
from ganzoo.metrics.named_parameters import load_named_parameters
from ganzoo.metrics.running import on_all_replicas
from ganzoo.metrics.saved_models import open_saved_model, output_named

# Of the sha256 no more than these digits was published, in the files' own names.
INCEPTION_SHA256 = "6726825d"
INCEPTION_SOURCES = (
    "https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights/"
    "pt_inception-2015-12-05-6726825d.pth",
    "https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/"
    "weights-inception-2015-12-05-6726825d.pth",
)
# The classifiers that ship, as `tools/train_lenet.py` makes them, with the sha256 of their files.
LENETS = {
    "lenet_mnist": "ab68b9397d1953eb8868ac2c825e6023ae441b7262a2b0badd273396494b1720",
    "lenet_fashion_mnist": "19bc0b0cc1750f8e1d40b2602f72829e3b750913632e469ae16b54349657b10c",
}
NAMES = ("inception", *LENETS)


@dataclasses.dataclass(frozen=True)
class Extractor:
    """A network, and how images are prepared for it.

    Attributes:
        name: Part of the names of the scores.
        sha256: Of the file or folder of weights; of a Keras model's architecture and weights.
        network: Maps float32 images `(n, *side, channels)` to a dict with `features` `(n, d)`
            and, for a classifier, `logits`.
        side: Height and width that the network takes; None where any will do.
        channels: 1 or 3.
        resizer: One of `resizers.RESIZERS`.
        low: What a grey level 0 becomes.
        high: What a grey level 255 becomes.
        standard: Whether this is the network, with the weights, on which FID is defined.
        whole: Whether the network takes whole numbers, to which levels between two are rounded.
    """

    name: str
    sha256: str
    network: Callable[[Any], dict[str, Any]]
    side: tuple[int, int] | None
    channels: int
    resizer: str
    low: float
    high: float
    standard: bool = False
    whole: bool = False

    def prepare(self, images) -> Any:
        """Brings grey levels `(n, h, w, c)`, uint8 or float in [0, 255], to the network's input.

        Grey images become colour by repetition, colour ones grey by ITU-R 601.
        """
        images = _with_channels(images, self.channels)
        if self.side is not None and tuple(images.shape[1:3]) != self.side:
            images = resizers.resize(images, self.side, self.resizer)
        scale = (self.high - self.low) / 255
        scaled = tf.cast(images, "float32") * scale + self.low
        return tf.round(scaled) if self.whole else scaled

    def __call__(self, images, outputs: tuple[str, ...] = ("features",)) -> dict[str, np.ndarray]:
        """Extracts from grey levels `(n, h, w, c)`: arrays float32 `(n, d)` by output name."""
        found = self.network(self.prepare(images))
        missing = [name for name in outputs if name not in found]
        if missing:
            raise GanzooError(
                f"The extractor {self.name!r} gives no {missing[0]}. Choose a classifier, such "
                f"as {' or '.join(NAMES)}, for metrics that need class probabilities."
            )
        return {name: _rows(found[name], self.name) for name in outputs}


def load_extractor(
    extractor: Any = "inception",
    *,
    weights: str | os.PathLike | None = None,
    resizer: str | None = None,
    name: str | None = None,
    pixel_range: tuple[float, float] | None = None,
) -> Extractor:
    """Loads the network that a score is measured in.

    Args:
        extractor: "inception", the FID network of 2015-12-05; "lenet_mnist" or
            "lenet_fashion_mnist", classifiers of digits and of clothes that ship; a folder with a
            SavedModel; a Keras model; or an `Extractor`.
        weights: A local file for one of the named networks. Inception takes any copy of the
            published weights, and its hash is in every score; the others take the
            parameters of another LeNet-5.
        resizer: How images get to the network's size; `legacy_tensorflow` for Inception and
            `legacy_pytorch` for the others by default.
        name: What the scores of a network of your own, or of `weights` of a LeNet-5, are called
            after; the network's or the folder's name by default.
        pixel_range: What grey levels 0 and 255 become, (-1, 1) by default, for networks of your
            own. Those that take integers get the grey levels themselves.

    Raises:
        GanzooError: An unknown name or resizer, an argument that changes nothing, or a network
            that takes no images or gives no features.
        WeightsError: Weights are missing, damaged, or of another network.
    """
    if resizer is not None:
        resizers.check_resizer(resizer)
    if isinstance(extractor, Extractor):
        check_unused("an Extractor", weights=weights, name=name, pixel_range=pixel_range)
        return dataclasses.replace(extractor, resizer=resizer or extractor.resizer)
    if extractor in NAMES:
        own_name = None if weights and extractor in LENETS else name
        check_unused(f"{extractor!r}", name=own_name, pixel_range=pixel_range)
    if extractor == "inception":
        return _inception(weights, resizer or "legacy_tensorflow")
    if isinstance(extractor, str) and extractor in LENETS:
        return _lenet(extractor, weights, resizer or "legacy_pytorch", name)
    if isinstance(extractor, keras.Model):
        network, spec, digest = open_keras_model(extractor)
        default_name = extractor.name
    else:
        folder = pathlib.Path(extractor)
        if not (folder / "saved_model.pb").is_file():
            raise GanzooError(
                f"{str(folder)!r} is no extractor. Give a folder with a SavedModel, a Keras model, "
                f"or one of {', '.join(NAMES)}." + nearest(folder, NAMES)
            )
        network, spec, digest = open_saved_model(folder)
        default_name = folder.resolve().name
    check_unused(f"{default_name!r}, a network of your own,", weights=weights)
    low, high = _range_for(spec.dtype, pixel_range or (-1.0, 1.0), default_name)
    shape = tuple(spec.shape)
    return Extractor(
        name=_own_name(name or default_name),
        sha256=digest,
        network=on_all_replicas(_as_features(network)),
        side=None if None in shape[1:3] else tuple(shape[1:3]),
        channels=shape[3] or 3,
        resizer=resizer or "legacy_pytorch",
        low=low,
        high=high,
        whole=spec.dtype.is_integer,
    )


def _range_for(dtype: tf.DType, wanted: tuple[float, float], name: str) -> tuple[float, float]:
    """What grey levels 0 and 255 become: nothing else for integers, which hold no fractions."""
    if not dtype.is_integer:
        return wanted
    if dtype.max < 255:
        raise GanzooError(
            f"The extractor {name!r} takes images of {dtype.name}, which does not reach 255. "
            "Export it with floats or uint8 as its input."
        )
    return 0.0, 255.0


def _inception(weights, resizer: str) -> Extractor:
    from ganzoo.metrics.inception import SIDE, inception_network

    path = _inception_file(weights)
    digest = sha256_of(path)
    network = inception_network()
    load_named_parameters(network, _read_parameters(path))
    standard = digest.startswith(INCEPTION_SHA256)
    return Extractor(
        name="inception" if standard else f"inception_{digest[:8]}",
        sha256=digest,
        network=on_all_replicas(lambda images: _renamed(network(images, training=False))),
        side=(SIDE, SIDE),
        channels=3,
        resizer=resizer,
        # (x − 128) / 128, as in the original graph.
        low=-1.0,
        high=127 / 128,
        standard=standard,
    )


def _renamed(outputs: dict[str, Any]) -> dict[str, Any]:
    # Only what scores use: the rest of the graph is not computed.
    return {"features": outputs["2048"], "logits": outputs["logits_unbiased"]}


def _inception_file(weights) -> pathlib.Path:
    """Finds the weights: where the caller says, or in the cache, fetched at the first time."""
    if weights is not None:
        return _existing(pathlib.Path(weights))
    from ganzoo import hub

    entries = [{"source": source, "sha256": INCEPTION_SHA256} for source in INCEPTION_SOURCES]
    try:
        return hub.fetch(entries)
    except WeightsError as error:
        raise WeightsError(
            f"{error} Or name a copy, as weights or --weights; digits can be scored with the "
            "extractor lenet_mnist, which needs no download."
        ) from error


def _lenet(which: str, weights, resizer: str, name: str | None) -> Extractor:
    from ganzoo.metrics.lenet import SIDE

    path = shipped_lenet(which) if weights is None else _existing(pathlib.Path(weights))
    network, digest = open_lenet(path), sha256_of(path)
    return Extractor(
        name=which if weights is None else _own_name(name or f"lenet_{digest[:8]}"),
        sha256=digest,
        network=on_all_replicas(lambda images: network(images, training=False)),
        side=(SIDE, SIDE),
        channels=1,
        resizer=resizer,
        low=0.0,
        high=1.0,
    )


def shipped_lenet(which: str) -> pathlib.Path:
    """Gives the path of a classifier's weights that ship, after a look at their hash."""
    path = pathlib.Path(__file__).parents[1] / "weights" / f"{which}.npz"
    digest = sha256_of(path)
    if digest != LENETS[which]:
        raise WeightsError(
            f"{path} is damaged: its sha256 is {digest}, not {LENETS[which]}. Install ganzoo again."
        )
    return path


def open_lenet(path: pathlib.Path) -> keras.Model:
    """Builds the LeNet-5 whose parameters lie at a path."""
    from ganzoo.metrics.lenet import lenet_network

    network = lenet_network()
    load_named_parameters(network, _read_parameters(path))
    return network


def _read_parameters(path: pathlib.Path) -> dict[str, np.ndarray]:
    from ganzoo.porting import flatten, read_checkpoint

    return flatten(read_checkpoint(path))


def _existing(path: pathlib.Path) -> pathlib.Path:
    if not path.is_file():
        raise WeightsError(f"There is no file of weights at {path}. Give the path of one.")
    return path


def _as_features(network: Callable) -> Callable[[Any], dict[str, Any]]:
    """Makes a network's only output, or its output called features, the `features`."""

    def extract(images):
        outputs = network(images)
        if not isinstance(outputs, dict):
            return {"features": outputs}
        return outputs | {"features": output_named("features", outputs, "The extractor")}

    return extract


def _own_name(name: str) -> str:
    """Makes a name for a network that is not ganzoo's: lower case, never a reserved one."""
    name = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_") or "features"
    return f"own_{name}" if name in NAMES else name


def _with_channels(images, channels: int):
    have = images.shape[-1]
    if have == channels:
        return images
    if have == 1:
        return np.repeat(images, channels, axis=-1)
    weights = np.array([0.299, 0.587, 0.114], np.float32)
    return (np.asarray(images, np.float32) @ weights)[..., None]


def _rows(values, name: str) -> np.ndarray:
    values = np.asarray(values, np.float32)
    if values.ndim != 2:
        raise GanzooError(
            f"The extractor {name!r} gives features of shape {values.shape}, not (n, d). End it "
            "with pooling or flattening."
        )
    return values
