"""The annealed SGD of the vanilla GAN against NumPy, loss scaling, and `minimize`."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from ganzoo import presets, zoo
from ganzoo.errors import GanzooError, PresetError
from ganzoo.optimizers import Adam, AnnealedSGD, ReplicaSafeLossScaleOptimizer
from ganzoo.updates import minimize, minimize_together

SCHEDULE = {
    "learning_rate": 0.1,
    "momentum": 0.5,
    "final_momentum": 0.9,
    "saturation_epoch": 8,
    "updates_per_epoch": 50,
    "decay_factor": 1.01,
    "min_learning_rate": 0.002,
}


def annealed_in_numpy(weights, slope, updates, schedule, nesterov=False):
    """Descends as pylearn2's MomentumAdjustor and ExponentialDecay would have it, in float64."""
    velocity, path = np.zeros_like(weights), []
    for count in range(updates):
        # The adjustor counts its calls, of which the first comes before the first epoch.
        epoch = count // schedule["updates_per_epoch"] + 1
        if epoch >= schedule["saturation_epoch"]:
            momentum = schedule["final_momentum"]
        else:
            share = (epoch - 1) / (schedule["saturation_epoch"] - 1)
            momentum = schedule["momentum"] * (1 - share) + schedule["final_momentum"] * share
        rate = schedule["learning_rate"] / schedule["decay_factor"] ** count
        rate = max(rate, schedule["min_learning_rate"])
        move = -rate * slope(weights, count)
        velocity = momentum * velocity + move
        weights = weights + (momentum * velocity + move if nesterov else velocity)
        path.append(weights)
    return np.array(path)


@pytest.mark.parametrize("nesterov", [False, True])
def test_annealed_sgd_follows_numpy_through_ramp_and_decay(nesterov):
    start = np.array([1.0, -2.0, 0.5])
    curvature = np.array([0.5, 1.0, 2.0])

    def slope(weights, count):  # pushed about, so that every update counts
        return curvature * weights + np.cos(0.1 * count)

    optimizer = AnnealedSGD(**SCHEDULE, nesterov=nesterov)
    one, two = (keras.Variable(start.astype("float32")) for _ in range(2))
    optimizer.build([one, two])

    @tf.function
    def update(push):
        slopes = [tf.constant(curvature, "float32") * weight + push for weight in (one, two)]
        optimizer.apply(slopes, [one, two])
        return one + 0.0

    path = [update(tf.cast(np.cos(0.1 * count), "float32")) for count in range(600)]
    wanted = annealed_in_numpy(start, slope, 600, SCHEDULE, nesterov)
    np.testing.assert_allclose(path, wanted, atol=2e-5)
    np.testing.assert_array_equal(one, two)
    # The ramp, the floor, the decay and the kind of momentum all show in those 600 updates.
    for without in ({"final_momentum": 0.5}, {"min_learning_rate": 1e-9}, {"decay_factor": 1.0}):
        other = annealed_in_numpy(start, slope, 600, SCHEDULE | without, nesterov)
        assert np.abs(other - wanted).max() > 1e-2
    other = annealed_in_numpy(start, slope, 600, SCHEDULE, not nesterov)
    assert np.abs(other - wanted).max() > 1e-2


@pytest.mark.parametrize("updates", [0, 1000, 125_000, 10_000_000])
def test_the_rate_is_right_after_a_whole_run(updates):
    """1.000004 lies between two float32, whose power of 125,000 would be off by a percent."""
    optimizer = AnnealedSGD(momentum=0.0, final_momentum=0.0)
    weight = keras.Variable(0.0)
    optimizer.build([weight])
    optimizer.iterations.assign(updates)
    optimizer.apply([tf.constant(1.0)], [weight])
    expected = max(0.1 / 1.000004**updates, 1e-6)
    assert -float(np.asarray(weight)) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("saturation_epoch", 1, r"saturation_epoch is 1\. Give a whole number from 2 up"),
        ("updates_per_epoch", 0, r"updates_per_epoch is 0\. Give a whole number from 1 up"),
        ("updates_per_epoch", 0.5, r"updates_per_epoch is 0\.5\. Give a whole number from 1 up"),
        ("decay_factor", 0, r"decay_factor is 0\. Give a finite number above 0"),
    ],
)
def test_a_schedule_that_is_none_is_refused(name, value, message):
    with pytest.raises(GanzooError, match="^" + message):
        AnnealedSGD(**{name: value})
    setting = {f"optimizers.discriminator_optimizer.config.{name}": value}
    preset = presets.override(presets.read_preset("gan_mnist"), setting)
    with pytest.raises(PresetError, match="in optimizers.discriminator_optimizer, " + message):
        zoo.build(preset)


