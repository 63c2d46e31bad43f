"""What a preset's file may say, and the sentence that each mistake in one gets."""

import inspect

import numpy as np
import pytest

from ganzoo import cards, data, presets, schema, zoo
from ganzoo.errors import PresetError, WeightsError
from ganzoo.presets import (
    find_presets,
    for_weights,
    natural,
    override,
    parse_preset,
    preset_names,
    read_preset,
    short_name,
)

GOOD = """# A small network
#   for tests.
family: dcgan
paper: https://arxiv.org/abs/1511.06434
recipe: common
model: {image_size: 28, channels: 1, base_filters: 64}
parameters: {generator: 838400}
optimizers:
  generator_optimizer: {class_name: Adam, config: {learning_rate: 2.0e-4}}
  discriminator_optimizer: Adam
training: {batch_size: 128, epochs: 25, loss: non_saturating}
data: {source: mnist5k, image_size: 28, channels: 1}
weights:
- {source: a.h5, sha256: "00"}
deviations:
- {what: nothing, why: no reason}
"""


def parse(text=GOOD, *, change=None):
    if change:
        old, new = change
        assert text.count(old) == 1
        text = text.replace(old, new)
    return parse_preset(text, name="dcgan_test", origin="dcgan_test.yaml")


@pytest.mark.parametrize(("word", "meaning"), [("on", "on"), ("off", "off"), ("auto", "auto")])
def test_bare_words_of_a_switch_mean_themselves(word, meaning):
    preset = parse(change=("epochs: 25", f"epochs: 25, jit: {word}"))
    assert preset.training["jit"] == meaning
    assert override(preset, {"training.jit": True}).training["jit"] == "on"


def test_a_section_that_says_nothing_is_as_if_left_out():
    start, _, _ = GOOD.partition("weights:")
    empty = start + "phases: null\nweights: null\ndeviations:\n"
    empty = empty.replace("{generator: 838400}", "null")
    preset = parse(empty)
    assert (preset.parameters, preset.weights, preset.deviations) == ({}, [], [])
    assert "None are published." in cards.preset_card(preset)
    changed = override(parse(), {"weights": None, "deviations": None})
    assert (changed.weights, changed.deviations) == ([], [])
    assert "None are published." in cards.preset_card(changed)
    with pytest.raises(PresetError, match=r"model is None, NoneType\. It has to be a mapping"):
        parse(change=("{image_size: 28, channels: 1, base_filters: 64}", "null"))


def test_a_good_file_is_read_as_it_says():
    preset = parse()
    assert (preset.name, preset.origin) == ("dcgan_test", "dcgan_test.yaml")
    assert preset.model == {"image_size": 28, "channels": 1, "base_filters": 64}
    assert preset.optimizers["generator_optimizer"]["config"] == {"learning_rate": 0.0002}
    assert preset.weights == [{"source": "a.h5", "sha256": "00"}]
    assert preset.phases is None
    assert preset.summary == "A small network for tests."


def test_what_is_written_is_read_back():
    preset = parse()
    again = parse_preset(preset.to_yaml(), name="dcgan_test", origin="dcgan_test.yaml")
    assert again == preset
    assert again.summary == preset.summary
    keys = [line.partition(":")[0] for line in preset.to_yaml().splitlines() if line[0].isalpha()]
    assert keys == [key for key in schema.SECTIONS if key != "phases"]


def test_a_path_that_is_not_utf_8_is_written_and_read_back():
    preset = override(read_preset("dcgan_mnist"), {"data.source": "caf\udce9"})
    text = preset.to_yaml().encode("utf-8").decode("utf-8")
    again = parse_preset(text, name=preset.name, origin=preset.origin)
    assert again.data["source"] == "caf\udce9"
    assert "data | `caf\\udce9`;" in cards.folder_card(again, {"generator": 1})
    assert "data | `caf\\udce9`;" in cards.preset_card(again)


