"""The rows of the papers' tables: what was published, where, and how ganzoo measures it."""

import dataclasses
import io
import tarfile
import types
import zipfile
from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.io
from paper_inputs import CELEBA, CIFAR10, HORSES, INCEPTION, MNIST, SVHN
from PIL import Image

import ganzoo
from ganzoo.data.arrays import read_idx
from ganzoo.metrics import linear_probe

_FIDELITY_SEED = 2020  # of torch-fidelity's order, by default


@dataclasses.dataclass(frozen=True)
class Row:
    """A row of a table.

    Attributes:
        what: Model, data and measure.
        published: The number as it was published.
        source: Where, and by which protocol.
        inputs: By the names under which `run` finds their paths.
        run: Maps the inputs, the model and the seed to text and to scores with their protocol.
        preset: The model that the row is about, or None.
        needs_model: What to say where no preset has these weights.
    """

    what: str
    published: str
    source: str
    inputs: dict[str, Any]
    run: Callable[..., tuple[str, dict[str, Any]]]
    preset: str | None = None
    needs_model: str = ""


class Images:
    """An array as `evaluate` takes a source: every image once."""

    def __init__(self, images, name: str):
        self.images, self.name, self.count = images, name, len(images)
        self.sources = [self]

    def once(self, batch_size: int):
        """Yields float images `(n, h, w, c)` in [-1, 1]."""
        for start in range(0, self.count, batch_size):
            yield self.images[start : start + batch_size].astype("float32") / 127.5 - 1


class CelebAFaces:
    """Random faces of CelebA, cropped to 128×128 around (89, 121) as the paper's code does."""

    def __init__(self, path, count: int, seed: int):
        self.path, self.count = path, count
        self.name, self.sources = f"CelebA aligned, {count:,} faces, 128×128", [self]
        with zipfile.ZipFile(path) as archive:
            names = sorted(name for name in archive.namelist() if name.endswith(".jpg"))
        chosen = np.random.RandomState(seed).permutation(len(names))[:count]
        self.names = [names[number] for number in sorted(chosen)]

    def once(self, batch_size: int):
        """Yields float images `(n, 128, 128, 3)` in [-1, 1]."""
        with zipfile.ZipFile(self.path) as archive:
            for start in range(0, self.count, batch_size):
                names = self.names[start : start + batch_size]
                faces = [Image.open(io.BytesIO(archive.read(name))) for name in names]
                crops = [np.asarray(face.crop((25, 57, 153, 185))) for face in faces]
                yield np.stack(crops).astype("float32") / 127.5 - 1


def parzen(inputs, model, seed):
    """Goodfellow 2014: 10,000 samples, σ on 1,000 of the last 10,000 train images."""
    train, test = (digits(inputs[name]) for name in ("train", "test"))
    scores = ganzoo.evaluate(
        model,
        Images(test, "MNIST test"),
        "parzen",
        valid=Images(train[50_000:], "MNIST train, images 50,000 to 59,999 (validation)"),
        seed=seed,
        cache=False,
    )
    score = scores["parzen"]
    return f"{score['value']:.1f} ± {score['standard_error']:.1f}", scores


def swd_and_ssim(inputs, model, seed):
    """Karras 2018: 16,384 images for SWD, 10,000 pairs for MS-SSIM."""
    faces = CelebAFaces(inputs["images"], 16_384, seed)
    scores = ganzoo.evaluate(model, faces, "swd,ms_ssim", count=20_000, seed=seed, cache=False)
    swd, ssim = scores["swd_x1000"], scores["ms_ssim"]
    levels = ", ".join(f"{value:.2f}" for value in swd["levels"].values())
    return f"SWD {levels}, average {swd['value']:.2f}; MS-SSIM {ssim['value']:.4f}", scores


def horse_to_zebra(resizer):
    """120 translated horses against 140 zebras."""

    def run(inputs, model, seed):
        scores = ganzoo.evaluate(
            model,
            [str(inputs["horses"]), str(inputs["zebras"])],
            "fid",
            weights=inputs["inception"],
            resizer=resizer,
            image_size=256,
            seed=seed,
        )
        return f"FID {scores['fid_ab']['value']:.2f}", {"fid_ab": scores["fid_ab"]}

    return run


def probe(read, **protocol):
    """DCGAN: an L2-SVM on the discriminator's pooled features."""

    def run(inputs, model, seed):
        sets = [_floats(part) for part in read(inputs)]
        result = linear_probe(model, *sets, seed=seed, **protocol)
        text = f"accuracy {result.accuracy:.2%}, error {1 - result.accuracy:.2%}"
        settings = {key: value for key, value in protocol.items() if key != "valid"}
        return text, {"linear_probe": result._asdict() | {"seed": seed} | settings}

    return run


