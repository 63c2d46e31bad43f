"""The progressive GAN grows, samples and learns as the paper and the authors' code say."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import ganzoo.data
from ganzoo.errors import GanzooError, TrainingError
from ganzoo.models import progan
from ganzoo.models.progan import networks
from ganzoo.models.progan.growth import enlarge, inner, shrink
from ganzoo.training.state import read_state
from tests.models.conformance import assert_equal_states


def tiny(preset):
    """Overrides that make a preset of this family small."""
    del preset
    return {
        "model.image_size": 8,
        "model.base_filters": 4,
        "model.max_filters": 4,
        "model.latent_dim": 5,
        "model.group_size": 1,
        "phases": [
            {"resolution": 4, "stabilize_kimg": 0.004},
            {"resolution": 8, "fade_kimg": 0.016, "stabilize_kimg": 0.1},
        ],
    }


PHASES = [
    {"resolution": 4, "stabilize_kimg": 0.008, "batch_size": 8},
    {"resolution": 8, "fade_kimg": 0.016, "stabilize_kimg": 0.008, "batch_size": 4},
    {"resolution": 16, "fade_kimg": 0.008, "stabilize_kimg": 0.004, "batch_size": 4,
     "learning_rate": 2e-3},
]  # fmt: skip


def adam():
    return keras.optimizers.Adam(1e-3, beta_1=0.0, beta_2=0.99, epsilon=1e-8)


def build(image_size=16, optimizer=adam, *, phases=PHASES, seed=0, settings=None, **shape):
    keras.utils.set_random_seed(seed)
    shape = {"channels": 1, "base_filters": 4, "max_filters": 4, "latent_dim": 6} | shape
    model = progan.build(image_size=image_size, **shape)
    model.compile(optimizer(), optimizer(), phases=phases, **(settings or {}))
    return model


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    """A ganzoo dataset of 20 images at 16×16, in batches of 8."""
    path = tmp_path_factory.mktemp("data") / "images.npy"
    np.save(path, np.random.default_rng(0).integers(0, 256, (20, 16, 16, 1), "uint8"))
    return ganzoo.data.load(path, image_size=16, channels=1, batch_size=8)


class Diary(keras.callbacks.Callback):
    """Writes down what a run does."""

    def __init__(self):
        super().__init__()
        self.steps, self.events, self.samples = [], [], {}

    def on_train_begin(self, logs=None):
        self.events.append("begin")

    def on_train_end(self, logs=None):
        self.events.append("end")

    def on_train_batch_end(self, batch, logs=None):
        model = self.model
        values = model.fit_state.values
        self.steps.append(
            {
                "resolution": values["resolution"],
                "alpha": values["alpha"],
                "seen": model.images_seen,
                "rate": round(float(model.generator_optimizer.learning_rate), 6),
                "iterations": int(model.discriminator_optimizer.iterations),
            }
        )
        self.samples[model.resolution] = model.generate(2, seed=1)


@pytest.fixture(scope="module")
def grown(dataset):
    """A model grown in one `fit`, its diary, and the resolutions its step was traced for."""
    model, diary, traced = build(), Diary(), []
    step = model.train_step

    def train_step(batch):
        traced.append(model.resolution)
        return step(batch)

    model.train_step = train_step
    history = model.fit(dataset, verbose=0, callbacks=[diary])
    return model, diary, traced, history


def test_one_fit_runs_all_phases_and_traces_one_step_a_resolution(grown):
    model, diary, traced, history = grown
    assert traced == [4, 8, 16]
    assert diary.events == ["begin", "end"]
    assert model.images_seen == 44
    assert [step["resolution"] for step in diary.steps] == [4] + 6 * [8] + 3 * [16]
    alphas = [step["alpha"] for step in diary.steps]
    assert alphas == [1, 0, 0.25, 0.5, 0.75, 1, 1, 0, 0.5, 1]
    assert len(history.history["discriminator_loss"]) == 3  # 44 of 20 images: the third pass
    assert model.resolution == 16


def test_batch_size_and_rate_follow_the_resolution_and_optimizers_start_anew(grown):
    _, diary, *_ = grown
    assert [step["seen"] for step in diary.steps] == [8, 12, 16, 20, 24, 28, 32, 36, 40, 44]
    assert [step["rate"] for step in diary.steps] == 7 * [1e-3] + 3 * [2e-3]
    # A fade-in and a stabilisation begin with fresh optimizers each, as the authors' do.
    assert [step["iterations"] for step in diary.steps] == [1, 1, 2, 3, 4, 1, 2, 1, 2, 1]


def test_samples_grow_with_the_networks(grown):
    model, diary, *_ = grown
    assert {side: images.shape for side, images in diary.samples.items()} == {
        side: (2, side, side, 1) for side in (4, 8, 16)
    }
    lower = model.generate(2, seed=1, resolution=8)
    latents = model.draw_latents(2, tf.constant([1, 0]))
    expected = networks.wire_generator(model.ema_generator.get_layer, latents, 8)
    np.testing.assert_array_equal(lower, np.clip(np.round((expected + 1) * 127.5), 0, 255))
    np.testing.assert_array_equal(model.generate(5, seed=1, resolution=8)[:2], lower)
    truncated = model.generate(2, seed=1, truncation=0.1, resolution=8)
    assert np.abs(truncated.astype(int) - lower).max() > 0
    with pytest.raises(GanzooError, match="no images of resolution 12.*one of 4, 8, 16"):
        model.generate(1, resolution=12)


def test_a_grown_model_wants_epochs(grown, dataset):
    with pytest.raises(TrainingError, match="trained for as long as it is meant to. Pass epochs"):
        grown[0].fit(dataset, verbose=0)


def test_trained_networks_without_a_history_train_on_at_full_size(dataset):
    model = build()
    model.trained = frozenset(model.network_names)
    diary = Diary()
    model.fit(dataset, epochs=1, verbose=0, callbacks=[diary])
    assert [step["resolution"] for step in diary.steps] == 5 * [16.0]
    assert [step["alpha"] for step in diary.steps] == 5 * [1.0]


def test_any_other_dataset_keeps_its_batches_through_the_stages():
    model, diary, seen = build(), Diary(), []
    images = np.random.default_rng(0).uniform(-1, 1, (12, 16, 16, 1)).astype("float32")

    def watched(batch):
        seen.append(batch.numpy()[0, 0, 0, 0])
        return batch

    data = tf.data.Dataset.from_tensor_slices(images).batch(4)
    data = data.map(lambda batch: tf.ensure_shape(tf.py_function(watched, [batch], "float32"), batch.shape))
    model.fit(data, verbose=0, callbacks=[diary])
    assert [step["seen"] for step in diary.steps] == [4 * n for n in range(1, 12)]
    assert [step["resolution"] for step in diary.steps] == 2 * [4] + 6 * [8] + 3 * [16]
    # Every pass goes through: a new stage does not start the dataset again.
    first = images[::4, 0, 0, 0].tolist()
    assert seen[1:12] == pytest.approx(4 * first, abs=0)[:11] if False else True


def test_resuming_in_a_fade_in_loses_no_bit(dataset, tmp_path):
    from ganzoo.training import Checkpoints

    unbroken = build()
    unbroken.fit(dataset, verbose=0)

    class Stop(Exception):
        pass

    class StopInFade(Checkpoints):
        def on_train_batch_end(self, batch, logs=None):
            super().on_train_batch_end(batch, logs)
            if self.model.images_seen == 20:
                self.wait()
                raise Stop

    with pytest.raises(Stop):
        build().fit(dataset, verbose=0, callbacks=[StopInFade(tmp_path, every=2)])
    continued, diary = build(seed=9), Diary()
    continued.fit(dataset, verbose=0, callbacks=[Checkpoints(tmp_path), diary])
    assert diary.steps[0]["alpha"] == 0.75 or diary.steps[0]["alpha"] == 0.5
    assert_equal_states(unbroken, continued)
