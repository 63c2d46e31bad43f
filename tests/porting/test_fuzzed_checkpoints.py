"""Mutated checkpoints: each is read or refused with a `GanzooError`, soon and in little memory.

Half of the zip files are packed again around a mutated pickle, because the checksums of a zip
would otherwise stop a mutation before it reaches the parser.
"""

import io
import random
import time
import tracemalloc
import zipfile

import numpy as np
import pytest

from ganzoo.errors import GanzooError
from ganzoo.porting import flatten, read_checkpoint, recognise
from tests.porting.handmade import legacy_checkpoint, storage_reference, tensor, zip_checkpoint

# What makes a parser stumble: opcodes of all kinds, huge counts, names, parts of tensors.
SNIPPETS = [
    *(
        bytes([opcode])
        for opcode in b"(.012FGIJKLMNPQRSTUVXabcdeghijlopqrstu}])\x80\x81\x85\x86\x87"
    ),
    *(bytes([opcode]) for opcode in range(0x88, 0x99)),
    *(b"\xff" * count for count in (1, 2, 4, 8)),
    *(b"\0" * count for count in (1, 4, 8)),
    b"\x7f\xff\xff\xff",
    b"\xff\xff\xff\x7f",
    b"cos\nsystem\n",
    b"c__builtin__\neval\n",
    b"ccollections\nOrderedDict\n",
    b"ctorch._utils\n_rebuild_tensor_v2\n",
    b"r\xff\xff\xff\xff",
    b"../" * 3,
    storage_reference(2**40),
    tensor(shape=(2**40,), strides=(0,)),
    tensor(shape=(2, 2), strides=(2**60, 1)),
]


def mutate(random, content):
    """Changes a few places of `content`: a bit, a byte, a cut, a copy, or a snippet put in."""
    content = bytearray(content)
    for _ in range(random.choice([1, 1, 2, 3, 8])):
        at = random.randrange(len(content) + 1)
        kind = random.randrange(6)
        if kind == 0 and at < len(content):
            content[at] ^= 1 << random.randrange(8)
        elif kind == 1 and at < len(content):
            content[at] = random.randrange(256)
        elif kind == 2:
            del content[at : at + random.choice([1, 2, 8, 100])]
        elif kind == 3:
            start = random.randrange(len(content) + 1)
            content[at:at] = content[start : start + random.choice([1, 4, 30, 300])]
        elif kind == 4:
            content[at:at] = random.choice(SNIPPETS)
        else:
            snippet = random.choice(SNIPPETS)
            content[at : at + len(snippet)] = snippet
    return bytes(content) if random.random() < 0.9 else bytes(content[: len(content) // 2])


def seeds(fixtures):
    """The files to start from, and those that are packed again around a mutated part."""
    zipped = (fixtures / "reader_zip.pth").read_bytes()
    arrays = io.BytesIO()
    np.savez_compressed(arrays, **{"main.0.weight": np.ones((4, 3), "f4"), "b": np.arange(5)})
    with zipfile.ZipFile(io.BytesIO(zipped)) as archive:
        names = {entry.filename.partition("/")[2]: entry for entry in archive.infolist()}
        content = archive.read(names["data.pkl"])
        storages = [archive.read(names[f"data/{key}"]) for key in range(len(names) - 6)]
    with zipfile.ZipFile(arrays) as archive:
        array = archive.read("main.0.weight.npy")
    network = (fixtures / "dcgan64_discriminator.pth").read_bytes()
    whole = [network, zipped, (fixtures / "reader_legacy.pth").read_bytes(), arrays.getvalue()]
    four = np.arange(4, dtype="<f4").tobytes()
    small = (
        b"\x80\x02}(U\x01a" + tensor() + b"U\x01b" + tensor(shape=(2, 2), strides=(2, 1)) + b"u."
    )
    packed = [
        (content, lambda part: zip_checkpoint(part, storages)),
        (small, lambda part: zip_checkpoint(part, [four])),
        (small, lambda part: legacy_checkpoint(part, [four])),
        (array, npz),
    ]
    return [(part, bytes) for part in whole] + packed


def npz(array):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("a.npy", array)
    return buffer.getvalue()


def fuzz(fixtures, tmp_path, count, seed):
    """Reads `count` mutated files; returns how many were read and how many refused."""
    chance = random.Random(seed)
    starts = seeds(fixtures)
    outcomes = {"read": 0, "refused": 0, "recognised": 0}
    path = tmp_path / "fuzzed.pth"
    tracemalloc.start()
    for number in range(count):
        part, pack = starts[number % len(starts)]
        content = pack(mutate(chance, part))
        path.write_bytes(content)
        started = time.perf_counter()
        before = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()
        try:
            content = read_checkpoint(path)
            outcomes["read"] += 1
            for array in flatten(content).values():
                assert array.size < 10_000
            recognise(content)
            outcomes["recognised"] += 1
        except GanzooError:
            outcomes["refused"] += 1
        assert tracemalloc.get_traced_memory()[1] - before < 2**23, (seed, number)
        assert time.perf_counter() - started < 10, (seed, number)
    tracemalloc.stop()
    return outcomes


def test_hundreds_of_mutated_files(fixtures, tmp_path):
    outcomes = fuzz(fixtures, tmp_path, 700, seed=1)
    assert outcomes["read"] > 20
    assert outcomes["recognised"] > 1
    assert outcomes["refused"] > 200


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(2, 6))
def test_thousands_of_mutated_files(fixtures, tmp_path, seed):
    outcomes = fuzz(fixtures, tmp_path, 5000, seed)
    assert outcomes["read"] > 150
    assert outcomes["refused"] > 2000
