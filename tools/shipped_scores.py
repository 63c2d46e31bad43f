"""How the scores of the models that come with the package are measured again."""

import dataclasses
import gzip
import pathlib
import types
from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np
from paper_inputs import FACES, FASHION_MNIST, HORSES, LENET5, MNIST, MNIST_LABELS
from paper_tables import Images, digits, parzen

import ganzoo
from ganzoo.metrics import linear_probe
from ganzoo.metrics.extractors import load_extractor

_SAMPLES = 10_000
_PATCHED = 16_384  # images that the official SWD takes patches of
_BLOCK = 500
_TEXTURES = ["textures:grass:test", "textures:brick:test"]
_PROBED = 20_000  # labelled images that a thousand are drawn from


@dataclasses.dataclass(frozen=True)
class Measure:
    """How the scores in a shipped model's card came about.

    Attributes:
        run: Maps the inputs, the model and its name to values by the names of the scores.
        drifts: By those names, how far another machine's rounding may move them.
        inputs: By the names under which `run` finds their paths.
    """

    run: Callable[..., dict[str, float]]
    drifts: Mapping[str, float]
    inputs: Mapping[str, Any] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Comparison:
    """A score as its card states it, and as it was found."""

    metric: str
    stated: float
    found: float
    drift: float

    @property
    def drifted(self) -> bool:
        return not abs(self.found - self.stated) <= self.drift

    def __str__(self):
        verdict = "DRIFTED" if self.drifted else "as stated"
        return (
            f"{self.metric}: the card says {self.stated:g}, here {self.found:.4g}, "
            f"{verdict} (within {self.drift:g})"
        )


def shipped_entries() -> dict[str, dict]:
    """The presets that have weights in the package, with their entry."""
    entries = {
        name: entry
        for name in ganzoo.list_presets(pretrained=True)
        for entry in ganzoo.preset_info(name)["weights"]
    }
    return {name: entry for name, entry in entries.items() if _in_package(entry)}


def compare(name: str, paths: Mapping[str, pathlib.Path]) -> list[Comparison]:
    """Measures a shipped model's scores, and puts them beside those of its card."""
    measure = MEASURES[name]
    found = measure.run(paths, ganzoo.load(name), name)
    stated = {score["metric"]: score["value"] for score in shipped_entries()[name]["scores"]}
    return [
        Comparison(metric, stated[metric], found[metric], drift)
        for metric, drift in measure.drifts.items()
    ]


def ring(inputs, model, name):
    """Modes and good points, the mean of three draws."""
    scores = ganzoo.evaluate(model, "ring8", "modes", count=_SAMPLES, repeats=3, cache=False)
    return {metric: scores[metric]["value"] for metric in ("modes_hit", "good_points")}


def log_likelihood(inputs, model, name):
    """Goodfellow's Parzen windows, with seed 0 for the samples."""
    _, scores = parzen(inputs, model, 0)
    return {"parzen": scores["parzen"]["value"]}


def mnist_digits(inputs, model, name):
    """Distances to the test set, and the shares of the digits."""
    test = Images(_padded(digits(inputs["test"]), model), "MNIST test")
    lenet5 = load_extractor("lenet_mnist", weights=inputs["lenet5"])
    found = {}
    for score, extractor in (("frechet_lenet5", lenet5), ("frechet_lenet_mnist", "lenet_mnist")):
        (distance,) = ganzoo.evaluate(
            model, test, "fid", count=_SAMPLES, extractor=extractor, cache=False
        ).values()
        found[score] = distance["value"]
    shares = class_shares(lenet5, model.generate(_SAMPLES, seed=0))
    return found | {"rarest_digit": shares.min(), "commonest_digit": shares.max()}


def clothes(inputs, model, name):
    """The distance to the test set, that of as many train images, and the shares of the classes."""
    test, train = (Images(digits(inputs[part]), part) for part in ("test", "train"))
    classifier = load_extractor("lenet_fashion_mnist")
    found = {}
    for ending, one in (("", model), ("_real", types.SimpleNamespace(stream=train))):
        (distance,) = ganzoo.evaluate(
            one, test, "fid", count=_SAMPLES, extractor=classifier, cache=False
        ).values()
        found[f"frechet_lenet_fashion_mnist{ending}"] = distance["value"]
    shares = class_shares(classifier, model.generate(_SAMPLES, seed=0))
    return found | {"rarest_class": shares.min(), "commonest_class": shares.max()}


def class_shares(classifier, images) -> np.ndarray:
    """The shares of the ten classes in uint8 images, by a classifier."""
    classes = [
        classifier(images[start : start + _BLOCK], ("logits",))["logits"].argmax(axis=1)
        for start in range(0, len(images), _BLOCK)
    ]
    return np.bincount(np.concatenate(classes), minlength=10) / len(images)


def digits_and_probes(inputs, model, name):
    """What `mnist_digits` gives, and what `probes` gives."""
    return mnist_digits(inputs, model, name) | probes(inputs, model, name)


