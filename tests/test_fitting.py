"""The loop behind `fit` and `evaluate`: its epochs, its means, its options and its refusals."""

import pathlib
import re
import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf

import ganzoo
from ganzoo import data, feeds
from ganzoo.errors import DataError, TrainingError
from ganzoo.models import cyclegan, gan
from ganzoo.training import Checkpoints
from ganzoo.training.stopping import StopAfter
from tests.models import conformance

BATCH = 4
IMAGES = np.random.default_rng(0).uniform(-1, 1, (16, 4, 4, 1)).astype("float32")


def build(seed=0, **execution):
    keras.utils.set_random_seed(seed)
    model = gan.build(
        image_shape=(4, 4, 1),
        latent_dim=3,
        generator_units=(6,),
        generator_activations=("relu",),
        discriminator_units=(6,),
    )
    model.compile(keras.optimizers.SGD(0.1), keras.optimizers.SGD(0.1), **execution)
    return model


def batches(count=16, images=IMAGES, batch=BATCH):
    return tf.data.Dataset.from_tensor_slices(images[:count]).batch(batch)


class Recorder(keras.callbacks.Callback):
    """Notes each call, and the values of each step."""

    def __init__(self):
        super().__init__()
        self.calls, self.values, self.logs = [], [], []

    def on_epoch_begin(self, epoch, logs=None):
        self.calls.append(f"epoch {epoch}")

    def on_train_batch_end(self, batch, logs=None):
        self.calls.append(f"batch {batch}")
        self.values.append(dict(self.model.fit_state.values))
        self.logs.append(dict(logs))

    def on_test_begin(self, logs=None):
        self.calls.append("test")

    def on_epoch_end(self, epoch, logs=None):
        self.calls.append(f"end {epoch}")


def weights_of(model):
    return [np.array(item) for item in model.trainable_variables]


def assert_same(one, other, tolerance=0.0):
    for a, b in zip(weights_of(one), weights_of(other), strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=tolerance)


# --- epochs and means -------------------------------------------------------------------------


def test_callbacks_see_epochs_steps_and_validation():
    model, recorder = build(), Recorder()
    history = model.fit(
        batches(8),
        epochs=3,
        verbose=0,
        callbacks=[recorder],
        validation_data=batches(4),
        validation_freq=2,
    )
    epoch = ["batch 0", "batch 1"]
    assert recorder.calls == [
        *("epoch 0", *epoch, "end 0"),
        *("epoch 1", *epoch, "test", "end 1"),
        *("epoch 2", *epoch, "end 2"),
    ]
    assert len(history.history["generator_loss"]) == 3
    assert len(history.history["val_generator_loss"]) == 1
    assert int(model.step) == 6


def test_validation_may_follow_epochs_by_number():
    recorder = Recorder()
    options = {"validation_data": batches(4), "epochs": 4, "verbose": 0}
    build().fit(batches(8), validation_freq=[1, 3], callbacks=[recorder], **options)
    assert [call for call in recorder.calls if "batch" not in call and "epoch" not in call] == [
        "test", "end 0", "end 1", "test", "end 2", "end 3",
    ]  # fmt: skip
    for every in (0, "2"):
        message = rf"^validation_freq is {every!r}\. Give a whole number from 1 up\.$"
        with pytest.raises(TrainingError, match=message):
            build().fit(batches(8), validation_freq=every, **options)


def test_history_holds_the_means_of_the_steps():
    model, recorder = build(), Recorder()
    history = model.fit(batches(), epochs=2, verbose=0, callbacks=[recorder])
    for name in model.reported_names:
        values = [step[name] for step in recorder.values]
        assert len(set(values)) > 4
        wanted = [np.mean(values[:4]), np.mean(values[4:])]
        np.testing.assert_allclose(history.history[name], wanted, rtol=1e-6)
        running = [logs[name] for logs in recorder.logs[:4]]
        np.testing.assert_allclose(running, np.cumsum(values[:4]) / [1, 2, 3, 4], rtol=1e-6)


def test_an_epoch_that_is_run_again_counts_all_its_steps_and_no_others():
    class Restored(keras.callbacks.Callback):
        def on_train_begin(self, logs=None):
            state = self.model.fit_state
            state.batch, state.position, state.skipped, state.sums = 2, 2 * BATCH, 1, 1e3

    model, recorder = build(run_eagerly=True), Recorder()
    with pytest.warns(UserWarning, match=r"cannot be entered at batch 2, so epoch 0 runs again"):
        model.fit(batches(), verbose=0, callbacks=[Restored(), recorder])
    assert len(recorder.values) == 4
    for name, values in model.history.history.items():
        assert values[0] == pytest.approx(np.mean([step[name] for step in recorder.values]))


def test_one_epoch_is_the_default_and_epochs_count_from_initial_epoch():
    model, recorder = build(), Recorder()
    model.fit(batches(), verbose=0)
    assert int(model.step) == 4
    model.fit(batches(), verbose=0, epochs=5, initial_epoch=3, callbacks=[recorder])
    assert int(model.step) == 12
    assert [call for call in recorder.calls if "epoch" in call] == ["epoch 3", "epoch 4"]


