"""`train`: one run, from a preset and a source to a run folder that can be continued."""

import contextlib
import json
import math
import pathlib
import shlex

import keras

from ganzoo import data, presets, zoo
from ganzoo.errors import GanzooError, TrainingError
from ganzoo.files import write_text
from ganzoo.training.checkpoints import Checkpoints, list_checkpoints
from ganzoo.training.health import HealthCheck
from ganzoo.training.logs import MetricsLog
from ganzoo.training.progress import RunProgress
from ganzoo.training.samples import SampleGrids
from ganzoo.training.stopping import GracefulStop, Interrupted, StopAfter

# What may differ from the run that a folder holds: it changes no number of the run.
_FREE = (
    "training.epochs",
    "training.steps",
    "training.checkpoint_every",
    "training.sample_every",
    "training.evaluate_every",
)
_EXAMPLES = 64


def train(
    preset,
    *,
    data_source=None,
    out=None,
    steps=None,
    epochs=None,
    overrides=None,
    seed=None,
    precision=None,
    weights=None,
    keep=2,
    on_nan="stop",
    progress=True,
):
    """Trains a preset, or continues the run that `out` holds.

    Args:
        preset: Name of a preset.
        data_source: Source of images in place of the preset's.
        out: The run folder, "runs/<preset>" by default.
        steps: Length of the run in steps, in place of the preset's.
        epochs: Length of the run in passes over the data.
        overrides: Dotted keys of the preset and their values.
        seed: Decides initial weights, order of the data and all noise.
        precision: "float32", "bfloat16" or "float16".
        weights: A weights file or model folder to start from; True for the preset's own.
        keep: Checkpoints to keep.
        on_nan: "stop", or "rollback" to the last checkpoint with lower rates.
        progress: Show progress on standard error.

    Returns:
        The trained model.

    Raises:
        GanzooError: A setting or the data is wrong, or the folder holds another run.
        Interrupted: A signal ended the run, after saving.
    """
    out = pathlib.Path(out or pathlib.Path("runs") / preset)
    settings = _settings(preset, data_source, steps, epochs, overrides, seed, precision)
    _check_folder(out, settings)
    seed = settings.training["seed"]
    keras.utils.set_random_seed(seed)
    dataset = open_data(settings)
    model = _initial_model(settings, weights)
    model.check_batch(dataset.stream.element_spec)
    if not list_checkpoints(out / "checkpoints"):
        adapt = getattr(model, "adapt", None)
        if adapt is not None and not weights:
            adapt(dataset.stream.once(settings.training["batch_size"]))
    write_text(out / "preset.yaml", settings.to_yaml())
    _write_facts(out, dataset)
    total, epochs = run_length(settings, dataset.stream)
    callbacks = _callbacks(model, settings, dataset, out, total, keep, on_nan, progress)
    _fit(model, dataset, epochs, callbacks, out)
    zoo.save(model, out / zoo.MODEL_FOLDER, notes=_notes(settings, model))
    return model


def open_data(settings):
    """Opens the source that a run's settings name, as a ganzoo dataset."""
    source = settings.data.get("source")
    options = {key: value for key, value in settings.data.items() if key != "source"}
    return data.load(
        tuple(source) if isinstance(source, list) else source,
        batch_size=settings.training["batch_size"],
        seed=settings.training["seed"],
        **options,
    )


def run_length(settings, stream):
    """Gives the steps of the whole run, and the epochs that they reach into."""
    steps = settings.training.get("steps")
    if steps is None:
        steps = settings.training["epochs"] * stream.steps_per_epoch
    return steps, math.ceil(steps / stream.steps_per_epoch)


def _settings(preset, data_source, steps, epochs, overrides, seed, precision):
    """Merges a preset with what the caller said; every value of the run is in the result."""
    if steps is not None and epochs is not None:
        raise TrainingError(
            f"Both steps ({steps}) and epochs ({epochs}) are given. Give one of them."
        )
    settings = presets.read_preset(str(preset))
    changes = dict(overrides or {})
    changes |= {
        f"training.{key}": value
        for key, value in {"seed": seed, "precision": precision}.items()
        if value is not None
    }
    if data_source is not None:
        changes["data.source"] = (
            [str(part) for part in data_source]
            if isinstance(data_source, tuple | list)
            else str(data_source)
        )
    settings = presets.override(settings, changes)
    for key, value in {"seed": 0, "precision": "float32"}.items():
        settings.training.setdefault(key, value)
    if steps is not None:
        settings.training.pop("epochs", None)
        settings.training["steps"] = steps
    if epochs is not None:
        settings.training.pop("steps", None)
        settings.training["epochs"] = epochs
    length = settings.training.get("steps", settings.training.get("epochs"))
    if not length or length < 1:
        raise TrainingError(f"A run needs a length of 1 or more, got {length}. Pass steps.")
    return settings


