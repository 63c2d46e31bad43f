"""The fixed random inputs that the reference packages and ganzoo's metrics both score.

NumPy alone, so that `tools/make_metric_references.py` can use them where ganzoo is not
installed. RandomState's stream is frozen: the arrays never change.
"""

import numpy as np

# Real pictures for the resizers, under the folder of real data: 256×256 and 178×218.
PHOTOS = (
    "horse2zebra/testA/n02381460_1010.jpg",
    "celeba/img_align_celeba_sample/000002.jpg",
)


def feature_pairs():
    """Real and fake features `(n, d)` float64 by case: plain, few rows, dependent columns."""
    random = np.random.RandomState(11)
    scales = np.arange(1, 65) ** -0.8
    mixing = random.standard_normal((64, 64)) / 8
    real = random.standard_normal((600, 64)) @ mixing * scales
    fake = random.standard_normal((500, 64)) * scales * 1.2 + 0.1
    degenerate = [side.copy() for side in (real, fake)]
    for side in degenerate:
        side[:, 5] = 0.25
        side[:, 7] = side[:, 3] + side[:, 4]
    return {
        "plain": (real, fake),
        "few_rows": (real[:40], fake[:50]),
        "dependent_columns": tuple(degenerate),
    }


def neighbour_features():
    """Real `(300, 16)` and fake `(250, 16)` float32 features that overlap in part."""
    random = np.random.RandomState(12)
    real = random.standard_normal((300, 16))
    fake = random.standard_normal((250, 16)) * 0.8 + 0.3
    return real.astype(np.float32), fake.astype(np.float32)


def class_logits():
    """Logits `(1003, 37)` float64 with a few sure rows."""
    random = np.random.RandomState(13)
    logits = random.standard_normal((1003, 37)) * 2
    logits[:200, 5] += 60
    return logits


def smooth_images(count=8, side=64, channels=3, seed=14):
    """Images `(count, side, side, channels)` uint8 with detail at several scales."""
    random = np.random.RandomState(seed)
    total = np.zeros((count, side, side, channels))
    for scale in (4, 8, 16, 32, side):
        coarse = random.standard_normal((count, scale, scale, channels))
        step = side // scale
        total += coarse.repeat(step, axis=1).repeat(step, axis=2) * step**0.5
    return np.clip(total * 12 + 128, 0, 255).astype(np.uint8)


def alike_pairs(side=64, seed=14):
    """Images `(8, side, side, 3)` uint8 of which 0 and 1, 2 and 3, … are alike."""
    images = smooth_images(8, side, seed=seed).astype(np.float64)
    images[1::2] = 0.7 * images[0::2] + 0.3 * images[1::2]
    return images.round().astype(np.uint8)


def image_pair():
    """Two sets of images `(6, 64, 64, 3)` uint8 for the sliced Wasserstein distance."""
    return smooth_images(6, seed=15), (smooth_images(6, seed=16) // 2 + 60).astype(np.uint8)


def small_pixels():
    """Samples `(200, 12)`, validation `(60, 12)` and test `(80, 12)` pixels in [0, 1]."""
    random = np.random.RandomState(17)
    return tuple(random.uniform(0, 1, (count, 12)) ** 2 for count in (200, 60, 80))


def inception_images():
    """Four images by size: one list of `(h, w, 3)` uint8 arrays."""
    return [
        smooth_images(1, side=64, seed=18)[0],
        smooth_images(1, side=32, seed=19)[0],
        smooth_images(1, side=512, seed=20)[0, :400, :360],
    ]


def inception_parameters(shapes):
    """Random parameters for every name of `shapes`, a function of the name alone.

    Args:
        shapes: PyTorch state-dict names to shapes. Integers (`num_batches_tracked`) are left out.

    Returns:
        float32 arrays by name: convolutions and the last layer at unit gain, batch norm near
        identity with means and variances of their own.
    """
    parameters = {}
    for name, shape in shapes.items():
        if name.endswith("num_batches_tracked"):
            continue
        seed = int.from_bytes(name.encode()[-16:], "little") % (2**32 - 5) + len(name)
        seed = (seed * 31 + sum(name.encode())) % (2**32)
        random = np.random.RandomState(seed)
        value = random.standard_normal(shape)
        if name.endswith(("running_var", "bn.weight")):
            value = 1 + 0.2 * np.abs(value)
        elif len(shape) > 1:
            value *= np.sqrt(2 / np.prod(shape[1:]))
        else:
            value *= 0.1
        parameters[name] = value.astype(np.float32)
    return parameters
