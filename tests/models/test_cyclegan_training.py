"""CycleGAN's training step against one written out plainly, and what surrounds it."""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf

from ganzoo.errors import DataError, TrainingError
from ganzoo.models import cyclegan
from ganzoo.training.state import read_state, write_state

NETWORKS = ("generator_ab", "generator_ba", "discriminator_a", "discriminator_b")
WEIGHTS = {
    "cycle_weight_a": 7.0,
    "cycle_weight_b": 3.0,
    "identity_weight": 0.25,
    "discriminator_loss_weight": 0.3,
}
RATE = 0.05


def small_model(optimizer=None, **settings):
    keras.utils.set_random_seed(1)
    model = cyclegan.build(
        base_filters=2, residual_blocks=1, discriminator_filters=2, discriminator_layers=1
    )
    for network in model.networks.values():  # larger than they start, so that all terms count
        for weight in network.trainable_variables:
            weight.assign(8 * weight + 0.05)
    optimizer = optimizer or keras.optimizers.SGD(RATE)
    return compiled(model, optimizer, **settings)


def compiled(model, optimizer, **settings):
    copies = [type(optimizer).from_config(optimizer.get_config()) for _ in range(2)]
    model.compile(*copies, run_eagerly=True, **settings)
    return model


def images_of(model, batch_size=2, sides=(16, 16)):
    pair = tuple(
        tf.random.stateless_uniform((batch_size, side, side, 3), (7, number), -1, 1)
        for number, side in enumerate(sides)
    )
    model.check_batch(tuple(tf.TensorSpec.from_tensor(images) for images in pair), pair)
    model.prepare(batch_size)
    return pair


def weights(model):
    return {
        name: [np.array(weight) for weight in getattr(model, name).trainable_variables]
        for name in NETWORKS
    }


def distance(one, other):
    return max(
        float(np.abs(a - b).max())
        for name in NETWORKS
        for a, b in zip(one[name], other[name], strict=True)
    )


# --- the step, written out from the paper's equations -----------------------------------------


def generator_loss(model, direction, images_a, images_b, *, share=0.25, weight_a=7.0, weight_b=3.0):
    """The loss of one generator as the Lua code has it, each network called on its own."""
    to_b, to_a = model.generator_ab, model.generator_ba
    if direction == "ab":
        source, target, there, back = images_a, images_b, to_b, to_a
        judge, source_weight, target_weight = model.discriminator_b, weight_a, weight_b
    else:
        source, target, there, back = images_b, images_a, to_a, to_b
        judge, source_weight, target_weight = model.discriminator_a, weight_b, weight_a
    adversarial = tf.reduce_mean((judge(there(source)) - 1.0) ** 2)
    forward = source_weight * tf.reduce_mean(tf.abs(back(there(source)) - source))
    backward = target_weight * tf.reduce_mean(tf.abs(there(back(target)) - target))
    identity = share * target_weight * tf.reduce_mean(tf.abs(there(target) - target))
    return adversarial + forward + backward + identity


def judge_loss(judge, real, fake, weight=0.3):
    return weight * (tf.reduce_mean((judge(real) - 1.0) ** 2) + tf.reduce_mean(judge(fake) ** 2))


def gradients(loss, network):
    with tf.GradientTape() as tape:
        value = loss()
    return tape.gradient(value, network.trainable_variables)


def descend(network, found):
    for weight, gradient in zip(network.trainable_variables, found, strict=True):
        weight.assign_sub(RATE * gradient)


def without_biases(model):
    for name in NETWORKS:
        for weight in getattr(model, name).trainable_variables:
            if weight.name == "bias":
                weight.assign(tf.zeros_like(weight))


def joint_step(model, images_a, images_b):
    fake_a, fake_b = model.generator_ba(images_b), model.generator_ab(images_a)
    losses = (
        functools.partial(generator_loss, model, "ab", images_a, images_b),
        functools.partial(generator_loss, model, "ba", images_a, images_b),
        functools.partial(judge_loss, model.discriminator_a, images_a, fake_a),
        functools.partial(judge_loss, model.discriminator_b, images_b, fake_b),
    )
    moves = [
        gradients(loss, getattr(model, name)) for name, loss in zip(NETWORKS, losses, strict=True)
    ]
    for name, move in zip(NETWORKS, moves, strict=True):
        descend(getattr(model, name), move)


