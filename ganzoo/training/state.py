"""Everything that a run has to find again: which variables, and how they become arrays."""

import dataclasses

import numpy as np

from ganzoo.errors import TrainingError
from ganzoo.optimizers import inner
from ganzoo.storage import named_variables, to_array

_OF_THE_LAST_STEP = ("values", "weights_finite")


def state_variables(model) -> dict:
    """Lists all variables that training changes, by a name that says what each is.

    The weights and statistics of every network, the state of every optimizer, the step, and
    what the family keeps beside them, such as image pools.
    """
    found = {"model/step": model.step}
    for name, network in model.networks.items():
        for key, variable in named_variables(network).items():
            found[f"network/{name}/{key}"] = variable
    for name, optimizer in model.optimizers.items():
        for index, variable in enumerate(_variables_of(optimizer)):
            # The first part of a path counts the optimizers made in this process.
            path = variable.path.partition("/")[2]
            found[f"optimizer/{name}/{index:04d}:{path}"] = variable
    for name, variable in model.extra_state.items():
        found[f"extra/{name}"] = variable
    return found


def _variables_of(optimizer):
    """Lists an optimizer's variables, with one of Nadam's that it does not list in a loss scale."""
    listed = list(optimizer.variables)
    product = getattr(inner(optimizer), "_u_product", None)
    if product is not None and all(variable is not product for variable in listed):
        listed.append(product)
    return listed


def read_state(model) -> dict:
    """Copies the state into arrays, by name, and where `fit` stands with it."""
    arrays = {name: to_array(variable) for name, variable in state_variables(model).items()}
    state = model.fit_state
    for field in dataclasses.fields(state):
        if field.name not in _OF_THE_LAST_STEP:
            arrays[f"fit/{field.name}"] = np.asarray(getattr(state, field.name))
    return arrays


def write_state(model, arrays: dict, where) -> None:
    """Puts a state back, all of it or, where something does not fit, nothing.

    Raises:
        TrainingError: The state is of another model.
    """
    variables = state_variables(model)
    expected = {name for name in arrays if not name.startswith("fit/")}
    differing = sorted(expected ^ set(variables)) + sorted(
        name
        for name in expected & set(variables)
        if arrays[name].shape != tuple(variables[name].shape)
    )
    if differing:
        more = f" and {len(differing) - 3} more" if len(differing) > 3 else ""
        raise TrainingError(
            f"{where} is not a checkpoint of this model: {', '.join(differing[:3])}{more} do "
            "not fit. Continue with the settings that the run was started with, or name "
            "another folder."
        )
    for name, variable in variables.items():
        variable.assign(arrays[name])
    for field in dataclasses.fields(model.fit_state):
        value = arrays.get(f"fit/{field.name}")
        if value is not None:
            setattr(model.fit_state, field.name, value if value.ndim else value.item())
    model.fit_state.restored = True
    if model.steps_taken:
        model.trained |= model.moved_networks


def first_not_finite(model) -> str:
    """Names the first weight of a model that is not finite, or gives ""."""
    for name, network in model.networks.items():
        for key, variable in named_variables(network).items():
            if not np.isfinite(to_array(variable).astype("float32")).all():
                return f"{name}/{key} is not finite"
    return ""