def adam_in_numpy(weights, slope, updates, *, rate, beta_1, beta_2, epsilon):
    """Descends as Kingma and Ba's section 2 says, with epsilon before the correction, float64."""
    first, second = np.zeros_like(weights), np.zeros_like(weights)
    for count in range(1, updates + 1):
        gradient = slope(weights)
        first = beta_1 * first + (1 - beta_1) * gradient
        second = beta_2 * second + (1 - beta_2) * gradient**2
        corrected = rate * np.sqrt(1 - beta_2**count) / (1 - beta_1**count)
        weights = weights - corrected * first / (np.sqrt(second) + epsilon)
    return weights


@pytest.mark.parametrize("beta_1", [0.0, 0.5])
def test_adam_follows_numpy_and_keras(beta_1):
    settings = {"beta_1": beta_1, "beta_2": 0.99, "epsilon": 1e-3}
    start, curvature = np.array([1.0, -2.0, 0.5]), np.array([0.5, 1.0, 2.0])

    def descend(optimizer):
        weight = keras.Variable(start.astype("float32"))
        optimizer.build([weight])

        @tf.function
        def update():
            optimizer.apply([tf.constant(curvature, "float32") * weight], [weight])

        for _ in range(60):
            update()
        return [np.asarray(variable) for variable in (weight, *optimizer.variables[2:])]

    ends = [descend(kind(0.02, **settings)) for kind in (Adam, keras.optimizers.Adam)]
    wanted = adam_in_numpy(start, lambda w: curvature * w, 60, rate=0.02, **settings)
    np.testing.assert_allclose(ends[0][0], wanted, rtol=1e-5)
    assert len(ends[0]) == 3  # with the first and the second moment
    for ours, theirs in zip(*ends, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-8)


def test_adam_with_amsgrad_is_that_of_keras():
    def descend(optimizer):
        weight = keras.Variable([1.0, -2.0])
        optimizer.build([weight])
        for slope in ([4.0, 1.0], [0.1, 0.1], [0.1, -0.1]):  # the largest of which it remembers
            optimizer.apply([tf.constant(slope)], [weight])
        return np.asarray(weight)

    ours, theirs, plain = (
        descend(kind(0.1, beta_2=0.9, amsgrad=amsgrad))
        for kind, amsgrad in ((Adam, True), (keras.optimizers.Adam, True), (Adam, False))
    )
    np.testing.assert_allclose(ours, theirs, rtol=1e-6)
    assert np.abs(ours - plain).max() > 1e-3


def test_the_adam_of_a_preset_passes_over_the_weights_once():
    preset = presets.override(presets.read_preset("dcgan_mnist"), {"model.base_filters": 4})
    model = zoo.build(preset)
    assert [type(optimizer) for optimizer in model.optimizers.values()] == [Adam, Adam]
    weight, optimizer = keras.Variable([1.0]), Adam()
    optimizer.build([weight])
    step = tf.function(lambda: optimizer.apply([tf.ones(1)], [weight])).get_concrete_function()
    names = [operation.type for operation in step.graph.get_operations()]
    assert names.count("ResourceApplyAdam") == 1
    assert "Sqrt" not in names


def test_annealed_sgd_is_resumed_in_the_middle_of_its_ramp():
    schedule = SCHEDULE | {"updates_per_epoch": 2}
    unbroken, broken = AnnealedSGD(**schedule), AnnealedSGD(**schedule)
    weights = [keras.Variable([1.0, 2.0]) for _ in range(2)]
    unbroken.build(weights[:1])
    broken.build(weights[1:])
    for count in range(24):
        if count == 12:
            state = [np.array(variable) for variable in broken.variables]
            broken = AnnealedSGD.from_config(broken.get_config())
            broken.build(weights[1:])
            for variable, value in zip(broken.variables, state, strict=True):
                variable.assign(value)
        for optimizer, weight in zip((unbroken, broken), weights, strict=True):
            optimizer.apply([tf.convert_to_tensor(weight)], [weight])
    np.testing.assert_array_equal(*weights)
    assert broken.get_config() == unbroken.get_config()
    assert {key: broken.get_config()[key] for key in schedule} == pytest.approx(schedule)


