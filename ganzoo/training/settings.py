"""The settings of a run: a preset with what the caller said, and whether a folder fits them."""

import json
import pathlib
import warnings

from ganzoo import building, data, presets, zoo
from ganzoo.checks import check_seed, is_whole
from ganzoo.errors import TrainingError
from ganzoo.files import write_text
from ganzoo.training.exclusive import LOCK
from ganzoo.training.samples import list_samples

# What may differ from the run that a folder holds: it changes no number of the run.
_MAY_DIFFER = (
    "paper",
    "recipe",
    "weights",  # a run that has begun goes on with its own
    "deviations",
    "parameters",  # which earlier versions did not write down
    "training.epochs",
    "training.steps",
    "training.checkpoint_every",
    "training.sample_every",
    "training.evaluate_every",
    "training.evaluate_metrics",
    "training.evaluate_best",
    "training.evaluate_options",
)
_DEFAULTS = {"seed": 0, "precision": "float32"}


def run_settings(preset, *, data_source, steps, epochs, overrides, training):
    """Merges a preset with what the caller said; every value of the run is in the result.

    Args:
        preset: A preset's name, or a YAML file.
        data_source: Source in place of the preset's, or None; two for pairs.
        steps: Length in steps, or None.
        epochs: Length in epochs, or None.
        overrides: Dotted keys and values.
        training: Keys of `training` and values; those that are None are left out.

    Raises:
        TrainingError: Two lengths, or one below 1; or a seed that Keras cannot take.
        PresetError: The preset or a key is unknown.

    Warns:
        UserWarning: A setting changes nothing, or the run is scored on what it trains on.
    """
    changes = dict(overrides or {})
    changes |= {f"training.{key}": value for key, value in training.items() if value is not None}
    if data_source is not None:
        several = isinstance(data_source, tuple | list)
        changes["data.source"] = (
            [str(part) for part in data_source] if several else str(data_source)
        )
    original = presets.read_preset(str(preset))
    settings = building.written_out(presets.override(original, changes))
    if settings.data.get("source") != original.data.get("source"):
        _score_on_own_split(settings, changes)
    _check_batch_size(settings, changes)
    for key, value in _DEFAULTS.items():
        settings.training.setdefault(key, value)
    _set_length(settings.training, steps=steps, epochs=epochs, changes=changes)
    check_seed("The run's seed", settings.training["seed"], TrainingError)
    return settings


def _set_length(training, *, steps, epochs, changes):
    """Sets the length of a run: what the caller said of it takes the place of the preset's."""
    given = {
        key: changes.get(f"training.{key}") if value is None else value
        for key, value in {"steps": steps, "epochs": epochs}.items()
    }
    if None not in given.values():
        raise TrainingError(
            f"Both steps ({given['steps']}) and epochs ({given['epochs']}) are given. Give one "
            "of them."
        )
    for key, value in given.items():
        if value is not None:
            training |= {"steps": None, "epochs": None, key: presets.plain(value)}
    for key in given:
        if training.get(key) is None:
            training.pop(key, None)
        elif not is_whole(training[key]) or training[key] < 1:
            raise TrainingError(
                f"The run's length is {training[key]!r} {key}. It has to be a whole number from 1 "
                "up."
            )


def _check_batch_size(settings, changes):
    """Warns of a batch size that each phase replaces by its own."""
    rows = [row for row in settings.phases or [] if isinstance(row, dict)]
    if rows and "training.batch_size" in changes and all(row.get("batch_size") for row in rows):
        warnings.warn(
            f"training.batch_size is {settings.training['batch_size']}, and no step is taken with "
            "it: each row of phases has a batch_size of its own. Set phases, to rows with others "
            "or to the name of a table such as v2-8gpus.",
            stacklevel=4,
        )


def _score_on_own_split(settings, changes):
    """Scores a run on the test split of its own data, not of the preset's, unless one was named.

    Warns:
        UserWarning: The run's data has no such split, so it is scored on what it trains on.
    """
    if changes.keys() & {"training.evaluate_options", "training.evaluate_options.source"}:
        return
    training = settings.training
    options = dict(training.get("evaluate_options") or {})
    had = options.pop("source", None)
    found = _test_split(settings.data["source"])
    if found is not None:
        options["source"] = found
    elif had and training.get("evaluate_every"):
        warnings.warn(
            f"This run is scored on the images that it trains on: the preset's {had!r} is not of "
            f"{settings.data['source']!r}. For other images set training.evaluate_options.source.",
            stacklevel=3,
        )
    if options or had:
        training["evaluate_options"] = options


def _test_split(source):
    """Names the test split of a folder of two domains, if it has one."""
    if not isinstance(source, str):
        return None
    folder = source.removesuffix(":train")
    path = pathlib.Path(folder).expanduser()
    return f"{folder}:test" if all((path / f"test{d}").is_dir() for d in "AB") else None


def fill_in(settings, stream) -> None:
    """Puts what only the data tells, the steps of an epoch, where a schedule asks for it.

    Warns:
        UserWarning: A learning rate falls by the epoch, and not within the length of the run.
    """
    _fill_blanks(settings.optimizers, "steps_per_epoch", stream.steps_per_epoch)
    training = settings.training
    steps = training.get("steps") or stream.steps_per_epoch * (training.get("epochs") or 0)
    for name, optimizer in settings.optimizers.items():
        given = (optimizer.get("config") or {}) if isinstance(optimizer, dict) else {}
        rate = given.get("learning_rate")
        config = rate.get("config", {}) if isinstance(rate, dict) else {}
        if {"constant_epochs", "fall"} <= config.keys():
            config.setdefault("steps_per_epoch", stream.steps_per_epoch)
            _compare_lengths(name, config, steps)


