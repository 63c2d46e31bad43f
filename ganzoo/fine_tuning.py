"""Fine-tuning: what changes before a trained model trains on other pictures."""

import fnmatch
import inspect
from collections.abc import Iterable
from typing import Any

from ganzoo import presets
from ganzoo.building import build, compile_arguments, family_of
from ganzoo.checks import check_number, check_unused
from ganzoo.data.augment import checked_policies
from ganzoo.errors import GanzooError, nearest


def fine_tune(
    model: Any,
    *,
    learning_rate: float | None = None,
    freeze: str | Iterable[str] = (),
    fresh_discriminator: bool = False,
    augment: Iterable[str] | None = None,
) -> Any:
    """Prepares a trained model for training on other pictures, which `fit` then does.

    Args:
        model: A model that `ganzoo.load` made.
        learning_rate: Of all optimizers, and constant; None for that of the recipe.
        freeze: What stays as it is: networks ("discriminator"), layers by network and name,
            with wildcards ("discriminator.64x64_*"), and for CycleGAN the parts that its
            `freeze` knows ("encoder"). All else trains. A model folder does not keep it: after
            `ganzoo.save` and `ganzoo.load` all trains again.
        fresh_discriminator: Let the discriminators start from random weights. A CycleGAN then
            trains them alone for its `warmup_steps`.
        augment: Policies of DiffAugment, for few pictures: "color", "translation", "cutout";
            None for what the recipe says.

    Returns:
        The model, compiled anew: what its optimizers had gathered is gone.

    Raises:
        GanzooError: No layer has such a name, nothing is left to train, or a setting is not what
            it should be.
    """
    if getattr(model, "preset", None) is None:
        raise GanzooError(
            "This model was not made by ganzoo.load, so that its recipe is not known. Load it "
            "with ganzoo.load, or compile it yourself."
        )
    if "augment" not in inspect.signature(family_of(model.preset).MODEL.compile).parameters:
        check_unused(f"a model of the family {model.preset.family!r}", augment=augment)
    preset = _changed(model.preset, learning_rate, augment)
    parts = [freeze] if isinstance(freeze, str) else list(freeze)
    with model.distribute_strategy.scope():
        _freeze_some(model, parts)
        if fresh_discriminator:
            _renew_discriminators(model, preset)
        model.compile(**compile_arguments(preset, family_of(preset)))
    model.preset = preset
    return model


def _changed(preset, learning_rate, augment):
    changes: dict[str, Any] = {}
    if learning_rate is not None:
        check_number("learning_rate", learning_rate, positive=True)
        for name, optimizer in preset.optimizers.items():
            whole = {"class_name": optimizer} if isinstance(optimizer, str) else optimizer
            config = (whole.get("config") or {}) | {"learning_rate": learning_rate}
            if whole.get("class_name", "").rpartition(">")[2] == "AnnealedSGD":
                config |= {"decay_factor": 1.0, "min_learning_rate": 0.0}
            changes[f"optimizers.{name}"] = whole | {"config": config}
        if isinstance(preset.phases, list):  # a phase may have a rate of its own
            changes["phases"] = [
                {key: value for key, value in phase.items() if key != "learning_rate"}
                for phase in preset.phases
            ]
        if preset.training.get("rampup_kimg"):  # what is trained needs no rise from nothing
            changes["training.rampup_kimg"] = 0
    if augment is not None:
        changes["training.augment"] = checked_policies(augment)
    return presets.override(preset, changes)


def _freeze_some(model, parts):
    """Freezes parts; where nothing would be left to train, all stays as it was."""
    networks = model.networks.values()
    both = [*networks, *(layer for network in networks for layer in network.layers)]
    before = [(part, part.trainable) for part in both]
    _freeze(model, parts)
    moved = [name for names in model.optimized_networks.values() for name in names]
    if not model.weights_of(*moved):
        for part, trainable in before:  # networks first: Keras passes theirs on to their layers
            part.trainable = trainable
        raise GanzooError(
            f"freeze is {parts}, which leaves nothing to train. Leave at least one network or "
            "layer with weights out of it."
        )


def _freeze(model, parts):
    found = {part: _layers(model, part) for part in parts}
    others = [part for part, layers in found.items() if not layers]
    if hasattr(model, "freeze"):
        model.freeze(*others)  # looks at all of them before it changes a layer
    elif others:
        raise _unknown(model, others[0])
    else:
        trained = [net for name, net in model.networks.items() if not name.startswith("ema_")]
        for layer in (layer for network in trained for layer in network.layers):
            layer.trainable = True
    for layer in (layer for layers in found.values() for layer in layers):
        layer.trainable = False


def _layers(model, part):
    """The layers that a name stands for: of a whole network, or those that match."""
    name, _, pattern = part.partition(".")
    if name not in model.networks or name.startswith("ema_"):  # an average follows its network
        return []
    layers = model.networks[name].layers
    return [layer for layer in layers if fnmatch.fnmatchcase(layer.name, pattern or "*")]


def _unknown(model, part):
    name, dot, _ = part.partition(".")
    known = [network for network in model.networks if not network.startswith("ema_")]
    if name not in known:
        return GanzooError(
            f"There is no network {name!r} to freeze.{nearest(name, known)} "
            f"Choose among: {', '.join(known)}; or name layers, as in {known[0]}{dot or '.'}*."
        )
    known = [f"{name}.{layer.name}" for layer in model.networks[name].layers if layer.weights]
    return GanzooError(
        f"No layer is called {part!r}.{nearest(part, known)} "
        f"Those with weights are: {', '.join(known)}."
    )


def _renew_discriminators(model, preset):
    fresh = build(preset, precision=model.compute_dtype)
    names = [name for name in model.networks if name.startswith("discriminator")]
    for name in names:
        model.networks[name].set_weights(fresh.networks[name].get_weights())
    model.trained = frozenset(model.trained) - set(names)
