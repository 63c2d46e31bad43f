"""The reader of PyTorch files: every dtype and layout, and files that are something else."""

import pickle
import re
import subprocess
import sys
import zipfile

import numpy as np
import pytest

from ganzoo.errors import WeightsError
from ganzoo.porting import flatten, read_checkpoint
from tests.porting.handmade import integer, legacy_checkpoint, tensor

FOUR = np.arange(4, dtype="<f4").tobytes()


@pytest.mark.parametrize("name", ["reader_zip", "reader_legacy"])
def test_tensors_equal_those_of_pytorch(fixtures, name):
    content = read_checkpoint(fixtures / f"{name}.pth")
    arrays = flatten(content)
    with np.load(fixtures / "reader_legacy.npz") as expected:
        for key in expected.files:
            assert arrays[key].dtype == expected[key].dtype, key
            np.testing.assert_array_equal(arrays[key], expected[key], err_msg=key)
    assert arrays["tensors.transposed"].shape == (4, 3, 2)
    assert arrays["optimizer.state.0.exp_avg"].shape == (3, 2)
    np.testing.assert_array_equal(arrays["optimizer.state.0.step"], 1)


@pytest.mark.parametrize("name", ["reader_zip", "reader_legacy"])
def test_what_lies_beside_the_tensors_is_plain_data(fixtures, name):
    content = read_checkpoint(fixtures / f"{name}.pth")
    assert content["epoch"] == 7
    assert content["notes"] == ["x", None, 2.5, True, b"raw", [1, 2]]
    assert content["size"] == [2, 3, 4]
    assert content["device"] == "cpu"
    assert content["optimizer"]["param_groups"][0]["lr"] == 1e-3
    assert content["config"] == {"depth": 3, "names": ["a", "b"]}
    assert content["config"].class_name == "models.utils.config.BaseConfig"
    assert list(content["tensors"])[:3] == ["base", "transposed", "part"]


def test_tensors_of_one_storage_share_memory(fixtures):
    tensors = read_checkpoint(fixtures / "reader_zip.pth")["tensors"]
    assert np.shares_memory(tensors["base"], tensors["part"])
    assert not tensors["base"].flags.writeable


def test_npz_of_state_dict_names(tmp_path):
    arrays = {"main.0.weight": np.ones((2, 3), "f4"), "main.0.bias": np.arange(3.0)}
    arrays["turned"] = np.asfortranarray(np.arange(6.0).reshape(2, 3))
    np.savez_compressed(tmp_path / "a.npz", **arrays)
    read = read_checkpoint(tmp_path / "a.npz")
    assert list(read) == list(arrays)
    for name, array in arrays.items():
        np.testing.assert_array_equal(read[name], array)
        assert read[name].dtype == array.dtype


def test_ordered_dicts_as_python_2_wrote_them(read, container):
    pairs = b"ccollections\nOrderedDict\n(]]U\x01a" + tensor() + b"eaU\x01bK\x02\x86atR."
    pairs = pairs.replace(b"]]U", b"]](U", 1).replace(b"eaU", b"eaU", 1)
    content = read(container(b"\x80\x02" + pairs, [FOUR]))
    np.testing.assert_array_equal(content["a"], [0, 1, 2, 3])
    assert content["b"] == 2


def test_a_part_of_a_legacy_storage(read):
    part = b"(U\x01x" + integer(1) + integer(2) + b"t"
    opcodes = tensor(shape=(2,), extra=part)
    content = read(legacy_checkpoint(b"\x80\x02" + opcodes + b".", [FOUR]))
    np.testing.assert_array_equal(content[""], [1, 2])


def test_protocol_0_is_refused(read, container):
    with pytest.raises(WeightsError, match="opcode (INT|LONG|PUT)"):
        read(container(pickle.dumps([1], 0)))


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_protocols(read, container, protocol):
    plain = {"a": [1, 2**40, -3], "b": {"c": (1.5, "ü", None)}, "d": {4}}
    content = read(container(pickle.dumps(plain, protocol)))
    assert content == {"a": [1, 2**40, -3], "b": {"c": (1.5, "ü", None)}, "d": [4]}


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (b"", "begins like no known format"),
        (b"<html>not found</html>", "begins like no known format"),
        (
            b"\x89HDF\r\n\x1a\n" + b"\0" * 100,
            r"HDF5 file, as Keras writes .* ganzoo wrote goes to ganzoo\.load\(PRESET, "
            r"weights=FILE\), one of Keras to model\.load_weights\.$",
        ),
        (b"\0" * 257 + b"ustar" + b"\0" * 300, "format before PyTorch 0.1.10"),
        (pickle.dumps({"a": 1}, 2), "a pickle, but not one of PyTorch"),
        (b"PK\x03\x04" + b"\0" * 100, "not a zip file"),
    ],
)
def test_other_files(read, content, match):
    with pytest.raises(WeightsError, match=match):
        read(content)


def test_a_safetensors_file_is_told_by_its_content(tmp_path):
    header = b'{"main.0.weight":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}}'
    file = tmp_path / "weights.bin"
    file.write_bytes(len(header).to_bytes(8, "little") + header + FOUR)
    line = f"torch.save(safetensors.torch.load_file('{file}'), '{tmp_path / 'weights.pth'}')"
    with pytest.raises(WeightsError, match="is a safetensors file, and not .*" + re.escape(line)):
        read_checkpoint(file)
    file.write_bytes((10**6).to_bytes(8, "little") + header + FOUR)  # no file holds such a header
    with pytest.raises(WeightsError, match="begins like no known format"):
        read_checkpoint(file)


def test_other_archives(tmp_path):
    with zipfile.ZipFile(tmp_path / "script.pt", "w") as archive:
        archive.writestr("m/data.pkl", b"")
        archive.writestr("m/constants.pkl", b"")
    with pytest.raises(WeightsError, match="TorchScript program"):
        read_checkpoint(tmp_path / "script.pt")
    with zipfile.ZipFile(tmp_path / "pictures.zip", "w") as archive:
        archive.writestr("a.png", b"")
    with pytest.raises(WeightsError, match=r"archive without a data\.pkl"):
        read_checkpoint(tmp_path / "pictures.zip")
    with zipfile.ZipFile(tmp_path / "big.pth", "w") as archive:
        archive.writestr("m/data.pkl", b"\x80\x02}.")
        archive.writestr("m/byteorder", b"big")
    with pytest.raises(WeightsError, match="big-endian"):
        read_checkpoint(tmp_path / "big.pth")


def test_missing_file(tmp_path):
    with pytest.raises(WeightsError, match=r"none\.pth cannot be read: No such file"):
        read_checkpoint(tmp_path / "none.pth")
    with pytest.raises(WeightsError, match="cannot be read: Is a directory"):
        read_checkpoint(tmp_path)


def test_tampered_numbers(fixtures, read):
    content = bytearray((fixtures / "reader_zip.pth").read_bytes())
    place = content.find(np.arange(24, dtype="<f4").tobytes())
    content[place + 5] ^= 1
    with pytest.raises(WeightsError, match="Bad CRC-32"):
        read(bytes(content))


def test_nothing_heavy_is_imported():
    code = "import sys, ganzoo.porting; print([name for name in ('tensorflow', 'keras', 'torch') "
    code += "if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert done.stdout.decode().strip() == "[]"
