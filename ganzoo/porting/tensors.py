"""What the pickle inside a PyTorch file may name, and how numpy arrays are made of it.

A tensor is a view of its storage and never a copy, and a storage is no larger than the bytes
that the file holds for it: reading costs about as much memory as the file has bytes.
"""

import math
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from ganzoo.errors import WeightsError
from ganzoo.porting.bounded import Damaged
from ganzoo.porting.pickles import Attributes, Constructor, fill

MAX_DIMENSIONS = 16

# pytorch_GAN_zoo keeps its settings as a live object beside the tensors, many training scripts
# their command line.
INERT_CLASSES = ("models.utils.config.BaseConfig", "argparse.Namespace")


@dataclass(frozen=True)
class StorageType:
    """How numbers lie in a storage: `stored` on disk, `given` in the arrays made of it."""

    stored: str
    given: str

    def decode(self, raw: np.ndarray) -> np.ndarray:
        """Gives the numbers of `raw` (of dtype `stored`) as dtype `given`."""
        if self.stored == self.given:
            return raw
        # bfloat16 is the upper half of a float32: moving it up is exact.
        return (raw.astype("<u4") << 16).view(self.given)


@dataclass(frozen=True)
class Storage:
    """A flat array that tensors are views of."""

    elements: np.ndarray


class Storages(Protocol):
    """Where storages come from: one class for each file format."""

    def load(self, key: str, kind: StorageType, count: int) -> Storage:
        """Gives storage `key` of `count` numbers; `Damaged` if the file does not hold them."""


_STORAGE_TYPES = {
    "FloatStorage": StorageType("<f4", "<f4"),
    "DoubleStorage": StorageType("<f8", "<f8"),
    "HalfStorage": StorageType("<f2", "<f2"),
    "BFloat16Storage": StorageType("<u2", "<f4"),
    "LongStorage": StorageType("<i8", "<i8"),
    "IntStorage": StorageType("<i4", "<i4"),
    "ShortStorage": StorageType("<i2", "<i2"),
    "CharStorage": StorageType("|i1", "|i1"),
    "ByteStorage": StorageType("|u1", "|u1"),
    "BoolStorage": StorageType("|b1", "|b1"),
    "ComplexFloatStorage": StorageType("<c8", "<c8"),
    "ComplexDoubleStorage": StorageType("<c16", "<c16"),
}
# fmt: off
_DTYPES = {
    "float32", "float64", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8",
    "bool", "complex64", "complex128", "strided",
}
# fmt: on


def view(storage: Any, offset: Any, shape: Any, strides: Any) -> np.ndarray:
    """Makes a read-only tensor of a storage, after checking that all of it lies inside.

    Args:
        storage: A `Storage` (anything else is refused: these come from a file).
        offset: Index of the tensor's first number.
        shape: Size of each dimension.
        strides: Numbers to skip for one step along each dimension.
    """
    if not isinstance(storage, Storage):
        raise Damaged("a tensor without a storage")
    if not (isinstance(shape, tuple | list) and isinstance(strides, tuple | list)):
        raise Damaged("a tensor whose shape is not a tuple")
    if len(shape) != len(strides) or len(shape) > MAX_DIMENSIONS:
        raise Damaged(f"a tensor with {len(shape)} sizes and {len(strides)} strides")
    if any(type(item) is not int or not 0 <= item < 2**63 for item in (offset, *shape, *strides)):
        raise Damaged("a tensor with a size that is not a count")
    elements = storage.elements
    count = math.prod(shape)
    last = offset + sum((size - 1) * step for size, step in zip(shape, strides, strict=True))
    if count > elements.size or (count and last >= elements.size):
        raise Damaged(f"a tensor that claims more than the {elements.size} numbers of its storage")
    if not count:
        return np.zeros(shape, elements.dtype)
    steps = [step * elements.itemsize for step in strides]
    return np.lib.stride_tricks.as_strided(elements[offset:], shape, steps, writeable=False)