def test_a_bar_in_a_name_begins_no_cell_of_a_cards_table():
    preset = override(read_preset("dcgan_mnist"), {"data.source": "dogs|cats"})
    scores = [{"metric": "fid", "value": 1.5, "protocol": "a | b\nand c"}]
    card = cards.folder_card(preset, {"generator": 1}, scores=scores)
    assert "| data | `dogs\\|cats`; " in card
    assert "| score | value | protocol |\n|---|---|---|\n| fid | 1.5 | a \\| b and c |\n" in card


def test_a_licence_of_several_lines_is_read_back_out_of_a_card():
    preset, text = read_preset("dcgan_mnist"), "MIT\n\nwithout any warranty\n"
    card = cards.folder_card(preset, {"generator": 1}, notes="Mine.", licence=text)
    assert cards.read_card(card) == ("Mine.", "MIT without any warranty")


def test_settings_may_be_changed_without_touching_the_preset():
    preset = parse()
    preset.settings()["optimizers"]["generator_optimizer"]["config"]["learning_rate"] = 1.0
    assert preset.optimizers["generator_optimizer"]["config"]["learning_rate"] == 0.0002


MISTAKES = [
    (
        ("recipe: common", "recepie: common"),
        r"^dcgan_test.yaml: there is no key 'recepie' \(its value is 'common'\)\. "
        r"Did you mean 'recipe'\? Known keys: family, paper, recipe, .*deviations\.$",
    ),
    (
        ("image_size: 28, channels: 1}\nweights", "imagesize: 28, channels: 1}\nweights"),
        r"no key 'data.imagesize' \(its value is 28\)\. Did you mean 'data.image_size'",
    ),
    (
        ("class_name: Adam", "classname: Adam"),
        r"no key 'optimizers.generator_optimizer.classname' \(its value is 'Adam'\)\. "
        r"Did you mean 'optimizers.generator_optimizer.class_name'",
    ),
    (
        ('sha256: "00"', 'sha265: "00"'),
        r"no key 'weights\[0\].sha265' \(its value is '00'\)\. Did you mean 'weights\[0\].sha256'",
    ),
    (("recipe: common", "recipe: comon"), r"recipe is 'comon'\. Did you mean 'common'\? It is one"),
    (("recipe: common\n", ""), r"^dcgan_test.yaml lacks recipe\. Every preset needs them"),
    (("family: dcgan", "family: 3"), r"family is 3, int\. It has to be text\.$"),
    (("batch_size: 128", "batch_size: many"), r"training.batch_size is 'many', str\. .* a whole"),
    (("batch_size: 128", "batch_size: true"), r"training.batch_size is True, bool\. .* a whole"),
    (("batch_size: 128", "batch_size: 1.5"), r"training.batch_size is 1.5, float\. .* a whole"),
    (("_optimizer: Adam", "_optimizer: [1]"), r"optimizers.discriminator_optimizer is \[1\], list"),
    (("838400", "many"), r"parameters.generator is 'many', str\. It has to be a whole number"),
    (
        ("a.h5,", "a.h5, networks: generator,"),
        r"weights\[0\].networks is 'generator', str\. .* list",
    ),
    (
        ("a.h5,", "a.h5, parameters: {x: 1.5},"),
        r"weights\[0\].parameters.x is 1.5, float\. .* whole",
    ),
    (
        ("a.h5,", "a.h5, scores: [{metric: fid, value: 8}],"),
        r"weights\[0\].scores\[0\] lacks protocol\. A number without its protocol says nothing\.",
    ),
    (
        ("a.h5,", "a.h5, scores: [{mertic: fid}],"),
        r"no key 'weights\[0\].scores\[0\].mertic' .*Did you mean 'weights\[0\].scores\[0\].metr",
    ),
    (
        ("a.h5,", "a.h5, scores: [{metric: fid, value: eight, protocol: none}],"),
        r"weights\[0\].scores\[0\].value is 'eight', str\. It has to be a number",
    ),
    (("a.h5,", "a.h5, networks: [1],"), r"weights\[0\].networks\[0\] is 1, int\. .* text"),
    (("source: a.h5, ", ""), r"weights\[0\] lacks source\. Say where the weights come from"),
    (("source: mnist5k", "source: [a, 2]"), r"data.source\[1\] is 2, int\. It has to be text"),
    (("source: mnist5k", "source: 2"), r"data.source is 2, int\. It has to be text or a list"),
    (("{what: nothing, why: no reason}", "text"), r"deviations\[0\] is 'text', str\. .* mapping"),
    (
        ("why: no reason}", "wy: no reason}"),
        r"no key 'deviations\[0\].wy' .*Did you mean 'deviations\[0\].why'",
    ),
    ((", why: no reason}", "}"), r"deviations\[0\] lacks why\. Say both what and why\.$"),
    (("why: no reason}", "why: 3}"), r"deviations\[0\].why is 3, int\. It has to be text"),
    (("- {source: a.h5, ", "- 3\n- {source: a.h5, "), r"weights\[0\] is 3, int\. .* a mapping"),
    (("2.0e-4", "2e-4"), r"config.learning_rate is '2e-4', which YAML .* as text\. Write 2.0e-4"),
    (("2.0e-4", "5E3"), r"learning_rate is '5E3', which YAML reads as text\. Write 5.0e\+3\.$"),
    (("2.0e-4", "1.5e3"), r"learning_rate is '1.5e3', which YAML reads as text\. Write 1.5e\+3"),
    (
        ("source: mnist5k", "source: !!python/object/apply:os.getcwd []"),
        r"^dcgan_test.yaml is not plain YAML: .*python/object/apply:os.getcwd.*no tags, no code",
    ),
    (("recipe: common", "recipe: [common"), r"^dcgan_test.yaml is not plain YAML: .*line 5"),
    (("common", "2014-06-31"), r"is not plain YAML: day .* for month\. Write values only"),
    (("common", "!!bool maybe"), r"is not plain YAML: 'maybe'\. Write values only"),
    (
        ("deviations:", "data: {source: mine}\ndeviations:"),
        r"is not plain YAML: the key 'data' stands twice, again in line \d+\. Write .* key once, n",
    ),
    (("epochs: 25", "epochs: 25, 'epochs': 26"), r"the key 'epochs' stands twice"),
    (("mnist5k", 100_000 * "["), r"is not plain YAML: it nests values more than 20 deep\."),
    (("mnist5k", 5000 * "9"), r"is not plain YAML: Exceeds the limit \(4300 digits\)"),
]


