"""From a name to a model and back to a folder, and what each way to go wrong is told."""

import pathlib
import pickle
import types

import h5py
import keras
import numpy as np
import pytest
import yaml

import ganzoo
from ganzoo import presets, storage, zoo
from ganzoo.errors import GanzooError, PresetError, WeightsError
from ganzoo.files import sha256_of, write_sums
from ganzoo.optimizers import AnnealedSGD
from tests.models.conformance import greatest_difference

TINY = {"model.base_filters": 2, "model.latent_dim": 4, "model.ema_half_life": None}


def load(name="dcgan_mnist", *, weights=False, seed=0, **options):
    keras.utils.set_random_seed(seed)
    return ganzoo.load(name, weights=weights, **TINY | options)


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A small model and the folder that it was saved to."""
    folder = tmp_path_factory.mktemp("zoo") / "model"
    model = load()
    ganzoo.save(model, folder, notes="Trained on nothing.")
    return model, folder


@pytest.fixture
def copied(saved, tmp_path):
    """A copy of that folder, to be damaged."""
    folder = tmp_path / "model"
    folder.mkdir()
    for file in saved[1].iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    return folder


# --- folders ----------------------------------------------------------------------------------


def test_a_model_folder_holds_what_it_says(saved):
    _, folder = saved
    assert sorted(file.name for file in folder.iterdir()) == [
        *("README.md", "SHA256SUMS", "model.weights.h5", "preset.yaml", "samples.png")
    ]
    settings = yaml.safe_load((folder / "preset.yaml").read_text())
    assert settings["model"]["base_filters"] == 2
    with h5py.File(folder / "model.weights.h5") as file:
        assert sorted(file) == ["discriminator", "generator"]
    for file in folder.iterdir():
        assert b"pickle" not in file.read_bytes()


def test_a_folder_gives_back_the_model(saved):
    model, folder = saved
    loaded = ganzoo.load(folder)
    assert greatest_difference(model, loaded)[0] == 0
    assert loaded.trained == {"generator", "discriminator"}
    np.testing.assert_array_equal(loaded.generate(3, seed=1), model.generate(3, seed=1))
    assert loaded.compiled
    assert loaded.preset.name == folder.parent.name
    assert ganzoo.load(str(folder.parent)).trained == loaded.trained, "a run folder's model/"


def test_a_folder_can_be_opened_without_its_weights(saved):
    model, folder = saved
    assert greatest_difference(model, ganzoo.load(folder, weights=False))[0] > 0
    other = ganzoo.load(folder, weights=False, **{"model.base_filters": 3})
    assert other.generator.count_params() > model.generator.count_params()
    with pytest.raises(WeightsError, match=r"does not fit this model: other shape: generator/pro"):
        ganzoo.load(folder, **{"model.base_filters": 3})


def test_a_weights_file_can_be_loaded_into_a_preset(saved):
    model, folder = saved
    loaded = load(weights=folder / "model.weights.h5")
    assert greatest_difference(model, loaded)[0] == 0
    with pytest.raises(WeightsError, match=r"There is no weights file .*nothing.h5\. Check the pa"):
        load(weights=folder / "nothing.h5")


def test_an_old_model_folder_is_replaced(saved, copied):
    other = load(seed=1)
    ganzoo.save(other, copied, half=True)
    assert greatest_difference(other, ganzoo.load(copied))[0] < 1e-3
    assert greatest_difference(saved[0], ganzoo.load(copied))[0] > 1e-2
    assert [path.name for path in copied.parent.iterdir()] == ["model"]


def test_folders_with_other_things_are_left_alone(saved, tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(
        GanzooError, match=r"exists and holds other things, such as thesis.txt\. Na"
    ):
        ganzoo.save(saved[0], tmp_path)
    with pytest.raises(GanzooError, match=r"thesis.txt is a file\. Name a folder for the model\."):
        ganzoo.save(saved[0], tmp_path / "thesis.txt")
    assert (tmp_path / "thesis.txt").read_text() == "years of work"
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_save_that_fails_leaves_the_old_folder(saved, copied, monkeypatch):
    monkeypatch.setattr(storage, "write_weights", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError, match="division"):
        ganzoo.save(saved[0], copied)
    assert ganzoo.load(copied).trained
    assert [path.name for path in copied.parent.iterdir()] == ["model"]


def cut(folder):
    file = folder / "model.weights.h5"
    file.write_bytes(file.read_bytes()[:-100])


def tamper(folder):
    file = folder / "model.weights.h5"
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def tag(folder):
    file = folder / "preset.yaml"
    text = file.read_text().replace("family: dcgan", "family: !!python/object/apply:os.getcwd []")
    file.write_text(text)


def add_key(folder):
    with (folder / "preset.yaml").open("a") as file:
        file.write("colour: blue\n")


def renew(folder):
    with h5py.File(folder / "model.weights.h5", "a") as file:
        file.attrs["ganzoo_format"] = 2


def empty(folder):
    with h5py.File(folder / "model.weights.h5", "a") as file:
        for name in list(file):
            del file[name]


def latin(name):
    def garble(folder):
        (folder / name).write_bytes("Größe: 3\n".encode("latin-1"))

    return garble


def name_of(text):
    def garble(folder):
        with (folder / "SHA256SUMS").open("a") as file:
            file.write(f"{'0' * 64}  {text}\n")

    return garble


def circle(folder):
    (folder / "circle").symlink_to("circle")
    name_of("circle")(folder)


def swap(folder):
    narrow = {"model.generator_units": [4, 4], "model.ema_half_life": None}
    other = ganzoo.load("gan_mnist", weights=False, **narrow)
    storage.write_weights(folder / "model.weights.h5", other.networks)


def sign(damage):
    """Damages a folder as somebody would who then writes the hashes anew."""

    def damaged(folder):
        damage(folder)
        write_sums(folder, [file.name for file in folder.iterdir() if file.name != "SHA256SUMS"])

    return damaged


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (cut, r"is damaged: model.weights.h5 is absent or not as SHA256SUMS says\. Fetch or save"),
        (lambda folder: (folder / "README.md").unlink(), r"is damaged: README.md is absent or"),
        (lambda folder: (folder / "model.weights.h5").unlink(), r"is damaged: model.weights.h5 is"),
        (
            lambda folder: (folder / "SHA256SUMS").unlink(),
            r"has no SHA256SUMS, so that its weights .*\. Fetch or save the model again\.$",
        ),
        (lambda folder: (folder / "preset.yaml").unlink(), r"no preset.yaml, .*r\. Fetch or save"),
        (
            lambda folder: (folder / "preset.yaml").write_text("family: gan\n"),
            r"is damaged: preset.yaml is absent or not as SHA256SUMS says",
        ),
        (
            lambda folder: (folder / "SHA256SUMS").write_text(""),
            r"is damaged: model.weights.h5, preset.yaml is absent or not as SHA256SUMS says",
        ),
        (tamper, r"is damaged: model.weights.h5 is absent or not as SHA256SUMS says\. Fetch or sa"),
        (
            sign(tag),
            r"preset.yaml is not plain YAML: .*python/object/apply:os.getcwd.*Write values only: ",
        ),
        (sign(add_key), r"preset.yaml: there is no key 'colour' \(its value is 'blue'\)\."),
        (sign(renew), r"has weights format 2, and this ganzoo reads up to 1\. Update ganzoo\.$"),
        (
            sign(cut),
            r"model.weights.h5 cannot be read as a weights file .* cut short or of another",
        ),
        (sign(empty), r"model.weights.h5 holds no network at all\. Fetch it again, or save the"),
        (latin("SHA256SUMS"), r"SHA256SUMS is no text in UTF-8: byte 2 is no part .* Fetch or s"),
        (sign(latin("preset.yaml")), r"preset.yaml is no text in UTF-8: byte 2 is no part of"),
        (sign(latin("README.md")), r"README.md is no text in UTF-8: byte 2 is no part of one"),
        (name_of("a\0b"), r"a line that names no file, '0{64}  a\\x00b'\. Fetch or save the model"),
        (name_of("a" * 300), r"SHA256SUMS holds a line that names no file, '0{64}  a+'\. Fetch or"),
        (name_of(""), r"SHA256SUMS holds a line that names no file, '0{64}  '\. Fetch or save"),
        (circle, r"is damaged: circle is absent or not as SHA256SUMS says"),
        (sign(swap), r"does not fit this model: missing: .*Load the weights into the preset that"),
    ],
)
def test_a_damaged_folder_is_refused(copied, damage, message):
    damage(copied)
    with pytest.raises((WeightsError, PresetError), match=message):
        ganzoo.load(copied)


def test_a_generator_without_weights_makes_no_images(copied):
    with h5py.File(copied / "model.weights.h5", "a") as file:
        del file["generator"]
    sign(lambda folder: None)(copied)
    model = ganzoo.load(copied)
    message = r"trained weights for discriminator only, and not for its generator\. Train it with"
    with pytest.raises(WeightsError, match=message):
        model.generate(1)
    model.fit(np.zeros((4, 28, 28, 1), "float32"), batch_size=4, epochs=1, verbose=0)
    assert model.generate(1).shape == (1, 28, 28, 1)


def test_what_is_no_model_folder_says_so(tmp_path):
    with pytest.raises(WeightsError, match=r"is a folder without a model: .* when it ends or is"):
        ganzoo.load(tmp_path)
    (tmp_path / "net.pth").write_bytes(b"")
    with pytest.raises(
        WeightsError, match=r"net.pth is a file, and a model is a folder\. .* import"
    ):
        ganzoo.load(tmp_path / "net.pth")
    with pytest.raises(
        WeightsError, match=r"load_file\('a.safetensors'\), 'a.pth'\), and .* import"
    ):
        ganzoo.load("a.safetensors")
    for name in ("absent.keras", "absent.pkl", "absent.pickle", "absent.h5"):
        with pytest.raises(WeightsError, match=f"{name} is a file, and a model is a folder"):
            ganzoo.load(name)


class Bomb:
    """Its pickle leaves a trace where it is opened."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return pathlib.Path.touch, (self.path,)


