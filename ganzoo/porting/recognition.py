"""Says what network a checkpoint holds, and turns it into the variables of ganzoo's."""

import collections
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ganzoo.errors import WeightsError
from ganzoo.porting import cyclegan, dcgan, perceptrons, progan
from ganzoo.porting.layouts import MAX_NAME, Layout, Settings, State, convert, misfit, shown
from ganzoo.porting.roles import assign_roles

LAYOUTS: tuple[Layout, ...] = (
    *cyclegan.LAYOUTS,
    *dcgan.LAYOUTS,
    *perceptrons.LAYOUTS,
    *progan.LAYOUTS,
)
MAX_DEPTH = 8
_SHOWN = 12
MAX_DICTS = 1000  # the uppermost: optimizers have many, and networks do not lie deep in them


@dataclass(frozen=True)
class Recognised:
    """What a checkpoint holds, in ganzoo's terms.

    Attributes:
        family: The family of models.
        settings: Arguments of the family's `build`, as the tensors tell them.
        given: Those of them that no tensor tells: the layout has them so.
        networks: Arrays by network ("generator", …) and variable ("up_8/kernel").
        found: One line for each network: what it was called and what it is.
        notes: What else a user should know, such as what was taken as given or left out.
    """

    family: str
    settings: Settings
    networks: dict[str, State]
    given: frozenset[str] = frozenset()
    found: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Part:
    """One network of a checkpoint: where it lay, what it is, its settings and its arrays."""

    path: str
    layout: Layout
    settings: Settings
    arrays: State


def recognise(
    content: dict[str, Any],
    *,
    origin: str = "The checkpoint",
    family: str | None = None,
    model: Settings | None = None,
    direction: str | None = None,
) -> Recognised:
    """Recognises the networks of a checkpoint and converts their tensors.

    Args:
        content: What `read_checkpoint` gave: a state dict, or a dict with state dicts in it.
        origin: The file, for messages.
        family: Accept networks of this family only.
        model: The preset's `model` settings, for what tensors do not tell.
        direction: What a lone CycleGAN generator does: "ab" or "ba". A lone discriminator is
            the one that judges what the generator of that direction makes.

    Raises:
        WeightsError: No network of a known layout is there, the networks do not go together,
            or tensors are missing, left over or of another shape.
    """
    known, unknown = _sorted_out(content, family)
    if not known:
        raise _nothing_known(content, origin, family)
    found_family = _only_family([layout for _, _, layout in known], origin)
    parts: list[Part] = []
    settings: Settings = {}
    for path, state, layout in known:
        if problems := layout.check(content):
            raise misfit(layout, origin, problems)
        parts.append(_convert(path, layout, state, (model or {}) | settings, origin))
        settings = _joined(settings, parts[-1], origin)
    places = [(part.path, part.layout.kind) for part in parts]
    roles = assign_roles(found_family, places, origin, direction)
    notes = [note for _, _, layout in known for note in (*layout.notes, *layout.describe(content))]
    notes += _left_out(unknown)
    return _assembled(found_family, settings, dict(zip(roles, parts, strict=True)), notes)


def _left_out(paths: list[str]) -> list[str]:
    notes = [f"Left out: {shown(path) or 'what lies beside'}, no known network" for path in paths]
    more = len(notes) - _SHOWN
    return notes[:_SHOWN] + [f"Left out: {more} more, no known networks"] * (more > 0)


def _only_family(layouts: list[Layout], origin: str) -> str:
    families = sorted({layout.family for layout in layouts})
    if len(families) > 1:
        raise WeightsError(
            f"{origin} holds networks of several families: {', '.join(families)}. "
            "Save the networks of one model alone, with torch.save, and read that."
        )
    return families[0]


def _assembled(
    family: str, settings: Settings, parts: dict[str, Part], notes: list[str]
) -> Recognised:
    return Recognised(
        family=family,
        settings=settings,
        networks={role: part.arrays for role, part in parts.items()},
        given=frozenset().union(*(part.layout.given for part in parts.values())),
        found=[
            f"{role}: {part.layout.title}"
            + (f", from {repr(part.path)[:MAX_NAME]}" if part.path else "")
            for role, part in parts.items()
        ],
        notes=list(dict.fromkeys(notes)),
    )


def _sorted_out(content, family):
    """The networks of known layouts, generators first, and the places of others."""
    found = [(path, state, find_layout(state, family)) for path, state in state_dicts(content)]
    known = [item for item in found if item[2]]
    # Where a discriminator's tensors leave a choice, it follows the generator.
    known.sort(key=lambda item: item[2].kind, reverse=True)
    return known, [path for path, _, layout in found if layout is None]


def state_dicts(content: Any) -> Iterator[tuple[str, State]]:
    """Finds the dicts of named tensors in a checkpoint, with their place in it.

    Optimizer states are none: their tensors have no layer in their names. Names with a slash
    are notes that lie beside the parameters, and are left out.
    """
    waiting = collections.deque([("", content, 0)])
    for _ in range(MAX_DICTS):
        if not waiting:
            return
        path, place, depth = waiting.popleft()
        tensors = {
            name: array
            for name, array in place.items()
            if isinstance(name, str) and isinstance(array, np.ndarray) and "/" not in name
        }
        if any(name.endswith(".weight") for name in tensors):
            yield path, _without_prefix(tensors)
        if depth < MAX_DEPTH:
            inner = [(name, value) for name, value in place.items() if isinstance(value, dict)]
            waiting += [
                (f"{path}.{name}" if path else str(name), value, depth + 1)
                for name, value in inner[:MAX_DICTS]
            ]


def _without_prefix(tensors: State) -> State:
    """Takes off what `DataParallel` puts before every name."""
    if all(name.startswith("module.") for name in tensors):
        return {name.removeprefix("module."): array for name, array in tensors.items()}
    return tensors


def find_layout(state: State, family: str | None = None) -> Layout | None:
    """Finds the layout that a state dict is, or tries to be, of."""
    for layout in LAYOUTS:
        if family in (None, layout.family) and layout.matches(layout.rename(state)):
            return layout
    return None


def _convert(path: str, layout: Layout, state: State, model: Settings, origin: str) -> Part:
    place = f"{origin}, {shown(path)}," if path else origin
    state = layout.rename(state)
    try:
        settings = layout.read_settings(state, model)
    except KeyError as error:
        raise misfit(layout, place, [f"missing: {error.args[0]}"]) from error
    return Part(path, layout, settings, convert(layout, state, settings, place))


def _joined(settings: Settings, part: Part, origin: str) -> Settings:
    for key, value in part.settings.items():
        if settings.get(key, value) != value:
            raise WeightsError(
                f"{origin} holds networks that do not go together: {key} is {settings[key]} "
                f"in one and {value} in {shown(part.path) or 'another'}. "
                "Save one of them alone, with torch.save(network.state_dict(), path)."
            )
    return settings | part.settings


def _nothing_known(content: dict[str, Any], origin: str, family: str | None) -> WeightsError:
    names = [shown(name) for _, state in state_dicts(content) for name in state][:4]
    held = f"its tensors are called {', '.join(names)}, …" if names else "it has no named tensors"
    known = [layout.title for layout in LAYOUTS if family in (None, layout.family)]
    if not known:
        families = sorted({layout.family for layout in LAYOUTS})
        return WeightsError(
            f"{origin} cannot be imported: no layout of the family {family!r} is known. Choose a "
            f"preset of one of: {', '.join(families)}."
        )
    kind = f"of the family {family!r} " if family else ""
    return WeightsError(
        f"{origin} holds no network {kind}in a known layout: {held} Known are: {'; '.join(known)}."
    )
