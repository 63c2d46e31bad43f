"""What memory a large picture takes in tiles: whole copies of it are what adds up."""

import json
import subprocess
import sys

import pytest

# What is in float32, 12 bytes a pixel, is the picture and its translation; the pixels of the
# picture itself are 3 bytes. All else belongs to a tile, or to the 16 of the statistics.
MOST_BYTES_A_PIXEL = 35

CODE = """
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


def peak_of(side):
    """Translates a picture in a process of its own; gives the most bytes that it held."""
    command = [sys.executable, "-c", CODE, str(side)]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    found = json.loads(output)
    assert found["shape"] == [side, side, 3]
    return found["peak"]


@pytest.mark.soak
def test_the_memory_of_tiles_grows_by_little_a_pixel():
    small, large = (peak_of(side) for side in (2048, 4096))
    growth = (large - small) / (4096**2 - 2048**2)
    print(f"{growth:.1f} bytes a pixel")
    assert growth <= MOST_BYTES_A_PIXEL
