"""Makes the reference numbers that tests/metrics compares with, by the reference packages.

Run it in an environment of its own; ganzoo is not imported:

    pip install torch==2.13.0 torchvision torch-fidelity==0.4.0 pytorch-fid==0.3.0 \
        clean-fid==0.1.35 prdc==0.2 scikit-image==0.26.0 scikit-learn==1.9.1
    python tools/make_metric_references.py --pgan FOLDER --data PICTURES

FOLDER is a checkout of tkarras/progressive_growing_of_gans (its `metrics/` needs NumPy and
SciPy alone), PICTURES the folder that GANZOO_TEST_DATA names for the tests. Writes
tests/metrics/references.json, numbers only: the inputs are regenerated from seeds by
tests/metrics/reference_inputs.py.
"""

import argparse
import json
import pathlib
import sys
import tempfile
import types

import numpy as np
import scipy
import scipy.linalg
from PIL import Image

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tests.metrics import reference_inputs as inputs  # noqa: E402


def frechet():
    """torch-fidelity, and TTUR's formula with sqrtm (its text lives on in pytorch-fid)."""
    import torch
    from torch_fidelity import metric_fid

    result = {}
    for name, (real, fake) in inputs.feature_pairs().items():
        stats = [
            metric_fid.fid_features_to_statistics(torch.from_numpy(side)) for side in (fake, real)
        ]
        first, second = stats
        gap = first["mu"] - second["mu"]
        root = scipy.linalg.sqrtm(first["sigma"] @ second["sigma"]).real
        traces = np.trace(first["sigma"]) + np.trace(second["sigma"])
        result[name] = {
            "torch_fidelity": metric_fid.fid_statistics_to_metric(*stats, False)[
                "frechet_inception_distance"
            ],
            "ttur": float(gap @ gap + traces - 2 * np.trace(root)),
            "traces": float(traces),
        }
    return result


def kernel():
    import torch
    from torch_fidelity import metric_kid

    real, fake = inputs.feature_pairs()["plain"]
    mean_std = metric_kid.kid_features_to_metric(
        torch.from_numpy(fake),
        torch.from_numpy(real),
        kid_subsets=20,
        kid_subset_size=100,
        rng_seed=2020,
        verbose=False,
    )
    return list(mean_std.values())


def inception_scores():
    import torch
    from torch_fidelity.metric_isc import isc_features_to_metric

    logits = torch.from_numpy(inputs.class_logits())
    return {
        "in_order": list(isc_features_to_metric(logits, 10, shuffle=False).values()),
        "shuffled": list(isc_features_to_metric(logits, 10, True, 2020).values()),
    }


def manifolds():
    from prdc import compute_prdc

    real, fake = inputs.neighbour_features()
    return {str(k): {n: float(v) for n, v in compute_prdc(real, fake, k).items()} for k in (3, 5)}


def similarity(pgan):
    """Official MS-SSIM of the pairs, and scikit-image's SSIM of the first."""
    from skimage.metrics import structural_similarity

    images, small = inputs.alike_pairs(), inputs.alike_pairs(side=32, seed=21)
    first, second = images[0].astype(np.float64), images[1].astype(np.float64)
    return {
        "msssim_64": float(pgan["ms_ssim"].msssim(images[0::2], images[1::2])),
        "msssim_32": float(pgan["ms_ssim"].msssim(small[0::2], small[1::2])),
        "ssim": float(
            structural_similarity(
                first,
                second,
                data_range=255,
                channel_axis=2,
                gaussian_weights=True,
                sigma=1.5,
                use_sample_covariance=False,
            )
        ),
    }


def sliced(pgan):
    """The official distance by level, with every random number from RandomState(7)."""
    official = pgan["sliced_wasserstein"]
    np.random.seed(7)
    sides = []
    for images in inputs.image_pair():
        levels = official.generate_laplacian_pyramid(images.transpose(0, 3, 1, 2), 3)
        sides.append(
            [
                official.finalize_descriptors(official.get_descriptors_for_minibatch(x, 7, 128))
                for x in levels
            ]
        )
    return [float(official.sliced_wasserstein(*pair, 4, 128)) for pair in zip(*sides)]  # noqa: B905


def parzen():
    """scikit-learn's Gaussian kernel density, which is the same mixture."""
    from sklearn.neighbors import KernelDensity

    samples, valid, test = inputs.small_pixels()
    sigmas = np.logspace(-1, 0, 10)
    means = [KernelDensity(bandwidth=s).fit(samples).score_samples(valid).mean() for s in sigmas]
    sigma = float(sigmas[int(np.argmax(means))])
    scores = KernelDensity(bandwidth=sigma).fit(samples).score_samples(test)
    return [float(scores.mean()), float(scores.std() / np.sqrt(len(scores))), sigma]


