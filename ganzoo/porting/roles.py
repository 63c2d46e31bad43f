"""Which network of a model each network of a checkpoint becomes, told by what it is called."""

import re

from ganzoo.checks import DIRECTIONS
from ganzoo.errors import WeightsError
from ganzoo.porting.layouts import shown

# Not the "ema" of a word such as "remapped" or "semantic".
_EMA = r"(?:^|(?<=[^A-Za-z])|(?<=[a-z])(?=E)|(?<=G))(?:ema|Ema|EMA)(?![a-z])"
_AVERAGED = re.compile(rf"{_EMA}|(?i:avg|average|running|shadow)")
# A letter stands alone, behind a mark, as a capital behind a small letter, or behind the capital
# of G or D: not at the end of a word, such as "ema", "data" or "lab".
_ALONE = r"(?:^|(?<=[^A-Za-z])|(?<=[a-z])(?=[AB])|(?<=(?<![A-Z])[GD])(?=[AB]))"
# "G_A2B", "netG_AB", "genAtoB"; then "G_A", as the authors of CycleGAN call A → B.
_ARROW = re.compile(rf"((?i:a2b|atob|b2a|btoa)|{_ALONE}(?i:ab|ba))$")
_LETTER = re.compile(rf"{_ALONE}([ABab])$")
_SHOWN = 12


def assign_roles(
    family: str, parts: list[tuple[str, str]], origin: str, direction: str | None = None
) -> list[str]:
    """Gives each part of a checkpoint its place in the model.

    Args:
        family: The family of all parts.
        parts: For each, its path in the checkpoint and its kind, "generator" or "discriminator".
        origin: The file, for messages.
        direction: For CycleGAN, "ab" or "ba": what a network without a letter in its name does.

    Raises:
        WeightsError: Two parts have the same place, or a part does not tell its place; or a
            direction is given where networks have none, or that a network's name contradicts.
    """
    if direction not in (None, *DIRECTIONS):
        raise WeightsError(f"direction is {direction!r}. Give 'ab' or 'ba'.")
    if direction is not None and family != "cyclegan":
        raise WeightsError(
            f"direction is {direction!r}, and {origin} holds networks of the family {family!r}, "
            "which translate nothing. Leave the direction out."
        )
    if family == "cyclegan":
        roles = _cyclegan_roles(parts, origin, direction)
    else:
        roles = [_role(path, kind) for path, kind in parts]
    for role in roles:
        if roles.count(role) > 1:
            paths = [path for (path, _), other in zip(parts, roles, strict=True) if other == role]
            more = ", …" * (len(paths) > _SHOWN)
            raise WeightsError(
                f"{origin} holds {len(paths)} networks that could be the {role}: "
                f"{', '.join(map(shown, paths[:_SHOWN]))}{more}. "
                "Save one of them alone, with torch.save, and read that."
            )
    return roles


def _role(path: str, kind: str) -> str:
    averaged = kind == "generator" and _AVERAGED.search(path)
    return "ema_generator" if averaged else kind


def _cyclegan_roles(parts, origin, direction):
    # The authors name a discriminator after the generator that it judges: their D_A looks at
    # images of B. Who writes G_A2B names it after the images: their D_A looks at images of A.
    names = [(path.rpartition(".")[2] or path, kind) for path, kind in parts]
    arrows = any(kind == "generator" and _ARROW.search(name) for name, kind in names)
    # Discriminators of both domains may lie beside a generator of one direction.
    lone = "generator" if any(kind == "generator" for _, kind in names) else "discriminator"
    roles = []
    for name, kind in names:
        told = _told_role(name, kind, arrows)
        given = direction and _role_of(kind, direction)
        if told and given and told != given and kind == lone:
            raise WeightsError(
                f"direction is {direction!r}, and {origin} calls a {kind} {shown(name)}, which "
                f"makes it the {told}. Leave the direction out, or save that network alone, with "
                "torch.save, and read that."
            )
        if not (told or given):
            raise WeightsError(
                f"{origin} holds a CycleGAN {kind} and does not say of which direction. "
                "Pass direction='ab' if it makes (or judges) images of B, or 'ba': "
                "ganzoo import FILE --direction ab"
            )
        roles.append(told or given)
    return roles


def _told_role(name, kind, arrows):
    """The role that a name tells, or None."""
    arrow, letter = _ARROW.search(name), _LETTER.search(name)
    if kind == "generator" and arrow:
        return "generator_ab" if arrow[1].lower().startswith("a") else "generator_ba"
    if kind == "discriminator" and arrows and letter:
        return f"discriminator_{letter[1].lower()}"
    if letter and not arrows:
        return _role_of(kind, {"a": "ab", "b": "ba"}[letter[1].lower()])
    return None


def _role_of(kind, direction):
    return f"generator_{direction}" if kind == "generator" else f"discriminator_{direction[1]}"
