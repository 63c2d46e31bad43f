"""`train`: one run, from a preset and a source to a run folder that can be continued."""

import contextlib
import math
import pathlib
import warnings

import keras
import tensorflow as tf

from ganzoo import cards, distribution, presets, zoo
from ganzoo.errors import GanzooError, TrainingError
from ganzoo.fitting import check_length
from ganzoo.rates import RateWarning
from ganzoo.training.agreement import check_agreement
from ganzoo.training.checkpoints import Checkpoints, newest_sound
from ganzoo.training.evaluation import Evaluations
from ganzoo.training.exclusive import only_run
from ganzoo.training.failures import device_error, how_to_continue
from ganzoo.training.health import HealthCheck, check_rollback
from ganzoo.training.heartbeat import Heartbeat
from ganzoo.training.logs import MetricsLog
from ganzoo.training.progress import RunProgress
from ganzoo.training.samples import SampleGrids, first_images, spaced_images
from ganzoo.training.settings import (
    check_folder,
    check_same_run,
    fill_in,
    open_data,
    run_settings,
    write_settings,
)
from ganzoo.training.stopping import GracefulStop, Interrupted, StopAfter
from ganzoo.training.tuning import AUTO, decide_jit, record_batch_sizes, restore_batch_sizes

_FEW_STEPS = 50  # of whose samples nobody expects anything
_YOUNG = 0.4  # of an averaged generator: with more of its start samples show next to nothing


def train(
    preset,
    *,
    data_source=None,
    out=None,
    steps=None,
    epochs=None,
    overrides=None,
    seed=None,
    strategy="auto",
    precision=None,
    jit=None,
    deterministic=False,
    weights=None,
    keep=2,
    on_nan="stop",
    peer_timeout=60.0,
    progress=True,
):
    """Trains a preset, or continues the run that `out` holds.

    A run that was killed and continued ends with the same bits as one that was not. On GPUs,
    which add up in no fixed order, it does if `deterministic`, and to rounding otherwise.

    Args:
        preset: Name of a preset, or a YAML file of your own.
        data_source: Source of images in place of the preset's; two for pairs.
        out: The run folder, "runs/<name of the preset>" by default.
        steps: Length of the run in steps, in place of the preset's.
        epochs: Length of the run in passes over the data.
        overrides: Dotted keys of the preset and their values.
        seed: Decides initial weights, order of the data and all noise.
        strategy: "auto", "none", "mirrored" or "multi_worker".
        precision: "float32", "bfloat16" or "float16".
        jit: XLA: "on", "off", or "auto" to measure both when the run begins.
        deterministic: Have TensorFlow add up in a fixed order, from here to the end of the
            process (`tf.config.experimental.enable_op_determinism`).
        weights: A weights file or model folder to start from; True for the preset's own.
        keep: Checkpoints to keep.
        on_nan: "stop", or "rollback" to the last checkpoint with lower rates.
        peer_timeout: Seconds of silence after which another worker counts as lost.
        progress: Show progress on standard error.

    Returns:
        The trained model.

    Raises:
        GanzooError: A setting or the data is wrong, or the folder holds another run, or another
            process trains in it.
        Interrupted: A signal ended the run, after saving.
    """
    out = pathlib.Path(out or pathlib.Path("runs") / presets.short_name(str(preset)))
    settings = run_settings(
        preset,
        data_source=data_source,
        steps=steps,
        epochs=epochs,
        overrides=overrides,
        training={"seed": seed, "precision": precision, "jit": jit},
    )
    check_folder(out)
    if deterministic:
        tf.config.experimental.enable_op_determinism()
    strategy = distribution.make_strategy(strategy)
    addresses, index = distribution.worker_addresses(strategy)
    chief = index == 0
    if len(addresses) > 1:
        _check_workers(settings, len(addresses))
    with contextlib.ExitStack() as held:
        with Heartbeat(addresses, index, peer_timeout) as heartbeat:
            dataset = open_data(settings)
            fill_in(settings, dataset.stream)
            check_agreement(strategy, settings, dataset.stream)
            model = _prepare(settings, dataset, out, strategy, weights)
            check_same_run(out, settings, dataset.stream)
            callbacks = _callbacks(
                model, settings, dataset.stream, out, keep, on_nan, chief, progress and chief
            )
            _check_fit(model, settings, dataset.stream, on_nan)
            if progress and not weights:
                _warn_of_young_average(model, settings, dataset.stream)
            if chief:  # last: what is refused leaves nothing behind
                held.enter_context(only_run(out))
                write_settings(out, settings, dataset.stream)
            _fit(model, dataset, settings, callbacks, out, heartbeat)
        if chief:
            zoo.save(model, out / zoo.MODEL_FOLDER, notes=_notes(settings, model))
    return model


def _check_workers(settings, count):
    """Refuses what each of several workers would decide by itself."""
    if settings.training.get("evaluate_every"):
        raise TrainingError(
            f"Scores during training are for runs of one process, and this one has {count} "
            "workers. Leave out training.evaluate_every, and score the model when it is trained."
        )
    for number, row in enumerate(settings.phases or []):
        if row.get("batch_size") == AUTO:
            raise TrainingError(
                f"phases[{number}].batch_size is {AUTO!r}, and each of the {count} workers has a "
                "memory of its own. Give a number."
            )


def _check_fit(model, settings, stream, on_nan):
    """Refuses what `fit` would at its start, once it had written to the folder."""
    batch_size = settings.training["batch_size"]
    distribution.check_divides(batch_size, model.distribute_strategy)
    model.prepare(batch_size)
    model.check_batch_size(batch_size)
    check_length(model, run_length(settings, model, stream)[0])
    check_rollback(model, on_nan)