def inception():
    """torch-fidelity's network with the random parameters: outputs at a few places."""
    import torch
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    class Untrained(FeatureExtractorInceptionV3):
        def load_state_dict(self, state):
            shapes = {name: tuple(value.shape) for name, value in self.state_dict().items()}
            parameters = inputs.inception_parameters(shapes)
            state = {name: torch.from_numpy(value) for name, value in parameters.items()}
            return torch.nn.Module.load_state_dict(self, state, strict=False)

    names = ["64", "192", "768", "2048", "logits_unbiased", "logits"]
    with tempfile.NamedTemporaryFile(suffix=".pth") as empty:
        torch.save({}, empty.name)
        network = Untrained("inception", names, feature_extractor_weights_path=empty.name)
    result = {"parameters": sum(value.numel() for value in network.parameters()), "outputs": []}
    for image in inputs.inception_images():
        batch = torch.from_numpy(image.transpose(2, 0, 1)[None].copy())
        outputs = dict(zip(names, network(batch)))  # noqa: B905
        result["outputs"].append({n: summary(value.numpy()[0]) for n, value in outputs.items()})
    return result


def summary(values):
    """Every 61st value, the mean and the norm: enough to tell two outputs apart."""
    values = np.asarray(values, np.float64)
    return {
        "some": [float(v) for v in values[::61]],
        "mean": float(values.mean()),
        "norm": float(np.linalg.norm(values)),
    }


def resized(data):
    """What the reference resizers make of the images: a few pixels, mean and detail."""
    import torch
    from cleanfid.resize import make_resizer
    from torch_fidelity.interpolate_compat_tensorflow import (
        interpolate_bilinear_2d_like_tensorflow1x,
    )

    def legacy_tensorflow(image, side):
        batch = torch.from_numpy(image.astype(np.float32).transpose(2, 0, 1)[None])
        out = interpolate_bilinear_2d_like_tensorflow1x(batch, (side, side), align_corners=False)
        return out[0].numpy().transpose(1, 2, 0)

    resizers = {
        "legacy_tensorflow": legacy_tensorflow,
        "legacy_pytorch": lambda image, side: make_resizer(
            "PyTorch", False, "bilinear", (side, side)
        )(image),
        "clean": lambda image, side: make_resizer("PIL", False, "bicubic", (side, side))(image),
    }
    photos = [np.asarray(Image.open(data / name)) for name in inputs.PHOTOS]
    return {
        name: {
            "299": [describe(resize(image, 299)) for image in inputs.inception_images()],
            "photos_299": [describe(resize(image, 299)) for image in photos],
            "photos_75": [describe(resize(image, 75)) for image in photos],
        }
        for name, resize in resizers.items()
    }


def describe(image):
    """Every 4001st value, the mean, and the mean step between neighbours."""
    image = image.astype(float)
    step = float(np.abs(np.diff(image, axis=1)).mean())
    return {"some": image.reshape(-1)[::4001].tolist(), "mean": float(image.mean()), "step": step}


def official_modules(folder):
    """Loads the official metrics; their import path of SciPy's filters no longer exists."""
    filters = types.ModuleType("scipy.ndimage.filters")
    filters.convolve = scipy.ndimage.convolve
    sys.modules.setdefault("scipy.ndimage.filters", filters)
    modules = {}
    for name in ("ms_ssim", "sliced_wasserstein"):
        modules[name] = types.ModuleType(name)
        exec((folder / "metrics" / f"{name}.py").read_text(), modules[name].__dict__)
    return modules


def declare_torchvision_operators():
    """Lets torchvision load beside a torch whose build its compiled operators do not fit.

    The reference packages import it and use none of those operators.
    """
    import torch

    try:
        import torchvision  # noqa: F401
    except RuntimeError:
        for name in [name for name in sys.modules if name.startswith("torchvision")]:
            del sys.modules[name]
        for name in ("nms", "qnms"):
            torch.library.define(f"torchvision::{name}", "(Tensor a, Tensor b, float c) -> Tensor")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pgan", type=pathlib.Path, required=True)
    parser.add_argument("--data", type=pathlib.Path, required=True)
    arguments = parser.parse_args()
    pgan = official_modules(arguments.pgan)
    declare_torchvision_operators()
    references = {
        "frechet": frechet(),
        "kernel": kernel(),
        "inception_score": inception_scores(),
        "manifold": manifolds(),
        "similarity": similarity(pgan),
        "sliced": sliced(pgan),
        "parzen": parzen(),
        "inception": inception(),
        "resized": resized(arguments.data),
    }
    path = pathlib.Path(inputs.__file__).with_name("references.json")
    lines = [f'"{name}": {json.dumps(value)}' for name, value in references.items()]
    path.write_text("{" + ",\n".join(lines) + "}\n")
    print(f"wrote {path}")


if __name__ == "__main__":
    main()