@pytest.mark.parametrize("name", ["epochs", "initial_epoch"])
@pytest.mark.parametrize("count", [1.5, -1, "2"])
def test_senseless_numbers_of_epochs_are_refused(name, count):
    message = rf"{name} is {re.escape(repr(count))}\. Give a whole number from 0 up"
    with pytest.raises(TrainingError, match=message):
        build().fit(batches(), verbose=0, **{"epochs": 2} | {name: count})


def test_a_callback_can_stop_training():
    class Stop(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            self.model.stop_training = int(self.model.step) == 2

    model = build()
    model.fit(batches(), epochs=3, verbose=0, callbacks=[Stop()])
    assert int(model.step) == 2
    model.fit(batches(), verbose=0)
    assert int(model.step) == 6


def test_a_callback_can_stop_training_before_the_first_step():
    class Stop(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            self.model.stop_training = True

    model = build()
    model.fit(batches(), epochs=3, verbose=0, callbacks=[Stop()])
    assert int(model.step) == 0


def test_the_progress_bar_shows_the_losses(capsys):
    build().fit(batches(), verbose=1)
    shown = capsys.readouterr().out
    assert "4/4" in shown
    assert "discriminator_loss" in shown
    build().fit(batches(), verbose=0)
    assert capsys.readouterr().out == ""


def test_training_ends_where_a_weight_is_not_finite():
    images = IMAGES.copy()
    images[9] = np.nan  # a single pixel might fall to dropout
    model = build()
    with pytest.raises(
        TrainingError, match=r"ended at step 3: a weight is not finite\. Look for NaN"
    ):
        model.fit(batches(images=images), epochs=2, verbose=0)

    class Stop(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            self.model.stop_training = not self.model.fit_state.weights_finite

    stopped = build()
    stopped.fit(batches(images=images), epochs=2, verbose=0, callbacks=[Stop()])
    assert stopped.steps_taken == 3


# --- kinds of data ----------------------------------------------------------------------------


def test_arrays_are_batched_and_shuffled():
    model = build()
    model.fit(IMAGES, batch_size=BATCH, verbose=0)
    assert int(model.step) == 4
    ordered, other = build(), build()
    ordered.fit(IMAGES, batch_size=BATCH, shuffle=False, verbose=0)
    other.fit(batches(), verbose=0)
    assert_same(ordered, other)


def test_the_order_of_an_array_is_that_of_the_seed():
    one = build()
    one.fit(IMAGES, batch_size=BATCH, epochs=2, verbose=0)
    other = build()
    tf.random.uniform(())  # what else draws in this process
    other.fit(IMAGES, batch_size=BATCH, epochs=2, verbose=0)
    assert_same(one, other)
    ordered = build()
    ordered.fit(IMAGES, batch_size=BATCH, epochs=2, shuffle=False, verbose=0)
    with pytest.raises(AssertionError, match="Not equal to tolerance"):
        assert_same(one, ordered)


def test_every_fit_of_an_array_has_an_order_of_its_own():
    model, seen = build(run_eagerly=True), []
    step = model.train_step
    model.train_step = lambda batch: (seen.append(batch.numpy()), step(batch))[1]
    model.fit(IMAGES, batch_size=BATCH, verbose=0)
    model.fit(IMAGES, batch_size=BATCH, verbose=0)
    first, second = np.concatenate(seen[:4]), np.concatenate(seen[4:])
    assert not np.array_equal(first, second)
    assert np.array_equal(np.sort(first, axis=0), np.sort(second, axis=0))


def test_a_resumed_fit_of_an_array_goes_on_in_the_order_of_its_epoch(tmp_path):
    options = {"batch_size": BATCH, "verbose": 0}
    whole, model, continued = build(), build(), build(seed=9)
    whole.fit(IMAGES, epochs=3, **options)
    model.fit(IMAGES, epochs=2, **options, callbacks=[Checkpoints(tmp_path)])
    continued.fit(IMAGES, epochs=3, **options, callbacks=[Checkpoints(tmp_path)])
    assert_same(whole, continued)


def test_an_array_may_have_longer_epochs_than_it_has_batches():
    one, other = build(), build()
    one.fit(IMAGES, batch_size=BATCH, steps_per_epoch=6, epochs=2, verbose=0)
    other.fit(IMAGES, batch_size=BATCH, epochs=3, verbose=0)
    assert_same(one, other)


def test_a_dataset_of_tuples_of_one_array_is_that_of_the_array():
    one, other = build(), build()
    one.fit(tf.data.Dataset.from_tensor_slices((IMAGES,)).batch(BATCH), verbose=0)
    other.fit(batches(), verbose=0)
    assert_same(one, other)


def shapeless(*arrays):
    """A dataset of batches whose rank it does not know."""
    return tf.data.Dataset.range(len(arrays)).map(
        lambda index: tf.numpy_function(lambda at: arrays[at], [index], tf.float32)
    )


def test_shapes_that_a_dataset_does_not_know_are_those_of_its_batches():
    one, other = build(), build()
    one.fit(shapeless(*np.split(IMAGES, 4)), verbose=0)
    other.fit(batches(), verbose=0)
    assert_same(one, other)
    large = np.zeros((BATCH, 8, 8, 1), "float32")
    with pytest.raises(DataError, match=r"batches of shape \(None, 4, 4, 1\).* \(4, 8, 8, 1\)"):
        build().fit(shapeless(large), verbose=0)
    message = r"A batch .* has the shape \[4,8,8,1\], and the model trains on \[\?,4,4,1\]\. Bring"
    with pytest.raises(DataError, match=message):
        build().fit(shapeless(IMAGES[:BATCH], large), verbose=0)


@pytest.mark.parametrize("precision", ["float16", "float64"])
def test_images_of_other_floats_become_float32(precision):
    images = IMAGES.astype("float16")
    one, other = build(run_eagerly=True), build(run_eagerly=True)
    seen, step = set(), one.train_step
    one.train_step = lambda batch: (seen.add(batch.dtype), step(batch))[1]
    one.fit(batches(images=images.astype(precision)), verbose=0)
    other.fit(batches(images=images.astype("float32")), verbose=0)
    assert seen == {tf.float32}
    assert_same(one, other)
    found = one.evaluate(images.astype(precision), batch_size=BATCH)
    assert found == pytest.approx(other.evaluate(images.astype("float32"), batch_size=BATCH))


@pytest.mark.parametrize("preset", ["cyclegan_horse2zebra", "progan_celeba128"])
def test_every_family_takes_what_numpy_makes_of_pixels(preset):
    model = conformance.build(conformance.tiny_preset(preset), optimizer=conformance.sgd)
    model.run_eagerly = True
    images = conformance.random_images(model, count=4)
    doubles = tf.nest.map_structure(lambda array: array.astype("float64"), images)
    found = model.evaluate(doubles, batch_size=4)
    assert found == pytest.approx(model.evaluate(images, batch_size=4))


@pytest.mark.parametrize("count", [3, 8, 10])
def test_every_image_of_an_array_counts_alike_in_a_test(count):
    model = build()
    seen, step = [], model.test_step

    def watched(images):
        seen.append(images.numpy())
        return step(images) | {"generator_loss": tf.reduce_mean(images)}

    model.run_eagerly, model.test_step = True, watched
    found = model.evaluate(IMAGES[:count], batch_size=BATCH)
    np.testing.assert_array_equal(np.concatenate(seen), IMAGES[:count])
    assert found["generator_loss"] == pytest.approx(IMAGES[:count].mean(), abs=1e-6)


def test_a_last_batch_of_a_test_is_one_that_the_model_can_take(monkeypatch):
    model = build()
    seen, step = [], model.test_step
    model.run_eagerly = True
    model.test_step = lambda images: (seen.append(len(images)), step(images))[1]

    def check_batch_size(size, fixed=False):
        if size % 3 or not fixed:
            raise TrainingError(f"{size} images. Give others.")

    monkeypatch.setattr(model, "check_batch_size", check_batch_size)
    model.evaluate(IMAGES[:11], batch_size=6)
    assert seen == [6, 3]


def test_each_batch_of_a_test_has_draws_of_its_own():
    model = build()
    model.run_eagerly = True
    drawn, draw = [], model.test_latents
    model.test_latents = lambda count: drawn.append(draw(count).numpy()) or drawn[-1]
    model.evaluate(batches())
    first = np.concatenate(drawn)
    assert len(np.unique(first[:, 0])) == 16
    model.evaluate(batches())
    np.testing.assert_array_equal(np.concatenate(drawn[4:]), first)


def test_a_dataset_of_unknown_length_ends_its_epoch_where_it_ends():
    unknown = batches().filter(lambda images: tf.reduce_max(images) < 2)
    model, known = build(steps_per_execution=3), build()
    history = model.fit(unknown, epochs=2, verbose=0).history
    expected = known.fit(batches(), epochs=2, verbose=0).history
    assert int(model.step) == 8, "what finds no batch is no step"
    for name, values in expected.items():  # also of the step after which the dataset ends
        assert history[name] == pytest.approx(values)
    assert [int(player.iterations) for player in model.optimizers.values()] == [8, 8]
    assert_same(model, known)


def test_an_epoch_of_unknown_length_that_ended_is_not_run_again(tmp_path):
    unknown = batches().filter(lambda images: tf.reduce_max(images) < 2)

    class Stop(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            self.model.stop_training = epoch == 0

    model, whole = build(), build()
    model.fit(unknown, epochs=2, verbose=0, callbacks=[Checkpoints(tmp_path), Stop()])
    assert (model.fit_state.epoch, model.fit_state.batch) == (1, 0)
    continued = build(seed=9)
    continued.fit(unknown, epochs=2, verbose=0, callbacks=[Checkpoints(tmp_path)])
    whole.fit(unknown, epochs=2, verbose=0)
    assert continued.steps_taken == 8
    assert_same(whole, continued)


def test_an_endless_dataset_needs_the_steps_of_an_epoch():
    model = build()
    with pytest.raises(DataError, match="never ends, and so no epoch would. Pass steps_per_epoch"):
        model.fit(batches().repeat(), verbose=0)
    model.fit(batches().repeat(), epochs=2, steps_per_epoch=3, verbose=0)
    assert int(model.step) == 6


def test_endless_validation_data_needs_its_steps():
    model = build()
    model.fit(batches(), verbose=0, validation_data=batches().repeat(), validation_steps=2)
    found = model.evaluate(batches().repeat(), steps=3)
    assert found == pytest.approx(model.evaluate(batches(12)))


def test_steps_per_epoch_go_on_where_the_epoch_before_ended():
    """As in Keras: a dataset of many batches would otherwise never be read to its end."""
    one, other = build(), build()
    one.fit(batches().repeat(), steps_per_epoch=1, epochs=4, verbose=0)
    other.fit(batches(), verbose=0)
    assert_same(one, other)
    with pytest.raises(TrainingError, match=r"ended after 1 of 3 steps of epoch 2\. Give it .r"):
        build().fit(batches(), steps_per_epoch=3, epochs=2, verbose=0)


@pytest.mark.parametrize("steps", [6, 7])
def test_steps_per_epoch_of_a_resumed_run_are_those_of_its_epoch(steps, tmp_path):
    """Not those of the dataset's start, which a run that is often killed would never leave."""
    options = {"steps_per_epoch": 3, "epochs": 3, "verbose": 0}
    model, continued, seen = build(), build(run_eagerly=True), []
    callbacks = [Checkpoints(tmp_path), StopAfter(steps)]
    model.fit(batches().repeat(), **options, callbacks=callbacks)
    step = continued.train_step
    continued.train_step = lambda batch: (seen.append(batch.numpy()), step(batch))[1]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "This dataset cannot be entered at batch 1")
        continued.fit(batches().repeat(), **options, callbacks=[Checkpoints(tmp_path)])
    expected = list(batches().repeat().skip(6).take(3))
    np.testing.assert_array_equal(seen, expected)


def test_steps_per_epoch_of_ganzoo_data(tmp_path):
    np.save(tmp_path / "images.npy", np.arange(128, dtype="uint8").reshape(8, 4, 4) * 2)
    dataset = data.load(tmp_path / "images.npy", image_size=4, channels=1, batch_size=BATCH)
    one, other = build(), build()
    one.fit(dataset, epochs=2, steps_per_epoch=3, verbose=0)
    other.fit(dataset, epochs=3, verbose=0)
    assert_same(one, other)
    with pytest.raises(DataError, match=r"number of steps is 0\. Give a whole number from 1 up"):
        one.fit(dataset, steps_per_epoch=0, verbose=0)


def test_fits_one_after_the_other_are_one_fit(tmp_path):
    np.save(tmp_path / "images.npy", np.arange(160, dtype="uint8").reshape(10, 4, 4))
    source = {"image_size": 4, "channels": 1, "batch_size": BATCH, "flip": True}
    one, other = build(), build()
    one.fit(data.load(tmp_path / "images.npy", **source), epochs=3, verbose=0)
    for _ in range(3):
        other.fit(data.load(tmp_path / "images.npy", **source), epochs=1, verbose=0)
    assert_same(one, other)
    assert other.fit_state.position == one.fit_state.position == 3 * 3 * BATCH
    other.fit(data.load(tmp_path / "images.npy", **source | {"seed": 1}), verbose=0)
    assert other.fit_state.position == 3 * BATCH, "an order of its own begins at its start"
    other.fit(data.load(tmp_path / "images.npy", **source | {"seed": 1}), epochs=2, initial_epoch=1)
    assert other.fit_state.position == 2 * 3 * BATCH, "what was asked for"


def test_a_growing_model_counts_images_and_not_batches():
    """Of five images each second batch of four holds one."""
    phases = [{"resolution": 4, "stabilize_kimg": 0}, {"resolution": 8, "stabilize_kimg": 0.02}]
    preset = conformance.tiny_preset("progan_mnist", phases=phases)
    model = conformance.build(preset, optimizer=conformance.sgd, run_eagerly=True)
    images = conformance.random_images(model, count=5)
    model.fit(batches(images=images), verbose=0)
    assert model.images_to_train() == 0
    assert model.images_seen == pytest.approx(model.schedule.images, abs=BATCH)


@pytest.mark.parametrize(("images", "epochs"), [(19_999, 1), (20_000, 1), (20_001, 2), (0, 0)])
def test_a_part_of_an_epoch_is_one_more(images, epochs):
    stream = data.load("ring8", batch_size=512).stream
    feed = feeds.StreamFeed(stream, tf.distribute.get_strategy())
    assert feed.epochs_of(images) == epochs


def test_no_images_are_refused():
    with pytest.raises(DataError, match="gave no batch. .* and not fewer than a batch"):
        build().fit(IMAGES[:3], batch_size=BATCH, verbose=0)
    with pytest.raises(DataError, match="gave no batch. Check that it holds images"):
        build().evaluate(batches(0))


@pytest.mark.parametrize(
    ("images", "message"),
    [
        ([[0.0]], r"fit cannot train on 'list'\. Give it a dataset from ganzoo\.data\.load"),
        (IMAGES * 127.5 + 127.5, r"VanillaGAN trains on images in \[-1, 1\], and the first batch"),
        (IMAGES.astype("uint8"), r"this dataset gives uint8"),
        ((IMAGES, np.arange(16)), r"this dataset gives 2\. Leave labels out"),
        (np.repeat(IMAGES, 3, axis=3), r"this dataset gives \(4, 4, 4, 3\)"),
    ],
)
def test_what_is_no_batch_of_images_is_refused_before_the_first_step(images, message):
    model = build()
    before = weights_of(model)
    with pytest.raises(DataError, match=message):
        model.fit(images, batch_size=BATCH, verbose=0)
    with pytest.raises(DataError, match=message):
        model.evaluate(images, batch_size=BATCH)
    assert all((a == b).all() for a, b in zip(before, weights_of(model), strict=True))


@pytest.mark.parametrize("method", ["fit", "evaluate"])
def test_targets_are_refused(method):
    with pytest.raises(DataError, match=f"{method} was given targets, y, .* alone. Leave y out"):
        getattr(build(), method)(IMAGES, np.zeros(len(IMAGES)))


def test_ganzoo_data_is_checked_too(tmp_path):
    np.save(tmp_path / "images.npy", np.arange(128, dtype="uint8").reshape(8, 4, 4) * 2)
    source = tmp_path / "images.npy"
    with pytest.raises(DataError, match=r"this dataset gives \(4, 4, 4, 3\)\. Load the images"):
        build().fit(data.load(source, image_size=4, channels=3, batch_size=BATCH), verbose=0)
    model = build()
    model.fit(data.load(source, image_size=4, channels=1, batch_size=BATCH), epochs=2, verbose=0)
    assert int(model.step) == 4
    assert model.fit_state.position == 16


@pytest.mark.parametrize("give", [str, pathlib.Path, "dataset", "stream"])
def test_a_source_is_opened_as_the_model_needs_it(tmp_path, give):
    np.save(tmp_path / "images.npy", np.arange(1024, dtype="uint16").reshape(16, 8, 8) // 4)
    dataset = data.load(tmp_path / "images.npy", image_size=4, channels=1, batch_size=BATCH)
    given = {"dataset": dataset, "stream": dataset.stream}
    source = given[give] if give in given else give(tmp_path / "images.npy")
    one, other = build(), build()
    one.fit(source, epochs=2, batch_size=BATCH, verbose=0, validation_data=source)
    other.fit(dataset, epochs=2, verbose=0)
    assert one.step == 8
    assert_same(one, other)
    still = data.load(
        tmp_path / "images.npy", image_size=4, channels=1, batch_size=BATCH, shuffle=False
    )
    if give not in given:
        assert one.evaluate(source, batch_size=BATCH) == pytest.approx(one.evaluate(still))


@pytest.mark.parametrize("size", [8, 16, 5])
def test_a_test_counts_each_image_of_a_source_once_and_as_it_is(tmp_path, size):
    pixels = np.random.default_rng(0).integers(0, 256, (10, 4, 4, 1), "uint8")
    np.save(tmp_path / "ten.npy", pixels)
    model = build()
    expected = model.evaluate(pixels / np.float32(127.5) - 1, batch_size=size)
    dataset = data.load(tmp_path / "ten.npy", image_size=4, channels=1, batch_size=size, flip=True)
    for given in (dataset, dataset.stream):
        assert model.evaluate(given) == pytest.approx(expected, rel=1e-5)
    assert model.evaluate(tmp_path / "ten.npy", batch_size=size) == pytest.approx(expected)
    history = model.fit(batches(), validation_data=dataset, verbose=0).history
    assert history["val_real_probability"][0] == pytest.approx(
        model.evaluate(dataset)["real_probability"]
    )


def test_a_test_of_a_pair_is_as_long_as_its_larger_domain(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (5, 24, 24, 3), "uint8")
    np.save(tmp_path / "a.npy", pixels), np.save(tmp_path / "b.npy", pixels[:3])
    model = cyclegan.build(base_filters=2, residual_blocks=1, discriminator_filters=2)
    model.compile("sgd", "sgd")
    sources = (tmp_path / "a.npy", tmp_path / "b.npy")
    dataset = data.load(sources, image_size=24, batch_size=2, resize="load_crop", load_size=30)
    images = pixels / np.float32(127.5) - 1
    around = images[[0, 1, 2, 0, 1]]
    assert model.evaluate(dataset) == pytest.approx(
        model.evaluate((images, around), batch_size=2), rel=1e-4
    )


@pytest.mark.parametrize("size", [0, -1, 2.5])
def test_senseless_batch_sizes_of_an_array_are_refused(size):
    with pytest.raises(DataError, match=f"batch_size is {size}. Give a whole number from 1 up"):
        build().fit(IMAGES, batch_size=size, verbose=0)


def test_a_stream_may_get_another_batch_size():
    model = ganzoo.load("gan_ring", weights=False)
    stream = data.load("ring8", batch_size=512).stream
    model.fit(stream, batch_size=1024, epochs=1, verbose=0)
    assert model.fit_state.position == 1024 * int(model.step) >= stream.count


def test_a_dataset_of_ganzoo_may_get_another_batch_size_and_no_other_may():
    model = ganzoo.load("gan_ring", weights=False)
    dataset = data.load("ring8", batch_size=512)
    model.fit(dataset, batch_size=1024, steps_per_epoch=3, verbose=0)
    assert model.fit_state.position == 3 * 1024
    batches = tf.data.Dataset.from_tensors(np.zeros((8, 2), "float32"))
    with pytest.raises(DataError, match=r"in batches already, .* dataset\.rebatch\(4\)\.$"):
        model.fit(batches, batch_size=4, verbose=0)
    model.fit(batches.rebatch(4), verbose=0)
    assert model.fit_state.position == 2 * 4
    points = np.zeros((12, 2), "float32")
    model.fit(points, batch_size=4, validation_data=batches, verbose=0)
    assert model.fit_state.position == 12


@pytest.mark.parametrize("family", ["progan_mnist", "dcgan_mnist"])
def test_the_preset_says_how_a_source_is_opened(family, monkeypatch):
    asked = {}

    class Asked(Exception):
        pass

    def load(source, **settings):
        asked.update(settings, source=source)
        raise Asked

    monkeypatch.setattr(feeds, "load", load)
    model = ganzoo.load(family, weights=False)
    with pytest.raises(Asked):
        model.fit("mnist5k", verbose=0)
    preset = model.preset
    expected = {key: preset.data.get(key) for key in ("image_size", "channels", "resize")}
    assert {key: asked.get(key) for key in expected} == expected
    assert asked["batch_size"] == preset.training["batch_size"]
    assert (asked["source"], asked["shuffle"]) == ("mnist5k", True)


@pytest.mark.parametrize(
    ("preset", "asked", "shuffled"),
    [(True, True, True), (False, True, False), (True, False, False)],
)
def test_a_source_is_shuffled_and_flipped_as_the_preset_says(preset, asked, shuffled, tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (10, 28, 28), dtype="uint8")
    np.save(tmp_path / "images.npy", images)
    changes = {"data.flip": True, "data.shuffle": preset}
    model = conformance.build(conformance.tiny_preset("gan_mnist", **changes), run_eagerly=True)
    model.fit(tmp_path / "images.npy", verbose=0, shuffle=asked)
    _, view, _, shuffle, _ = model.last_order
    assert (view.flip, shuffle) == (True, shuffled)


def test_a_source_is_opened_by_the_presets_seed_and_at_the_models_own_size(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (10, 28, 28), dtype="uint8")
    np.save(tmp_path / "images.npy", images)
    view = {"data.image_size": 16, "data.resize": "load_crop", "data.load_size": 20}
    preset = conformance.tiny_preset("gan_mnist", **view, **{"training.seed": 7})
    model = conformance.build(preset, run_eagerly=True)
    model.fit(tmp_path / "images.npy", verbose=0)
    _, view, seed, *_ = model.last_order
    assert model.image_shape == (8, 8, 1)
    # 20 goes with 16: a crop of 8 is cut from 8 · 286 / 256, as load_crop has it.
    assert (view.image_size, view.load_size, seed) == (8, 9, 7)


def test_a_cyclegan_without_a_preset_asks_for_the_side():
    model = cyclegan.build(base_filters=2, residual_blocks=1, discriminator_filters=2)
    model.compile("sgd", "sgd")
    with pytest.raises(DataError, match=r"so the size to open .*textures:grass.* at has to"):
        model.fit(("textures:grass", "textures:brick"), verbose=0)


def test_arrays_without_images_are_refused():
    with pytest.raises(DataError, match="The array holds no images. Check how it was made"):
        build().fit(IMAGES[:0], verbose=0)


def test_a_tuple_of_one_array_is_that_array():
    model = build()
    assert model.evaluate((IMAGES,)) == model.evaluate(IMAGES)


def test_arrays_of_two_lengths_are_refused():
    model = cyclegan.build(base_filters=2, residual_blocks=1, discriminator_filters=2)
    model.compile("sgd", "sgd")
    images = np.zeros((4, 64, 64, 3), "float32")
    with pytest.raises(DataError, match=r"arrays hold 4 and 3 images, .*Cut them to one length"):
        model.fit((images, images[:3]), batch_size=1, verbose=0)


def test_points_are_asked_for_where_a_source_holds_images(tmp_path):
    np.save(tmp_path / "images.npy", np.arange(256, dtype="uint8").reshape(4, 8, 8))
    model = ganzoo.load("gan_ring", weights=False)
    message = (
        r"VanillaGAN trains on points \(batch, 2\), and '.*images\.npy' holds images\. Give it "
        "points, such as 'ring8'"
    )
    with pytest.raises(DataError, match=message):
        model.fit(tmp_path / "images.npy", verbose=0)


def test_validation_data_is_looked_at_before_the_first_step():
    model = build()
    with pytest.raises(DataError, match=r"this dataset gives \(None, 2, 2, 1\)"):
        model.fit(batches(), verbose=0, validation_data=batches(images=IMAGES[:, :2, :2]))
    assert model.steps_taken == 0


def test_validation_has_the_batch_size_of_the_fit():
    model = build()
    model.run_eagerly = True
    seen, step = [], model.test_step
    model.test_step = lambda images: (seen.append(len(images)), step(images))[1]
    history = model.fit(IMAGES, batch_size=BATCH, epochs=2, verbose=0, validation_data=IMAGES[:10])
    assert seen == 2 * [4, 4, 2]
    assert len(history.history["val_generator_loss"]) == 2


def test_validation_data_of_another_size_leaves_the_image_pools_as_they_are():
    model = cyclegan.build(
        base_filters=2, residual_blocks=1, discriminator_filters=2, discriminator_layers=1
    )
    model.compile("sgd", "sgd", pool_size=2, run_eagerly=True)
    small, large = (np.zeros((1, side, side, 3), "float32") for side in (16, 32))
    model.fit((small, small), batch_size=1, verbose=0, validation_data=(large, large))
    assert model.training_shapes == ((16, 16, 3), (16, 16, 3))
    assert model.pool_a.images.shape[-3:] == (16, 16, 3)


# --- options ----------------------------------------------------------------------------------


def test_an_uncompiled_model_says_so():
    model = gan.build(image_shape=(2,), latent_dim=2, output_activation="linear")
    with pytest.raises(ValueError, match=r"must call `compile\(\)` before"):
        model.fit(np.zeros((8, 2), "float32"))
    with pytest.raises(ValueError, match=r"must call `compile\(\)` before"):
        model.evaluate(np.zeros((8, 2), "float32"))
    with pytest.raises(TrainingError, match="needs discriminator_optimizer. Pass each to compile"):
        model.compile("sgd")


@pytest.mark.parametrize(("name", "other"), [("train_on_batch", "fit"), ("test_on_batch", "eval")])
def test_a_single_batch_is_sent_to_fit_and_evaluate(name, other):
    message = rf"^VanillaGAN cannot take .* {name} would\. Give the batch to {other}"
    with pytest.raises(TrainingError, match=message):
        getattr(build(), name)(IMAGES)


@pytest.mark.parametrize("execution", [{"steps_per_execution": 3}, {"run_eagerly": True}])
def test_ways_to_execute_give_the_same_run(execution):
    plain, other = build(), build(**execution)
    one = plain.fit(batches(), epochs=2, verbose=0)
    two = other.fit(batches(), epochs=2, verbose=0)
    tolerance = 1e-6 if "run_eagerly" in execution else 0.0
    assert_same(plain, other, tolerance)
    for name, values in one.history.items():
        np.testing.assert_allclose(two.history[name], values, rtol=1e-5)


def test_several_steps_at_once_stop_at_the_end_of_an_epoch():
    model, recorder = build(steps_per_execution=3), Recorder()
    model.fit(batches(), epochs=1, verbose=0, callbacks=[recorder])
    assert recorder.calls == ["epoch 0", "batch 2", "batch 3", "end 0"]


@pytest.mark.parametrize("steps", [7, 8])
def test_several_steps_at_once_stop_at_the_length_of_a_run(steps):
    model, recorder = build(steps_per_execution=3), Recorder()
    callbacks = [recorder, StopAfter(steps)]
    model.fit(batches(), epochs=9, verbose=0, callbacks=callbacks)
    assert int(model.step) == steps
    model.fit(batches(), epochs=1, verbose=0)
    assert int(model.step) == steps + 4, "the length was that of one fit"


@pytest.mark.soak
def test_xla_gives_the_same_run_to_rounding():
    plain, compiled = build(loss="minimax"), build(loss="minimax", jit_compile=True)
    for model in (plain, compiled):
        model.generator.get_layer("hidden_1").kernel.assign(np.ones((3, 6)))
    assert compiled.jit_compile is True
    for model in (plain, compiled):
        model.fit(batches(), verbose=0)
        assert int(model.step) == 4
    # The draws differ under XLA: only how far the networks moved can be compared.
    moved = [np.concatenate([w.ravel() for w in weights_of(m)]) for m in (plain, compiled)]
    assert 0 < np.abs(moved[0] - moved[1]).max() < 0.1


@pytest.mark.parametrize(
    "execution",
    [
        {"run_eagerly": True},
        {"steps_per_execution": 3},
        pytest.param({"jit_compile": True}, marks=pytest.mark.soak),
    ],
)
def test_ways_to_execute_are_open_to_one_replica_in_its_scope(execution):
    plain = build(**execution)
    plain.fit(batches(), verbose=0)
    with tf.distribute.MirroredStrategy(["CPU:0"]).scope():
        scoped = build(**execution)
        scoped.fit(batches(), verbose=0)
        found = scoped.evaluate(batches())
    assert scoped.steps_taken == 4
    assert_same(plain, scoped, 1e-6)
    assert found == pytest.approx(plain.evaluate(batches()), rel=1e-5)


def test_evaluate_gives_names_or_a_list():
    model = build()
    named = model.evaluate(batches())
    assert list(named) == list(model.reported_names)
    assert model.evaluate(batches(), return_dict=False) == list(named.values())


def test_a_model_that_is_frozen_whole_is_tested_like_another():
    model = build()
    expected = model.evaluate(batches())
    for network in model.networks.values():
        network.trainable = False
    model.compile(keras.optimizers.SGD(0.1), keras.optimizers.SGD(0.1))
    assert model.evaluate(batches()) == expected
    before = model.generator.get_weights()
    model.fit(batches(), verbose=0)
    for one, other in zip(model.generator.get_weights(), before, strict=True):
        np.testing.assert_array_equal(one, other)


def test_what_is_frozen_or_freed_between_epochs_stays_or_moves():
    class FreezeAndFree(keras.callbacks.Callback):
        def __init__(self):
            super().__init__()
            self.kernels = []

        def on_epoch_begin(self, epoch, logs=None):
            self.kernels.append(self.model.generator.get_weights()[0])
            self.model.generator.trainable = epoch != 1

    model, seen = build(), FreezeAndFree()
    model.fit(batches(), epochs=3, verbose=0, callbacks=[seen])
    first, second, third = seen.kernels
    assert np.abs(second - first).max() > 0
    np.testing.assert_array_equal(third, second)
    assert np.abs(model.generator.get_weights()[0] - third).max() > 0
    model.generator.trainable = False
    before = model.generator.get_weights()
    model.fit(batches(), verbose=0)
    for one, other in zip(model.generator.get_weights(), before, strict=True):
        np.testing.assert_array_equal(one, other)


def test_what_was_frozen_at_compile_is_not_trained_without_another_one():
    model = build()
    model.generator.trainable = False
    model.compile(keras.optimizers.SGD(0.1), keras.optimizers.SGD(0.1))
    model.generator.trainable = True
    with pytest.raises(TrainingError, match="frozen when VanillaGAN was compiled.*Compile the mod"):
        model.fit(batches(), verbose=0)


def test_keras_backup_and_restore_goes_on_at_its_epoch(tmp_path):
    class Stop(Exception):
        pass

    class StopAt(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if int(self.model.step) == 6:
                raise Stop("step 6")

    broken, unbroken = build(), build()
    backup = keras.callbacks.BackupAndRestore(tmp_path)
    with pytest.raises(Stop, match="step 6"):
        broken.fit(batches(), epochs=3, verbose=0, callbacks=[backup, StopAt()])
    unbroken.fit(batches(), epochs=3, verbose=0)
    continued, recorder = build(seed=9), Recorder()
    backup = keras.callbacks.BackupAndRestore(tmp_path)
    continued.fit(batches(), epochs=3, verbose=0, callbacks=[backup, recorder])
    assert recorder.calls[0] == "epoch 1"
    assert_same(unbroken, continued)
    continued.fit(batches(), epochs=2, verbose=0)  # a fit of its own, from its first epoch
    assert continued.steps_taken == 12 + 8


@pytest.mark.parametrize(
    ("callback", "advice"),
    [
        (
            lambda folder: keras.callbacks.LearningRateScheduler(lambda epoch, rate: rate / 2),
            r"LearningRateScheduler .* Give compile optimizers that follow a keras\.opt",
        ),
        (
            lambda folder: keras.callbacks.ReduceLROnPlateau(),
            r"ReduceLROnPlateau .* .*Schedule, or set self\.model\.generator_optimizer\.learning_r",
        ),
        (
            lambda folder: keras.callbacks.SwapEMAWeights(),
            r"SwapEMAWeights .* Leave it out: a model with an ema_generator averages weights",
        ),
        (
            lambda folder: keras.callbacks.TensorBoard(folder, write_steps_per_second=True),
            r"TensorBoard .* Leave write_steps_per_second out\.",
        ),
    ],
    ids=["scheduler", "plateau", "swap", "tensorboard"],
)
@pytest.mark.parametrize("given", ["alone", "listed", "made"])
def test_callbacks_for_one_optimizer_are_refused_before_the_first_step(
    callback, advice, given, tmp_path
):
    model, one = build(), callback(tmp_path / "logs")
    makers = {
        "alone": lambda: one,
        "listed": lambda: [Recorder(), one],
        "made": lambda: keras.callbacks.CallbackList([one], model=model),
    }
    both = r"has 2: generator_optimizer, discriminator_optimizer\. "
    with pytest.raises(TrainingError, match=advice.replace(" .* ", f" .* {both}")):
        model.fit(batches(), verbose=0, callbacks=makers[given]())
    assert model.steps_taken == 0


def test_tensorboard_works_beside_several_optimizers(tmp_path):
    model, board = build(run_eagerly=True), keras.callbacks.TensorBoard(tmp_path)
    model.fit(batches(4), verbose=0, callbacks=board, validation_data=batches(4))
    assert model.steps_taken == 1
    assert {path.name for path in tmp_path.iterdir()} == {"train", "validation"}