@pytest.mark.parametrize(
    ("change", "message"), MISTAKES, ids=[item[0][1][:40] for item in MISTAKES]
)
def test_a_mistake_is_named_with_its_place(change, message):
    with pytest.raises(PresetError, match=message):
        parse(change=change)


def test_aliases_are_copies():
    """An override of one optimizer must not reach the other, which the YAML has it share."""
    before = read_preset("gan_mnist")
    key = "optimizers.generator_optimizer.config.learning_rate"
    after = override(before, {key: 0.25})
    assert after.optimizers["generator_optimizer"]["config"]["learning_rate"] == 0.25
    assert after.optimizers["discriminator_optimizer"]["config"]["learning_rate"] == 0.1
    assert "&" not in after.to_yaml()


LAUGHS = "\n".join(
    ["model: &a0 {x: 1}", *(f"m{n + 1}: &a{n + 1} [*a{n}, *a{n}, *a{n}]" for n in range(40))]
)


@pytest.mark.parametrize("text", ["model: &a [*a]", "model: &a {b: *a}", LAUGHS])
def test_aliases_without_end_are_refused(text):
    with pytest.raises(PresetError, match=r"^dcgan_test.yaml repeats values without end"):
        parse(text)


@pytest.mark.parametrize(("text", "kind"), [("- a\n- b", "list"), ("", "NoneType"), ("a", "str")])
def test_a_file_that_is_no_mapping(text, kind):
    with pytest.raises(PresetError, match=f"holds {kind} where a preset's keys should be\\. It"):
        parse(text)