def _compare_lengths(name, config, steps):
    constant, fall, per_epoch = (
        config[key] for key in ("constant_epochs", "fall", "steps_per_epoch")
    )
    length, epochs = constant + fall - 1, round(steps / per_epoch)
    if epochs < 2 or steps == length * per_epoch:  # in a single epoch no rate falls
        return
    half = epochs // 2 + (constant > fall)
    place = f"optimizers.{name}.config.learning_rate.config"
    warnings.warn(
        f"The rate of {name} is constant for {constant} epochs and is 0 after {length}, and this "
        f"run has {epochs}. For one that falls over the second half of this run set "
        f"{place}.constant_epochs={half} and {place}.fall={epochs + 1 - half}.",
        stacklevel=3,
    )


def _fill_blanks(content, key, value):
    """Puts a value wherever nested settings have a key without one."""
    for name, inner in content.items():
        if isinstance(inner, dict):
            _fill_blanks(inner, key, value)
        elif name == key and inner is None:
            content[name] = value


def open_data(settings):
    """Opens the source that a run's settings name, as a ganzoo dataset."""
    source = settings.data.get("source")
    if not source:
        raise TrainingError(
            f"The preset {settings.name!r} comes without data. Name a source of images with --data."
        )
    options = {key: value for key, value in settings.data.items() if key != "source"}
    return data.load(
        tuple(source) if isinstance(source, list) else source,
        batch_size=settings.training["batch_size"],
        seed=settings.training["seed"],
        **options,
    )


def check_folder(out: pathlib.Path) -> None:
    """Lets a run into a new or empty folder, or one that holds a run.

    Raises:
        TrainingError: It is a file, or holds a model or other things, or a run whose model is all
            that is left of it.
    """
    if out.is_file():
        raise TrainingError(f"{out} is a file. Name a folder for the run.")
    if (out / "SHA256SUMS").is_file():
        raise TrainingError(
            f"{out} is the folder of a model, which a run would spoil. Name another folder; to "
            f"begin with this model's weights, give them: --weights {out}"
        )
    _, data_file = _files(out)
    others = out.is_dir() and any(path.name != LOCK for path in out.iterdir())
    if others and not data_file.is_file():
        raise TrainingError(
            f"{out} exists and holds other things. Name a new folder, or that of a run."
        )
    model = out / zoo.MODEL_FOLDER
    if model.is_dir() and not _has_begun(out):
        raise TrainingError(
            f"{out} holds the model of a run without a checkpoint to go on from, and a new run "
            "would replace it. Name another folder; to begin with this model's weights, give "
            f"them: --weights {model}"
        )


def check_same_run(out: pathlib.Path, settings, stream) -> None:
    """Makes sure that the run which a folder holds goes on with the same settings and images.

    A run that ended before its first checkpoint has nothing to go on with, and starts anew.

    Raises:
        TrainingError: The folder holds a run with other settings, or on other images.
    """
    before = read_settings(settings, out)
    if before is not None:
        for key, old, new in differences(before.settings(), settings.settings()):
            if not any(key == free or key.startswith(f"{free}.") for free in _MAY_DIFFER):
                raise TrainingError(
                    f"{out} holds a run with {key} {old!r}, and now it is {new!r}. Continue "
                    "with the same settings, or name another folder."
                )
    _, data_file = _files(out)
    if _has_begun(out) and data_file.is_file():
        before = json.loads(data_file.read_text(encoding="utf-8"))
        for key, old, new in differences(before, _facts(stream)):
            raise TrainingError(
                f"{out} holds a run on other data: {key} was {old!r} and is {new!r}. Bring the "
                "same images, or name another folder."
            )


def read_settings(settings, out: pathlib.Path):
    """Reads the settings of the run that a folder holds, as a preset of the same name.

    Returns:
        None where there is no run, or one that ended before its first checkpoint.
    """
    preset_file, _ = _files(out)
    if not _has_begun(out) or not preset_file.is_file():
        return None
    text = preset_file.read_text(encoding="utf-8")
    return presets.parse_preset(text, name=settings.name, origin=str(preset_file))


def write_settings(out: pathlib.Path, settings, stream) -> None:
    """Writes what a run is made of into its folder: its data, by which it is known, and settings.

    Pictures of an earlier run that never came to a checkpoint are removed.
    """
    if not _has_begun(out):
        for path in list_samples(out / "samples"):
            path.unlink()
    preset_file, data_file = _files(out)
    write_text(data_file, json.dumps(_facts(stream), indent=1) + "\n")
    write_text(preset_file, settings.to_yaml())


def _has_begun(out):
    return any((out / "checkpoints").glob("step-*"))


def _files(out):
    return out / "preset.yaml", out / "data.json"


def _facts(stream):
    return json.loads(json.dumps(stream.description))  # tuples become lists, as in the file


def differences(old, new, key=""):
    """Lists `(dotted key, old, new)` where two nested settings differ."""
    if isinstance(old, dict) and isinstance(new, dict):
        found = []
        for name in dict.fromkeys([*new, *old]):
            dotted = f"{key}.{name}" if key else name
            found += differences(old.get(name), new.get(name), dotted)
        return found
    return [] if old == new else [(key, old, new)]
