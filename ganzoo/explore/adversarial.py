"""The smallest steps that turn a network's confident answer."""

from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from ganzoo.checks import check_choice, check_trained, model_name
from ganzoo.errors import GanzooError
from ganzoo.explore import drawing

METHODS = ("fgsm", "pgd")
LEVEL = 2 / 255  # one grey level, in the range [-1, 1] of images
_SIDE = 112


@dataclass(frozen=True)
class Deception:
    """Pictures before and after the smallest step that turns the answer.

    Attributes:
        images: float32 `(n, h, w, c)` in [-1, 1].
        deceptive: The same, moved; the images themselves where no step turned the answer.
        epsilons: The largest change of a value, `(n,)`, in units of [-1, 1]; NaN where no step
            did.
        answers: Number of the answer before: a class, or 1 for "real" and 0 for "fake".
        confidences: The probability of that answer before, `(n,)`.
        new_answers: The answer after.
        new_confidences: Its probability.
    """

    images: np.ndarray
    deceptive: np.ndarray
    epsilons: np.ndarray
    answers: np.ndarray
    confidences: np.ndarray
    new_answers: np.ndarray
    new_confidences: np.ndarray


def fgsm(classify, images, epsilon, answers=None) -> np.ndarray:
    """Takes one step of the fast gradient sign method: Goodfellow et al. 2015, section 4.

    Every value moves by `epsilon`, up or down, to where the answer's lead shrinks fastest, and
    is clipped to [-1, 1]. The lead, logit of the answer less the largest other logit, stands in
    for the cross-entropy, whose gradient vanishes where the answer is certain.

    Args:
        classify: Function of float images `(n, h, w, c)` in [-1, 1] that gives logits: `(n, 1)`
            of a discriminator, or `(n, classes)`.
        images: Such images.
        epsilon: A number, or one for each image `(n,)`, in units of [-1, 1].
        answers: Numbers of the answers to turn; those that `classify` gives by default.

    Returns:
        float32, of the shape of `images`.
    """
    images = tf.convert_to_tensor(images, "float32")
    answers = _answers(classify(images)) if answers is None else answers
    step = _each(epsilon, images) * tf.sign(_slope(classify, images, answers))
    return tf.clip_by_value(images - step, -1.0, 1.0).numpy()


def pgd(classify, images, epsilon, answers=None, *, steps=20, step_size=None) -> np.ndarray:
    """Takes many small steps within a ball: projected gradient descent, Madry et al. 2018.

    Args:
        classify: As in `fgsm`.
        images: As in `fgsm`.
        epsilon: Radius of the ball: no value ends further than this from where it began.
        answers: As in `fgsm`.
        steps: How many.
        step_size: Of each, in the sign's direction; 2.5 epsilon / steps by default.

    Returns:
        float32, of the shape of `images`.
    """
    images = tf.convert_to_tensor(images, "float32")
    answers = _answers(classify(images)) if answers is None else answers
    radius = _each(epsilon, images)
    step = 2.5 * radius / steps if step_size is None else _each(step_size, images)
    low, high = tf.maximum(images - radius, -1.0), tf.minimum(images + radius, 1.0)
    moved = images
    for _ in range(steps):
        moved = moved - step * tf.sign(_slope(classify, moved, answers))
        moved = tf.clip_by_value(moved, low, high)
    return moved.numpy()


def smallest_step(
    classify, images, method="fgsm", *, largest=64 * LEVEL, precision=LEVEL / 4
) -> Deception:
    """Searches the smallest epsilon that turns each image's answer.

    Tries doubled radii from a grey level's eighth on, and then halves the interval that it
    found. FGSM may fail at a larger step than one that works: its first success counts.

    Args:
        classify: As in `fgsm`.
        images: As in `fgsm`.
        method: "fgsm" or "pgd".
        largest: Where to give up, in units of [-1, 1].
        precision: Where to stop halving.

    Raises:
        GanzooError: There is no such method.
    """
    check_choice(f"There is no method {method!r}", method, METHODS)
    images = np.asarray(images, "float32")
    attack = fgsm if method == "fgsm" else pgd
    classify = tf.function(classify)
    answers = _answers(classify(tf.constant(images))).numpy()

    def turned(epsilons):
        moved = attack(classify, images, epsilons, answers)
        return moved, _answers(classify(tf.constant(moved))).numpy() != answers

    low, high, best = _bracket(images, turned, largest)
    while np.nanmax(high - low, initial=0) > precision:
        middle = np.where(np.isnan(high), 0.0, (low + high) / 2)
        moved, success = turned(middle)
        success &= ~np.isnan(high)
        best[success] = moved[success]
        high = np.where(success, middle, high)
        low = np.where(success, low, middle)
    before, after = (_probabilities(classify(tf.constant(part))) for part in (images, best))
    rows, new_answers = np.arange(len(images)), after.argmax(axis=1)
    return Deception(
        images,
        best,
        high,
        answers,
        before[rows, answers],
        new_answers,
        after[rows, new_answers],
    )