def test_overrides_replace_values_at_any_depth():
    before = parse()
    after = override(
        before,
        {
            "model.base_filters": 8,
            "model.latent_dim": 5,
            "optimizers.generator_optimizer.config.learning_rate": 0.1,
            "optimizers.discriminator_optimizer": {"class_name": "SGD"},
            "phases": [{"resolution": 4}],
        },
    )
    assert after.model == before.model | {"base_filters": 8, "latent_dim": 5}
    assert after.optimizers["generator_optimizer"]["config"] == {"learning_rate": 0.1}
    assert after.optimizers["discriminator_optimizer"] == {"class_name": "SGD"}
    assert after.phases == [{"resolution": 4}]
    assert before.model["base_filters"] == 64
    assert before.optimizers["generator_optimizer"]["config"] == {"learning_rate": 0.0002}


def test_overrides_become_what_yaml_can_hold():
    shape = (np.int64(28), 28, np.int32(1))
    after = override(
        parse(),
        {
            "model.image_shape": shape,
            "data.flip": np.True_,
            "training.seed": np.uint32(3),
            "optimizers.generator_optimizer": {
                "class_name": "Adam",
                "config": {"learning_rate": np.float32(0.25), "betas": ({"a": (1,)},)},
            },
        },
    )
    assert after.model["image_shape"] == [28, 28, 1]
    assert after.data["flip"] is True
    config = after.optimizers["generator_optimizer"]["config"]
    assert config == {"learning_rate": 0.25, "betas": [{"a": [1]}]}
    assert type(config["learning_rate"]) is float
    again = parse_preset(after.to_yaml(), name="dcgan_test", origin=after.origin)
    assert again.settings() == after.settings()


def test_overrides_of_the_model_take_the_facts_of_the_old_one_away():
    before = parse()
    assert override(before, {}) == before
    assert override(before, {}).summary == before.summary
    longer = override(before, {"training.epochs": 3})
    assert (longer.parameters, longer.summary) == ({"generator": 838400}, "")
    assert override(before, {"model.base_filters": 8}).parameters == {}
    assert override(before, {"model": {}}).parameters == {}


def test_weights_may_be_of_other_networks_than_the_presets():
    before = parse()
    entry = {"model": {"base_filters": 8, "channels": 1}, "parameters": {"generator": 5}}
    after, changes = for_weights(before, entry, {"training.epochs": 3})
    assert changes == {"base_filters": 8}
    assert after.model == before.model | {"base_filters": 8}
    assert (after.parameters, after.training["epochs"]) == ({"generator": 5}, 3)
    assert before.model["base_filters"] == 64
    assert for_weights(before, {}, {}) == (before, {})
    wished, _ = for_weights(before, entry, {"model.base_filters": 16})
    assert (wished.model["base_filters"], wished.parameters) == (16, {})


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"modle.base_filters": 8}, r"no key 'modle.base_filters' .* mean 'model.base_filters'"),
        ({"base_filters": 8}, r"no key 'base_filters' .*Did you mean 'model.base_filters'"),
        ({"batchsize": 8}, r"no key 'batchsize' \(its value is 8\)\. .*'training.batch_size'"),
        ({"data.imagesize": 8}, r"overrides: there is no key 'data.imagesize' .*'data.image_size'"),
        ({"training.batch_size": "8"}, r"with its overrides: training.batch_size is '8', str"),
        ({"recipe": "mine"}, r"^dcgan_test.yaml with its overrides: recipe is 'mine'\. It is one"),
        ({"recipe.mine": 1}, r"'recipe.mine' goes through 'recipe', which holds no keys\. "),
        ({"model.image_size.x": 1}, r"through 'image_size', .* Override 'model.image_size' as a"),
        ({"training.loss": "3e-4"}, r"training.loss is '3e-4', which YAML reads as text"),
    ],
)
def test_overrides_that_fit_nowhere(overrides, message):
    with pytest.raises(PresetError, match=message):
        override(parse(), overrides)