def digits_and_swd(inputs, model, name):
    """What `mnist_digits` gives, and the sliced Wasserstein distance to the train set."""
    train = Images(_padded(digits(inputs["train"])[:_PATCHED], model), "MNIST train")
    scores = ganzoo.evaluate(model, train, "swd", count=_PATCHED, cache=False)
    return mnist_digits(inputs, model, name) | {"swd_x1000": scores["swd_x1000"]["value"]}


def probes(inputs, model, name):
    """DCGAN's probe with 1,000 labels: the discriminator, an untrained one, and raw pixels."""
    train, test = (
        (
            _padded(digits(inputs[part]), model)[:_PROBED].astype("float32") / 127.5 - 1,
            digit_labels(inputs[f"{part}_labels"])[:_PROBED],
        )
        for part in ("train", "test")
    )
    keras.utils.set_random_seed(0)  # draws the untrained weights
    models = {
        "probe_1000": model,
        "probe_1000_untrained": ganzoo.load(name, weights=False),
        "probe_1000_pixels": _Pixels(),
    }
    settings = {"labels_per_class": 100, "selection_draws": 3, "test_draws": 10}
    return {
        score: linear_probe(one, train, test, seed=0, **settings).accuracy
        for score, one in models.items()
    }


def faces(inputs, model, name):
    """SWD and MS-SSIM of samples, and of half of the faces, both against the other half."""
    side = model.image_shape[0]
    stream = ganzoo.data.load(
        inputs["faces"], batch_size=1, image_size=side, channels=3, resize="crop"
    ).stream
    images = (np.concatenate(list(stream.once(_BLOCK))) + 1) * 127.5
    images = images[np.random.RandomState(0).permutation(len(images))]
    half = len(images) // 2
    some, others = Images(images[:half], "half of the faces"), Images(images[half:], "the other")
    found = {}
    for ending, one in (("", model), ("_real", types.SimpleNamespace(stream=others))):
        scores = ganzoo.evaluate(one, some, "swd,ms_ssim", count=half, cache=False)
        found |= {f"{metric}{ending}": score["value"] for metric, score in scores.items()}
    return found


def there_and_back(inputs, model, name):
    """What the picture's way there and back loses, and what a picture of the target changes."""
    domains = [str(path) for path in inputs.values()] or _TEXTURES
    scores = ganzoo.evaluate(model, domains, "cycle_psnr,identity_error", cache=False)
    return {metric: score["value"] for metric, score in scores.items()}


def digit_labels(path) -> np.ndarray:
    """Reads the labels `(n,)` of an idx file, which hold after 8 bytes of header."""
    with gzip.open(path) as file:
        return np.frombuffer(file.read()[8:], np.uint8).astype(int)


class _Pixels:
    """Stands in for a discriminator: its features are the image."""

    def features(self, images):
        return {"pixels": np.asarray(images).reshape(len(images), -1)}


def _padded(images, model):
    """Images with black around them, up to the side of the model's."""
    margin = (model.image_shape[0] - images.shape[1]) // 2
    return np.pad(images, [(0, 0), (margin, margin), (margin, margin), (0, 0)])


def _in_package(entry):
    return entry["source"].startswith("package:")


_DIGITS = {
    "frechet_lenet5": 0.1,
    "frechet_lenet_mnist": 0.2,
    "rarest_digit": 0.001,
    "commonest_digit": 0.001,
}
_CLOTHES = {
    "frechet_lenet_fashion_mnist": 0.1,
    "frechet_lenet_fashion_mnist_real": 0.01,
    "rarest_class": 0.001,
    "commonest_class": 0.001,
}
_PROBES = {"probe_1000": 0.003, "probe_1000_untrained": 0.003, "probe_1000_pixels": 0.003}
_CYCLES = {
    "cycle_psnr_ab": 0.05,
    "cycle_psnr_ba": 0.05,
    "identity_error_ab": 0.0005,
    "identity_error_ba": 0.0005,
}
_FACES = {"swd_x1000": 0.1, "ms_ssim": 0.001, "swd_x1000_real": 0.1, "ms_ssim_real": 0.001}
MEASURES = {
    "cyclegan_horse2zebra128": Measure(there_and_back, _CYCLES, HORSES),
    "cyclegan_textures": Measure(there_and_back, _CYCLES),
    "gan_ring": Measure(ring, {"modes_hit": 0, "good_points": 0.002}),
    "gan_mnist": Measure(log_likelihood, {"parzen": 1.0}, MNIST),
    "dcgan_fashion_mnist": Measure(clothes, _CLOTHES, FASHION_MNIST),
    "dcgan_mnist": Measure(digits_and_probes, _DIGITS | _PROBES, MNIST | MNIST_LABELS | LENET5),
    "progan_celeba64": Measure(faces, _FACES, FACES),
    "progan_mnist": Measure(digits_and_swd, _DIGITS | {"swd_x1000": 0.1}, MNIST | LENET5),
}