def quadratic(optimizer, l2_weight=0.0, start=(3.0, -1.0)):
    """Takes one step of `minimize` down w²/2 summed; a bystander must not move."""
    weight, bystander = keras.Variable(list(start)), keras.Variable([5.0])
    optimizer.build([weight])
    with tf.GradientTape() as tape:
        total = tf.reduce_sum(tf.convert_to_tensor(weight) ** 2) / 2
        loss = total * tf.convert_to_tensor(bystander)[0]
    minimize(loss, tape, [weight], optimizer, l2_weight)
    assert float(np.asarray(bystander)[0]) == 5.0
    return np.asarray(weight)


def test_minimize_takes_one_step_of_the_weights_it_is_given():
    found = quadratic(keras.optimizers.SGD(0.1))
    np.testing.assert_allclose(found, [3.0 * (1 - 0.5), -1.0 * (1 - 0.5)], rtol=1e-6)


def test_players_that_move_together_look_at_where_the_others_stood():
    one, other = keras.Variable([3.0]), keras.Variable([-2.0])
    players = [keras.optimizers.SGD(0.5) for _ in range(2)]
    for player, weight in zip(players, (one, other), strict=True):
        player.build([weight])
    with tf.GradientTape(persistent=True) as tape:
        product = tf.reduce_sum(tf.convert_to_tensor(one) * tf.convert_to_tensor(other))
        losses = (product, -product)
    minimize_together([(losses[0], [one], players[0]), (losses[1], [other], players[1])], tape)
    np.testing.assert_array_equal([one[0], other[0]], [3.0 + 0.5 * 2.0, -2.0 + 0.5 * 3.0])


def test_nothing_moves_before_the_loss_and_all_gradients_are_there():
    weights = [keras.Variable([value]) for value in (3.0, -1.0)]
    optimizer = keras.optimizers.SGD(0.1)
    optimizer.build(weights)

    @tf.function
    def step():
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(tf.sin(weights[0].value) * tf.cos(weights[1].value))
        minimize(loss, tape, weights, optimizer)

    moves = [
        operation
        for operation in step.get_concrete_function().graph.get_operations()
        if operation.type == "AssignSubVariableOp"
    ]
    assert len(moves) == 2
    for move in moves:
        before = {operation.type for operation in ancestors(move)}
        # The loss is a sum, and each gradient holds the other weight's sine or cosine.
        assert {"Sum", "Sin", "Cos", "Neg"} <= before


def ancestors(operation):
    """Finds every operation that has to run before one of a graph."""
    found, waiting = set(), [operation]
    while waiting:
        one = waiting.pop()
        for earlier in [*(tensor.op for tensor in one.inputs), *one.control_inputs]:
            if earlier not in found:
                found.add(earlier)
                waiting.append(earlier)
    return found


def test_l2_is_added_to_the_gradient():
    found = quadratic(keras.optimizers.SGD(0.1), l2_weight=2.0)
    np.testing.assert_allclose(found, [3.0 * (1 - 0.7), -1.0 * (1 - 0.7)], rtol=1e-6)


@pytest.mark.parametrize("l2_weight", [0.0, 2.0])
def test_loss_scaling_does_not_change_a_step(l2_weight):
    scaled = ReplicaSafeLossScaleOptimizer(keras.optimizers.SGD(0.1), initial_scale=2.0**10)
    plain = quadratic(keras.optimizers.SGD(0.1), l2_weight)
    np.testing.assert_allclose(quadratic(scaled, l2_weight), plain, rtol=1e-6)


@pytest.mark.parametrize("bad", [np.inf, np.nan])
def test_an_overflow_is_skipped_and_lowers_the_scale(bad):
    optimizer = ReplicaSafeLossScaleOptimizer(keras.optimizers.SGD(0.1), initial_scale=8.0)
    weight = keras.Variable([1.0, 2.0])
    optimizer.build([weight])
    optimizer.apply([tf.constant([bad, 1.0])], [weight])
    np.testing.assert_array_equal(weight, [1.0, 2.0])
    assert float(np.asarray(optimizer.dynamic_scale)) == 4.0
    assert int(optimizer.inner_optimizer.iterations) == 0
    optimizer.apply([tf.constant([4.0, 4.0])], [weight])
    np.testing.assert_allclose(weight, [0.9, 1.9])
