"""The sentences for numbers that are none or out of their range, and for unknown names."""

import types

import numpy as np
import pytest

from ganzoo.checks import (
    check_choice,
    check_number,
    check_seed,
    check_trained,
    check_whole,
    model_name,
)
from ganzoo.errors import GanzooError, TrainingError, WeightsError


def model(**given):
    return types.SimpleNamespace(name="vanilla_gan_5", steps_taken=0, **given)


def test_a_model_is_called_by_its_preset():
    assert model_name(model()) == "vanilla_gan_5"
    assert model_name(model(preset=types.SimpleNamespace(name=None))) == "vanilla_gan_5"
    assert model_name(model(preset=types.SimpleNamespace(name="gan_ring"))) == "gan_ring"


def test_a_network_that_is_not_trained_is_named_with_its_preset():
    partly = model(trained={"generator"}, preset=types.SimpleNamespace(name="gan_ring"))
    check_trained(partly, "generator")
    message = r"^'gan_ring' has trained weights for generator only, and not for its discriminator\."
    with pytest.raises(WeightsError, match=message):
        check_trained(partly, "discriminator")


@pytest.mark.parametrize("value", [1, 2**70, np.int64(3), np.uint8(1)])
def test_whole_numbers_pass(value):
    check_whole("size", value)


@pytest.mark.parametrize("value", [0, -2, 1.0, True, "3", None, np.float32(2), float("nan")])
def test_others_are_no_whole_numbers(value):
    with pytest.raises(GanzooError, match=r"^size is .*\. Give a whole number from 1 up\.$"):
        check_whole("size", value)


def test_the_kind_of_error_and_the_least_number_can_be_chosen():
    check_whole("classes", 0, least=0)
    with pytest.raises(TrainingError, match=r"^side is 2\. Give a whole number from 4 up\.$"):
        check_whole("side", 2, least=4, error=TrainingError)


@pytest.mark.parametrize("value", [0, 0.5, np.float32(3), 10**9])
def test_numbers_pass(value):
    check_number("weight", value)


@pytest.mark.parametrize("value", [-0.1, float("inf"), float("nan"), 10**400, True, "3", None, [1]])
def test_others_are_no_numbers(value):
    with pytest.raises(GanzooError, match=r"^weight is .*\. Give a finite number from 0 on\.$"):
        check_number("weight", value)


def test_numbers_have_bounds():
    check_number("decay", 0.999, below=1.0)
    message = r"^decay is 1\.0\. Give a finite number from 0 on and below 1\.$"
    with pytest.raises(GanzooError, match=message):
        check_number("decay", 1.0, below=1.0)
    with pytest.raises(GanzooError, match=r"^target is 0\. Give a finite number above 0\.$"):
        check_number("target", 0, positive=True)


def test_seeds_have_32_bits():
    check_seed("seed", 2**32 - 1)
    with pytest.raises(TrainingError, match=r"^seed is -1\. Give a whole number from 0 to 4294967"):
        check_seed("seed", -1, TrainingError)


def test_a_choice_is_one_of_its_names():
    check_choice("order is 'first'", "first", {"first": 1, "last": 2})
    message = r"^order is 'lost'\. Did you mean 'last'\? Choose one of: first, last\.$"
    with pytest.raises(TrainingError, match=message):
        check_choice("order is 'lost'", "lost", {"first": 1, "last": 2}, error=TrainingError)


@pytest.mark.parametrize("value", [None, 3, ["x"], {"y": 1}])
def test_what_is_no_name_is_no_choice(value):
    with pytest.raises(GanzooError, match=r"^order is .*\. Choose one of: first, last\.$"):
        check_choice(f"order is {value!r}", value, ("first", "last"))
