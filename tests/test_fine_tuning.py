"""Fine-tuning on a folder of pictures: the README's lines, and each option, for each family."""

import fnmatch
import pathlib
import re

import numpy as np
import pytest
from PIL import Image

import ganzoo
from ganzoo.data import augment
from ganzoo.errors import DataError, GanzooError
from ganzoo.models.cyclegan import objective
from ganzoo.optimizers import inner
from tests.models import conformance

ROOT = pathlib.Path(__file__).resolve().parents[1]
PRESETS = {
    "gan": "gan_mnist",
    "dcgan": "dcgan_cifar10",
    "progan": "progan_celeba128",
    "cyclegan": "cyclegan_horse2zebra",
}
SIDES = {"gan": 8, "dcgan": 16, "progan": 8, "cyclegan": 32}
CHANNELS = {"gan": 1, "dcgan": 3, "progan": 3, "cyclegan": 3}
# Layers whose weights stay, by their network and name; others of that network move.
LAYERS = {
    "gan": "discriminator.features_1",
    "dcgan": "discriminator.down_*",
    "progan": "discriminator.4x4_*",
    "cyclegan": "discriminator_a.conv_1",
}
POLICIES = ["color", "translation", "cutout"]


def write_pictures(folder, *, count=6, side=32, mode="RGB", seed=0):
    random = np.random.default_rng(seed)
    folder.mkdir(parents=True)
    for number in range(count):
        shape = (side, side, 3) if mode == "RGB" else (side, side)
        pixels = random.integers(0, 256, shape, "uint8")
        Image.fromarray(pixels).save(folder / f"{number}.png")
    return folder


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Small models of each family, in model folders named by family."""
    folder = tmp_path_factory.mktemp("trained")
    for family, preset in PRESETS.items():
        model = conformance.build(conformance.tiny_preset(preset), seed=3)
        ganzoo.save(model, folder / family, notes="Trained on nothing.")
    return folder


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures")
    return [write_pictures(folder / name, seed=seed) for seed, name in enumerate("ab")]


def dataset(family, pictures, **options):
    source = tuple(pictures) if family == "cyclegan" else pictures[0]
    settings = {"image_size": SIDES[family], "channels": CHANNELS[family], "batch_size": 2}
    settings |= options
    return ganzoo.data.load(source, **settings)


def fit(model, family, pictures):
    model.run_eagerly = True  # the README's lines run compiled
    model.fit(dataset(family, pictures), epochs=1, verbose=0)


def rates(model):
    """The learning rates of all optimizers, each once."""
    found = [inner(item).learning_rate for item in model.optimizers.values()]
    return {float(np.float32(np.asarray(rate))) for rate in found}


def weights(model):
    return {
        f"{name}.{layer.name}": [np.array(value) for value in layer.get_weights()]
        for name, network in model.networks.items()
        for layer in network.layers
        if layer.weights
    }


def judge_of(model):
    return next(net for name, net in model.networks.items() if name.startswith("discriminator"))


def moved(before, after):
    """Names the layers of which a weight changed."""
    return {
        name
        for name, values in before.items()
        if any(not np.array_equal(old, new) for old, new in zip(values, after[name], strict=True))
    }


# --- the README -------------------------------------------------------------------------------


def readme_blocks():
    """The Python blocks of the README's section, by the families that its list names."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    section = re.search(r"^## Fine-tune\n(.*?)^## ", text, re.DOTALL | re.MULTILINE)[1]
    return re.findall(r"```python\n(.*?)```", section, re.DOTALL)


def family_of(block):
    names = {family for family in PRESETS if re.search(rf'load\("(runs/)?{family}_', block)}
    assert len(names) == 1
    return names.pop()


def test_the_readme_shows_every_family_and_every_option():
    *blocks, options = readme_blocks()
    assert [family_of(block) for block in blocks] == list(PRESETS)
    for block in blocks:
        statements = [line for line in block.splitlines() if not line.startswith((" ", ")"))]
        assert len(statements) == 3
    for option in ("learning_rate=", "freeze=", "fresh_discriminator=", "augment="):
        assert option in options


