"""The progressive GAN grows, samples and learns as the paper and the authors' code say."""

import types

import keras
import numpy as np
import pytest
import tensorflow as tf

import ganzoo.data
from ganzoo import losses, randomness, sampling, shortcuts, winograd
from ganzoo.errors import GanzooError, TrainingError
from ganzoo.models import progan
from ganzoo.models.progan import memory, networks
from ganzoo.models.progan.growth import enlarge, shrink
from ganzoo.models.progan.schedule import Schedule
from ganzoo.optimizers import inner, reset
from ganzoo.storage import read_weights, write_weights
from ganzoo.training import Checkpoints
from ganzoo.updates import loss_scale
from tests.models.conformance import assert_equal_states


def tiny(preset):
    """Overrides that make a preset of this family small, and train it in a fade-in."""
    del preset
    return {
        "model.image_size": 8,
        "model.channels": 3,
        "model.base_filters": 4,
        "model.max_filters": 4,
        "model.latent_dim": 5,
        "model.group_size": 1,  # that batches of 4 divide over 4 replicas
        "training.rampup_kimg": 0.1,
        "phases": [
            {"resolution": 4, "stabilize_kimg": 0},
            {"resolution": 8, "fade_kimg": 0.04, "stabilize_kimg": 0.1},
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


SMALL = [
    {"resolution": 4, "stabilize_kimg": 0.008},
    {"resolution": 8, "fade_kimg": 0.016, "stabilize_kimg": 0.008},
]


def eager(**options):
    """A model up to 8×8 whose steps run op by op: for a few steps faster than compiling."""
    model = build(8, phases=SMALL, **options)
    model.run_eagerly = True
    return model


def images(count=4, side=8, seed=0):
    return np.random.default_rng(seed).uniform(-1, 1, (count, side, side, 1)).astype("float32")


def batches(count=12, size=4, side=8):
    return tf.data.Dataset.from_tensor_slices(images(count, side)).batch(size)


def test_trained_networks_without_a_history_train_on_at_full_size():
    model, diary = eager(), Diary()
    model.trained = frozenset(model.network_names)
    model.fit(batches(), epochs=1, verbose=0, callbacks=[diary])
    assert [step["resolution"] for step in diary.steps] == 3 * [8.0]
    assert [step["alpha"] for step in diary.steps] == 3 * [1.0]


@pytest.mark.parametrize(
    ("given", "preset", "taken"),
    [
        (2, None, 2),  # as small as one's memory wants it, or larger
        (10, None, 10),
        (10, 16, 10),
        (10, 10, 4),  # which was the preset's choice, for the first phases
    ],
)
def test_grown_networks_keep_the_batches_of_the_data(given, preset, taken, dataset):
    model, diary = build(group_size=1), Diary()
    model.run_eagerly = True
    if preset:
        model.preset = types.SimpleNamespace(training={"batch_size": preset})
    model.trained = frozenset(model.network_names)
    stream = dataset.stream.with_batch_size(given)
    model.fit(stream, epochs=1, verbose=0, callbacks=[diary])
    assert [step["seen"] - 44 for step in diary.steps] == list(range(taken, 21, taken))


def test_a_fit_that_grows_keeps_to_the_batches_of_its_phases_after_them(dataset):
    model, diary = build(), Diary()
    model.run_eagerly = True
    model.fit(dataset, epochs=3, verbose=0, callbacks=[diary])  # 60 images, 44 of the phases
    assert [step["seen"] for step in diary.steps] == list(range(8, 61, 4))
    model.fit(dataset, epochs=1, verbose=0, callbacks=[diary])
    assert [step["seen"] for step in diary.steps[-3:]] == [68, 76, 84], "batches of 8 now"


def test_growth_may_begin_above_4_and_go_on_without_a_fade():
    phases = [
        {"resolution": 8, "stabilize_kimg": 0.004},
        {"resolution": 16, "stabilize_kimg": 0.008},
    ]
    model, diary = build(phases=phases), Diary()
    model.run_eagerly = True
    small = model.generator.get_layer("to_rgb_8").get_weights()
    model.fit(batches(side=16), verbose=0, callbacks=[diary])
    assert [step["resolution"] for step in diary.steps] == [8.0, 16.0, 16.0]
    assert [step["alpha"] for step in diary.steps] == 3 * [1.0]
    moved = model.generator.get_layer("to_rgb_8").get_weights()
    assert np.abs(moved[0] - small[0]).max() > 1e-4
    assert model.resolution == 16


def test_any_other_dataset_keeps_its_batches_and_its_order_through_the_stages():
    model, diary, firsts = eager(), Diary(), []
    step = model.train_step

    def train_step(batch):
        firsts.append(float(batch[0, 0, 0, 0]))
        return step(batch)

    model.train_step = train_step
    model.fit(batches(), verbose=0, callbacks=[diary])
    assert [step["seen"] for step in diary.steps] == [4, 8, 12, 16, 20, 24, 28, 32]
    assert [step["resolution"] for step in diary.steps] == 2 * [4] + 6 * [8]
    one_pass = images(12)[::4, 0, 0, 0].tolist()
    assert firsts == (3 * one_pass)[:8]  # a new stage does not start the data again


def test_resuming_in_a_fade_in_loses_no_bit(tmp_path):
    np.save(
        tmp_path / "images.npy", np.random.default_rng(0).integers(0, 256, (20, 8, 8, 1), "uint8")
    )
    data = ganzoo.data.load(tmp_path / "images.npy", image_size=8, channels=1, batch_size=4)

    def run(seed=0, callbacks=()):
        model = eager(seed=seed)
        model.fit(data, verbose=0, callbacks=list(callbacks))
        return model

    class Stop(Exception):
        pass

    class StopInFade(Checkpoints):
        def on_train_batch_end(self, batch, logs=None):
            super().on_train_batch_end(batch, logs)
            if self.model.images_seen == 20:
                self.wait()
                raise Stop

    with pytest.raises(Stop):
        run(callbacks=[StopInFade(tmp_path / "run", every=2)])
    diary = Diary()
    continued = run(seed=9, callbacks=[Checkpoints(tmp_path / "run"), diary])
    assert diary.steps[0]["alpha"] == 0.5
    assert_equal_states(run(), continued)


def scores(model, monkeypatch):
    """Makes D a linear function of its images: the score is twice the sum of the pixels."""
    monkeypatch.setattr(
        model,
        "judge",
        lambda images, alpha=None: 2 * tf.reduce_sum(images, axis=(1, 2, 3))[:, None],
    )


def test_discriminator_loss_has_the_penalty_and_the_drift_of_real_scores(monkeypatch):
    model = eager(settings={"gradient_norm_target": 2.0, "drift_weight": 0.1})
    scores(model, monkeypatch)
    real, fake = np.full((2, 8, 8, 1), 0.5, "float32"), np.full((2, 8, 8, 1), 0.25, "float32")
    loss, values = model.penalized_loss(real, fake, model.judge(fake), None)
    penalty = (2 * 8 - 2) ** 2 / 2**2  # the slope is 2 for each of 64 pixels: its norm is 16
    assert float(values["gradient_penalty"]) == pytest.approx(penalty)
    assert float(values["score_gap"]) == pytest.approx(64 - 32)
    assert float(loss) == pytest.approx(32 - 64 + 10 * penalty + 0.1 * 64**2)


def test_the_norm_at_the_image_size_is_that_for_enlarged_images():
    """The authors' networks take and make images of the full side at every resolution."""
    model = eager(settings={"gradient_norm_target": 3.0})
    model.growth.resolution.assign(4)
    assert model.image_size == 8
    for weight in model.discriminator.trainable_weights:
        weight.assign(0.5 * weight + 0.1)
    real, fake = images(4, 4), images(4, 4, seed=1)
    _, values = model.penalized_loss(real, fake, model.judge(fake), None, key=(1, 2))
    penalty, norm = losses.gradient_penalty(
        lambda enlarged: model.judge(shrink(enlarged, 4)),
        *(enlarge(tf.constant(batch), 2) for batch in (real, fake)),
        randomness.uniform((1, 2), (4, 1, 1, 1)),
        target=3.0,
    )
    assert float(values["gradient_norm"]) == pytest.approx(float(norm), rel=1e-5)
    assert float(values["gradient_penalty"]) == pytest.approx(float(penalty), rel=1e-5)
    model.growth.resolution.assign(8)
    model.gradient_norm_at = "resolution"  # the same where the sides are one
    whole = [images(4), images(4, seed=1), tf.zeros((4, 1)), None]
    _, values = model.penalized_loss(*whole)
    model.gradient_norm_at = "image_size"
    assert values["gradient_penalty"] == model.penalized_loss(*whole)[1]["gradient_penalty"]


def test_mixing_weights_depend_on_seed_step_and_position_only(monkeypatch):
    def mixed(step):
        model, seen = eager(), []
        model.step.assign(step)
        monkeypatch.setattr(
            model, "judge", lambda x, alpha=None: (seen.append(x), tf.reduce_sum(x, (1, 2, 3)))[1]
        )
        zeros = np.zeros((4, 8, 8, 1), "float32")
        model.penalized_loss(zeros, zeros + 1, tf.zeros((4, 1)), None)
        return seen[-1].numpy()[:, 0, 0, 0]

    first = mixed(3)
    np.testing.assert_array_equal(first, mixed(3))
    assert np.abs(first - mixed(4)).min() > 0
    assert len(set(first)) == 4
    assert first.min() > 0
    assert first.max() < 1


def test_one_replica_is_not_advised_to_use_fewer():
    message = (
        r"^A batch of 6 images on 1 replica splits the groups of 4 whose statistics the "
        r"discriminator compares\. Use batches that 4 divides, or another model\.group_size\.$"
    )
    with pytest.raises(TrainingError, match=message):
        build(8, phases=None, group_size=4).check_batch_size(6)


@pytest.mark.parametrize(("order", "same"), [("alternating", False), ("simultaneous", True)])
def test_simultaneous_updates_take_both_gradients_first(order, same):
    weights = []
    for rate in (0.0, 0.1):
        model = eager(settings={"update_order": order})
        rates = {"generator_optimizer": 0.1, "discriminator_optimizer": rate}
        players = {name: keras.optimizers.SGD(value) for name, value in rates.items()}
        model.compile(**players, phases=SMALL, update_order=order, run_eagerly=True)
        model.train_step(tf.constant(images()))
        weights.append(model.generator.get_weights())
    equal = all(np.array_equal(one, other) for one, other in zip(*weights, strict=True))
    assert equal == same


@pytest.mark.parametrize(
    ("order", "draws"),
    [("alternating", ["latents for D", "latents for G"]), ("simultaneous", ["latents"])],
)
def test_alternating_updates_draw_latents_of_their_own(order, draws, monkeypatch):
    model, drawn = eager(settings={"update_order": order}), {}
    draw = model.training_latents

    def training_latents(count, purpose="latents"):
        drawn[purpose] = draw(count, purpose).numpy()
        return drawn[purpose]

    monkeypatch.setattr(model, "training_latents", training_latents)
    model.train_step(tf.constant(images()))
    assert list(drawn) == draws
    first, last = drawn[draws[0]], drawn[draws[-1]]
    assert np.array_equal(first, last) == (order == "simultaneous")


def test_only_grown_blocks_move_and_the_average_keeps_999_parts_in_a_thousand():
    model = eager()
    model.growth.resolution.assign(4)
    before = {n: [w.numpy() for w in net.weights] for n, net in model.networks.items()}
    model.train_step(tf.constant(images()))
    for name, network in model.networks.items():
        for old, weight in zip(before[name], network.weights, strict=True):
            grown = not any(part in weight.path for part in ("8x8", "rgb_8"))
            assert np.array_equal(old, weight) != grown, weight.path
    for old, new, weight in zip(
        before["ema_generator"],
        model.ema_generator.weights,
        model.generator.weights,
        strict=True,
    ):
        np.testing.assert_allclose(new, 0.999 * old + 0.001 * weight.numpy(), atol=1e-6)


def test_real_images_fade_with_the_networks(monkeypatch):
    model, judged = eager(), []
    real = images(4)
    monkeypatch.setattr(model, "penalized_loss", lambda x, *rest: (judged.append(x), 1 / 0))
    for seen, expected in ((0, shrink(real, 4)), (12, shrink(real, 8, 0.25))):
        model.growth.images_seen.assign(seen)
        model.begin_stage(0, 4)
        with pytest.raises(ZeroDivisionError):
            model.train_step(tf.constant(real))
        np.testing.assert_allclose(judged[-1], expected, rtol=1e-6)
        assert float(model.growth.alpha) == (1.0 if seen == 0 else 0.25)


def test_rates_rise_over_the_first_images():
    model = eager(settings={"rampup_kimg": 0.008})
    model.fit(batches(4), epochs=1, verbose=0)
    assert float(model.generator_optimizer.learning_rate) == pytest.approx(1e-3 * np.exp(-5))
    model.fit(batches(8), epochs=1, verbose=0)
    assert float(model.generator_optimizer.learning_rate) == pytest.approx(1e-3, rel=1e-6)


@pytest.mark.parametrize("rampup_kimg", [0, 0.008])
def test_a_rate_that_a_user_sets_stays(rampup_kimg):
    model = eager(settings={"rampup_kimg": rampup_kimg})
    model.fit(batches(16), epochs=1, verbose=0)
    for optimizer in model.optimizers.values():
        assert float(optimizer.learning_rate) == np.float32(1e-3)
        optimizer.learning_rate = 1e-6
    model.fit(batches(8), epochs=1, verbose=0)
    fresh = eager(settings={"rampup_kimg": rampup_kimg})
    fresh.growth.images_seen.assign(fresh.schedule.images)
    fresh.generator_optimizer.learning_rate = 1e-6  # before the first step of its own
    fresh.fit(batches(8), epochs=1, verbose=0)
    for one in (*model.optimizers.values(), fresh.generator_optimizer):
        assert float(one.learning_rate) == np.float32(1e-6)


def test_a_model_that_is_loaded_knows_the_rates_that_it_was_compiled_with(tmp_path):
    rising = eager(settings={"rampup_kimg": 1})
    rising.fit(batches(8), epochs=1, verbose=0)
    rising.save(tmp_path / "rising.keras")
    loaded = keras.saving.load_model(tmp_path / "rising.keras")
    assert (
        loaded.base_rates
        == rising.base_rates
        == pytest.approx({"generator_optimizer": 1e-3, "discriminator_optimizer": 1e-3})
    )
    rising.fit(batches(8), epochs=1, verbose=0), loaded.fit(batches(8), epochs=1, verbose=0)
    for one, other in zip(rising.optimizers.values(), loaded.optimizers.values(), strict=True):
        assert float(one.learning_rate) == pytest.approx(float(other.learning_rate), rel=1e-6)


def test_half_precision_scales_the_inner_gradient_like_the_loss():
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_float16")
    try:
        model = eager()
    finally:
        keras.config.set_dtype_policy(policy)
    optimizer = model.discriminator_optimizer
    assert inner(optimizer) is not optimizer
    optimizer.dynamic_scale.assign(1024.0)
    assert float(loss_scale(optimizer)) == 1024.0
    before = model.discriminator.get_weights()
    values = model.train_step(tf.constant(images()))
    assert all(np.isfinite(value) for value in values.values())
    after = model.discriminator.get_weights()
    assert any(np.abs(new - old).max() > 0 for old, new in zip(before, after, strict=True))
    reset(optimizer)
    assert float(optimizer.dynamic_scale) == 1024.0
    assert float(loss_scale(adam())) == 1.0


def test_batch_sizes_for_memory_are_the_authors_and_recorded(monkeypatch):
    monkeypatch.setattr("ganzoo.models.progan.memory.device_memory", lambda: 16 * 2**30)
    monkeypatch.setattr(shortcuts, "allowed", lambda: False)  # as on a GPU
    phases = [row | {"batch_size": "auto"} for row in Schedule.of(None, 1024).rows]
    model = progan.build(image_size=1024)
    model.compile("sgd", "sgd", phases=phases)
    found = {row["resolution"]: row["batch_size"] for row in model.settings["phases"]}
    assert found == {
        4: 128, 8: 128, 16: 128, 32: 128, 64: 64, 128: 32, 256: 16, 512: 8, 1024: 4
    }  # fmt: skip
    monkeypatch.setattr("ganzoo.models.progan.memory.device_memory", lambda: 2 * 2**30)
    again = build(8, phases=[SMALL[0], SMALL[1] | {"batch_size": "auto"}])
    assert again.settings["phases"][1]["batch_size"] == 128
    recorded = again.settings["phases"]
    monkeypatch.setattr("ganzoo.models.progan.memory.device_memory", lambda: 0)
    assert build(8, phases=recorded).settings["phases"] == recorded


def test_the_memory_of_weights_is_that_of_all_that_training_keeps():
    model = build()
    networks = (model.generator, model.ema_generator, model.discriminator)
    kept = [weight for network in networks for weight in network.weights]
    for optimizer in model.optimizers.values():
        kept += [moment for moment in optimizer.variables if len(moment.shape)]
    assert memory._bytes_of_weights(model) == sum(4 * int(np.prod(each.shape)) for each in kept)


def test_short_cuts_need_memory_for_their_tiles(monkeypatch):
    model = progan.build(image_size=16, channels=3, base_filters=8, max_filters=4)
    short = [memory.bytes_per_image(model, side) for side in (8, 16)]
    for bound in ("_FEWEST_PIXELS", "_FEWEST_CHANNELS"):
        monkeypatch.setattr(winograd, bound, 1)
    tiled = [memory.bytes_per_image(model, side) for side in (8, 16)]
    # float32, and the largest are those of the highest resolution, with 4 filters.
    assert [more - less for more, less in zip(tiled, short, strict=True)] == [
        4 * memory._TILES * side * side * 4 for side in (8, 16)
    ]
    monkeypatch.setattr(shortcuts, "allowed", lambda: False)
    assert [memory.bytes_per_image(model, side) for side in (8, 16)] == short


class Driver:
    """Stands for the driver of CUDA: notes its calls, fails in one of them."""

    def __init__(self, failing=""):
        self.failing, self.calls = failing, []

    def cuInit(self, flags):  # noqa: N802
        return self._answer("cuInit", flags)

    def cuDeviceGet(self, device, number):  # noqa: N802
        device._obj.value = 70 + number
        return self._answer("cuDeviceGet", number)

    def cuDeviceTotalMem_v2(self, size, device):  # noqa: N802
        size._obj.value = 2**30 * device.value
        return self._answer("cuDeviceTotalMem_v2", device.value)

    def _answer(self, name, argument):
        self.calls.append((name, argument))
        return 100 if name == self.failing else 0


def use_gpu(driver, monkeypatch):
    second = types.SimpleNamespace(name="/physical_device:GPU:1")  # the first is another task's
    monkeypatch.setattr(tf.config, "get_visible_devices", lambda kind: [second])
    monkeypatch.setattr(memory.ctypes, "CDLL", lambda name: {"libcuda.so.1": driver}[name])


def test_the_memory_of_a_gpu_is_all_that_its_driver_tells(monkeypatch):
    driver = Driver()
    use_gpu(driver, monkeypatch)
    assert memory.device_memory() == 71 * 2**30
    assert driver.calls == [("cuInit", 0), ("cuDeviceGet", 1), ("cuDeviceTotalMem_v2", 71)]


@pytest.mark.parametrize("failing", ["cuInit", "cuDeviceGet", "cuDeviceTotalMem_v2"])
def test_a_driver_that_does_not_tell_asks_for_a_number(failing, monkeypatch):
    use_gpu(Driver(failing), monkeypatch)
    message = (
        r"^How much memory GPU 1 has cannot be asked for \(100\)\. Give the batch_size of each"
    )
    with pytest.raises(TrainingError, match=message):
        memory.device_memory()


def test_without_a_driver_a_number_is_asked_for(monkeypatch):
    use_gpu(object(), monkeypatch)
    with pytest.raises(TrainingError, match=r"has no attribute 'cuInit'\)\. Give the batch_size"):
        memory.device_memory()


def test_growth_belongs_to_what_is_stored(tmp_path):
    model = eager()
    model.growth.images_seen.assign(12)
    model.begin_stage(0, 4)
    write_weights(tmp_path / "weights.h5", model.stored_parts)
    other = eager(seed=1)
    assert other.resolution == 8
    read_weights(tmp_path / "weights.h5", other.stored_parts)
    assert (other.images_seen, other.resolution, float(other.growth.alpha)) == (12, 8, 0.25)
    np.testing.assert_array_equal(model.generate(2, seed=0), other.generate(2, seed=0))
    np.testing.assert_array_equal(other(tf.ones((1, 6))), model(tf.ones((1, 6))))


def test_samples_are_compared_with_images_of_the_resolution_reached():
    model, images = eager(), np.random.default_rng(0).uniform(-1, 1, (3, 8, 8, 1))
    np.testing.assert_array_equal(model.training_examples(images), images)
    model.begin_stage(0, 4)
    seen = np.asarray(model.training_examples(images))
    blocks = images.reshape(3, 4, 2, 4, 2, 1).mean(axis=(2, 4))
    np.testing.assert_allclose(seen, blocks.repeat(2, 1).repeat(2, 2), atol=1e-6)


def test_what_people_look_at_has_one_size_at_every_resolution(monkeypatch):
    model = eager()
    sizes = {model.preview(0).shape, model.training_samples(2).shape}
    model.begin_stage(0, 4)
    assert model.image_shape == (4, 4, 1)
    assert {model.preview(0).shape, model.training_samples(2).shape} == sizes
    samples = model.training_samples(5)
    np.testing.assert_array_equal(samples, enlarge(tf.constant(samples[:, ::2, ::2]), 2))
    monkeypatch.setattr(sampling, "_SIDE", 2)  # 4 images of 8 x 8 at once
    np.testing.assert_allclose(model.training_samples(5), samples, atol=1e-6)


def test_features_are_the_layers_of_the_discriminator():
    features = eager().features(images())
    assert list(features) == ["8x8_conv_0", "8x8_conv_1", "4x4_conv", "4x4_dense"]
    assert features["8x8_conv_0"].shape == (4, 8, 8, 4)
    assert list(eager().features(images(side=4))) == ["4x4_conv", "4x4_dense"]


def test_features_in_a_fade_in_are_what_the_discriminator_judges_by():
    model = eager()
    model.growth.resolution.assign(8)
    model.growth.alpha.assign(0.25)
    logits = model.discriminator.get_layer("logits")
    for side, alpha in ((8, model.growth.alpha), (4, None)):
        found = logits(model.features(images(side=side))["4x4_dense"])
        np.testing.assert_allclose(found, model.judge(images(side=side), alpha), rtol=1e-6)
    assert not np.allclose(found, logits(model.features(images())["4x4_dense"]))


def test_validation_computes_the_losses_where_the_networks_stand():
    model = eager()
    model.begin_stage(0, 4)
    before = model.generator.get_weights()
    means = model.evaluate(batches())
    assert set(means) == set(model.reported_names)
    assert means["resolution"] == 4.0
    for old, new in zip(before, model.generator.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_each_batch_of_a_test_mixes_anew():
    model = build(8, phases=SMALL)
    model.run_eagerly = True
    one = batches(4).take(1)
    alone = model.evaluate(one)
    both = model.evaluate(one.concatenate(one))
    assert model.evaluate(one) == alone
    for name in ("gradient_norm", "generator_loss"):
        assert both[name] != pytest.approx(alone[name], rel=1e-4)
    keys = []
    for number in (0, 1):
        model.test_batch.assign(number)
        keys.append(tuple(model.test_key("test mixing").numpy()))
    assert len(set(keys)) == 2


def test_validation_during_the_last_fade_is_that_of_the_fade():
    model = build(8, phases=SMALL)
    assert model.evaluate(batches(), return_dict=True, verbose=0)["alpha"] == 1.0
    history = model.fit(batches(16), epochs=2, validation_data=batches(), verbose=0).history
    assert history["val_alpha"] == [pytest.approx(4 / 16), 1.0]


def test_a_rate_of_a_schedule_is_not_set_by_a_phase_or_a_rampup_too():
    falling = keras.optimizers.schedules.ExponentialDecay(1e-3, 10, 0.9)
    own_rate = [SMALL[0], SMALL[1] | {"learning_rate": 2e-3}]
    for change in ({"rampup_kimg": 0.1}, {"phases": own_rate}):
        with pytest.raises(TrainingError, match="The generator_optimizer follows a schedule of"):
            progan.build(image_size=8, channels=1, base_filters=4, latent_dim=6).compile(
                keras.optimizers.Adam(falling), adam(), **{"phases": SMALL} | change
            )


@pytest.fixture
def short_cuts_taken(monkeypatch):
    """Lists the convolutions that go by Winograd's way, which all may."""
    taken = []

    def convolve(*arguments, original=winograd.convolve, **options):
        taken.append(arguments)
        return original(*arguments, **options)

    monkeypatch.setattr(winograd, "convolve", convolve)
    for bound in ("_FEWEST_PIXELS", "_FEWEST_CHANNELS"):
        monkeypatch.setattr(winograd, bound, 1)
    return taken


def test_a_step_by_short_cuts_is_that_without(short_cuts_taken):
    found = []
    for allow in (False, True):
        model = build(8, phases=SMALL)
        model.begin_stage(0, 4)
        model.growth.resolution.assign(8)
        with shortcuts.scope(allow):
            values = [model.counted_train_step(images(seed=seed)) for seed in (0, 1)]
            values.append(model.counted_test_step(images(seed=2)))
        found.append(([list(one.values()) for one in values], model.get_weights()))
        assert bool(short_cuts_taken) == allow
    for plain, short in zip(*found, strict=True):
        tf.nest.map_structure(
            lambda one, other: np.testing.assert_allclose(one, other, rtol=1e-3, atol=2e-4),
            plain,
            short,
        )


def test_short_cuts_are_for_training_and_generating_and_not_for_other_runtimes(short_cuts_taken):
    model = eager()
    for work in (
        lambda: model.fit(batches(4).repeat(), steps_per_epoch=1, verbose=0),
        lambda: model.evaluate(batches(4)),
        lambda: model.generate(2, seed=0),
    ):
        short_cuts_taken.clear()
        work()
        assert short_cuts_taken
    short_cuts_taken.clear()
    for function, inputs in model.endpoints().values():
        tf.function(function).get_concrete_function(*inputs)
    assert not short_cuts_taken


def test_no_images_have_the_shape_of_images():
    images = build(8, phases=SMALL).generate(0, seed=0)
    assert images.shape == (0, 8, 8, 1)
    assert images.dtype == np.uint8


def test_unknown_update_order_is_refused():
    with pytest.raises(
        GanzooError, match="update_order is 'alternate'. Did you mean 'alternating'"
    ):
        build(8, phases=SMALL, settings={"update_order": "alternate"})
