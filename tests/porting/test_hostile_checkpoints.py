"""Checkpoints that ask for code, for memory, or for what is not theirs."""

import os
import pickle
import struct
import tracemalloc
import zipfile

import numpy as np
import pytest

from ganzoo.errors import WeightsError
from ganzoo.porting import flatten, read_checkpoint
from tests.porting.handmade import legacy_checkpoint, storage_reference, tensor, zip_checkpoint

FOUR = np.arange(4, dtype="<f4").tobytes()


class Call:
    """Pickles as a call of any function."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize(
    ("function", "argument", "name"),
    [
        (os.system, "touch {}", r"\.system"),
        (eval, "open({!r}, 'w')", r"builtins.*\.eval"),
        (exec, "open({!r}, 'w')", r"builtins.*\.exec"),
        (open, "{}", r"(_?io)\.open"),
        (getattr, "{}", r"builtins.*\.getattr"),
        (np.load, "{}", r"numpy.*\.load"),
    ],
)
@pytest.mark.parametrize("protocol", [2, 4])
def test_calls_are_refused_by_name(read, container, tmp_path, function, argument, name, protocol):
    target = tmp_path / "executed"
    call = Call(function, argument.format(str(target)))
    content = pickle.dumps({"model": call}, protocol, fix_imports=False)
    with pytest.raises(WeightsError, match=rf"asks for '[\w.]*{name}'.*state_dict"):
        read(container(content))
    assert not target.exists()


@pytest.mark.parametrize(
    "opcodes",
    [
        b"(U\x07touch xios\nsystem\n.",
        b"(cos\nsystem\nU\x07touch xo.",
        b"cos\nsystem\n.",
        b"\x82\x01.",
    ],
    ids=["INST", "OBJ", "GLOBAL", "EXT1"],
)
def test_old_ways_to_call_are_refused(read, container, opcodes):
    with pytest.raises(WeightsError, match=r"os\.system|opcode EXT1"):
        read(container(b"\x80\x02" + opcodes))


def test_an_inert_class_is_never_imported(read, tmp_path, monkeypatch):
    (tmp_path / "evil.py").write_text("raise SystemExit('imported')")
    monkeypatch.syspath_prepend(tmp_path)
    content = b"\x80\x02cevil\nConfig\n)\x81}U\x01aK\x01sb."
    with pytest.raises(WeightsError, match=r"asks for 'evil\.Config'"):
        read(zip_checkpoint(content))
    allowed = read_checkpoint(tmp_path / "checkpoint.pth", inert_classes=["evil.Config"])
    assert allowed == {"a": 1}
    assert allowed.class_name == "evil.Config"


def test_a_constructor_takes_only_plain_data(read, container):
    with pytest.raises(WeightsError, match="call of something that is not a known constructor"):
        read(container(b"\x80\x02U\x01a)R."))
    with pytest.raises(WeightsError, match="damaged"):
        read(container(b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n)R."))


@pytest.mark.parametrize(
    "opcodes",
    [
        tensor(shape=(5,)),
        tensor(shape=(4,), offset=1),
        tensor(shape=(2, 2), strides=(3, 1)),
        tensor(shape=(2, 2), strides=(2**62, 1)),
        tensor(shape=(2**40,), strides=(0,)),
        tensor(shape=(2**62, 2**62, 0)),
        tensor(shape=(-1,)),
        tensor(offset=-1),
        tensor(shape=(2,), strides=(-1,), offset=3),
        tensor(shape=(2, 2), strides=(1,)),
        tensor(shape=(1,) * 40, strides=(1,) * 40),
    ],
)
def test_a_tensor_never_leaves_its_storage(read, container, opcodes):
    with pytest.raises(WeightsError, match="damaged.*tensor"):
        read(container(b"\x80\x02" + opcodes + b".", [FOUR]))


@pytest.mark.parametrize("count", [5, 2**20, 2**40, 2**62, -1])
def test_a_storage_never_exceeds_the_file(read, container, count):
    content = container(b"\x80\x02" + storage_reference(count) + b".", [FOUR])
    tracemalloc.start()
    with pytest.raises(WeightsError, match="storage"):
        read(content)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**23


def test_storages_that_contradict(read, container):
    both = b"\x80\x02]" + tensor() + b"a" + tensor(kind="LongStorage") + b"a."
    with pytest.raises(WeightsError, match="twice, with different sizes"):
        read(container(both, [FOUR]))
    with pytest.raises(WeightsError, match="not in the archive|not those of its tensors"):
        read(container(b"\x80\x02" + tensor(key="7") + b".", [FOUR]))
    with pytest.raises(WeightsError, match="not in the archive|not those of its tensors"):
        read(container(b"\x80\x02" + tensor(key="../0") + b".", [FOUR]))


def test_legacy_storages_shorter_than_they_say(read):
    content = legacy_checkpoint(b"\x80\x02" + tensor() + b".", [FOUR])
    with pytest.raises(WeightsError, match="ends after 12 of 16 bytes"):
        read(content[:-4])
    with pytest.raises(WeightsError, match="of 4 numbers, with 3"):
        read(content[:-24] + struct.pack("<q", 3) + FOUR)


# --- bombs ------------------------------------------------------------------------------------


def test_zip_bomb(read):
    tracemalloc.start()
    bomb = zip_checkpoint(pickle.dumps([0], 2), [b"\0" * 2**24], zipfile.ZIP_DEFLATED)
    tracemalloc.reset_peak()
    with pytest.raises(WeightsError, match="is compressed, which PyTorch never does"):
        read(bomb)
    peak = tracemalloc.get_traced_memory()[1] - len(bomb)
    tracemalloc.stop()
    assert peak < 2**20


def test_entries_that_overlap(read):
    # Each entry of the directory claims the same bytes of the file.
    content = bytearray(zip_checkpoint(pickle.dumps([0], 2), [b"\0" * 4000] * 20))
    for position in [at for at in range(len(content)) if content.startswith(b"PK\x01\x02", at)]:
        struct.pack_into("<II", content, position + 20, 60_000, 60_000)
    with pytest.raises(WeightsError, match="claim more bytes than the file has"):
        read(bytes(content))


def test_npz_bombs(tmp_path, read):
    np.savez_compressed(tmp_path / "bomb.npz", a=np.zeros(2**25, "f4"))
    with pytest.raises(WeightsError, match="claim to grow from"):
        read_checkpoint(tmp_path / "bomb.npz")
    np.savez(tmp_path / "objects.npz", a=np.array([{}], dtype=object))
    with pytest.raises(WeightsError, match="Python objects, which are never opened"):
        read_checkpoint(tmp_path / "objects.npz")
    np.savez(tmp_path / "huge.npz", a=np.zeros(2, "f4"))
    with zipfile.ZipFile(tmp_path / "lies.npz", "w") as archive:
        array = zipfile.ZipFile(tmp_path / "huge.npz").read("a.npy")
        archive.writestr("a.npy", array.replace(b"(2,), }      ", b"(2222222,), }"))
    with pytest.raises(WeightsError, match="of 2222222 numbers, with"):
        read_checkpoint(tmp_path / "lies.npz")
    with zipfile.ZipFile(tmp_path / "lzma.npz", "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("a.npy", array)
    with pytest.raises(WeightsError, match="in a way that numpy never does"):
        read_checkpoint(tmp_path / "lzma.npz")


@pytest.mark.parametrize("name", ["archive/../../etc/passwd", "/etc/passwd", "C:\\x", "..\\x"])
def test_names_that_lead_out(tmp_path, name):
    with zipfile.ZipFile(tmp_path / "out.pth", "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps({}, 2))
        archive.writestr(name, b"")
    with pytest.raises(WeightsError, match="leads out of the archive"):
        read_checkpoint(tmp_path / "out.pth")


@pytest.mark.parametrize(
    ("opcodes", "match"),
    [
        (b"r\xff\xff\xff\xff.", "takes more than it has"),
        (b"K\x01r\xff\xff\xff\xff.", None),
        (b"\x8d" + struct.pack("<Q", 2**40) + b"x.", "damaged"),
        (b"\x8b" + struct.pack("<i", 2**30) + b"x.", "damaged"),
        (b"\x8b" + struct.pack("<i", 4000) + b"\x7f" * 4000 + b".", "a number of 31999 bits"),
        (b"}K\x01K\x02\x86K\x03s.", "a tuple as a key"),
        (b"}U\x01aK\x03", "damaged"),
        (b"(K\x01", "damaged"),
        (b"0.", "takes more than it has"),
        (b"(0.", "takes more than it has"),
        (b"K\x01K\x02(0.", "takes more than it has"),
        (b"h\x05.", "recalls what it never stored"),
        (b"K\x01K\x02a.", "fills a int as a list"),
        (b"(" * 10 + b"1" * 11 + b".", "takes more than it has"),
        (b"K\x01" * 10_000 + b".", None),
        (b"X" + struct.pack("<I", 5000) + b"k" * 5000 + b"q\x000}h\x00K\x01s.", "5000 characters"),
    ],
)
def test_pickles_that_ask_for_too_much(read, container, opcodes, match):
    tracemalloc.start()
    content = container(b"\x80\x02" + opcodes)
    if match is None:
        assert read(content)[""] == 1
    else:
        with pytest.raises(WeightsError, match=match):
            read(content)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**26


def test_pickles_without_end(read, container):
    with pytest.raises(WeightsError, match="more than 1000000 steps"):
        read(container(b"\x80\x02" + b"}" * 1_000_001 + b"."))


def test_calls_that_copy_are_paid_for(read, container):
    long_list = b"](" + b"K\x01K\x02\x86" * 1000 + b"eq\x00"
    copies = b"ccollections\nOrderedDict\nq\x010" + b"(h\x01h\x00\x85R" * 3000 + b"t."
    with pytest.raises(WeightsError, match="more than 1000000 steps"):
        read(container(b"\x80\x02" + long_list + copies))


def test_names_of_devices_are_paid_for(read, container):
    doubled = b"ctorch\ndevice\nq\x000U\x0acuda:cuda:q\x010" + b"h\x00h\x01h\x01\x86Rq\x010" * 20
    tracemalloc.start()
    with pytest.raises(WeightsError, match="more than 1000000 steps"):
        read(container(b"\x80\x02" + doubled + b"h\x01."))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**23
    assert read(container(b"\x80\x02ctorch\ndevice\nU\x04cudaK\x01\x86R."))[""] == "cuda:1"


def test_states_of_an_object_are_paid_for(read, container):
    long_state = b"(" + b"K\x01" * 1000 + b"tq\x010"
    built = b"cargparse\nNamespace\n)R" + b"h\x01b" * 1100
    with pytest.raises(WeightsError, match="more than 1000000 steps"):
        read(container(b"\x80\x02" + long_state + built + b"."))


def test_laughs_are_not_laughed_a_billion_times(read, container):
    doubled = b"]q\x00" + b"".join(
        b"](" + b"h" + bytes([level]) + b"h" + bytes([level]) + b"eq" + bytes([level + 1])
        for level in range(40)
    )
    content = read(container(b"\x80\x02" + doubled + b"."))
    with pytest.raises(WeightsError, match="holds more than 1000000 items"):
        flatten(content)
    content = read(container(b"\x80\x02]q\x00h\x00a."))
    with pytest.raises(WeightsError, match="or one in itself"):
        flatten(content)
