"""Reads a pickle as plain data, without Python's unpickler and without calling its functions.

Python's own unpickler can be kept from importing, but not from reserving gigabytes when a
damaged file asks for them. Here `pickletools` parses the opcodes, a small machine obeys those
that build data, and every step is paid for from a budget.
"""

import pickletools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ganzoo.porting.bounded import BoundedFile, Damaged

MAX_STEPS = 1_000_000
MAX_KEY = 4096
MAX_INT_BITS = 4096

_SCALARS = (str, bytes, int, float, type(None))


@dataclass(frozen=True)
class Constructor:
    """What a pickle may call: `build(spend, *arguments)` makes plain data of plain data."""

    name: str
    build: Callable[..., Any]


class Attributes(dict):
    """The attributes of an object whose class was not imported.

    Attributes:
        class_name: The class it claims to be of, as "module.name".
    """

    def __init__(self, class_name: str):
        super().__init__()
        self.class_name = class_name


def read_pickle(
    file: BoundedFile,
    find_global: Callable[[str, str], Any],
    load_persistent: Callable[[Any], Any] | None = None,
) -> Any:
    """Reads one pickle from where `file` stands, and leaves it behind the pickle's end.

    Args:
        file: What to read, at most `file.limit` bytes an item.
        find_global: Gives what stands for "module", "name": a `Constructor` or a plain value.
            It raises `WeightsError` for a name that it refuses.
        load_persistent: Gives what stands for a persistent id (a tuple of plain values).

    Returns:
        Dicts, lists, tuples, numbers, strings and what the two functions gave.

    Raises:
        WeightsError: The pickle asks for something that `find_global` refuses.
        Damaged: It breaks off, contradicts itself, or costs more than `MAX_STEPS`.
    """
    machine = _Machine(find_global, load_persistent)
    while code := file.read(1):
        opcode = _OPCODES.get(code.decode("latin1"))
        if opcode is None or opcode.name not in _KNOWN:
            name = opcode.name if opcode else repr(code)
            raise Damaged(f"the opcode {name}, which no tensor file needs")
        machine.spend(1)
        if opcode.name == "STOP":
            return machine.pop()
        machine.step(opcode.name, _read_argument(file, opcode))
    raise Damaged("a pickle without an end")


def _read_argument(file: BoundedFile, opcode: pickletools.OpcodeInfo) -> Any:
    if opcode.name in ("GLOBAL", "INST"):
        # Names as pickle reads them: pickletools would also obey backslashes in them.
        return file.readline()[:-1].decode(), file.readline()[:-1].decode()
    return opcode.arg.reader(file) if opcode.arg else None  # type: ignore[arg-type]


class _Machine:
    """The stack, the marks and the memo of a pickle being read."""

    def __init__(self, find_global, load_persistent):
        self.find_global, self.load_persistent = find_global, load_persistent
        self.stack = []
        self.marks = []
        self.memo = {}
        self.steps_left = MAX_STEPS

    def spend(self, steps: int):
        """Pays for work and memory in proportion to `steps`."""
        self.steps_left -= steps
        if self.steps_left < 0:
            raise Damaged(f"more than {MAX_STEPS} steps to read")

    def step(self, name: str, argument: Any):
        if name in _PUSHED:
            if isinstance(argument, int) and argument.bit_length() > MAX_INT_BITS:
                raise Damaged(f"a number of {argument.bit_length()} bits")
            self.stack.append(argument)
        elif name in _CONSTANTS:
            self.stack.append(_CONSTANTS[name]())
        elif name in _ACTIONS:
            _ACTIONS[name](self, argument)

    def pop(self) -> Any:
        if len(self.stack) <= (self.marks[-1] if self.marks else 0):
            raise Damaged("a pickle that takes more than it has")
        return self.stack.pop()

    def top(self, kind: type) -> Any:
        """The value that the next items go into, which must be of a kind."""
        value = self.pop()
        self.stack.append(value)
        if not isinstance(value, kind):
            raise Damaged(f"a pickle that fills a {type(value).__name__} as a {kind.__name__}")
        return value

    def pop_mark(self) -> list:
        if not self.marks:
            raise Damaged("a pickle that takes more than it has")
        start = self.marks.pop()
        items = self.stack[start:]
        del self.stack[start:]
        return items

    def remember(self, index: int):
        value = self.pop()
        self.stack.append(value)
        self.memo[index] = value

    def recall(self, index: int):
        if index not in self.memo:
            raise Damaged("a pickle that recalls what it never stored")
        self.stack.append(self.memo[index])


def fill(target: dict, items: list):
    """Puts `[key, value, key, value, …]` into a dict whose keys are numbers and strings."""
    if len(items) % 2:
        raise Damaged("a dict with a key that has no value")
    for key, value in zip(items[::2], items[1::2], strict=True):
        # Hashing a tuple walks it: one nested a million deep would end the process. Comparing
        # two equal keys of many megabytes, over and over, would never end.
        if not isinstance(key, _SCALARS):
            raise Damaged(f"a dict with a {type(key).__name__} as a key")
        if isinstance(key, str | bytes) and len(key) > MAX_KEY:
            raise Damaged(f"a dict with a key of {len(key)} characters")
        target[key] = value