def draw_adversarial(
    model, images, *, out, methods=METHODS, names=("fake", "real"), noise_gain=None
) -> dict[str, Deception]:
    """Draws picture, amplified noise and picture, with both answers and confidences.

    Args:
        model: A model with a discriminator, or a function as `fgsm` takes it.
        images: float `(n, h, w, c)` in [-1, 1], or uint8.
        out: A `.png`.
        methods: "fgsm" or "pgd", or a list of them.
        names: What the answers are called.
        noise_gain: Factor of the drawn noise; by default its largest value is drawn as white.

    Returns:
        The `Deception` of each method, by name.
    """
    classify = judge_of(model)
    methods = (methods,) if isinstance(methods, str) else tuple(methods)
    if not methods:
        raise GanzooError(f"No method is named. Choose among {', '.join(METHODS)}.")
    images = np.asarray(images)
    _check_shape(model, images.shape)
    if images.dtype == np.uint8:
        images = images.astype("float32") / 127.5 - 1
    found = {method: smallest_step(classify, images, method) for method in methods}
    columns = ["picture"]
    for method in methods:
        columns += [f"noise, {method.upper()}", "picture + noise"]
    rows = []
    for index in range(len(images)):
        first = next(iter(found.values()))
        said = _said(names, first.answers[index], first.confidences[index])
        row = [(drawing.fit(images[index], _SIDE), said)]
        for deception in found.values():
            row += _noise_and_picture(deception, index, names, noise_gain)
        rows.append(row)
    drawing.write_picture(out, [drawing.table(rows, column_names=columns)])
    return found


def judge_of(model):
    """Gives a function of images that returns logits: a model's discriminator, or `model` itself.

    A progressive GAN judges at the resolution that it has reached, faded in as far as it is.

    Raises:
        GanzooError: It has no discriminator.
        WeightsError: Other networks of the model are trained, and the discriminator is not.
    """
    discriminator = getattr(model, "discriminator", None)
    if discriminator is not None:
        check_trained(model, "discriminator")
    if hasattr(model, "judge") and hasattr(model, "resolution"):
        return lambda images: model.judge(images, model.fading_alpha())
    if discriminator is not None:
        return lambda images: discriminator(images, training=False)
    if callable(model) and not hasattr(model, "networks"):
        return model
    raise GanzooError(
        f"{model_name(model)!r} has no single discriminator to deceive. Use a model that starts "
        "from noise, or a classifier such as 'lenet_mnist'."
    )


def _check_shape(model, shape):
    """Refuses images that a model's discriminator, or a Keras classifier, does not take."""
    if len(shape) != 4 or not shape[0]:
        raise GanzooError(f"The images have the shape {shape}. Give (n, h, w, c), n from 1 up.")
    network = getattr(model, "discriminator", model)
    wanted = getattr(network, "input_shape", (None,) * 4)[1:]
    if hasattr(model, "resolution"):
        wanted = (model.resolution, model.resolution, wanted[-1])
    if any(size not in (None, found) for size, found in zip(wanted, shape[1:], strict=True)):
        raise GanzooError(
            f"The images are {shape[1:]}, and {model_name(model)!r} judges {tuple(wanted)}. "
            "Resize them."
        )


def _bracket(images, turned, largest):
    """Doubles each image's epsilon until its answer turns, or `largest` is passed."""
    count = len(images)
    low, high, best = np.zeros(count), np.full(count, np.nan), images.copy()
    epsilon = min(LEVEL / 8, largest)
    while np.isnan(high).any():
        moved, success = turned(np.full(count, epsilon))
        success &= np.isnan(high)
        best[success] = moved[success]
        high = np.where(success, epsilon, high)
        low = np.where(np.isnan(high), epsilon, low)
        if epsilon >= largest:
            break
        epsilon = min(2 * epsilon, largest)
    return low, high, best


def _slope(classify, images, answers):
    """Computes the gradient of the answers' leads with respect to the images."""
    with tf.GradientTape() as tape:
        tape.watch(images)
        lead = _lead(tf.cast(classify(images), "float32"), answers)
    return tape.gradient(lead, images)


def _lead(logits, answers):
    if logits.shape[-1] == 1:
        sign = tf.cast(2 * tf.convert_to_tensor(answers) - 1, "float32")
        return sign * tf.reshape(logits, (-1,))
    mine = tf.one_hot(answers, logits.shape[-1], on_value=True, off_value=False, dtype="bool")
    others = tf.reduce_max(tf.where(mine, -np.inf, logits), axis=-1)
    return tf.reduce_sum(tf.where(mine, logits, 0.0), axis=-1) - others


def _answers(logits):
    logits = tf.cast(logits, "float32")
    if logits.shape[-1] == 1:
        return tf.cast(tf.reshape(logits, (-1,)) > 0, "int64")
    return tf.argmax(logits, axis=-1)


def _probabilities(logits):
    logits = tf.cast(logits, "float32")
    if logits.shape[-1] == 1:
        real = tf.sigmoid(logits)
        return tf.concat([tf.sigmoid(-logits), real], axis=-1).numpy()
    return tf.nn.softmax(logits).numpy()


def _each(value, images):
    value = tf.broadcast_to(tf.cast(value, "float32"), (images.shape[0],))
    return tf.reshape(value, (-1, *[1] * (images.shape.rank - 1)))


def _said(names, answer, confidence):
    name = names[answer] if answer < len(names) else str(answer)
    return f"{name} {confidence:.1%}"


def _noise_and_picture(deception, index, names, gain):
    noise = deception.deceptive[index] - deception.images[index]
    epsilon = deception.epsilons[index]
    if np.isnan(epsilon):
        return [
            (drawing.fit(np.zeros_like(noise), _SIDE), "no step"),
            (drawing.fit(deception.images[index], _SIDE), ""),
        ]
    factor = 1 / max(np.abs(noise).max(), 1e-9) if gain is None else gain
    said = _said(names, deception.new_answers[index], deception.new_confidences[index])
    levels = epsilon / LEVEL
    return [
        (drawing.fit(np.clip(noise * factor, -1, 1), _SIDE), f"{levels:.2g} levels"),
        (drawing.fit(deception.deceptive[index], _SIDE), said),
    ]
