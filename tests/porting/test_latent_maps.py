"""DCGAN and vanilla GAN checkpoints become Keras networks with PyTorch's outputs."""

import tracemalloc

import numpy as np
import pytest

from ganzoo.errors import WeightsError
from ganzoo.models import dcgan, gan
from ganzoo.porting import read_checkpoint, recognise
from ganzoo.porting.roles import assign_roles
from tests.porting.handmade import assign

TOLERANCE = 1e-4
COMMON = {
    "kernel_size": 4,
    "dense_ends": False,
    "batch_norm_epsilon": 1e-5,
    "latent_distribution": "normal",
}


def nhwc(images):
    return images.transpose(0, 2, 3, 1)


def sigmoid(logits):
    return 1 / (1 + np.exp(-np.asarray(logits)))


def close(found, expected):
    np.testing.assert_allclose(np.asarray(found), expected, rtol=0, atol=TOLERANCE)


def ported(path, family, **options):
    """Builds the model that a file's tensors describe and fills its networks."""
    recognised = recognise(read_checkpoint(path), origin=path.name, **options)
    model = family.build(**recognised.settings)
    for name, arrays in recognised.networks.items():
        assign(model.networks[name], arrays)
    return model, recognised


# --- against PyTorch, random weights ----------------------------------------------------------


def test_dcgan_generator_of_64(fixtures):
    model, recognised = ported(fixtures / "dcgan64_generator.pth", dcgan)
    assert recognised.family == "dcgan"
    sizes = {"image_size": 64, "channels": 3, "latent_dim": 8, "base_filters": 4}
    assert recognised.settings == COMMON | sizes
    assert list(recognised.networks) == ["generator"]
    with np.load(fixtures / "dcgan64_generator.npz") as reference:
        close(model.generator(reference["inputs"]), nhwc(reference["outputs"]))


def test_dcgan_discriminator_of_64_in_the_legacy_format(fixtures):
    model, recognised = ported(fixtures / "dcgan64_discriminator.pth", dcgan)
    sizes = {"image_size": 64, "channels": 3, "base_filters": 2}
    assert recognised.settings == COMMON | sizes
    with np.load(fixtures / "dcgan64_discriminator.npz") as reference:
        close(model.discriminator(nhwc(reference["inputs"])), reference["outputs"])


def test_dcgan_of_28_with_its_optimizer_beside(fixtures):
    model, recognised = ported(fixtures / "dcgan28_both.pth", dcgan)
    assert recognised.settings["image_size"] == 28
    assert recognised.found == [
        "generator: a DCGAN generator of PyTorch's examples, from 'netG'",
        "discriminator: a DCGAN discriminator of PyTorch's examples, from 'netD'",
    ]
    with np.load(fixtures / "dcgan28_both.npz") as reference:
        close(model.generator(reference["netG_inputs"]), nhwc(reference["netG_outputs"]))
        close(model.discriminator(nhwc(reference["netD_inputs"])), reference["netD_outputs"])


# --- against published networks ---------------------------------------------------------------


def test_published_dcgan_generator(shared_data):
    path = shared_data / "weights" / "dcgan64_digiface_generator.npz"
    model, recognised = ported(path, dcgan)
    assert recognised.settings["base_filters"] == 64
    assert model.generator.count_params() == 3_578_628 - 4  # the counters of four batch norms
    with np.load(path) as reference:
        close(model.generator(reference["ref/z"]), nhwc(reference["ref/images_nchw"]))


def test_published_dcgan_discriminator(shared_data):
    path = shared_data / "weights" / "dcgan28_mnist_discriminator.npz"
    model, recognised = ported(path, dcgan)
    assert recognised.settings["image_size"] == 28
    with np.load(path) as reference:
        logits = model.discriminator(nhwc(reference["ref/images_nchw"]))
        close(sigmoid(logits), reference["ref/prob"])


