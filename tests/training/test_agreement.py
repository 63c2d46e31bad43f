"""Workers that would train different things are refused before they do."""

import types

import pytest

from ganzoo.errors import TrainingError
from ganzoo.training import agreement
from ganzoo.training.settings import open_data, run_settings

ADDRESSES = ["10.0.0.1:5000", "10.0.0.2:5000", "10.0.0.3:5000"]


def worker(**options):
    """Gives the settings and the images that one worker would have."""
    wanted = {"data_source": None, "steps": 4, "epochs": None, "overrides": {}, "training": {}}
    settings = run_settings("gan_ring", **wanted | options)
    return settings, open_data(settings).stream


def check(monkeypatch, *others):
    """Lets worker 0 ask two others, each with two devices, that stand as they are given."""
    mine = worker()
    everyone = [list(agreement.parts(*each).items()) for each in (mine, *others)]
    asked = []

    def gather(strategy, number):
        name = everyone[0][len(asked)][0]
        numbers = [agreement.digest(each[len(asked)][1]) for each in everyone]
        assert [each[len(asked)][0] for each in everyone] == [name] * 3
        assert numbers[0] == number
        asked.append(name)
        return [each for each in numbers for _ in range(2)]

    monkeypatch.setattr(agreement, "worker_addresses", lambda strategy: (ADDRESSES, 0))
    monkeypatch.setattr(agreement, "gather_numbers", gather)
    agreement.check_agreement(None, *mine)
    assert asked[-1] == "the images"


def test_workers_with_the_same_command_agree(monkeypatch):
    check(monkeypatch, worker(), worker())


def test_one_process_has_nobody_to_agree_with():
    alone = types.SimpleNamespace(cluster_resolver=None)
    agreement.check_agreement(alone, None, None)


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"steps": 5}, "the settings of training"),
        ({"training": {"seed": 1}}, "the settings of training"),
        ({"overrides": {"model.latent_dim": 3}}, "the settings of model"),
        ({"data_source": "grid25"}, "the images"),
    ],
)
def test_the_workers_that_differ_are_named_and_in_what(options, name, monkeypatch):
    message = rf"^The workers do not agree on {name}: worker 2 differs from worker 0\. Start each"
    with pytest.raises(TrainingError, match=message):
        check(monkeypatch, worker(), worker(**options))
    with pytest.raises(TrainingError, match=rf"on {name}: worker 1, 2 differs from worker 0"):
        check(monkeypatch, worker(**options), worker(**options))


def test_images_may_lie_elsewhere(monkeypatch, tmp_path):
    settings, stream = worker()
    settings.data["source"] = str(tmp_path / "ring")
    check(monkeypatch, worker(), (settings, stream))
