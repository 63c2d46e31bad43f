"""Checks of the numbers and names that users set, each with the sentence for what is wrong."""

import math
import numbers

from ganzoo.errors import GanzooError, WeightsError, nearest

DIRECTIONS = ("ab", "ba")  # of a CycleGAN, from A to B and back


def is_whole(value):
    """Says whether a value is an integer, Python's or NumPy's; a bool is not, nor is 8.0."""
    return isinstance(value, numbers.Integral) and not isinstance(value, bool)


def is_number(value):
    """Says whether a value is a real number that a float can hold, finite; a bool is not."""
    try:
        real = isinstance(value, numbers.Real) and not isinstance(value, bool)
        return real and math.isfinite(value)
    except OverflowError:  # an integer of more than 308 digits
        return False


def check_whole(name, value, least=1, error=GanzooError, most=None):
    """Refuses what is not a whole number from `least` up, as `is_whole` has it.

    Args:
        name: What the number is called, for the message.
        value: The number, Python's or NumPy's.
        least: The smallest one.
        error: Kind of the error.
        most: The largest one, if there is one.

    Raises:
        GanzooError: Or the kind that was asked for.
    """
    if not is_whole(value) or value < least or (most is not None and value > most):
        end = "up" if most is None else f"to {most}"
        raise error(f"{name} is {value!r}. Give a whole number from {least} {end}.")


def check_seed(name, value, error=GanzooError):
    """Refuses what is no seed for NumPy and Keras: they take 32 bits without a sign."""
    check_whole(name, value, least=0, error=error, most=2**32 - 1)


def check_number(name, value, least=0.0, below=math.inf, error=GanzooError, positive=False):
    """Refuses what is not a finite number, from `least` on and below `below`.

    Args:
        name: What the number is called, for the message.
        value: The number, Python's or NumPy's.
        least: The smallest one.
        below: What it is smaller than.
        error: Kind of the error.
        positive: Refuse `least` itself.

    Raises:
        GanzooError: Or the kind that was asked for.
    """
    if is_number(value) and least <= value < below and not (positive and value == least):
        return
    start = f"above {least:g}" if positive else f"from {least:g} on"
    end = "" if below == math.inf else f" and below {below:g}"
    raise error(f"{name} is {value!r}. Give a finite number {start}{end}.")


def check_unused(what, **given):
    """Refuses arguments that change nothing, so that nobody believes they did; None is none.

    Args:
        what: That has no use for them, for the message.
        given: Their values by name.

    Raises:
        GanzooError: One of them is given.
    """
    for name, value in given.items():
        if value is not None:
            raise GanzooError(
                f"{name} is {value!r:.80}, and {what} has no use for it. Leave it out."
            )


def model_name(model):
    """Gives the name that people know a model by: its preset's, or the Keras model's own."""
    return getattr(getattr(model, "preset", None), "name", None) or model.name


def check_trained(model, name):
    """Refuses a network that is as it was drawn, where others of its model are trained.

    Args:
        model: A model, or what stands for one; without `trained` it passes.
        name: Of the network.

    Raises:
        WeightsError: The network is not trained.
    """
    trained = getattr(model, "trained", ())
    if trained and name not in trained:
        raise WeightsError(
            f"{model_name(model)!r} has trained weights for {', '.join(sorted(trained))} only, and "
            f"not for its {name}. Train it with fit first."
        )


def check_players(generator, discriminator, latent_dim):
    """Refuses a generator and a discriminator that do not fit, before a step fails on them.

    Args:
        generator: A functional Keras model of latents.
        discriminator: One of images.
        latent_dim: Length of one latent vector.

    Raises:
        GanzooError: The latents or the images of one are none of the other, or a last layer
            computes in half precision.
    """
    _check_alike("latent_dim asks for latents", (latent_dim,), "generator takes", generator.input)
    made = tuple(generator.output.shape[1:])
    _check_alike("The generator makes images", made, "discriminator judges", discriminator.input)
    for name, network in (("generator", generator), ("discriminator", discriminator)):
        if network.output.dtype in ("float16", "bfloat16"):
            raise GanzooError(
                f"The last layer of the {name}, {network.layers[-1].name!r}, computes in "
                f"{network.output.dtype}, which is too coarse there. Make it with "
                "dtype='float32'."
            )


def _check_alike(one, shape, other, images):
    if not hasattr(images, "shape"):  # a network of several inputs knows what they are
        return
    taken = tuple(images.shape[1:])
    if taken != shape:
        first, second = (" × ".join(map(str, sides)) for sides in (shape, taken))
        raise GanzooError(
            f"{one} of {first}, and the {other} those of {second}. Choose settings, under model, "
            "that make both alike."
        )


def check_choice(sentence, value, choices, error=GanzooError):
    """Refuses what is none of some names, and tells which of them were perhaps meant.

    Args:
        sentence: What is wrong with the value if it is none of them, without the full stop.
        value: What was given.
        choices: The names.
        error: Kind of the error.

    Raises:
        GanzooError: Or the kind that was asked for.
    """
    if value not in tuple(choices):
        hint = nearest(value, choices)
        raise error(f"{sentence}.{hint} Choose one of: {', '.join(map(str, choices))}.")
