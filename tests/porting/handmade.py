"""Checkpoints made by hand: a zip or legacy file around any pickle."""

import io
import pickle
import struct
import zipfile

from ganzoo.porting import fill


def assign(network, arrays):
    """Fills a single network."""
    fill({network.name: network}, {network.name: arrays})


def zip_checkpoint(content, storages=(), compression=zipfile.ZIP_STORED):
    """Bytes of a zip checkpoint whose `data.pkl` is `content`, with storages "0", "1", …"""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        archive.writestr("archive/data.pkl", content)
        for key, storage in enumerate(storages):
            archive.writestr(f"archive/data/{key}", storage)
    return buffer.getvalue()


def legacy_checkpoint(content, storages=()):
    """Bytes of a legacy checkpoint; each storage is its numbers, as float32 bytes."""
    system = {"protocol_version": 1001, "little_endian": True, "type_sizes": {"int": 4}}
    parts = [pickle.dumps(part, 2) for part in (0x1950A86A20F9469CFC6C, 1001, system)]
    parts += [content, pickle.dumps([str(key) for key in range(len(storages))], 2)]
    for storage in storages:
        parts += [struct.pack("<q", len(storage) // 4), storage]
    return b"".join(parts)


def storage_reference(count, key="0", kind="FloatStorage", extra=b""):
    """Opcodes that push the storage `key` of `count` numbers."""
    reference = b"(X\x07\x00\x00\x00storagectorch\n" + kind.encode() + b"\n"
    reference += b"X" + struct.pack("<I", len(key)) + key.encode() + b"X\x03\x00\x00\x00cpu"
    return reference + integer(count) + extra + b"tQ"


def integer(value):
    """Opcodes that push an int."""
    return b"\x8a\x09" + value.to_bytes(9, "little", signed=True)


def tensor(count=4, offset=0, shape=(4,), strides=(1,), **reference):
    """Opcodes that push a tensor of float32 storage "0"."""

    def numbers(values):
        return b"(" + b"".join(map(integer, values)) + b"t"

    opcodes = b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage_reference(count, **reference)
    opcodes += integer(offset) + numbers(shape) + numbers(strides)
    return opcodes + b"\x89ccollections\nOrderedDict\n)RtR"