def alternating_step(model, images_a, images_b):
    for direction in ("ab", "ba"):
        generator = getattr(model, f"generator_{direction}")
        judge = getattr(model, f"discriminator_{direction[1]}")
        source, real = (images_a, images_b) if direction == "ab" else (images_b, images_a)
        without_biases(model)
        fake = generator(source)
        move = gradients(
            lambda d=direction: generator_loss(model, d, images_a, images_b), generator
        )
        descend(generator, move)
        without_biases(model)
        descend(judge, gradients(functools.partial(judge_loss, judge, real, fake), judge))


@pytest.mark.parametrize(
    ("settings", "reference"),
    [
        ({"merge_calls": True}, joint_step),
        ({"merge_calls": False}, joint_step),
        ({"update_order": "alternating", "zero_biases": True}, alternating_step),
    ],
    ids=["merged", "separate", "alternating"],
)
def test_a_step_is_that_of_the_equations(settings, reference):
    model, plain = small_model(**WEIGHTS, **settings), small_model()
    images = images_of(model)
    start = weights(plain)
    model.train_step(images)
    reference(plain, *images)
    assert distance(weights(model), weights(plain)) < 2e-6
    for name in NETWORKS:  # and it is a step that one would notice
        moved = zip(weights(plain)[name], start[name], strict=True)
        assert max(np.abs(new - old).max() for new, old in moved) > 1e-3


@pytest.mark.parametrize(("side", "waits"), [(252, False), (256, True)])
def test_large_images_of_b_wait_for_the_gradients_of_a(side, waits):
    model = small_model()
    images = images_of(model, batch_size=1, sides=(side, side))
    graph = tf.function(lambda a, b: model.train_step((a, b))).get_concrete_function(*images).graph
    held_back = [
        operation
        for operation in graph.get_operations()
        if operation.type == "Identity" and operation.inputs[0] is graph.inputs[1]
    ]
    weights = len(model.weights_of("generator_ab", "generator_ba"))
    assert [len(one.control_inputs) for one in held_back] == [weights if waits else 0]


@pytest.mark.parametrize(("merge", "expected"), [(True, 2), (False, 3)])
def test_merged_calls_call_each_network_twice_a_step(merge, expected, monkeypatch):
    model = small_model(merge_calls=merge)
    images, calls = images_of(model), dict.fromkeys(NETWORKS, 0)

    def counting(name, call):
        def counted(*arguments, **options):
            calls[name] += 1
            return call(*arguments, **options)

        return counted

    for name in NETWORKS:
        network = getattr(model, name)
        monkeypatch.setattr(network, "call", counting(name, network.call))
    model.train_step(images)
    assert calls == dict.fromkeys(NETWORKS, expected)


def test_reported_losses_add_up():
    model = small_model(**WEIGHTS)
    values = {name: float(value) for name, value in model.train_step(images_of(model)).items()}
    assert set(values) == set(model.reported_names)
    total = values["adversarial_loss_ab"] + values["adversarial_loss_ba"]
    total += 7.0 * (values["cycle_loss_a"] + 0.25 * values["identity_loss_a"])
    total += 3.0 * (values["cycle_loss_b"] + 0.25 * values["identity_loss_b"])
    assert values["generator_loss"] == pytest.approx(total, rel=1e-6)
    judged = values["discriminator_loss_a"] + values["discriminator_loss_b"]
    assert values["discriminator_loss"] == pytest.approx(judged, rel=1e-6)


def test_domains_of_two_sizes_train_together():
    model = small_model()
    values = model.train_step(images_of(model, sides=(16, 24)))
    assert all(np.isfinite(value) for value in values.values())
    assert tuple(model.pool_b.images.shape) == (50, 16, 16, 3)
    assert tuple(model.pool_a.images.shape) == (50, 24, 24, 3)


def test_domains_of_sizes_that_only_the_images_tell_train_together():
    model = small_model()

    @tf.function(input_signature=[(tf.TensorSpec((None, None, None, 3)),) * 2])
    def step(images):
        return model.train_step(images)

    values = step(images_of(model, sides=(16, 24)))
    assert all(np.isfinite(value) for value in values.values())


def test_without_identity_the_generators_are_asked_less():
    model = small_model(identity_weight=0.0)
    values = model.train_step(images_of(model))
    assert float(values["identity_loss_a"]) == float(values["identity_loss_b"]) == 0.0
    expected = values["adversarial_loss_ab"] + values["adversarial_loss_ba"]
    expected += 10.0 * (values["cycle_loss_a"] + values["cycle_loss_b"])
    assert float(values["generator_loss"]) == pytest.approx(float(expected), rel=1e-6)