def test_a_keras_file_or_a_pickle_is_never_opened(saved, tmp_path):
    trace = tmp_path / "trace"
    (tmp_path / "m.pkl").write_bytes(pickle.dumps(Bomb(trace)))
    saved[0].save(tmp_path / "m.keras")
    for name in ("m.pkl", "m.keras"):
        file = tmp_path / name
        with pytest.raises(WeightsError, match=f"{name} is a file, and a model is a folder"):
            ganzoo.load(file)
        with pytest.raises(WeightsError, match=f"{name} cannot be read as a weights file .* kind"):
            load(weights=file)
    folder = tmp_path / "model"  # a folder whose weights are a pickle
    folder.mkdir()
    (folder / "preset.yaml").write_bytes((saved[1] / "preset.yaml").read_bytes())
    (folder / "model.weights.h5").write_bytes((tmp_path / "m.pkl").read_bytes())
    write_sums(folder, ["preset.yaml", "model.weights.h5"])
    with pytest.raises(WeightsError, match=r"model.weights.h5 cannot be read as a weights file"):
        ganzoo.load(folder)
    assert not trace.exists()


def test_a_weights_file_of_another_preset_is_refused(tmp_path):
    narrow = {"model.generator_units": [4, 4], "model.ema_half_life": None}
    other = ganzoo.load("gan_mnist", weights=False, **narrow)
    storage.write_weights(tmp_path / "gan.h5", other.networks)
    model = load()
    before = model.generator.get_weights()
    with pytest.raises(WeightsError, match=r"gan.h5 does not fit this model: missing: .*preset th"):
        zoo.read_weights_file(model, tmp_path / "gan.h5")
    for old, new in zip(before, model.generator.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_a_model_folder_gives_its_weights_to_a_preset(saved, copied):
    for folder in (copied, copied.parent):  # a run folder holds its model
        assert greatest_difference(saved[0], load(weights=folder))[0] == 0
    tamper(copied)
    with pytest.raises(WeightsError, match=r"is damaged: model.weights.h5 is absent or not as"):
        load(weights=copied)
    (copied / "preset.yaml").unlink()
    with pytest.raises(WeightsError, match=r"has no preset.yaml, so that it is no model folder"):
        load(weights=copied)


def test_a_model_that_ganzoo_did_not_make_is_saved_with_keras(saved):
    plain = type(saved[0]).from_config(saved[0].get_config())
    with pytest.raises(
        GanzooError, match=r"not made by ganzoo.load.*Save it with Keras: model.sav"
    ):
        ganzoo.save(plain, "anywhere")


def test_only_networks_that_are_trained_are_kept(saved, tmp_path):
    storage.write_weights(tmp_path / "g.h5", {"generator": saved[0].generator})
    model = load(weights=tmp_path / "g.h5", seed=5)
    assert model.trained == {"generator"}
    ganzoo.save(model, tmp_path / "half")
    assert storage.stored_networks(tmp_path / "half" / "model.weights.h5") == ["generator"]
    assert ganzoo.load(tmp_path / "half").trained == {"generator"}
    storage.write_weights(tmp_path / "x.h5", {"critic": saved[0].generator})
    with pytest.raises(
        WeightsError, match=r"networks that this model does not have: critic\. Load"
    ):
        load(weights=tmp_path / "x.h5")


def test_weights_without_an_average_are_the_average_of_one(saved, tmp_path):
    storage.write_weights(tmp_path / "g.h5", {"generator": saved[0].generator})
    model = load(weights=tmp_path / "g.h5", seed=5, **{"model.ema_half_life": 100})
    assert model.trained == {"generator", "ema_generator"}
    np.testing.assert_array_equal(model.generate(2, seed=1), saved[0].generate(2, seed=1))
    storage.write_weights(tmp_path / "a.h5", {"ema_generator": model.ema_generator})
    other = load(weights=tmp_path / "a.h5", seed=6, **{"model.ema_half_life": 100})
    assert other.trained == {"ema_generator"}, "an average is not what trained"


# --- presets ----------------------------------------------------------------------------------


def test_listing_and_info():
    assert ganzoo.list_presets("gan_r*") == ["gan_ring"]
    assert ganzoo.list_presets(family="dcgan") == presets.find_presets("dcgan_*")
    info = ganzoo.preset_info("dcgan_mnist")
    assert (info["name"], info["family"], info["recipe"]) == ("dcgan_mnist", "dcgan", "common")


def test_a_preset_is_built_and_compiled_as_it_says():
    model = ganzoo.load(
        "gan_mnist",
        weights=False,
        **{
            "model.generator_units": [4, 4],
            "optimizers.generator_optimizer.config.learning_rate": 0.25,
            "training.loss": "minimax",
        },
    )
    assert isinstance(model.generator_optimizer, AnnealedSGD)
    assert float(np.asarray(model.generator_optimizer.learning_rate)) == 0.25
    assert float(np.asarray(model.discriminator_optimizer.learning_rate)) == pytest.approx(0.1)
    assert model.generator_optimizer is not model.discriminator_optimizer
    assert model.loss == "minimax"
    assert model.trained == frozenset()


@pytest.mark.parametrize("precision", ["float32", "bfloat16", "float16"])
def test_precision_is_that_of_all_networks(precision):
    before = keras.config.dtype_policy().name
    model = load(precision=precision)
    kernel = model.generator.get_layer("up_14").kernel
    assert (kernel.dtype, model.generator.get_layer("up_14").compute_dtype) == (
        "float32",
        precision,
    )
    scaled = isinstance(model.generator_optimizer, keras.optimizers.LossScaleOptimizer)
    assert scaled == (precision == "float16")
    assert np.asarray(model(np.zeros((1, 4), "float32"))).dtype == "float32"
    assert keras.config.dtype_policy().name == before
    assert load(**{"training.precision": precision}).compute_dtype == precision


@pytest.mark.parametrize(
    ("settings", "seed"),
    [({}, 0), ({"training.seed": 3}, 3), ({"training.seed": 3, "model.seed": 5}, 5)],
)
def test_a_seed_of_the_model_goes_before_that_of_the_run(settings, seed):
    assert ganzoo.load("gan_ring", weights=False, **settings).seed == seed


@pytest.mark.parametrize(
    ("networks", "direction"),
    [
        (["generator_ab"], "ab"),
        (["generator_ba"], "ba"),
        (["generator_ab", "generator_ba"], None),
        (["generator"], None),
        (None, None),
    ],
)
def test_a_lone_direction_of_published_weights_is_told(networks, direction, monkeypatch):
    asked = []

    def fill(model, path, *, direction):
        asked.append((path, direction))

    monkeypatch.setattr("ganzoo.importing.fill_from_checkpoint", fill)
    entry = {"source": "https://example.org/x.pth", "format": "pytorch", "networks": networks}
    model = types.SimpleNamespace()
    zoo._fill_with_published(model, "x.pth", entry | {"licence": "MIT", "notes": "Of 2017."})
    assert asked == [("x.pth", direction)]
    assert model.provenance == "Imported from <https://example.org/x.pth>. Of 2017."
    assert model.licence == "MIT"


def test_the_precision_asked_for_is_recorded(tmp_path):
    """Card, settings and the model that is read back agree; the preset given stays as it is."""
    asked = presets.override(presets.read_preset("dcgan_mnist"), TINY)
    before = asked.settings()
    model = zoo.build(asked, precision="bfloat16")
    assert asked.settings() == before
    assert model.preset.training["precision"] == "bfloat16"
    model.fit(-np.ones((4, 28, 28, 1), "float32"), batch_size=4, epochs=1, verbose=0)
    ganzoo.save(model, tmp_path / "rough")
    assert "| precision | bfloat16 |" in (tmp_path / "rough" / "README.md").read_text()
    again = ganzoo.load(tmp_path / "rough")
    assert again.compute_dtype == again.preset.training["precision"] == "bfloat16"
    assert greatest_difference(model, again)[0] == 0


def test_a_model_is_read_back_in_another_precision(tmp_path):
    ganzoo.save(load(precision="bfloat16"), tmp_path / "rough", notes="Trained on nothing.")
    fine = ganzoo.load(tmp_path / "rough", precision="float32")
    assert fine.compute_dtype == "float32"
    ganzoo.save(fine, tmp_path / "fine")
    card = (tmp_path / "fine" / "README.md").read_text()
    assert "\nFrom a model of precision bfloat16. Before that: Trained on nothing.\n" in card
    assert "| precision |" not in card, "they were trained in another"
    again = ganzoo.load(tmp_path / "fine")
    assert again.compute_dtype == again.preset.training["precision"] == "float32"
    assert again.provenance == fine.provenance
    assert ganzoo.load(tmp_path / "rough").provenance == "Trained on nothing."


MISTAKES = [
    (
        {"model.base_filter": 2},
        r"no key 'model.base_filter' .* 'dcgan'\. Did you mean 'base_filter",
    ),
    ({"model.base_filters": "many"}, r"model.base_filters is 'many', str\. It has to be a number"),
    ({"model.base_filters": True}, r"model.base_filters is True, bool\. It has to be a number"),
    ({"model.dense_ends": 1}, r"model.dense_ends is 1, int\. It has to be true or false"),
    ({"model.latent_distribution": 3}, r"latent_distribution is 3, int\. It has to be text"),
    ({"training.augment": "color"}, r"training.augment is 'color', str\. It has to be a list"),
    ({"model.base_filters": -1}, r"base_filters is -1\. Give a whole number from 1 up"),
    (
        {"model.latent_dim": -1},
        r"no model can be built with these settings: .*Compare the values",
    ),
    ({"model.image_size": 30}, r"A DCGAN cannot have image_size 30\. Use 28, 16, 32"),
    ({"training.l2_wieght": 1.0}, r"no key 'training.l2_wieght' .*Did you mean 'l2_weight'"),
    ({"training.epoch": 3}, r"no key 'training.epoch' .*Did you mean 'epochs'"),
    ({"training.loss": "minmax"}, r"named 'minmax' for a DCGAN\. Did you mean 'minimax'"),
    ({"family": "dcgn"}, r"there is no family 'dcgn'\. Did you mean 'dcgan'.*Families: cyclegan, "),
    (
        {"optimizers.generator_optimizr": "Adam"},
        r"no key 'optimizers.generator_optimizr' .*generato",
    ),
    ({"optimizers.loss": "adam"}, r"no key 'optimizers.loss' .*: generator_optimizer, discrimin"),
    (
        {"training.generator_optimizer": "adam"},
        r"no key 'training.generator_optimizer' \(its value is 'adam'\)",
    ),
    (
        {"optimizers.generator_optimizer": None},
        r"generator_optimizer is None, NoneType",
    ),
    (
        {"optimizers.generator_optimizer": "Adan"},
        r"optimizers.generator_optimizer is not a Keras op",
    ),
    (
        {"optimizers.generator_optimizer.config.learningrate": 1.0},
        r"optimizers.generator_optimizer is not a Keras optimizer: .*learningrate.* Write",
    ),
]


@pytest.mark.parametrize(
    ("overrides", "message"), MISTAKES, ids=[str(item[0]) for item in MISTAKES]
)
def test_overrides_that_fit_no_model_are_explained(overrides, message):
    with pytest.raises(GanzooError, match=message):
        load(**overrides)


def test_a_wrong_setting_of_an_optimizer_of_ganzoo_is_explained():
    setting = {"optimizers.generator_optimizer.config.final_momentun": 0.7}
    with pytest.raises(PresetError, match=r"generator_optimizer is not .*final_momentun"):
        ganzoo.load("gan_mnist", weights=False, **setting)


def test_an_unknown_precision_is_answered_with_the_known():
    with pytest.raises(
        GanzooError, match=r"no precision 'float61'\. Did you mean 'float16'.*Choose"
    ):
        load(precision="float61")


def test_a_preset_without_weights_says_how_to_come_by_some(monkeypatch):
    expected = (
        r"^'gan_grid25' has no trained weights yet\. Its relative 'gan_ring' has\. Train "
        r"it: ganzoo train gan_grid25; or build it with random ones, in Python, with weights=F"
    )
    with pytest.raises(WeightsError, match=expected):
        ganzoo.load("gan_grid25")
    monkeypatch.setattr(presets, "find_presets", lambda **options: ["gan_notmnist"])
    with pytest.raises(WeightsError, match=r"Its relative 'gan_notmnist' has\. Train it: ganzoo"):
        zoo.load_trained(None, presets.read_preset("gan_grid25"))


def released():
    """The presets whose weights have to be fetched."""
    names = presets.find_presets(pretrained=True)
    return [name for name in names if "://" in presets.read_preset(name).weights[0]["source"]]


@pytest.mark.parametrize("name", released())
def test_without_internet_it_says_what_to_bring_and_where_to(name, tmp_path, monkeypatch):
    monkeypatch.setenv("GANZOO_HOME", str(tmp_path))
    monkeypatch.setenv("GANZOO_OFFLINE", "1")
    with pytest.raises(WeightsError, match="The weights cannot be had") as caught:
        ganzoo.load(name)
    (entry,) = presets.read_preset(name).weights
    url, file = entry["source"], entry["source"].rpartition("/")[2]
    kind, digest = next((key, entry[key]) for key in ("sha256", "git_blob") if key in entry)
    place = tmp_path / "weights" / digest[:12] / file
    assert f" Bring {url} and put it at {place} ({kind} {digest})." in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_shipped_relative_is_named_where_weights_cannot_be_had(tmp_path, monkeypatch):
    monkeypatch.setenv("GANZOO_HOME", str(tmp_path))
    plain = presets.read_preset
    entries = [{"source": "package:mnist.h5", "sha256": "0" * 64}]
    shipped = presets.override(plain("progan_mnist"), {"weights": entries})
    faces = presets.override(plain("progan_celeba64"), {"weights": []})
    changed = {"progan_mnist": shipped, "progan_celeba64": faces}
    monkeypatch.setattr(presets, "read_preset", lambda name: changed.get(name) or plain(name))
    with pytest.raises(WeightsError, match=r"Meanwhile its relative 'progan_mnist' comes along\.$"):
        ganzoo.load("progan_celebahq256", offline=True)
    with pytest.raises(
        WeightsError, match=r"there is no such file, .*mnist.h5\. Give the .*again\.$"
    ):
        ganzoo.load("progan_mnist", offline=True)


def test_a_wrong_override_is_told_before_anything_is_fetched(tmp_path, monkeypatch):
    monkeypatch.setenv("GANZOO_HOME", str(tmp_path))
    with pytest.raises(PresetError, match=r"no key 'modle.base_filters'"):
        ganzoo.load("progan_celebahq256", offline=True, **{"modle.base_filters": 3})


def test_published_weights_are_checked_and_loaded(saved, monkeypatch):
    model, folder = saved
    file = folder / "model.weights.h5"
    entries = [{"source": str(file), "sha256": sha256_of(file)}]
    preset = presets.override(presets.read_preset("dcgan_mnist"), TINY | {"weights": entries})
    monkeypatch.setattr(presets, "read_preset", lambda name: preset)
    loaded = ganzoo.load("dcgan_mnist", offline=True)
    assert greatest_difference(model, loaded)[0] == 0
    assert loaded.trained == {"generator", "discriminator"}
    entries[0]["sha256"] = "0" * 64
    preset = presets.override(preset, {"weights": entries})
    with pytest.raises(WeightsError, match=r"model.weights.h5"):
        ganzoo.load("dcgan_mnist", offline=True)
