"""Checkpoints: what is kept, what is refused, and what a damaged one leads to."""

import errno
import os
import signal

import keras
import numpy as np
import pytest

from ganzoo import data
from ganzoo.errors import TrainingError
from ganzoo.optimizers import ReplicaSafeLossScaleOptimizer, inner
from ganzoo.training import Checkpoints, checkpoints
from ganzoo.training.checkpoints import list_checkpoints, newest_sound, write_checkpoint
from ganzoo.training.logs import MetricsLog, read_log
from ganzoo.training.state import read_state
from ganzoo.training.stopping import GracefulStop, Interrupted
from tests.models.conformance import assert_equal_states, build, tiny_preset

STEPS_A_PASS = 4


@pytest.fixture
def points(tmp_path):
    """Four batches of points, as a dataset that a run can be resumed on."""
    array = np.random.default_rng(0).normal(size=(STEPS_A_PASS * 4, 2)).astype("float32")
    np.save(tmp_path / "points.npy", array)
    return data.load(tmp_path / "points.npy", batch_size=4)


def train(points, folder, epochs, preset="gan_ring", **options):
    model = build(tiny_preset(preset))
    checkpoints = Checkpoints(folder, **{"every": 4} | options)
    model.fit(points, epochs=epochs, verbose=0, callbacks=[checkpoints])
    return model


def names(folder):
    return [path.name for path in list_checkpoints(folder)]


def test_keep_bounds_their_number(points, tmp_path):
    train(points, tmp_path / "run", epochs=4, keep=3)
    assert names(tmp_path / "run") == ["step-00000008", "step-00000012", "step-00000016"]


