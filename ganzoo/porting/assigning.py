"""Puts converted arrays into the variables of Keras networks."""

from typing import Any

import numpy as np

from ganzoo.errors import WeightsError

_SHOWN = 12


def fill(
    networks: dict[str, Any],
    arrays: dict[str, dict[str, np.ndarray]],
    *,
    origin: str = "The checkpoint",
) -> list[str]:
    """Fills the networks of a model, all that are given or none.

    An averaged generator that the arrays do not hold gets those of the generator: the average
    of one.

    Args:
        networks: The model's networks by name.
        arrays: For some of them, variables' values by path, as `recognise(…).networks`.
        origin: The file, for the message.

    Returns:
        The names of the networks that were filled.

    Raises:
        WeightsError: Lists the networks that the model does not have, and the variables that
            are missing, left over or of another shape.
    """
    from ganzoo.storage import named_variables  # imports TensorFlow, which the reader does not

    if "ema_generator" in networks and "generator" in arrays:
        arrays = {"ema_generator": arrays["generator"]} | arrays
    problems = [f"left over: {name}" for name in arrays if name not in networks]
    for name in (name for name in arrays if name in networks):
        problems += _misfits(name, named_variables(networks[name]), arrays[name])
    if problems:
        raise WeightsError(_refusal(origin, problems))
    for name, values in arrays.items():
        for path, variable in named_variables(networks[name]).items():
            variable.assign(values[path])
    return list(arrays)


def _misfits(name: str, variables: dict[str, Any], arrays: dict[str, np.ndarray]) -> list[str]:
    problems = [f"missing: {name}/{path}" for path in variables if path not in arrays]
    problems += [f"left over: {name}/{path}" for path in arrays if path not in variables]
    return problems + [
        f"other shape: {name}/{path} {array.shape}, not {tuple(variables[path].shape)}"
        for path, array in arrays.items()
        if path in variables and array.shape != tuple(variables[path].shape)
    ]


def _refusal(origin: str, problems: list[str]) -> str:
    shown = "; ".join(problems[:_SHOWN])
    more = f"; and {len(problems) - _SHOWN} more" if len(problems) > _SHOWN else ""
    return (
        f"{origin} does not fit this model: {shown}{more}. "
        "Build the model with the settings that were recognised in the file."
    )
