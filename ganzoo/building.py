"""From a preset to a compiled model: its settings are checked against what the family takes."""

import copy
import dataclasses
import importlib
import inspect

from ganzoo import schema
from ganzoo.checks import check_choice
from ganzoo.errors import GanzooError, PresetError, nearest
from ganzoo.presets import Preset

PRECISIONS = {
    "float32": "float32",
    "bfloat16": "mixed_bfloat16",
    "float16": "mixed_float16",
}
_EXECUTION = ("jit_compile", "steps_per_execution", "run_eagerly")


def build(preset: Preset, *, precision: str | None = None):
    """Builds and compiles the model that a preset describes, with random weights.

    Args:
        preset: Left as it is; the model's own, `model.preset`, tells its precision.
        precision: One of `PRECISIONS`; None for what the preset says.

    Raises:
        PresetError: The family is unknown, or does not take one of the settings.
    """
    from ganzoo.serialization import under_policy

    family = family_of(preset)
    check_arguments(preset, "model", preset.model, family.build)
    preset = written_out(preset)
    if precision is not None:
        preset = dataclasses.replace(preset, training=preset.training | {"precision": precision})
    precision = preset.training.get("precision") or "float32"
    check_choice(f"There is no precision {precision!r}", precision, PRECISIONS)
    with under_policy(PRECISIONS[precision]):
        model = _build_networks(preset, family)
    model.preset = preset
    model.compile(**compile_arguments(preset, family))
    return model


def written_out(preset: Preset) -> Preset:
    """Writes out what a preset only names: the phases of a table that its family knows."""
    write = getattr(family_of(preset), "written_out", None)
    if write is None or not isinstance(preset.phases, str):
        return preset
    return dataclasses.replace(preset, phases=write(preset.phases, preset.model))


def family_of(preset: Preset):
    """Imports the package of a preset's family."""
    from ganzoo import models

    if preset.family not in models.FAMILIES:
        raise PresetError(
            f"{preset.origin}: there is no family {preset.family!r}."
            f"{nearest(preset.family, models.FAMILIES)} "
            f"Families: {', '.join(models.FAMILIES)}."
        )
    return importlib.import_module(f"ganzoo.models.{preset.family}")


def compile_arguments(preset: Preset, family) -> dict:
    """Gathers what a family's `compile` takes from a preset.

    Raises:
        PresetError: `training` has a key that neither training nor the family knows, or
            `optimizers` one that the family has no optimizer for.
        GanzooError: The settings of training do not go together.
    """
    settings = {
        key: value for key, value in preset.training.items() if key not in schema.TRAINING_KEYS
    }
    if preset.phases is not None:
        settings["phases"] = preset.phases
    if preset.training.get("steps_per_execution") is not None:
        settings["steps_per_execution"] = preset.training["steps_per_execution"]
    if preset.training.get("jit") == "on":
        settings["jit_compile"] = True
    check_arguments(preset, "training", settings, family.MODEL.compile, _EXECUTION)
    check_arguments(preset, "optimizers", preset.optimizers, family.MODEL.compile)
    names = dict.fromkeys([*family.MODEL.optimized_networks, *preset.optimizers])
    return {name: _optimizer(preset, name) for name in names} | settings


def check_arguments(preset: Preset, section: str, settings: dict, function, also=()) -> None:
    """Refuses settings that `function` has no parameter for, or of another type than its default.

    Parameters that end in `_optimizer` are for the section "optimizers", and all others are not.

    Raises:
        PresetError: Names the file, the key, the value, and the nearest right keys or the type.
    """
    parameters = {
        name: parameter.default
        for name, parameter in inspect.signature(function).parameters.items()
        if name != "self"
        and parameter.kind is not parameter.VAR_KEYWORD
        and name.endswith("_optimizer") == (section == "optimizers")
    }
    for key, value in settings.items():
        if key in parameters:
            _check_type(preset, f"{section}.{key}", value, parameters[key])
        elif key not in also:
            choices = [*parameters, *(schema.TRAINING_KEYS if section == "training" else ())]
            raise PresetError(
                f"{preset.origin}: there is no key '{section}.{key}' (its value is {value!r}) "
                f"for the family {preset.family!r}.{nearest(key, choices)} "
                f"Known keys: {', '.join(choices)}."
            )


_TYPES = {
    bool: (bool, "true or false"),
    int: (int | float, "a number"),
    float: (int | float, "a number"),
    str: (str, "text"),
    tuple: (list | tuple, "a list"),
}


def _check_type(preset, key, value, default):
    if value is None or type(default) not in _TYPES:
        return
    allowed, wanted = _TYPES[type(default)]
    if not isinstance(value, allowed) or isinstance(value, bool) != isinstance(default, bool):
        raise PresetError(
            f"{preset.origin}: {key} is {value!r}, {type(value).__name__}. It has to be {wanted}."
        )


def _build_networks(preset, family):
    seed = preset.training.get("seed")  # of a run: its noise is that of its seed too
    settings = preset.model if seed is None else {"seed": seed} | preset.model
    try:
        return family.build(**settings)
    except GanzooError:
        raise
    except (TypeError, ValueError) as error:
        raise PresetError(
            f"{preset.origin}: no model can be built with these settings: "
            f"{str(error).splitlines()[0]} Compare the values under model with those of another "
            "preset."
        ) from error


def _optimizer(preset, name):
    import keras

    # A copy: Keras replaces a schedule in it by an object.
    specification = copy.deepcopy(preset.optimizers.get(name))
    if specification is None:
        raise PresetError(f"{preset.origin} lacks optimizers.{name}. Every preset needs it.")
    registered = None
    if isinstance(specification, dict) and "registered_name" not in specification:
        class_name = specification.get("class_name")
        registered = keras.saving.get_registered_object(f"ganzoo>{class_name}")
        specification = specification | {"config": specification.get("config") or {}}
    try:
        if registered is not None:
            return registered.from_config(dict(specification["config"]))
        return keras.optimizers.get(specification)
    except GanzooError as error:
        raise PresetError(f"{preset.origin}: in optimizers.{name}, {error}") from error
    except (ValueError, TypeError) as error:
        raise PresetError(
            f"{preset.origin}: optimizers.{name} is not a Keras optimizer: "
            f"{str(error).splitlines()[0]} Write {{class_name: Adam, config: {{…}}}}."
        ) from error
