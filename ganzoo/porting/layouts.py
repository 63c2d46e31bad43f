"""How a network of another code base is described, and its tensors turned into Keras's.

A layout is a table: each tensor of the file, its shape, and the variable that it becomes. What
a file lacks, has too much of, or has in another shape is what differs from the table.
"""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ganzoo.errors import WeightsError

State = dict[str, np.ndarray]
Settings = dict[str, Any]

MAX_NAME = 80
_SHOWN = 12
_NUMBER = r"0|[1-9][0-9]{0,2}"


@dataclass(frozen=True)
class Entry:
    """One tensor of a layout.

    Attributes:
        source: Its name in the file.
        shape: Its shape there.
        target: The variable that it becomes, as "layer/variable".
        convert: Turns the one into the other.
    """

    source: str
    shape: tuple[int, ...]
    target: str
    convert: Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Layout:
    """A network as some code base names its tensors.

    Attributes:
        family: The family of ganzoo that has this network.
        kind: "generator" or "discriminator".
        title: What to call it in a message.
        matches: Says whether a state dict is, or tries to be, of this layout.
        read_settings: Reads the arguments of the family's `build` off a state dict; the second
            argument are those of the preset, for what tensors do not tell.
        entries: Lists the tensors of a network with such settings.
        rename: Gives the tensors of variants of the layout their usual names.
        check: Lists what lies beside the tensors in a checkpoint and does not go with the layout.
        ignored: Names of tensors that have no part in the output.
        given: Those of the settings that no tensor tells: they are the layout's own.
        notes: What a user should know: what the tensors do not tell and is taken as given.
        describe: Lists what else a user should know, of what lies beside the tensors.
    """

    family: str
    kind: str
    title: str
    matches: Callable[[State], bool]
    read_settings: Callable[[State, Settings], Settings]
    entries: Callable[[Settings], list[Entry]]
    rename: Callable[[State], State] = dict
    check: Callable[[dict[str, Any]], list[str]] = lambda content: []
    ignored: str = r".*\.num_batches_tracked"
    given: frozenset[str] = frozenset()
    notes: tuple[str, ...] = ()
    describe: Callable[[dict[str, Any]], list[str]] = lambda content: []


def convert(layout: Layout, state: State, settings: Settings, origin: str) -> State:
    """Turns a state dict into arrays by variable of the Keras network.

    Args:
        layout: What the state dict is.
        state: Tensors by name, in PyTorch's axes.
        settings: What `layout.read_settings` read.
        origin: The file and the place in it, for messages.

    Raises:
        WeightsError: Lists the tensors that are missing, left over, of another shape, or hold
            something else than finite floats.
    """
    entries = layout.entries(settings)
    known = {entry.source for entry in entries}
    problems = [f"missing: {entry.source}" for entry in entries if entry.source not in state]
    problems += [
        f"other shape: {entry.source} {state[entry.source].shape}, not {entry.shape}"
        for entry in entries
        if entry.source in state and state[entry.source].shape != entry.shape
    ]
    problems += [
        f"left over: {shown(name)} {array.shape}"
        for name, array in state.items()
        if name not in known and not re.fullmatch(layout.ignored, name)
    ]
    problems = problems or _not_weights(entries, state)
    if problems:
        raise misfit(layout, origin, problems)
    return {entry.target: entry.convert(state[entry.source]) for entry in entries}


def _not_weights(entries: list[Entry], state: State) -> list[str]:
    """Lists the tensors of which no network can be made, though their shapes are right."""
    problems = []
    for entry in entries:
        array = state[entry.source]
        if array.dtype.kind != "f":
            problems.append(f"no floats: {entry.source} {array.dtype}")
        elif not array.size:
            problems.append(f"empty: {entry.source} {array.shape}")
        elif not _is_finite(array):
            problems.append(f"not finite: {entry.source}")
    return problems


def _is_finite(array: np.ndarray) -> bool:
    with np.errstate(over="ignore"):  # the networks hold float32
        return bool(np.isfinite(array.astype("float32", copy=False)).all())