def _warn_of_young_average(model, settings, stream):
    """Warns of a run so short that its samples come from weights largely as they were drawn."""
    epochs, steps = run_length(settings, model, stream)
    if epochs is None or getattr(model, "ema_generator", None) is None:
        return
    batch_size = settings.training["batch_size"]
    steps = steps or epochs * stream.count // batch_size
    if steps < _FEW_STEPS:
        return
    images = steps * batch_size
    if model.ema_decay:
        left, faster = model.ema_decay**steps, f"ema_decay={max(0, 1 - 8 / steps):.3g}"
    else:
        left, faster = 0.5 ** (images / model.ema_half_life), f"ema_half_life={images // 8}"
    if left > _YOUNG:
        warnings.warn(
            "When this run ends, samples are drawn from an average that is still "
            f"{left:.0%} initial weights, and look grey. Train longer, or have it follow faster: "
            f"--set model.{faster}",
            stacklevel=3,
        )


def _prepare(settings, dataset, out, strategy, weights):
    """Builds the model, with the initial weights that the run's seed decides."""
    with strategy.scope():
        restore_batch_sizes(settings, out)
        if settings.training.get("jit") == AUTO:
            settings.training["jit"] = decide_jit(settings, dataset, out)
        # After the trials of `decide_jit`, which draw weights of their own.
        keras.utils.set_random_seed(settings.training["seed"])
        model = _initial_model(settings, weights)
    record_batch_sizes(settings, model)
    model.check_batch(dataset.stream.element_spec)
    adapt = getattr(model, "adapt", None)
    if adapt is not None and not weights and newest_sound(out / "checkpoints") is None:
        adapt(dataset.stream.read_once(settings.training["batch_size"]))
    return model


def _initial_model(settings, weights):
    model = zoo.build(settings)
    if weights is True:
        zoo.load_trained(model, settings)
    elif weights:
        zoo.read_weights_file(model, weights)
    return model


def run_length(settings, model, stream):
    """Gives the epochs of a run and the steps at which it ends, None where the model decides."""
    steps, epochs = (settings.training.get(key) for key in ("steps", "epochs"))
    resized = model.images_to_train() is not None  # the batch size changes on the way
    if steps is None and epochs is None:
        if resized:
            return None, None
        epochs = 1  # as `fit` has it
    if steps is None:
        return epochs, None if resized else epochs * stream.steps_per_epoch
    if resized:
        return 10**9, steps
    return math.ceil(steps / stream.steps_per_epoch), steps


def _callbacks(model, settings, stream, out, keep, on_nan, chief, progress):
    training = settings.training
    checkpoints = Checkpoints(
        out / "checkpoints", every=training.get("checkpoint_every", 1000), keep=keep
    )
    examples = first_images(stream)
    sample_every = training.get("sample_every", 500)
    epochs, steps = run_length(settings, model, stream)
    images = model.images_to_train() if epochs is None else epochs * stream.count
    devices = distribution.devices_of(model.distribute_strategy)
    bar = RunProgress(steps, images, devices=devices) if progress else None
    health = HealthCheck(
        checkpoints,
        on_nan,
        spaced_images(stream),
        every=sample_every,
        tell=bar.tell if bar else None,
    )
    callbacks = [checkpoints, health]
    if chief:
        log = MetricsLog(out)
        # `check_same_run` has made sure that what the folder holds is of this run.
        samples = SampleGrids(out, sample_every, examples, training["seed"], replace=True)
        callbacks += [log, samples]
        if training.get("evaluate_every"):
            callbacks.append(Evaluations(out, settings, log))
    callbacks += [bar] if bar else []
    callbacks += [StopAfter(steps)] if steps else []
    return [*callbacks, GracefulStop(checkpoints, how_to_continue(out))]


def _fit(model, dataset, settings, callbacks, out, heartbeat):
    epochs, _ = run_length(settings, model, dataset.stream)
    try:
        with contextlib.ExitStack() as stack:
            stack.enter_context(warnings.catch_warnings())
            warnings.simplefilter("ignore", RateWarning)  # `fill_in` has told what to set
            for callback in callbacks:
                if hasattr(callback, "close"):
                    stack.callback(callback.close)
            model.fit(dataset, epochs=epochs, verbose=0, callbacks=callbacks)
    except Interrupted:
        if distribution.is_chief(model.distribute_strategy):
            notes = _notes(settings, model, " Training was interrupted.")
            zoo.save(model, out / zoo.MODEL_FOLDER, notes=notes)
        raise
    except (tf.errors.UnavailableError, tf.errors.AbortedError, tf.errors.InternalError) as error:
        heartbeat.wait_for_verdict()
        raise device_error(error, model, settings, out) from error
    except tf.errors.ResourceExhaustedError as error:
        raise device_error(error, model, settings, out) from error
    except OSError as error:
        raise GanzooError(
            f"The run in {out} cannot be written: {error.strerror or error}. {how_to_continue(out)}"
        ) from error


def _notes(settings, model, ending=""):
    before = getattr(model, "provenance", "")
    return (
        f"{cards.RUN}{cards.counted(model.steps_taken, 'steps')}, on "
        f"{cards.counted(model.fit_state.position, 'images')} from "
        f"`{settings.data['source']}`, seed {settings.training['seed']}.{ending}"
        + (f"{cards.FURTHER}{before}" if before else "")
    )
