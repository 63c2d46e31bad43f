"""TensorFlow's warnings of retracing: of one function that is, and not of many alike."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from ganzoo.metrics.running import on_all_replicas
from ganzoo.models import gan
from ganzoo.tracing import compiled

MANY = 6  # TensorFlow warns from the fifth trace in ten calls on


@pytest.fixture
def warned(monkeypatch):
    """Gathers what TensorFlow warns of retracing."""
    messages = []

    def note(record):
        if "tf.function retracing" in record.getMessage():
            messages.append(record.getMessage())
        return True

    logger = tf.get_logger()
    monkeypatch.setattr(logger, "filters", [note])
    return messages


def model():
    built = gan.build(
        image_shape=(4, 4, 1),
        latent_dim=3,
        generator_units=(6,),
        generator_activations=("relu",),
        discriminator_units=(6,),
    )
    built.compile(keras.optimizers.SGD(0.1), keras.optimizers.SGD(0.1))
    return built


def test_many_models_are_not_taken_for_one_that_is_traced_again(warned):
    images = np.random.default_rng(0).uniform(-1, 1, (4, 4, 4, 1)).astype("float32")
    for seed in range(MANY):
        each = model()
        each.fit(images, batch_size=4, verbose=0)
        each.generate(2, seed=seed)
        on_all_replicas(each.discriminator)(images)
    assert warned == []


def test_one_function_that_is_traced_in_vain_is_told(warned):
    double = compiled(lambda value: 2 * value)
    assert [int(double(number)) for number in range(MANY)] == [0, 2, 4, 6, 8, 10]
    assert len(warned) == 2, "of the fifth and the sixth"


def test_a_signature_is_traced_once():
    traces = []

    def total(values):
        traces.append(values.shape)
        for _ in tf.range(2):
            values += 1.0
        return tf.reduce_sum(values)

    add = compiled(total, [tf.TensorSpec((None,))])
    assert [float(add(np.ones(n, "float32"))) for n in (1, 3)] == [3.0, 9.0]
    assert len(traces) == 1