def _extend(machine: _Machine, items: list):
    machine.top(list).extend(items)


def _set_items(machine: _Machine, items: list):
    fill(machine.top(dict), items)


def _make_dict(machine: _Machine, items: list):
    made: dict = {}
    fill(made, items)
    machine.stack.append(made)


def _set_one(machine: _Machine, _argument: Any):
    value, key = machine.pop(), machine.pop()
    fill(machine.top(dict), [key, value])


def _pop_tuple(count: int):
    def action(machine: _Machine, _argument: Any):
        items = [machine.pop() for _ in range(count)]
        machine.stack.append(tuple(reversed(items)))

    return action


def _global(machine: _Machine, names: tuple[str, str]):
    machine.stack.append(machine.find_global(*names))


def _stack_global(machine: _Machine, _argument: Any):
    name, module = machine.pop(), machine.pop()
    if not (isinstance(name, str) and isinstance(module, str)):
        raise Damaged("a class name that is not a string")
    machine.stack.append(machine.find_global(module, name))


def _instance(machine: _Machine, names: tuple[str, str]):
    # The oldest pickles name a class and call it in one opcode. Looking it up refuses it by
    # name; a name that may be called is not written that way by any PyTorch.
    _global(machine, names)
    raise Damaged("an object of a kind that no tensor file needs")


def _call(machine: _Machine, _argument: Any):
    arguments, constructor = machine.pop(), machine.pop()
    if not isinstance(constructor, Constructor) or not isinstance(arguments, tuple):
        raise Damaged("a call of something that is not a known constructor")
    machine.stack.append(constructor.build(machine.spend, *arguments))


def _build(machine: _Machine, _argument: Any):
    state = machine.pop()
    target = machine.top(object)
    # A state dict carries notes (`_metadata`) as attributes: only inert objects keep theirs.
    if not isinstance(target, Attributes):
        return
    parts = state if isinstance(state, tuple) else (state,)
    machine.spend(len(parts))
    for part in parts:
        if isinstance(part, dict):
            machine.spend(len(part))
            target.update(part)


def _persistent(machine: _Machine, _argument: Any):
    if machine.load_persistent is None:
        raise Damaged("a reference to data outside the pickle")
    machine.stack.append(machine.load_persistent(machine.pop()))


def _with_mark(action: Callable[[_Machine, list], Any]):
    return lambda machine, _: action(machine, machine.pop_mark())


_OPCODES = {opcode.code: opcode for opcode in pickletools.opcodes}
_IGNORED = {"PROTO", "FRAME"}
# fmt: off
_PUSHED = {
    "BININT", "BININT1", "BININT2", "LONG1", "LONG4", "BINFLOAT", "BINSTRING", "SHORT_BINSTRING",
    "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8",
}
# fmt: on
_CONSTANTS: dict[str, Callable[[], Any]] = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_LIST": list,
    "EMPTY_SET": list,  # a set would hash what it is given
    "EMPTY_TUPLE": tuple,
    "EMPTY_DICT": dict,
}
_ACTIONS: dict[str, Callable[[_Machine, Any], Any]] = {
    "MARK": lambda machine, _: machine.marks.append(len(machine.stack)),
    "POP": lambda machine, _: machine.pop(),
    "POP_MARK": _with_mark(lambda machine, items: None),
    "TUPLE": _with_mark(lambda machine, items: machine.stack.append(tuple(items))),
    "LIST": _with_mark(lambda machine, items: machine.stack.append(items)),
    "FROZENSET": _with_mark(lambda machine, items: machine.stack.append(items)),
    "DICT": _with_mark(_make_dict),
    "APPENDS": _with_mark(_extend),
    "ADDITEMS": _with_mark(_extend),
    "SETITEMS": _with_mark(_set_items),
    "APPEND": lambda machine, _: _extend(machine, [machine.pop()]),
    "SETITEM": _set_one,
    "TUPLE1": _pop_tuple(1),
    "TUPLE2": _pop_tuple(2),
    "TUPLE3": _pop_tuple(3),
    "BINPUT": lambda machine, index: machine.remember(index),
    "LONG_BINPUT": lambda machine, index: machine.remember(index),
    "MEMOIZE": lambda machine, _: machine.remember(len(machine.memo)),
    "BINGET": lambda machine, index: machine.recall(index),
    "LONG_BINGET": lambda machine, index: machine.recall(index),
    "GLOBAL": _global,
    "STACK_GLOBAL": _stack_global,
    "INST": _instance,
    "REDUCE": _call,
    "NEWOBJ": _call,
    "BUILD": _build,
    "BINPERSID": _persistent,
}
# Opcodes of protocol 0, which spells out numbers as text, are not among them.
_KNOWN = _IGNORED | _PUSHED | {"STOP"} | set(_CONSTANTS) | set(_ACTIONS)