def misfit(layout: Layout, origin: str, problems: list[str]) -> WeightsError:
    """Makes the error that lists what does not fit a layout."""
    shown = "; ".join(problems[:_SHOWN])
    more = f"; and {len(problems) - _SHOWN} more" if len(problems) > _SHOWN else ""
    return WeightsError(
        f"{origin} looks like {layout.title}, but does not fit it: {shown}{more}. "
        "Bring the file of a network that was not changed, or train one: ganzoo train"
    )


def shown(name: str) -> str:
    """Writes a name that a file gives as a part of a line, on a terminal or in a card."""
    return (name if name.isprintable() else repr(name))[:MAX_NAME]


def side(state: State, name: str, axis: int, dimensions: int = 4) -> int:
    """Reads the length of an axis of a tensor; a `KeyError` says that it is missing."""
    array = state[name]
    if array.ndim != dimensions:
        raise KeyError(name)
    return array.shape[axis]


def numbers(state: State, pattern: str, dimensions: int = 4) -> list[int]:
    """Lists, in order, the numbers that a pattern finds in names of tensors.

    What PyTorch would not write so, such as "00", and what no network counts up to is no number.
    """
    found = ((re.fullmatch(pattern, name), array) for name, array in state.items())
    return sorted(
        int(match[1])
        for match, array in found
        if match and re.fullmatch(_NUMBER, match[1]) and array.ndim == dimensions
    )


# --- tensors of usual layers ------------------------------------------------------------------


def as_is(array: np.ndarray) -> np.ndarray:
    """Gives float arrays as float32."""
    return np.ascontiguousarray(array, "float32")


def kernel(array: np.ndarray) -> np.ndarray:
    """Turns OIHW into HWIO, and a transposed convolution's IOHW into HWOI."""
    return as_is(array.transpose(2, 3, 1, 0))


def matrix(array: np.ndarray) -> np.ndarray:
    """Turns a linear layer's `(outputs, inputs)` into `(inputs, outputs)`."""
    return as_is(array.T)


def convolution(
    source: str, target: str, inputs: int, outputs: int, size: int, *, bias: bool = False
) -> list[Entry]:
    """Lists the tensors of a convolution with a square kernel."""
    weight = Entry(f"{source}.weight", (outputs, inputs, size, size), f"{target}/kernel", kernel)
    return [weight] + vector(f"{source}.bias", f"{target}/bias", outputs) * bias


def transposed_convolution(
    source: str, target: str, inputs: int, outputs: int, size: int, *, bias: bool = False
) -> list[Entry]:
    """Lists the tensors of a transposed convolution with a square kernel."""
    weight = Entry(f"{source}.weight", (inputs, outputs, size, size), f"{target}/kernel", kernel)
    return [weight] + vector(f"{source}.bias", f"{target}/bias", outputs) * bias


def dense(source: str, target: str, inputs: int, outputs: int) -> list[Entry]:
    """Lists the tensors of a linear layer with a bias."""
    weight = Entry(f"{source}.weight", (outputs, inputs), f"{target}/kernel", matrix)
    return [weight, *vector(f"{source}.bias", f"{target}/bias", outputs)]


def vector(source: str, target: str, width: int) -> list[Entry]:
    """Lists one vector."""
    return [Entry(source, (width,), target, as_is)]


def batch_norm(source: str, target: str, width: int) -> list[Entry]:
    """Lists the tensors of a batch norm, its running statistics included."""
    names = {
        "weight": "gamma",
        "bias": "beta",
        "running_mean": "moving_mean",
        "running_var": "moving_variance",
    }
    return [
        entry
        for theirs, ours in names.items()
        for entry in vector(f"{source}.{theirs}", f"{target}/{ours}", width)
    ]


def projection(source: str, target: str, inputs: int, outputs: int, size: int) -> list[Entry]:
    """Lists the tensor of a transposed convolution of a 1x1 input, which is a dense layer."""

    def flatten(array: np.ndarray) -> np.ndarray:
        return as_is(array.transpose(0, 2, 3, 1).reshape(inputs, size * size * outputs))

    shape = (inputs, outputs, size, size)
    return [Entry(f"{source}.weight", shape, f"{target}/kernel", flatten)]


def count(shape: tuple[int, ...]) -> int:
    """Number of elements of a shape."""
    return math.prod(shape)
