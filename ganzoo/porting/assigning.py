"""Puts converted arrays into the variables of a Keras network."""

from typing import Any

import numpy as np

from ganzoo.errors import WeightsError
from ganzoo.storage import named_variables

_SHOWN = 12


def assign(network: Any, arrays: dict[str, np.ndarray], *, origin: str = "The checkpoint") -> None:
    """Fills a Keras network, all of it or nothing.

    Args:
        network: A `keras.Model`.
        arrays: Its variables' values by path, such as "up_8/kernel".
        origin: The file, for the message.

    Raises:
        WeightsError: Lists the variables that are missing, left over or of another shape.
    """
    variables = named_variables(network)
    problems = [f"missing: {path}" for path in variables if path not in arrays]
    problems += [f"left over: {path}" for path in arrays if path not in variables]
    problems += [
        f"other shape: {path} {array.shape}, not {tuple(variables[path].shape)}"
        for path, array in arrays.items()
        if path in variables and array.shape != tuple(variables[path].shape)
    ]
    if problems:
        shown = "; ".join(problems[:_SHOWN])
        more = f"; and {len(problems) - _SHOWN} more" if len(problems) > _SHOWN else ""
        raise WeightsError(
            f"{origin} does not fit the {network.name} of this model: {shown}{more}. "
            "Build the model with the settings that were recognised in the file."
        )
    for path, variable in variables.items():
        variable.assign(arrays[path])