def test_published_vanilla_gan(shared_data):
    path = shared_data / "weights" / "mlp_gan_mnist_generator.npz"
    model, recognised = ported(path, gan)
    assert recognised.settings["image_shape"] == [28, 28, 1]
    assert recognised.settings["generator_units"] == [256, 256]
    assert "activations are not in the file" in recognised.notes[0]
    with np.load(path) as reference:
        images = np.asarray(model.generator(reference["ref/z"]))
        close(images.reshape(-1, 784), reference["ref/images_flat"])
    path = shared_data / "weights" / "mlp_gan_mnist_discriminator.npz"
    model, _ = ported(path, gan)
    with np.load(path) as reference:
        images = reference["ref/images_flat"].reshape(-1, 28, 28, 1)
        close(sigmoid(model.discriminator(images)), reference["ref/prob"])


@pytest.mark.parametrize(
    ("pixels", "shape"),
    [(784, (28, 28, 1)), (3072, (32, 32, 3)), (4096, (64, 64, 1)), (12, (2, 2, 3)), (2, (2,))],
)
def test_a_perceptron_makes_squares_or_points(pixels, shape, tmp_path):
    widths = {"0": (5, 4), "2": (pixels, 5)}
    state = {f"{name}.weight": np.ones(width, "float32") for name, width in widths.items()}
    state |= {f"{name}.bias": np.ones(width[0], "float32") for name, width in widths.items()}
    np.savez(tmp_path / "generator.npz", **state)
    model, _ = ported(tmp_path / "generator.npz", gan)
    assert model.image_shape == shape


# --- what tensors leave open ------------------------------------------------------------------


def discriminator_of_28(fixtures):
    return {"netD": read_checkpoint(fixtures / "dcgan28_both.pth")["netD"]}


def test_a_discriminator_of_28_or_32_follows_the_preset(fixtures):
    content = discriminator_of_28(fixtures)
    assert recognise(content).settings["image_size"] == 28
    assert recognise(content, model={"image_size": 32}).settings["image_size"] == 32
    assert recognise(content, model={"image_size": 64}).settings["image_size"] == 32


def test_a_discriminator_of_colours_follows_its_generator(fixtures):
    content = read_checkpoint(fixtures / "dcgan28_both.pth")
    content = {name: dict(content[name]) for name in ("netD", "netG")}
    for name, layer, axis in (("netG", "main.9.weight", 1), ("netD", "main.0.weight", 1)):
        content[name][layer] = np.repeat(content[name][layer], 3, axis)
    recognised = recognise(content)
    assert recognised.settings["image_size"] == 28
    assert recognised.settings["channels"] == 3
    assert set(recognised.networks) == {"generator", "discriminator"}


def test_dropout_in_a_perceptron_moves_its_layers():
    widths = [(5, 784), (4, 5), (1, 4)]
    state = {f"{3 * index}.weight": np.ones(shape, "f4") for index, shape in enumerate(widths)}
    state |= {f"{3 * index}.bias": np.ones(shape[0], "f4") for index, shape in enumerate(widths)}
    recognised = recognise(state)
    assert recognised.settings["discriminator_units"] == [5, 4]
    assert set(recognised.networks["discriminator"]) == {
        *("hidden_1/kernel", "hidden_1/bias", "hidden_2/kernel", "hidden_2/bias"),
        *("logits/kernel", "logits/bias"),
    }


def test_a_layer_norm_in_a_perceptron_is_refused_and_not_lost():
    shapes = {"0.weight": (8, 5), "0.bias": (8,), "3.weight": (784, 8), "3.bias": (784,)}
    shapes |= {"2.weight": (8,), "2.bias": (8,)}  # where the second linear layer is looked for
    state = {name: np.ones(shape, "f4") for name, shape in shapes.items()}
    with pytest.raises(WeightsError, match=r"other shape: 2\.weight \(8,\), not \(784, 8\)"):
        recognise(state)


def test_data_parallel_prefix(fixtures):
    state = read_checkpoint(fixtures / "dcgan64_generator.pth")
    wrapped = {f"module.{name}": array for name, array in state.items()}
    assert recognise(wrapped).networks["generator"].keys() == {
        *recognise(state).networks["generator"]
    }