@pytest.mark.parametrize("family", PRESETS)
def test_the_readmes_lines_run(family, trained, tmp_path, monkeypatch):
    """Exactly as they stand, but for sizes; a folder goes before a preset of the same name."""
    *blocks, options = readme_blocks()
    block = next(block for block in blocks if family_of(block) == family)
    name = re.search(r'ganzoo\.load\("([\w/]+)"\)', block)[1]
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / name).symlink_to(trained / family)
    for number, folder in enumerate(re.findall(r'"(my_\w+)/"', block)):
        write_pictures(tmp_path / folder, seed=number)
    monkeypatch.chdir(tmp_path)
    sizes = {"image_size": SIDES[family], "batch_size": 2, "epochs": 1}
    for key, value in sizes.items():
        block, count = re.subn(rf"{key}=\d+", f"{key}={value}", block)
        assert count == 1, key
    place = {"ganzoo": ganzoo}
    exec(compile(block, "README.md", "exec"), place)
    model = place["model"]
    assert model.steps_taken == 3
    assert model.trained == frozenset(model.network_names)
    exec(compile(options, "README.md", "exec"), place)
    assert rates(model) == {float(np.float32(5e-5))}
    assert model.augment == POLICIES
    assert not any(name.startswith("discriminator") for name in model.trained)


# --- options ----------------------------------------------------------------------------------


@pytest.mark.parametrize("rate", [0.01, 1e-8])
def test_a_rate_does_not_decay(rate, trained):
    model = ganzoo.fine_tune(ganzoo.load(trained / "gan"), learning_rate=rate)
    for optimizer in model.optimizers.values():
        assert optimizer.final_momentum == pytest.approx(0.7)
        for updates in (0, 1_000_000):
            optimizer.iterations.assign(updates)
            found = float(optimizer._current_rate(optimizer.learning_rate))
            assert found == pytest.approx(rate), updates


@pytest.mark.parametrize("family", PRESETS)
def test_a_rate_frozen_layers_and_augmentation(family, trained, pictures, tmp_path, monkeypatch):
    shown = []
    monkeypatch.setattr(
        augment,
        "diff_augment",
        lambda images, key, positions, policies: shown.append(list(policies)) or -images,
    )
    model = ganzoo.load(trained / family)
    ganzoo.fine_tune(model, learning_rate=0.0125, freeze=[LAYERS[family]], augment=POLICIES)
    before = weights(model)
    fit(model, family, pictures)
    changed = moved(before, weights(model))
    frozen = set(fnmatch.filter(before, LAYERS[family]))
    assert frozen
    assert not changed & frozen
    networks = {name.partition(".")[0] for name in changed}
    assert networks == set(model.networks), "all else trains"
    assert len(shown) >= 2 * 3, "real and fake images of each of three steps"
    assert shown[0] == POLICIES
    assert rates(model) == {float(np.float32(0.0125))}
    ganzoo.save(model, tmp_path / "m")
    again = ganzoo.load(tmp_path / "m")
    assert rates(again) == rates(model)
    assert again.augment == POLICIES
    ganzoo.fine_tune(model)
    assert rates(model) == {float(np.float32(0.0125))}
    assert all(layer.trainable for layer in judge_of(model).layers), "nothing is frozen now"


@pytest.mark.parametrize("family", ["gan", "dcgan"])
@pytest.mark.parametrize("network", ["generator", "discriminator"])
def test_a_whole_network_can_be_frozen(family, network, trained, pictures):
    model = ganzoo.fine_tune(ganzoo.load(trained / family), freeze=network, learning_rate=0.01)
    before = weights(model)
    fit(model, family, pictures)
    changed = {name.partition(".")[0] for name in moved(before, weights(model))}
    assert changed == set(model.networks) - {network, f"ema_{network}"}


@pytest.mark.parametrize("family", PRESETS)
@pytest.mark.parametrize("ending", ["", ".*"])
def test_something_has_to_be_left_to_train(family, ending, trained):
    model = ganzoo.fine_tune(ganzoo.load(trained / family), freeze=[LAYERS[family]])
    layers = [layer for network in model.networks.values() for layer in network.layers]
    before, preset = [layer.trainable for layer in layers], model.preset
    names = [name + ending for name in model.networks if not name.startswith("ema_")]
    message = r"^freeze is \['generator.*\], which leaves nothing to train\. Leave at least one net"
    with pytest.raises(GanzooError, match=message):
        ganzoo.fine_tune(model, freeze=names, learning_rate=0.5)
    assert [layer.trainable for layer in layers] == before
    assert model.preset is preset
    ganzoo.fine_tune(model, freeze=names[1:])


def test_a_rate_goes_before_those_of_the_phases(trained):
    model = ganzoo.load(trained / "progan")
    rows = [dict(row, learning_rate=0.5) for row in model.schedule.rows]
    model = ganzoo.load(trained / "progan", phases=rows)
    assert {stage.learning_rate for stage in model.schedule.stages} == {0.5}
    ganzoo.fine_tune(model)
    assert {stage.learning_rate for stage in model.schedule.stages} == {0.5}
    ganzoo.fine_tune(model, learning_rate=0.25)
    assert {stage.learning_rate for stage in model.schedule.stages} == {None}