def _check_folder(out, settings):
    """Lets a new run, or the same one again, into the folder.

    Raises:
        TrainingError: It holds other things, or a run with other settings.
    """
    recorded = out / "preset.yaml"
    if out.is_file():
        raise TrainingError(f"{out} is a file. Name a folder for the run.")
    if not recorded.is_file():
        if out.is_dir() and any(out.iterdir()):
            raise TrainingError(
                f"{out} exists and holds other things. Name a new folder, or that of a run."
            )
        return
    text = recorded.read_text(encoding="utf-8")
    before = presets.parse_preset(text, name=settings.name, origin=str(recorded))
    for key, old, new in differences(before.settings(), settings.settings()):
        if key not in _FREE:
            raise TrainingError(
                f"{out} holds a run with {key} {old!r}, and now it is {new!r}. Continue with "
                "the same settings, or name another folder."
            )


def differences(old, new, key=""):
    """Lists `(dotted key, old, new)` where two nested settings differ."""
    if isinstance(old, dict) and isinstance(new, dict):
        found = []
        for name in dict.fromkeys([*new, *old]):
            dotted = f"{key}.{name}" if key else name
            found += differences(old.get(name), new.get(name), dotted)
        return found
    return [] if old == new else [(key, old, new)]


def _initial_model(settings, weights):
    model = zoo.build(settings)
    if weights is True:
        zoo.load_trained(model, settings)
    elif weights:
        path = pathlib.Path(weights)
        zoo.read_weights_file(model, path / zoo.WEIGHTS_FILE if path.is_dir() else path)
    return model


def _write_facts(out, dataset):
    """Records what the data was, and refuses to go on with other data.

    Raises:
        TrainingError: The source holds other images than when the run began.
    """
    file = out / "data.json"
    facts = json.loads(json.dumps(dataset.stream.description))
    if file.is_file():
        before = json.loads(file.read_text(encoding="utf-8"))
        for key, old, new in differences(before, facts):
            raise TrainingError(
                f"{out} holds a run on other data: {key} was {old!r} and is {new!r}. Bring the "
                "same images, or name another folder."
            )
    write_text(file, json.dumps(facts, indent=1) + "\n")


def _callbacks(model, settings, dataset, out, total, keep, on_nan, progress):
    training = settings.training
    checkpoints = Checkpoints(
        out / "checkpoints", every=training.get("checkpoint_every", 1000), keep=keep
    )
    sample_every = training.get("sample_every", 500)
    examples = first_batch(dataset.stream)
    bar = RunProgress(total) if progress else None
    callbacks = [
        checkpoints,
        HealthCheck(
            checkpoints,
            on_nan,
            examples,
            every=sample_every,
            tell=bar.tell if bar else None,
        ),
        MetricsLog(out),
        SampleGrids(out, every=sample_every, examples=examples, seed=training["seed"]),
        bar,
        StopAfter(total),
        GracefulStop(checkpoints, f"Go on with the same command; the run is in {_quoted(out)}."),
    ]
    return [callback for callback in callbacks if callback is not None]


def first_batch(stream):
    """Takes the first images of a source, in file order: what pictures are made from."""
    return next(iter(stream.once(_EXAMPLES)))


def _fit(model, dataset, epochs, callbacks, out):
    try:
        with contextlib.ExitStack() as stack:
            for callback in callbacks:
                for closing in ("stop", "restore_handlers"):
                    if hasattr(callback, closing):
                        stack.callback(getattr(callback, closing))
            model.fit(dataset, epochs=epochs, verbose=0, callbacks=callbacks)
    except Interrupted:
        zoo.save(model, out / zoo.MODEL_FOLDER, notes="Training was interrupted.")
        raise
    except OSError as error:
        raise GanzooError(f"The run in {out} cannot be written: {error}.") from error


def _notes(settings, model):
    return (
        f"Trained for {int(model.step):,} steps of {settings.training['batch_size']} images "
        f"from `{settings.data['source']}`."
    )


def _quoted(path):
    return shlex.quote(str(path))