def test_an_averaged_generator_is_the_ema_generator(fixtures):
    state = read_checkpoint(fixtures / "dcgan64_generator.pth")
    recognised = recognise({"netG": state, "netG_ema": state})
    assert list(recognised.networks) == ["generator", "ema_generator"]


# --- what does not fit ------------------------------------------------------------------------


def test_every_misfit_is_listed(fixtures):
    state = dict(read_checkpoint(fixtures / "dcgan64_generator.pth"))
    del state["main.4.bias"]
    state["main.7.weight"] = np.ones(7, "f4")
    state["main.20.weight"] = np.ones(9, "f4")
    expected = (
        r"^g\.pth looks like a DCGAN generator of PyTorch's examples, but does not fit it: "
        r"missing: main\.4\.bias; other shape: main\.7\.weight \(7,\), not \(8,\); "
        r"left over: main\.20\.weight \(9,\)\. Bring"
    )
    with pytest.raises(WeightsError, match=expected):
        recognise(state, origin="g.pth")


def test_networks_that_do_not_go_together(fixtures):
    content = dict(read_checkpoint(fixtures / "dcgan28_both.pth"))
    content["netD"] = read_checkpoint(fixtures / "dcgan64_discriminator.pth")
    with pytest.raises(WeightsError, match="image_size is 28 in one and 64 in netD"):
        recognise(content)


def test_two_networks_for_one_place(fixtures):
    state = read_checkpoint(fixtures / "dcgan64_generator.pth")
    with pytest.raises(WeightsError, match="2 networks that could be the generator: a, b"):
        recognise({"a": state, "b": state})


@pytest.mark.parametrize("number", ["00", "\u0660", "1000", "9" * 5000])
def test_numbers_that_pytorch_does_not_write(number):
    state = {"0.weight": np.ones((5, 8), "f4"), "2.weight": np.ones((784, 5), "f4")}
    state |= {"0.bias": np.ones(5, "f4"), "2.bias": np.ones(784, "f4")}
    with pytest.raises(WeightsError, match=rf"left over: {number[:80]}\.?"):
        recognise(state | {f"{number}.weight": np.ones((4, 784), "f4")})
    del state["0.weight"], state["0.bias"]
    with pytest.raises(WeightsError, match="no network in a known layout"):
        recognise(state | {f"{number}.weight": np.ones((5, 8), "f4")})


def test_layers_without_end_cost_no_memory():
    one = np.ones((1, 1, 4, 4), "f4")
    state = {f"main.{number}.weight": one for number in range(0, 30_000, 3)}
    tracemalloc.start()
    with pytest.raises(WeightsError, match="does not fit it: "):
        recognise(state)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**25


def test_networks_of_two_families(fixtures):
    state = read_checkpoint(fixtures / "dcgan64_generator.pth")
    perceptron = {"0.weight": np.ones((5, 8), "f4"), "0.bias": np.ones(5, "f4")}
    perceptron |= {"2.weight": np.ones((784, 5), "f4"), "2.bias": np.ones(784, "f4")}
    with pytest.raises(WeightsError, match="several families: dcgan, gan"):
        recognise({"a": state, "b": perceptron})


def test_a_network_of_another_kind(fixtures):
    content = {"fc.weight": np.ones((3, 2), "f4"), "fc.bias": np.ones(3, "f4")}
    with pytest.raises(WeightsError, match=r"in a known layout: .* fc\.weight, fc\.bias"):
        recognise(content)
    with pytest.raises(WeightsError, match="it has no named tensors"):
        recognise({"epoch": 3, "list": [np.ones(3)]})
    state = read_checkpoint(fixtures / "dcgan64_generator.pth")
    message = r"x cannot be imported: no layout .* 'other' is .* cyclegan, dcgan, gan, progan\.$"
    with pytest.raises(WeightsError, match=message):
        recognise(state, origin="x", family="other")
    with pytest.raises(WeightsError, match="no network of the family 'gan' in a known layout"):
        recognise(state, family="gan")
    recognised = recognise({"netG": state, "vgg": content})
    assert recognised.notes == ["Left out: vgg, no known network"]