def inception_score_of_cifar10(inputs, model, seed):
    """The known answer: the train set itself, shuffled as torch-fidelity does."""
    (images, _), _ = read_cifar10(inputs)
    source = types.SimpleNamespace(stream=Images(images, "CIFAR-10 train"))
    scores = ganzoo.evaluate(
        source,
        source,
        "inception_score",
        weights=inputs["inception"],
        settings={"inception_score": {"shuffle_seed": _FIDELITY_SEED}},
        cache=False,
    )
    score = scores["inception_score"]
    return f"{score['value']:.4f} ± {score['split_std']:.4f}", scores


def digits(path):
    """Images uint8 `(n, h, w, 1)` of an idx file."""
    return read_idx(path)[..., None]


def read_cifar10(inputs):
    """Images uint8 `(n, 32, 32, 3)` and labels of train and test, from the binary archive."""
    parts = {"data_batch": [], "test_batch": []}
    with tarfile.open(inputs["cifar10"]) as archive:
        for member in sorted(archive.getmembers(), key=lambda member: member.name):
            kind = next((kind for kind in parts if kind in member.name), None)
            if kind and member.isfile():
                rows = np.frombuffer(archive.extractfile(member).read(), np.uint8)
                parts[kind].append(rows.reshape(-1, 3073))
    joined = [np.concatenate(parts[kind]) for kind in ("data_batch", "test_batch")]
    return [
        (rows[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1), rows[:, 0].astype(int))
        for rows in joined
    ]


def read_svhn(inputs):
    """The same of SVHN's cropped digits; the file's label 10 is the digit 0."""
    parts = [scipy.io.loadmat(inputs[name]) for name in ("train", "test")]
    return [(part["X"].transpose(3, 0, 1, 2), part["y"].ravel() % 10) for part in parts]


def _floats(part):
    images, labels = part
    return images.astype("float32") / 127.5 - 1, labels


TABLES = {
    "goodfellow_parzen": [
        Row(
            "adversarial nets, MNIST, Parzen log-likelihood of the test set in nats",
            "225 ± 2",
            "Goodfellow et al. 2014, Table 1: 10,000 samples, σ chosen on validation images",
            MNIST,
            parzen,
            "gan_mnist",
        ),
    ],
    "progan_swd": [
        Row(
            "progressive GAN, CelebA 128×128, SWD × 1,000 by level and MS-SSIM",
            "SWD average 8.15; MS-SSIM 0.3023",
            "MMGeneration's PGGAN, its model zoo; the paper's Table 1 is by the same measures",
            CELEBA,
            swd_and_ssim,
            "progan_celeba128",
        ),
    ],
    "cyclegan_horse2zebra": [
        Row(
            "CycleGAN, horse → zebra, FID by the original resizer",
            "77.20",
            "clean-fid's leaderboard: 120 translated test horses against 140 test zebras",
            HORSES | INCEPTION,
            horse_to_zebra("legacy_tensorflow"),
            "cyclegan_horse2zebra",
        ),
        Row(
            "CycleGAN, horse → zebra, FID by clean-fid's resizer",
            "75.17",
            "clean-fid's leaderboard: 120 translated test horses against 140 test zebras",
            HORSES | INCEPTION,
            horse_to_zebra("clean"),
            "cyclegan_horse2zebra",
        ),
    ],
    "dcgan_probe": [
        Row(
            "DCGAN's discriminator, CIFAR-10, linear SVM on all labels",
            "82.8 % accuracy",
            "Radford et al. 2016, section 5.1: a discriminator trained on ImageNet-1k at 32×32",
            CIFAR10,
            probe(read_cifar10),
            needs_model="models/imagenet_gan_pretrain_128f_relu_lrelu_7l_3x3_256z of "
            "Newmu/dcgan_code, or --model with another discriminator (no sha256 published)",
        ),
        Row(
            "DCGAN's discriminator, SVHN, linear SVM on 1,000 labels",
            "22.48 % error",
            "Radford et al. 2016, section 5.2: mean over 100 draws of 100 labels a class",
            SVHN,
            probe(read_svhn, labels_per_class=100),
            "dcgan_svhn",
        ),
    ],
    "inception_score": [
        Row(
            "CIFAR-10's train set itself, inception score",
            "11.2368 ± 0.0951",
            "torch-fidelity's README: 50,000 images shuffled by its seed 2020, 10 splits",
            CIFAR10 | INCEPTION,
            inception_score_of_cifar10,
        ),
    ],
}
