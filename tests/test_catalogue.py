"""The facts that presets state of themselves, against the networks that they build."""

import json
import pathlib
import re

import keras
import pytest

from ganzoo import building, catalogue, presets


def networks_to_count():
    """Each distinct set of networks that a preset, or published weights, have: name → preset."""
    found = {}
    for name in presets.preset_names():
        preset = presets.read_preset(name)
        for entry in [{}, *preset.weights]:
            fitted, _ = presets.for_weights(preset, entry, {})
            settings = fitted.model | ({"ema_decay": None} if fitted.family == "progan" else {})
            key = json.dumps([fitted.family, settings], sort_keys=True)
            found.setdefault(key, []).append((name, fitted, settings))
    return list(found.values())


@pytest.mark.parametrize("alike", networks_to_count(), ids=lambda alike: alike[0][0])
def test_stated_parameters_are_those_of_the_built_networks(alike):
    _, preset, settings = alike[0]
    with keras.StatelessScope():  # which makes variables without values
        model = building.family_of(preset).build(**settings)
    counts = {
        name: network.count_params()
        for name, network in model.networks.items()
        if not name.startswith("ema_")
    }
    assert {name: fitted.parameters for name, fitted, _ in alike} == {
        name: counts for name, *_ in alike
    }


def test_a_size_is_reckoned_from_the_networks_that_weights_hold():
    preset = presets.read_preset("progan_celebahq256")
    generator, discriminator = 23_051_989, 23_052_353
    assert catalogue.stored_bytes(preset, preset.weights[0]) == 4 * (2 * generator + discriminator)
    horse = presets.read_preset("cyclegan_horse2zebra")
    assert catalogue.facts_of(horse).download_bytes == 4 * 11_378_179
    assert catalogue.stored_bytes(horse, {"source": "all"}) == 8 * (11_378_179 + 2_764_737)


@pytest.mark.parametrize(
    ("number", "count", "size"),
    [
        (0, "0", "0 bytes"),
        (999, "999", "999 bytes"),
        (17_154, "17.2 k", "17.2 kB"),
        (11_378_179, "11.4 M", "11.4 MB"),
        (277_000_000, "277 M", "277 MB"),
        (1_500_000_000, "1.5 G", "1.5 GB"),
    ],
)
def test_numbers_are_written_short(number, count, size):
    assert catalogue.short_count(number) == count
    assert catalogue.short_bytes(number) == size


def test_every_family_says_what_it_is():
    families = {presets.read_preset(name).family for name in presets.preset_names()}
    for family in families:
        assert "arXiv:" in catalogue.family_title(family)
    assert catalogue.family_title("gan_of_tomorrow") == "gan_of_tomorrow"


def test_every_preset_has_a_summary():
    for name in presets.preset_names():
        assert presets.read_preset(name).summary.endswith((".", ")", "%")), name


def test_the_readme_lists_what_can_be_loaded():
    shipped, fetched, values = [], [], {}
    for name in presets.find_presets(pretrained=True):
        line = catalogue.facts_of(presets.read_preset(name))
        size = "~" * line.download_is_estimate + catalogue.short_bytes(line.download_bytes)
        parameters = catalogue.short_count(line.parameters)
        row = f"| `{name}` | {line.resolution or '-'} | {parameters} | {size} |"
        if presets.read_preset(name).weights[0]["source"].startswith("package:"):
            shipped.append(row)
            values[name] = presets.read_preset(name).weights[0]["scores"][0]["value"]
        else:
            fetched.append(f"{row} {line.licence} |")
    text = (pathlib.Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if re.match(r"\| `\w+_", line)]
    expected = shipped + fetched
    assert [line[: len(row)] for line, row in zip(lines, expected, strict=True)] == expected
    for name, value in values.items():
        (line,) = [line for line in lines if line.startswith(f"| `{name}`")]
        score = line.split("|")[5]
        numbers = re.findall(r"\d+(?:\.\d+)?", score)
        rounded = [f"{value:.{len(number.partition('.')[2])}f}" for number in numbers]
        assert set(numbers) & set(rounded), f"{score} does not tell {value}"