def persistent_loader(storages: Storages) -> Callable[[Any], Storage]:
    """Makes the function that turns a pickle's reference to a storage into the storage."""

    def load(reference: Any) -> Storage:
        if not isinstance(reference, tuple) or len(reference) not in (5, 6):
            raise Damaged("a reference to something else than a storage")
        word, kind, key, _, count, *rest = reference
        if word != "storage" or not isinstance(kind, StorageType):
            raise Damaged("a reference to something else than a storage")
        if not isinstance(key, str) or len(key) > 64 or type(count) is not int or count < 0:
            raise Damaged("a storage without a name or a size")
        storage = storages.load(key, kind, count)
        # The legacy format may store a storage that is a part of another.
        return _part(storage, rest[0]) if rest and rest[0] is not None else storage

    return load


def _part(storage: Storage, part: Any) -> Storage:
    if not isinstance(part, tuple) or len(part) != 3:
        raise Damaged("a part of a storage that is not described")
    _, offset, count = part
    if type(offset) is not int or type(count) is not int or min(offset, count) < 0:
        raise Damaged("a part of a storage that is not described")
    if offset + count > storage.elements.size:
        raise Damaged("a part that is larger than its storage")
    return Storage(storage.elements[offset : offset + count])


def global_finder(
    path: str, inert_classes: Collection[str] = INERT_CLASSES
) -> Callable[[str, str], Any]:
    """Makes the function that says what a name in a pickle stands for.

    Args:
        path: The file, for the message of a refusal.
        inert_classes: Classes, as "module.name", of which only the attributes are kept.
    """

    def find(module: str, name: str) -> Any:
        if module in ("torch", "torch.cuda") and name in _STORAGE_TYPES:
            return _STORAGE_TYPES[name]
        if module == "torch" and name in _DTYPES:
            return name
        full_name = f"{module}.{name}"
        if full_name in _CONSTRUCTORS:
            return Constructor(full_name, _CONSTRUCTORS[full_name])
        if full_name in inert_classes:
            return Constructor(full_name, lambda spend, *arguments: Attributes(full_name))
        raise WeightsError(
            f"{path} asks for {full_name[:200]!r}, and reading weights runs no code of a file. "
            "Save the tensors alone, with torch.save(model.state_dict(), path), and read that."
        )

    return find


def _tensor(spend, storage, offset, shape, strides, *_notes):
    return view(storage, offset, shape, strides)


def _parameter(spend, data, *_notes):
    if not isinstance(data, np.ndarray):
        raise Damaged("a parameter without a tensor")
    return data


def _dict(spend, items=()):
    made = {}
    if isinstance(items, dict):
        spend(len(items))
        made.update(items)
        return made
    spend(2 * len(items))
    if any(not isinstance(pair, tuple | list) or len(pair) != 2 for pair in items):
        raise Damaged("a dict made of something else than pairs")
    fill(made, [value for pair in items for value in pair])
    return made


def _list(spend, items=()):
    if not isinstance(items, tuple | list):
        raise Damaged("a sequence made of something else than a list")
    spend(len(items))
    return list(items)


def _encode(spend, text, encoding="latin1"):
    if not isinstance(text, str) or encoding != "latin1":
        raise Damaged("bytes in an encoding that no tensor file has")
    spend(len(text))
    return text.encode("latin1")


def _device(spend, *parts):
    # A name such as "cuda", and its number. What is made of it may be named again, and again.
    named = [str(part) for part in parts if isinstance(part, str | int)]
    spend(sum(len(part) for part in named))
    return ":".join(named)


_CONSTRUCTORS: dict[str, Callable[..., Any]] = {
    "torch._utils._rebuild_tensor": _tensor,
    "torch._utils._rebuild_tensor_v2": _tensor,
    "torch._utils._rebuild_parameter": _parameter,
    "torch._utils._rebuild_parameter_with_state": _parameter,
    "torch.Size": _list,
    "torch.device": _device,
    "collections.OrderedDict": _dict,
    "collections.Counter": _dict,
    "builtins.set": _list,
    "builtins.frozenset": _list,
    "__builtin__.set": _list,
    "__builtin__.frozenset": _list,
    "_codecs.encode": _encode,
}