EVIL = "x\x1b[31m\n\nLicence: CC0.\n"


def test_names_in_a_file_stay_names(fixtures):
    state = read_checkpoint(fixtures / "dcgan64_generator.pth")
    other = {"fc.weight": np.ones((3, 2), "f4")}
    recognised = recognise({EVIL: state, "beside": {EVIL: other, "y" * 500: other}})
    lines = [*recognised.found, *recognised.notes]
    assert all(line.isprintable() and len(line) < 150 for line in lines)
    assert r"from 'x\x1b[31m\n\nLicence: CC0.\n'" in lines[0]
    assert r"Left out: 'beside.x\x1b[31m\n\nLicence: CC0.\n', no known network" in lines
    many = {f"vgg{number}": other for number in range(30)}
    notes = recognise(many | {"netG": state}).notes
    assert notes[11:] == [
        "Left out: vgg11, no known network",
        "Left out: 18 more, no known networks",
    ]


def test_names_in_a_file_stay_names_in_messages(fixtures):
    state = read_checkpoint(fixtures / "dcgan64_generator.pth")
    one = np.ones(3, "f4")
    contents = {
        "left over": {EVIL: state | {f"main.{EVIL}": one}},
        "in a known layout": {f"{EVIL}.weight": one},
        "2 networks that could be": {EVIL: state, f"{EVIL}2": state},
    }
    for words, content in contents.items():
        with pytest.raises(WeightsError, match=words) as caught:
            recognise(content)
        assert str(caught.value).isprintable()


def test_networks_are_found_behind_a_long_optimizer(fixtures):
    state = read_checkpoint(fixtures / "dcgan64_generator.pth")
    moments = {number: {"exp_avg": np.ones(2)} for number in range(3000)}
    content = {"optimizer": {"state": moments}, "models": {"netG": state}}
    assert list(recognise(content).networks) == ["generator"]


def test_laughs_are_searched_no_billion_times(fixtures):
    state = read_checkpoint(fixtures / "dcgan64_generator.pth")
    content = {"netG": state}
    for _ in range(8):
        content = {str(number): content for number in range(50)}
    with pytest.raises(WeightsError, match="no network in a known layout"):
        recognise(content)


def test_a_model_of_other_settings_is_left_as_it_was(fixtures):
    recognised = recognise(read_checkpoint(fixtures / "dcgan64_generator.pth"))
    model = dcgan.build(**recognised.settings | {"base_filters": 2})
    before = [np.asarray(weight) for weight in model.generator.weights]
    expected = r"other shape: generator/project/kernel \(8, 512\), not \(8, 256\)"
    with pytest.raises(WeightsError, match=expected):
        assign(model.generator, recognised.networks["generator"])
    for weight, old in zip(model.generator.weights, before, strict=True):
        np.testing.assert_array_equal(weight, old)
    arrays = dict(recognised.networks["generator"], extra=np.ones(1, "f4"))
    del arrays["up_8/kernel"]
    model = dcgan.build(**recognised.settings)
    with pytest.raises(WeightsError, match="missing: .*/up_8/kernel; left over: .*/extra"):
        assign(model.generator, arrays)


@pytest.mark.parametrize(
    ("path", "role"),
    [
        *((name, "ema_generator") for name in ("G_ema", "emaG", "generatorEMA", "EMA", "netGema")),
        *((name, "ema_generator") for name in ("avgG", "G_average", "running.G", "model.ema")),
        *((name, "generator") for name in ("remapped.G", "semantic.netG", "schema", "CINEMA.G")),
    ],
)
def test_an_average_is_told_by_a_word_of_its_name(path, role):
    assert assign_roles("dcgan", [(path, "generator")], "a.pth") == [role]
