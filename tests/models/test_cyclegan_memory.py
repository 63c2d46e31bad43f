"""What memory CycleGAN takes: for a large picture in tiles, and for a training step."""

import json
import subprocess
import sys

import pytest

# What is in float32, 12 bytes a pixel, is the picture and its translation; the pixels of the
# picture itself are 3 bytes. All else belongs to a tile, or to the 16 of the statistics.
MOST_BYTES_A_PIXEL = 35

TRANSLATE = """
import json, resource, sys
import keras, numpy as np
from ganzoo.models import cyclegan
keras.utils.set_random_seed(0)
side = int(sys.argv[1])
model = cyclegan.build(base_filters=4, residual_blocks=1, discriminator_filters=2)
picture = np.random.default_rng(0).integers(0, 256, (side, side, 3), dtype="uint8")
translated = model.translate(picture, tile=512)
print(json.dumps({
    "peak": 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss,
    "shape": translated.shape,
}))
"""

TRAIN = """
import json, resource, sys
import keras, tensorflow as tf
from ganzoo.models import cyclegan
from ganzoo.models.cyclegan import objective
objective._LARGE = int(sys.argv[1])
model = cyclegan.build(base_filters=16, residual_blocks=4, discriminator_filters=4)
model.compile("sgd", "sgd")
image = tf.zeros((1, 512, 512, 3))
model.check_batch((tf.TensorSpec.from_tensor(image),) * 2)
model.prepare(1)
tf.function(lambda: model.train_step((image, image)))()
outputs = [one.output for one in model.generator_ab.layers if isinstance(one, keras.layers.Conv2D)]
sizes = keras.Model(model.generator_ab.input, outputs).compute_output_shape(image.shape)
print(json.dumps({
    "peak": 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss,
    "convolutions": 4 * sum(tf.TensorShape(size).num_elements() for size in sizes),
}))
"""


def run(code, argument):
    """Runs code in a process of its own; gives what it prints."""
    command = [sys.executable, "-c", code, str(argument)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def peak_of(side):
    """Translates a picture; gives the most bytes that were held."""
    found = run(TRANSLATE, side)
    assert found["shape"] == [side, side, 3]
    return found["peak"]


@pytest.mark.soak
def test_the_memory_of_tiles_grows_by_little_a_pixel():
    small, large = (peak_of(side) for side in (2048, 4096))
    growth = (large - small) / (4096**2 - 2048**2)
    print(f"{growth:.1f} bytes a pixel")
    assert growth <= MOST_BYTES_A_PIXEL


@pytest.mark.soak
def test_domains_in_turn_take_less_memory_than_both_at_once():
    """By at least what the three passes of one domain keep: each convolution's output."""
    in_turn, at_once = run(TRAIN, 1), run(TRAIN, 10**9)
    saved = at_once["peak"] - in_turn["peak"]
    print(f"{saved / in_turn['convolutions']:.2f} times the convolutions of one pass")
    assert saved >= 3 * in_turn["convolutions"]