# --- the pools in the step -------------------------------------------------------------------


def test_pool_is_kept_where_it_fits_and_made_anew_where_not():
    model = small_model(pool_size=3)
    images_of(model)
    model.pool_a.count.assign(2)
    images_of(model)
    assert int(model.pool_a.count) == 2
    images_of(model, sides=(24, 24))
    assert int(model.pool_a.count) == 0
    assert sorted(model.extra_state) == [
        "pool_a/count",
        "pool_a/images",
        "pool_b/count",
        "pool_b/images",
        "warmup_until",
    ]


def test_pools_of_an_earlier_size_do_not_come_back():
    model = small_model(pool_size=3)
    model.run_eagerly = False
    for side in (16, 24, 16):
        images = images_of(model, sides=(side, side))
        model.fit(images, batch_size=2, epochs=1, verbose=0)
        assert [int(pool.count) for pool in (model.pool_a, model.pool_b)] == [2, 2]
        assert all(np.any(pool.images) for pool in (model.pool_a, model.pool_b))


def batches_of_two_sizes():
    sizes = tf.data.Dataset.from_tensor_slices([16, 24])
    return sizes.map(lambda side: (-tf.ones((2, side, side, 3)),) * 2)


@pytest.mark.parametrize("eagerly", [True, False])
def test_batches_of_two_sizes_are_explained(eagerly):
    model = small_model()
    model.run_eagerly = eagerly
    message = (
        r"^Images of one domain differ in size, and its pool of translations keeps 16×16\. Bring "
        r"them to one size, or train with training\.pool_size=0\.$"
    )
    with pytest.raises(DataError, match=message):
        model.fit(batches_of_two_sizes(), verbose=0)


def test_without_a_pool_batches_may_differ_in_size():
    model = small_model(pool_size=0)
    model.fit(batches_of_two_sizes(), verbose=0)
    assert model.steps_taken == 2


def test_a_checkpoint_whose_counts_had_32_bits_is_read():
    model = small_model(pool_size=3)
    images_of(model)
    arrays = read_state(model)
    assert arrays["extra/pool_a/count"].dtype == np.int64
    arrays |= {f"extra/pool_{domain}/count": np.array(2, "int32") for domain in "ab"}
    write_state(model, arrays, "an older checkpoint")
    assert (int(model.pool_a.count), int(model.pool_b.count)) == (2, 2)
    model.train_step(images_of(model))
    assert (int(model.pool_a.count), int(model.pool_b.count)) == (3, 3)


def test_discriminators_are_shown_what_the_pool_gives(monkeypatch):
    model = small_model(**WEIGHTS)
    images = images_of(model)
    shown = {name: tf.fill((2, 16, 16, 3), value) for name, value in (("a", 0.5), ("b", -0.5))}
    given = {}
    for name, pool in (("a", model.pool_a), ("b", model.pool_b)):
        monkeypatch.setattr(
            pool,
            "exchange",
            lambda fakes, key, name=name: given.update({name: fakes}) or shown[name],
        )
    expected = [
        float(judge_loss(getattr(model, f"discriminator_{name}"), real, shown[name]))
        for name, real in zip("ab", images, strict=True)
    ]
    fakes = {"a": model.generator_ba(images[1]), "b": model.generator_ab(images[0])}
    values = model.train_step(images)
    for name, loss in zip("ab", expected, strict=True):
        assert float(values[f"discriminator_loss_{name}"]) == pytest.approx(loss, rel=1e-5)
        np.testing.assert_allclose(given[name], fakes[name], atol=1e-5)


def test_no_pool_shows_the_discriminators_the_newest():
    model = small_model(**WEIGHTS, pool_size=0)
    images = images_of(model)
    fake = model.generator_ba(images[1])
    expected = float(judge_loss(model.discriminator_a, images[0], fake))
    assert model.pool_a is None
    found = float(model.train_step(images)["discriminator_loss_a"])
    assert found == pytest.approx(expected, rel=1e-5)


def test_a_step_without_pools_says_what_to_do():
    model = small_model()
    images = tuple(tf.zeros((1, 16, 16, 3)) for _ in range(2))
    with pytest.raises(TrainingError, match=r"not made yet.*check_batch"):
        model.train_step(images)