def test_a_rate_of_ones_own_does_not_begin_with_the_rise_of_the_recipe(trained, pictures):
    overrides = {"training.rampup_kimg": 40}  # more images than its phases have
    model = ganzoo.load(trained / "progan", **overrides)
    assert model.rampup_kimg == 40
    ganzoo.fine_tune(model, learning_rate=0.25)
    model.fit(dataset("progan", pictures), epochs=1, steps_per_epoch=1, verbose=0)
    rates = [float(optimizer.learning_rate) for optimizer in model.optimizers.values()]
    assert rates == [0.25, 0.25]


def test_a_rate_may_be_numpys(trained, tmp_path):
    model = ganzoo.fine_tune(ganzoo.load(trained / "dcgan"), learning_rate=np.float32(0.25))
    assert rates(model) == {0.25}
    ganzoo.save(model, tmp_path / "model")
    assert rates(ganzoo.load(tmp_path / "model")) == {0.25}


@pytest.mark.parametrize("part", ["ema_generator", "ema_generator.4x4_*"])
def test_an_average_that_follows_its_network_is_not_frozen(trained, part):
    model = ganzoo.load(trained / "progan")
    message = "no network 'ema_generator' to freeze. Did you mean 'generator'.* Choose among"
    with pytest.raises(GanzooError, match=message):
        ganzoo.fine_tune(model, freeze=part)


def test_an_average_stays_out_of_training(trained):
    model = ganzoo.fine_tune(ganzoo.load(trained / "progan"), freeze="generator")
    assert model.generator.trainable_weights == model.ema_generator.trainable_weights == []
    ganzoo.fine_tune(model)
    assert model.generator.trainable_weights
    assert model.ema_generator.trainable_weights == []
    assert not any(layer.trainable for layer in model.ema_generator.layers)


def test_parts_of_a_cyclegan_are_frozen_with_layers(trained):
    model = ganzoo.load(trained / "cyclegan")
    ganzoo.fine_tune(model, freeze=["generator_ab.encoder", "generator_ba.head"])
    assert not model.generator_ab.get_layer("stem").trainable_weights
    assert not model.generator_ba.get_layer("head").trainable_weights
    assert model.generator_ba.get_layer("stem").trainable_weights
    assert model.generator_ab.get_layer("head").trainable_weights


@pytest.mark.parametrize("family", PRESETS)
def test_a_fresh_discriminator_starts_anew(family, trained, pictures):
    model = ganzoo.load(trained / family)
    before = weights(model)
    ganzoo.fine_tune(model, fresh_discriminator=True)
    changed = {name.partition(".")[0] for name in moved(before, weights(model))}
    judges = {name for name in model.networks if name.startswith("discriminator")}
    assert changed == judges
    assert model.trained == frozenset(model.networks) - judges
    if family == "cyclegan":  # whose generators wait until their judges can judge
        model.check_batch(dataset(family, pictures).element_spec)
        model.prepare(2)
        assert model.begin_stage(0, 2) == (2, 2 * model.warmup_steps)
        assert model.step_variant == "warmup"


def test_a_cyclegan_shows_its_discriminators_augmented_pictures_only(
    trained, pictures, monkeypatch
):
    """Real and translated alike, by draws of their own; the cycle sees them as they are."""
    asked = []

    def blank(model, images, purpose):
        asked.append(purpose)
        return images * 0.0

    model = ganzoo.fine_tune(ganzoo.load(trained / "cyclegan"), augment=["color"])
    pair = next(iter(dataset("cyclegan", pictures)))
    monkeypatch.setattr(objective, "augment_for", blank)
    _, values, fake_b = objective.generator_losses(model, "a", pair[0], training=True)
    _, _, fake_a = objective.generator_losses(model, "b", pair[1], training=True)
    fakes = {"a": fake_a, "b": fake_b}
    assert asked == ["fake b for G", "fake a for G"]
    assert float(values["cycle_loss_a"]) > 0
    assert float(np.max(np.abs(fakes["a"]))) > 0, "what the pools keep is not augmented"
    judged = objective.discriminator_losses(model, *pair, fakes, training=True)
    assert sorted(asked[2:]) == ["fake a", "fake b", "real a", "real b"]
    nothing = np.zeros_like(pair[0])
    logits = np.asarray(model.discriminator_a(nothing))
    expected = 0.5 * (np.mean((logits - 1) ** 2) + np.mean(logits**2))
    assert float(judged["discriminator_loss_a"]) == pytest.approx(float(expected), rel=1e-5)
    asked.clear()
    objective.generator_losses(model, "a", pair[0], training=False)
    objective.discriminator_losses(model, *pair, fakes, training=False)
    assert asked == []