def test_an_unknown_preset_is_answered_with_the_nearest():
    expected = r"^There is no preset named 'dcgan_minst'\. Did you mean 'dcgan_mnist'.*ganzoo list$"
    with pytest.raises(PresetError, match=expected):
        read_preset("dcgan_minst")
    with pytest.raises(PresetError, match=r"no preset named '../zoo_configs/dcgan_mnist'"):
        read_preset("../zoo_configs/dcgan_mnist")


def test_names_are_in_natural_order():
    names = ["a_celebahq1024", "a_celebahq128", "a_b", "a_celebahq64"]
    assert sorted(names, key=natural) == ["a_b", "a_celebahq64", "a_celebahq128", "a_celebahq1024"]
    assert preset_names() == sorted(preset_names(), key=natural)
    assert {"gan_mnist", "gan_ring", "dcgan_mnist", "dcgan_lsun_bedroom"} <= set(preset_names())


def test_presets_are_found_by_pattern_family_and_weights(monkeypatch):
    assert find_presets() == preset_names()
    assert find_presets("dcgan_*mnist") == ["dcgan_fashion_mnist", "dcgan_mnist", "dcgan_notmnist"]
    assert find_presets(family="gan") == find_presets("gan_*")
    assert find_presets("*_mnist", family="gan") == ["gan_fashion_mnist", "gan_mnist"]
    assert find_presets("nothing*") == []
    trained = override(read_preset("gan_mnist"), {"weights": [{"source": "x", "sha256": "y"}]})
    plain = presets.read_preset
    monkeypatch.setattr(
        presets, "read_preset", lambda name: trained if name == "gan_mnist" else plain(name)
    )
    assert find_presets("gan_mnist", pretrained=True) == ["gan_mnist"]
    assert find_presets("gan_grid25", pretrained=True) == []


def test_an_unknown_family_is_answered_with_the_nearest():
    with pytest.raises(PresetError, match=r"no family 'dcgn'\. Did you mean 'dcgan'.* Families:"):
        find_presets(family="dcgn")
    assert find_presets("cyclegan_*", family="gan") == []


def test_a_file_of_ones_own_is_a_preset(tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text(GOOD)
    preset = read_preset(str(file))
    assert (preset.name, preset.origin) == ("mine", str(file))
    assert preset.settings() == parse().settings()
    assert (short_name(str(file)), short_name("gan_ring")) == ("mine", "gan_ring")
    weights = [{"source": "package:a.h5", "sha256": 64 * "0"}]
    assert f'ganzoo.load("{file}")' in cards.preset_card(override(preset, {"weights": weights}))
    untrained = override(preset, {"weights": []})
    assert f"`ganzoo train {file}`" in cards.preset_card(untrained)
    with pytest.raises(WeightsError, match=f"no trained weights yet.* ganzoo train {file}; or"):
        zoo.refuse_untrained(untrained)
    file.write_text(GOOD.replace("recipe: common", "recipes: common"))
    with pytest.raises(PresetError, match=r"mine\.yaml: there is no key 'recipes'"):
        read_preset(str(file))


@pytest.mark.parametrize(
    ("content", "reason"),
    [(None, "No such file"), (b"\xff\xfe", "codec can't decode")],
)
def test_a_file_that_cannot_be_read_says_so(content, reason, tmp_path):
    file = tmp_path / "mine.yml"
    if content:
        file.write_bytes(content)
    with pytest.raises(PresetError, match=rf"The preset .*mine\.yml cannot be read: .*{reason}"):
        read_preset(str(file))


def test_data_keys_are_what_data_load_takes():
    taken = set(inspect.signature(data.load).parameters)
    assert set(schema.DATA_KEYS) == taken - {"batch_size", "seed"}


@pytest.mark.parametrize("name", preset_names())
def test_every_preset_tells_its_data_and_its_length(name):
    preset = read_preset(name)
    assert "source" in preset.data
    assert preset.training["batch_size"] > 0
    assert bool(preset.phases) or "steps" in preset.training or "epochs" in preset.training
    if "image_size" in preset.data and "image_size" in preset.model:
        assert preset.data["image_size"] == preset.model["image_size"]
    for item in preset.deviations:
        assert item["what"]
        assert item["why"]