def test_a_damaged_one_is_reported_and_the_one_before_it_used(points, tmp_path):
    unbroken = train(points, tmp_path / "unbroken", epochs=4)
    train(points, tmp_path / "run", epochs=3)
    newest = list_checkpoints(tmp_path / "run")[-1] / "state.npz"
    content = bytearray(newest.read_bytes())
    content[len(content) // 2] ^= 1
    newest.write_bytes(content)
    assert newest_sound(tmp_path / "run").name == "step-00000008"
    with pytest.warns(UserWarning, match="step-00000012 is damaged .its content does not match"):
        mended = train(points, tmp_path / "run", epochs=4)
    assert_equal_states(unbroken, mended)


def test_one_that_cannot_be_read_is_not_taken_for_damaged(points, tmp_path, monkeypatch):
    train(points, tmp_path / "run", epochs=3)
    before = names(tmp_path / "run")

    def away(path):
        raise OSError(errno.EIO, os.strerror(errno.EIO), str(path))

    with monkeypatch.context() as patch:
        patch.setattr(checkpoints, "sha256_of", away)
        with pytest.raises(TrainingError, match=r"step-00000012 cannot be read: Input/output err"):
            train(points, tmp_path / "run", epochs=4)
    assert names(tmp_path / "run") == before
    assert train(points, tmp_path / "run", epochs=4).steps_taken == 16


def test_what_was_just_written_is_kept_before_a_damaged_later_one(points, tmp_path):
    train(points, tmp_path / "run", epochs=3, keep=1)
    (tmp_path / "run" / "step-00000012" / "state.npz").write_bytes(b"")
    with (
        pytest.warns(UserWarning, match="step-00000012 is damaged .* and is passed over"),
        pytest.warns(UserWarning, match="is sound: training begins at step 0"),
    ):
        train(points, tmp_path / "run", epochs=1, keep=1)
    assert names(tmp_path / "run") == ["step-00000004"]


def test_a_new_start_beside_checkpoints_is_refused(points, tmp_path):
    train(points, tmp_path / "run", epochs=1)
    with pytest.raises(TrainingError, match="holds checkpoints, and resume is False. Name anothe"):
        train(points, tmp_path / "run", epochs=1, resume=False)
    assert names(tmp_path / "run") == ["step-00000004"]


def test_a_step_that_a_signal_ends_is_not_saved_twice(points, tmp_path, monkeypatch):
    written = []

    def write(path, arrays):
        written.append(path.name)
        write_checkpoint(path, arrays)

    monkeypatch.setattr(checkpoints, "write_checkpoint", write)
    for step in (4, 6):
        saves = Checkpoints(tmp_path / f"run_{step}", every=4)
        stop = GracefulStop(saves, "Go on.")
        model = build(tiny_preset("gan_ring"))

        def receive(batch, logs, step=step, model=model, stop=stop):
            stop.received = signal.SIGTERM if model.steps_taken == step else 0

        signals = keras.callbacks.LambdaCallback(on_train_batch_end=receive)
        with pytest.raises(Interrupted, match=f"Stopped by SIGTERM at step {step}; everything"):
            model.fit(points, epochs=4, verbose=0, callbacks=[saves, signals, stop])
        saves.close()
    assert written == ["step-00000004"] + ["step-00000004", "step-00000006"]


def test_an_epoch_that_ends_again_is_logged_once(points, tmp_path):
    class Stop(Exception):
        pass

    def stop(epoch, logs):
        if epoch == 1:
            raise Stop

    saves = Checkpoints(tmp_path / "checkpoints", every=STEPS_A_PASS)
    halt = keras.callbacks.LambdaCallback(on_epoch_begin=stop)
    options = {"epochs": 2, "verbose": 0, "validation_data": points}
    with pytest.raises(Stop):
        build(tiny_preset("gan_ring")).fit(
            points, **options, callbacks=[saves, MetricsLog(tmp_path), halt]
        )
    saves.close()
    saves = Checkpoints(tmp_path / "checkpoints", every=STEPS_A_PASS)
    build(tiny_preset("gan_ring")).fit(points, **options, callbacks=[saves, MetricsLog(tmp_path)])
    ends = [line for line in read_log(tmp_path / "metrics.jsonl") if "epoch_end" in line]
    assert [(line["step"], line["epoch_end"]) for line in ends] == [(4, 0), (8, 1)]


@pytest.mark.parametrize("wrap", [lambda adam: adam, ReplicaSafeLossScaleOptimizer])
def test_a_nadam_goes_on_with_its_product_of_momentums(wrap, points, tmp_path):
    """Within a loss scale Keras does not list it."""

    def fit(folder, epochs):
        model = build(tiny_preset("gan_ring"), optimizer=lambda: wrap(keras.optimizers.Nadam(0.1)))
        callbacks = [Checkpoints(folder, every=4)]
        model.fit(points, epochs=epochs, verbose=0, callbacks=callbacks)
        return model

    unbroken = fit(tmp_path / "unbroken", 2)
    fit(tmp_path / "run", 1)
    continued = fit(tmp_path / "run", 2)
    products = [inner(model.generator_optimizer)._u_product for model in (unbroken, continued)]
    assert float(products[0]) == float(products[1]) < 0.1
    assert_equal_states(unbroken, continued)


def test_all_networks_of_a_restored_model_are_trained(points, tmp_path):
    train(points, tmp_path / "run", epochs=1)
    model = build(tiny_preset("gan_ring"))
    model.trained = frozenset({"generator"})  # as weights of one network leave it
    model.fit(points, epochs=1, verbose=0, callbacks=[Checkpoints(tmp_path / "run")])
    assert (model.steps_taken, model.trained) == (4, set(model.network_names))


def test_what_a_kill_left_half_written_is_removed(points, tmp_path):
    leftover = tmp_path / "run" / ".step-00000004.123.partial"
    leftover.mkdir(parents=True)
    (leftover / "state.npz").write_bytes(b"half")
    train(points, tmp_path / "run", epochs=1)
    assert not leftover.exists()
    assert names(tmp_path / "run") == ["step-00000004"]


def test_one_of_another_model_is_refused_and_nothing_changed(points, tmp_path):
    train(points, tmp_path / "run", epochs=1)
    model = build(tiny_preset("gan_ring", **{"model.generator_units": [9, 9]}))
    before = [weight.numpy() for weight in model.generator.variables]
    with pytest.raises(
        TrainingError, match="is not a checkpoint of this model: network/.*generator"
    ):
        model.fit(points, epochs=2, verbose=0, callbacks=[Checkpoints(tmp_path / "run")])
    for old, new in zip(before, model.generator.variables, strict=True):
        np.testing.assert_array_equal(old, new.numpy())


def test_weights_that_are_not_finite_are_not_saved(points, tmp_path):
    model = build(tiny_preset("gan_ring"))
    checkpoints = Checkpoints(tmp_path / "run")
    model.fit(points, verbose=0, callbacks=[checkpoints])
    kernel = model.discriminator.trainable_variables[0]
    kernel.assign(np.full(kernel.shape, np.inf, "float32"))
    message = "state at step 4 is not saved: discriminator/hidden_1/kernel is not finite"
    with pytest.raises(TrainingError, match=message):
        checkpoints.save()


def test_a_foreign_dataset_runs_its_epoch_again_and_says_so(points, tmp_path):
    foreign = points.map(lambda batch: batch)
    model = build(tiny_preset("gan_ring"))
    model.fit_state.batch = 2

    class Stop(Exception):
        pass

    class StopAt(Checkpoints):
        def on_train_batch_end(self, batch, logs=None):
            super().on_train_batch_end(batch, logs)
            if self.model.steps_taken == 6:
                self.wait()
                raise Stop

    with pytest.raises(Stop):
        model.fit(foreign, epochs=2, verbose=0, callbacks=[StopAt(tmp_path / "run", every=6)])
    with pytest.warns(UserWarning, match="epoch 1 runs again from its start"):
        model.fit(foreign, epochs=2, verbose=0, callbacks=[Checkpoints(tmp_path / "run")])
    assert model.steps_taken == 6 + STEPS_A_PASS


def test_a_rollback_on_a_foreign_dataset_runs_its_epoch_again(points, tmp_path):
    model, seen = build(tiny_preset("gan_ring"), run_eagerly=True), []
    step = model.train_step
    model.train_step = lambda batch: (seen.append(batch.numpy()), step(batch))[1]

    class Back(keras.callbacks.Callback):
        def __init__(self, saved):
            super().__init__()
            self.saved, self.gone = saved, False

        def on_train_batch_end(self, batch, logs=None):
            if self.model.steps_taken == 3 and not self.gone:
                self.gone = self.saved.restore()

    saved = Checkpoints(tmp_path / "run", every=2)
    with pytest.warns(UserWarning, match="at batch 2, so epoch 0 runs again"):
        model.fit(points.map(lambda batch: batch), verbose=0, callbacks=[saved, Back(saved)])
    assert len(seen) == 3 + STEPS_A_PASS
    np.testing.assert_array_equal(seen[:3], seen[3:6])


class Epochs(keras.callbacks.Callback):
    """Notes how often an epoch ended."""

    def __init__(self):
        super().__init__()
        self.ended = []

    def on_epoch_end(self, epoch, logs=None):
        self.ended.append(epoch)


def test_a_finished_run_on_a_foreign_dataset_stays_finished(points, tmp_path):
    foreign = points.map(lambda batch: batch)
    for epochs, steps in ((2, 8), (2, 8), (3, 12)):
        # The last save was made in the last step, before the epoch was counted.
        callbacks = [Checkpoints(tmp_path / "run", every=STEPS_A_PASS), Epochs()]
        model = build(tiny_preset("gan_ring"))
        model.fit(foreign, epochs=epochs, verbose=0, callbacks=callbacks)
        assert model.steps_taken == steps
        assert callbacks[1].ended[-1] == epochs - 1


def test_epochs_of_so_many_steps_are_resumed_at_the_very_step(points, tmp_path):
    class Stop(Exception):
        pass

    def stop(batch, logs):
        if broken.steps_taken == 8:
            raise Stop

    options = {"epochs": 4, "steps_per_epoch": 3, "verbose": 0}
    unbroken, broken, continued = (build(tiny_preset("gan_ring")) for _ in range(3))
    unbroken.fit(points, **options, callbacks=[Checkpoints(tmp_path / "unbroken")])
    halt = keras.callbacks.LambdaCallback(on_train_batch_end=stop)
    saves = Checkpoints(tmp_path / "run", every=4)
    with pytest.raises(Stop):
        broken.fit(points, **options, callbacks=[saves, halt])
    saves.close()
    epochs = Epochs()
    continued.fit(points, **options, callbacks=[Checkpoints(tmp_path / "run"), epochs])
    assert (unbroken.steps_taken, epochs.ended) == (12, [2, 3])
    assert_equal_states(unbroken, continued)


def test_workers_wait_for_the_chiefs_last_save_before_they_restore(points, tmp_path, monkeypatch):
    train(points, tmp_path / "run", epochs=1)
    model = train(points, tmp_path / "other", epochs=3)
    asked = []

    def gather(strategy, number):
        if not asked:  # the chief has written meanwhile
            write_checkpoint(tmp_path / "run" / "step-00000012", read_state(model))
        asked.append(number)
        return [number] * 2

    monkeypatch.setattr(checkpoints, "gather_numbers", gather)
    worker = Checkpoints(tmp_path / "run")
    worker.set_model(build(tiny_preset("gan_ring")))
    assert worker.restore()
    assert worker.model.steps_taken == 12
    assert asked == [0, 12]


def test_workers_that_find_different_checkpoints_are_refused(points, tmp_path, monkeypatch):
    train(points, tmp_path / "run", epochs=1)
    monkeypatch.setattr(checkpoints, "gather_numbers", lambda strategy, number: [0, number])
    worker = Checkpoints(tmp_path / "run")
    worker.set_model(build(tiny_preset("gan_ring")))
    with pytest.raises(TrainingError, match=r"checkpoints of different steps, \[0, 4\], in .*run"):
        worker.restore()


@pytest.mark.parametrize("options", [{"every": 0}, {"keep": 0}])
def test_senseless_settings_are_refused(options, tmp_path):
    with pytest.raises(TrainingError, match="(keep|interval in steps) is 0. Give a whole"):
        Checkpoints(tmp_path, **options)