def test_augmentation_is_refused_where_a_family_has_none(trained, monkeypatch):
    class Plain:
        def compile(self, generator_optimizer=None, discriminator_optimizer=None):
            """Takes no policies."""

    model = ganzoo.load(trained / "dcgan")
    monkeypatch.setattr("ganzoo.models.dcgan.MODEL", Plain)
    message = (
        r"^augment is \['color'\], and a model of the family 'dcgan' has no use for it\. Leave"
    )
    with pytest.raises(GanzooError, match=message):
        ganzoo.fine_tune(model, augment=["color"])


MISTAKES = [
    ({"freeze": "encoder"}, r"no network 'encoder' to freeze\..* Choose among: generator, discri"),
    ({"freeze": "discriminatr.x"}, r"no network 'discriminatr' to freeze\. Did you mean 'discrim"),
    ({"freeze": ["generator.up_61"]}, r"No layer is called 'generator.up_61'\. Did you mean 'gen"),
    (
        {"freeze": ["discriminator.down_1", "generator.up_61"]},
        r"No layer is called 'generator\.up_",
    ),
    ({"learning_rate": 0}, r"learning_rate is 0\. Give a finite number above 0\."),
    ({"learning_rate": "fast"}, r"learning_rate is 'fast'\. Give a finite number above 0"),
    ({"learning_rate": float("nan")}, r"learning_rate is nan\. Give a finite number above 0"),
    ({"augment": ["colour"]}, r"'colour' is not an augmentation\. Did you mean 'color'.* Choose"),
]


@pytest.mark.parametrize(("options", "message"), MISTAKES, ids=[str(item) for item, _ in MISTAKES])
def test_options_that_do_not_fit_are_explained(options, message, trained):
    model = ganzoo.load(trained / "dcgan")
    before = model.preset
    with pytest.raises(GanzooError, match=message):
        ganzoo.fine_tune(model, **options)
    assert model.preset is before
    layers = [layer for network in (model.generator, judge_of(model)) for layer in network.layers]
    assert all(layer.trainable for layer in layers)


def test_a_cyclegan_names_the_parts_that_it_has(trained):
    with pytest.raises(
        GanzooError, match=r"'decodr' is no part of a CycleGAN .* Did you mean 'dec"
    ):
        ganzoo.fine_tune(ganzoo.load(trained / "cyclegan"), freeze="decodr")


def test_a_model_without_a_recipe_is_compiled_by_its_maker(trained):
    model = ganzoo.load(trained / "dcgan")
    plain = type(model).from_config(model.get_config())
    with pytest.raises(GanzooError, match=r"not made by ganzoo.load, so that its recipe is not kn"):
        ganzoo.fine_tune(plain)


# --- data that does not fit -------------------------------------------------------------------


@pytest.mark.parametrize("family", ["gan", "dcgan", "progan"])
@pytest.mark.parametrize("wrong", [{"image_size": 24}, {"channels": 2}], ids=str)
def test_pictures_of_another_shape_are_refused(family, wrong, trained, pictures):
    model = ganzoo.load(trained / family)
    own = {"image_size": SIDES[family], "channels": CHANNELS[family]}
    given = own | ({"channels": 4 - own["channels"]} if "channels" in wrong else wrong)
    expected, found = (
        "{image_size}, {image_size}, {channels})".format(**shape) for shape in (own, given)
    )
    message = re.escape(
        f"trains on batches of shape (None, {expected}, and this dataset gives (2, {found}. "
        "Load the images with the model's image_size and channels, or build the model for "
    )
    with pytest.raises(DataError, match=message):
        model.fit(dataset(family, pictures, **given), epochs=1, verbose=0)
    assert model.steps_taken == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"channels": 1}, r"CycleGAN trains on batches of shape \(None, None, None, 3\), and this"),
        ({"image_size": 30}, r"are multiples of 4, .* 30×30\. Load them with another im"),
    ],
)
def test_pictures_that_a_cyclegan_cannot_take_are_refused(options, message, trained, pictures):
    model = ganzoo.load(trained / "cyclegan")
    with pytest.raises(DataError, match=message):
        model.fit(dataset("cyclegan", pictures, **options), epochs=1, verbose=0)
