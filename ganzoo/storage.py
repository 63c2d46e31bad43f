"""The weights file of a model folder: HDF5, one array a variable under its plain name.

Keras names arrays by the position of a layer among those of its kind, and keeps the state of
the optimizers beside them. Here a tensor is called `generator/up_16/kernel`: one can see what
does not fit, load some networks and not others, and read the file with any HDF5 tool.
"""

import contextlib

import h5py
import numpy as np
import tensorflow as tf

from ganzoo.checks import is_whole
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
    with _opened(path) as file:
        return [name for name in file if _network(path, file, name) is not None]


def read_weights(path, networks: dict) -> None:
    """Fills networks, by name, with the arrays of a file, if every one fits.

    Raises:
        WeightsError: It is no such file, or lists the tensors that are missing, left over, of
            another shape or no numbers. Nothing is changed then.
    """
    assignments, problems = [], []
    with _opened(path) as file:
        for name, network in networks.items():
            stored = _network(path, file, name)
            if stored is None:
                problems.append(f"missing: {name}")
                continue
            for key, variable in named_variables(network).items():
                array = stored.pop(key, None)
                problem = _problem(array, tuple(variable.shape))
                if problem:
                    problems.append(problem.format(f"{name}/{key}"))
                elif not problems:
                    assignments.append((variable, array[()]))
            problems += [f"left over: {name}/{key} {stored[key].shape}" for key in stored]
    if problems:
        raise WeightsError(_misfit(path, problems))
    for variable, array in assignments:
        variable.assign(array)


def _problem(array, shape):
    """Says what is wrong with the dataset of a variable, `{}` in place of its name; or ""."""
    if array is None:
        return f"missing: {{}} {shape}"
    if array.dtype.kind not in "biuf":
        return "no numbers: {}"
    # Numbers in another file could be any file's of this machine.
    if array.external or array.is_virtual:
        return "in another file: {}"
    return "" if array.shape == shape else f"other shape: {{}} {array.shape}, not {shape}"


def _misfit(path, problems, shown=8):
    more = f"; and {len(problems) - shown} more" if len(problems) > shown else ""
    return (
        f"{path} does not fit this model: {'; '.join(problems[:shown])}{more}. "
        "Load the weights into the preset that they were made for, without overrides of its "
        "model."
    )


@contextlib.contextmanager
def _opened(path):
    """Opens a weights file of ganzoo; what h5py makes of a garbled one is a WeightsError."""
    try:
        with h5py.File(path, "r") as file:
            _check_format(path, file.attrs.get("ganzoo_format"))
            yield file
    except WeightsError:
        raise
    except (OSError, LookupError, RuntimeError, TypeError, ValueError) as error:
        raise WeightsError(
            f"{path} cannot be read as a weights file ({_first_line(error)}). It may be cut "
            "short or of another kind; fetch or save it again."
        ) from error


def _check_format(path, version):
    if version is None:
        raise WeightsError(
            f"{path} is an HDF5 file, and not one that ganzoo wrote. Weights that Keras saved go "
            "into a model that is built: load(PRESET, weights=False), then load_weights."
        )
    known = is_whole(version)
    if not known or not 1 <= version <= FORMAT:
        raise WeightsError(
            f"{path} has weights format {str(version)[:40]}, and this ganzoo reads up to {FORMAT}. "
            + ("Update ganzoo." if known and version > FORMAT else "Save it with ganzoo.save.")
        )


def _first_line(error):
    return (str(error).splitlines() or [type(error).__name__])[0]


def _network(path, file, name):
    """Gives the datasets of a network by key, or None where the file has no such network."""
    link = file.get(name, getlink=True)
    if link is None:
        return None
    group = file[name] if isinstance(link, h5py.HardLink) else None
    if not isinstance(group, h5py.Group):
        raise WeightsError(
            f"{path} has something else than a network under {name!r}. Fetch it again, or save "
            "it with ganzoo.save."
        )
    found = {}
    # Links to other places are not followed, so that what they stand for is missing.
    group.visititems(
        lambda key, item: found.update({key: item}) if isinstance(item, h5py.Dataset) else None
    )
    return found
