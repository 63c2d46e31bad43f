"""The weights file of a model folder: HDF5, one array a variable under its plain name.

Keras names arrays by the position of a layer among those of its kind, and keeps the state of
the optimizers beside them. Here a tensor is called `generator/up_16/kernel`: one can see what
does not fit, load some networks and not others, and read the file with any HDF5 tool.
"""

import h5py
import numpy as np
import tensorflow as tf

from ganzoo.errors import WeightsError
from ganzoo.files import replacing

FORMAT = 1


def named_variables(network) -> dict:
    """Lists the variables of a network, its statistics included, by layer and name."""
    named = {}
    for variable in network.variables:
        if "seed_generator" in variable.path:
            continue
        if variable.path in named:
            raise WeightsError(
                f"Two variables of {network.name!r} are called {variable.path!r}. Give every "
                "layer a name of its own."
            )
        named[variable.path] = variable
    return named


def to_array(variable) -> np.ndarray:
    """Copies the value of a Keras or TensorFlow variable, mirrored or not."""
    return np.array(tf.convert_to_tensor(variable).numpy())


def write_weights(path, networks: dict, *, half: bool = False) -> None:
    """Writes networks, by name, to an HDF5 file, whole or not at all.

    Args:
        path: The file.
        networks: Networks by name.
        half: Store floats in 16 bits.

    Raises:
        WeightsError: A value is too large for 16 bits.
    """
    with replacing(path) as partial, h5py.File(partial, "w") as file:
        file.attrs["ganzoo_format"] = FORMAT
        for name, network in networks.items():
            group = file.create_group(name)
            for key, variable in named_variables(network).items():
                array = to_array(variable)
                is_float = np.issubdtype(array.dtype, np.floating)
                group[key] = _halved(array, f"{name}/{key}") if half and is_float else array


def _halved(array, name):
    largest, most = float(np.max(np.abs(array), initial=0)), float(np.finfo("float16").max)
    if largest > most:
        raise WeightsError(
            f"{name} holds {largest:.4g}, and the largest number of 16 bits is {most:.0f}. "
            "Save the weights without half."
        )
    return array.astype("float16")


def stored_networks(path) -> list[str]:
    """Lists the networks that a weights file holds.

    Raises:
        WeightsError: It is no weights file of ganzoo.
    """
    with _open(path) as file:
        return list(file)


def read_weights(path, networks: dict) -> None:
    """Fills networks, by name, with the arrays of a file, if every one fits.

    Raises:
        WeightsError: It is no such file, or lists the tensors that are missing, left over or
            of another shape. Nothing is changed then.
    """
    with _open(path) as file:
        assignments, problems = [], []
        for name, network in networks.items():
            if name not in file:
                problems.append(f"missing: {name}")
                continue
            stored = _arrays(file[name])
            for key, variable in named_variables(network).items():
                array = stored.pop(key, None)
                if array is None:
                    problems.append(f"missing: {name}/{key} {tuple(variable.shape)}")
                elif array.shape != tuple(variable.shape):
                    problems.append(
                        f"other shape: {name}/{key} {array.shape}, not {tuple(variable.shape)}"
                    )
                else:
                    assignments.append((variable, array[()]))
            problems += [f"left over: {name}/{key} {stored[key].shape}" for key in stored]
        if problems:
            raise WeightsError(_misfit(path, problems))
        for variable, array in assignments:
            variable.assign(array)


def _misfit(path, problems, shown=8):
    more = f"; and {len(problems) - shown} more" if len(problems) > shown else ""
    return (
        f"{path} does not fit this model: {'; '.join(problems[:shown])}{more}. "
        "Load the weights into the preset that they were made for, without overrides of its "
        "model."
    )


def _open(path):
    try:
        file = h5py.File(path, "r")
    except OSError as error:
        raise WeightsError(
            f"{path} cannot be read as a weights file ({_first_line(error)}). It may be cut "
            "short or of another kind; fetch or save it again."
        ) from error
    version = file.attrs.get("ganzoo_format")
    if version is None or version > FORMAT:
        file.close()
        raise WeightsError(
            f"{path} has weights format {version}, and this ganzoo reads up to {FORMAT}. "
            + ("Update ganzoo." if version else "Save it with ganzoo.save.")
        )
    return file


def _first_line(error):
    return str(error).splitlines()[0]


def _arrays(group):
    found = {}
    group.visititems(
        lambda key, item: found.update({key: item}) if isinstance(item, h5py.Dataset) else None
    )
    return found
