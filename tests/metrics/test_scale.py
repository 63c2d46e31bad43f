"""Time and peak memory at the size of a published FID: 50,000 images, 2,048 features."""

import json
import subprocess
import sys

import pytest

PREPARE = """
import json, resource, sys, time
import numpy as np
count, width = int(sys.argv[1]), int(sys.argv[2])
random = np.random.default_rng(0)
scales = (np.arange(1, width + 1) ** -0.6).astype(np.float32)
def features(shift):
    rows = np.empty((count, width), np.float32)
    for start in range(0, count, 5000):
        part = rows[start : start + 5000]
        part[:] = random.standard_normal(part.shape, dtype=np.float32) * scales + shift
    return rows
real, fake = features(0.0), features(0.05)
inputs = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
start = time.process_time()
"""
REPORT = """
print(json.dumps({
    "value": value,
    "cpu_seconds": time.process_time() - start,
    "peak_gb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6,
    "inputs_gb": inputs / 1e6,
}))
"""
OURS = "from ganzoo.metrics import frechet_distance; value = frechet_distance(real, fake)"
SCIPY = """
import scipy.linalg
first, second = np.cov(real, rowvar=False), np.cov(fake, rowvar=False)
gap = real.mean(0, dtype=float) - fake.mean(0, dtype=float)
root = scipy.linalg.sqrtm(first @ second).real
value = float(gap @ gap + np.trace(first) + np.trace(second) - 2 * np.trace(root))
"""
MANIFOLD = """
from ganzoo.metrics.manifold import manifold_scores
value = manifold_scores(real, fake, 5)
"""


def measure(code, count, width):
    """Runs in a process of its own, whose peak memory is only this."""
    command = [sys.executable, "-c", PREPARE + code + REPORT, str(count), str(width)]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    print(output)
    return json.loads(output)


@pytest.mark.soak
def test_frechet_of_50000_by_2048_beside_scipy():
    ours, scipy = (measure(code, 50_000, 2048) for code in (OURS, SCIPY))
    assert ours["value"] == pytest.approx(scipy["value"], rel=1e-6)
    assert ours["cpu_seconds"] < scipy["cpu_seconds"]
    # The float32 features themselves are 0.82 GB.
    assert ours["peak_gb"] < min(2, scipy["peak_gb"])


@pytest.mark.soak
def test_manifolds_of_50000_by_50000_fit_in_2_gb():
    assert measure(MANIFOLD, 50_000, 64)["peak_gb"] < 2
