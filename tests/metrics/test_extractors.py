"""The networks that scores are measured in, against the reference networks' outputs."""

import gzip
import hashlib
import pathlib
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from ganzoo.data import read_image
from ganzoo.data.arrays import read_idx
from ganzoo.errors import GanzooError, WeightsError
from ganzoo.files import sha256_of
from ganzoo.metrics import extractors, fcn_score, resizers
from ganzoo.metrics.extractors import load_extractor
from ganzoo.metrics.hashing import folder_sha256, weights_sha256
from ganzoo.metrics.inception import inception_network
from ganzoo.metrics.lenet import lenet_network
from ganzoo.metrics.named_parameters import load_named_parameters, parameters_by_name
from ganzoo.metrics.segmenter import load_segmenter
from tests.metrics import reference_inputs

CLOTHES = pathlib.Path("/usr/share/datasets/fashion-mnist")


@pytest.fixture(scope="module")
def random_inception():
    """The FID network with the random parameters that the references were made with."""
    network = inception_network()
    shapes = {name: value.shape for name, value in parameters_by_name(network).items()}
    load_named_parameters(network, reference_inputs.inception_parameters(shapes))
    return network


def test_inception_has_as_many_parameters(random_inception, references):
    trainable = sum(np.prod(weight.shape) for weight in random_inception.trainable_weights)
    assert trainable == references["inception"]["parameters"]


def test_inception_equals_torch_fidelity(random_inception, references):
    for image, expected in zip(
        reference_inputs.inception_images(), references["inception"]["outputs"], strict=True
    ):
        levels = resizers.resize(image[None], (299, 299), "legacy_tensorflow")
        outputs = random_inception((levels - 128) / 128, training=False)
        assert set(outputs) == set(expected)
        for name, wanted in expected.items():
            got = np.asarray(outputs[name][0], np.float64)
            scale = wanted["norm"] / np.sqrt(len(got))
            np.testing.assert_allclose(got[::61], wanted["some"], atol=1e-4 * scale)
            assert np.linalg.norm(got) == pytest.approx(wanted["norm"], rel=1e-5)
            assert got.mean() == pytest.approx(wanted["mean"], abs=1e-5 * scale)


@pytest.mark.parametrize("resizer", resizers.RESIZERS)
def test_resizers_equal_the_reference_packages(references, resizer):
    expected = references["resized"][resizer]["299"]
    for image, wanted in zip(reference_inputs.inception_images(), expected, strict=True):
        check_resized(resizers.resize(image[None], (299, 299), resizer), wanted)


@pytest.mark.parametrize("side", [299, 75])
def test_resizers_differ_on_real_pictures_as_published(references, shared_data, side):
    """Every pixel as in the reference packages; reduced, only `clean` does not alias."""
    photos = [read_image(shared_data / name) for name in reference_inputs.PHOTOS]
    for resizer in resizers.RESIZERS:
        expected = references["resized"][resizer][f"photos_{side}"]
        for photo, wanted in zip(photos, expected, strict=True):
            check_resized(resizers.resize(photo[None], (side, side), resizer), wanted)
    small = {name: references["resized"][name]["photos_75"] for name in resizers.RESIZERS}
    for number in range(len(photos)):
        steps = {name: images[number]["step"] for name, images in small.items()}
        assert steps["clean"] < 0.95 * min(steps["legacy_tensorflow"], steps["legacy_pytorch"])


def check_resized(images, wanted):
    got = np.asarray(images)[0].astype(float)
    np.testing.assert_allclose(got.reshape(-1)[::4001], wanted["some"], atol=2e-3)
    assert got.mean() == pytest.approx(wanted["mean"], abs=1e-4)
    assert np.abs(np.diff(got, axis=1)).mean() == pytest.approx(wanted["step"], abs=1e-4)


@pytest.mark.parametrize("resizer", resizers.RESIZERS)
def test_images_may_be_made_wider_than_high(resizer):
    rows = np.tile(np.float32([[0, 40, 80, 120]]), (4, 1))  # from left to right
    resized = np.asarray(resizers.resize(rows[None, ..., None], (2, 8), resizer))
    assert resized.shape == (1, 2, 8, 1)
    np.testing.assert_allclose(resized[0, 0], resized[0, 1], atol=1e-4)
    assert (np.diff(resized[0, 0, :7, 0]) >= 0).all()
    assert resized[0, 0, 6, 0] >= 100


def test_resizers_have_names():
    with pytest.raises(GanzooError, match="no resizer 'cleen'.*Did you mean 'clean'"):
        resizers.resize(np.zeros((1, 4, 4, 3)), (2, 2), "cleen")


def test_lenet_equals_the_pytorch_reference(shared_data):
    path = shared_data / "weights" / "lenet5_mnist_classifier.npz"
    reference = np.load(path)
    network = lenet_network()
    load_named_parameters(network, dict(reference))
    outputs = network(reference["ref/images_nchw_32"].transpose(0, 2, 3, 1))
    np.testing.assert_allclose(outputs["features"], reference["ref/features_84"], atol=1e-4)
    np.testing.assert_allclose(outputs["logits"], reference["ref/logits"], atol=1e-4)


def test_shipped_lenet_reads_digits_and_so_does_the_other(shared_data):
    digits, labels = read_test_set(shared_data / "mnist", 2000)
    other = shared_data / "weights" / "lenet5_mnist_classifier.npz"
    for extractor in (load_extractor("lenet_mnist"), load_extractor("lenet_mnist", weights=other)):
        logits = extractor(digits, ("logits",))["logits"]
        assert (logits.argmax(axis=1) == labels).mean() > 0.98
    assert extractor.name == "lenet_8f40eb66"
    assert extractor.sha256.startswith("8f40eb66")


def test_shipped_lenet_reads_clothes():
    if not CLOTHES.is_dir():
        pytest.skip(f"no Fashion-MNIST in {CLOTHES} (Debian's package dataset-fashion-mnist)")
    images, labels = read_test_set(CLOTHES, 2000)
    logits = load_extractor("lenet_fashion_mnist")(images, ("logits",))["logits"]
    assert (logits.argmax(axis=1) == labels).mean() > 0.88


def read_test_set(folder, count):
    images = read_idx(folder / "t10k-images-idx3-ubyte.gz")[:count, ..., None]
    with gzip.open(folder / "t10k-labels-idx1-ubyte.gz") as file:
        return images, np.frombuffer(file.read()[8:], np.uint8)[:count]


@pytest.mark.parametrize("name", extractors.LENETS)
def test_shipped_weights_are_small_and_checked_at_load(name, monkeypatch):
    path, sha256 = extractors.shipped_lenet(name), extractors.LENETS[name]
    assert path.stat().st_size < 500_000
    assert load_extractor(name).sha256 == sha256
    assert load_extractor(name).name == name
    monkeypatch.setitem(extractors.LENETS, name, "f" * 64)
    with pytest.raises(WeightsError, match=f"{name}.npz is damaged: its sha256 is {sha256}"):
        load_extractor(name)


def test_grey_and_colour_images_of_any_size_come_to_the_network(tmp_path):
    lenet = load_extractor("lenet_mnist")
    grey = reference_inputs.smooth_images(5, side=64)[..., :1]
    colour = grey.repeat(3, axis=-1)
    np.testing.assert_allclose(
        lenet(grey)["features"], lenet(colour)["features"], rtol=1e-4, atol=1e-5
    )
    assert lenet.prepare(colour).shape == (5, 32, 32, 1)
    assert float(tf.reduce_max(lenet.prepare(colour))) <= 1.0


def test_inception_of_other_weights_is_not_called_inception(
    random_inception, tmp_path, monkeypatch
):
    build = "ganzoo.metrics.inception.inception_network"
    monkeypatch.setattr(build, lambda: random_inception)  # building it again takes seconds
    path = tmp_path / "random.npz"
    np.savez(path, **parameters_by_name(random_inception))
    extractor = load_extractor("inception", weights=path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert (extractor.sha256, extractor.name) == (digest, f"inception_{digest[:8]}")
    assert not extractor.standard
    images = reference_inputs.inception_images()[1][None]
    levels = resizers.resize(images, (299, 299), "legacy_tensorflow")
    expected = random_inception((levels - 128) / 128, training=False)
    got = extractor(images, ("features", "logits"))
    np.testing.assert_allclose(got["features"], expected["2048"], rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(got["logits"], expected["logits_unbiased"], rtol=1e-4, atol=1e-4)


def test_inception_without_its_file_says_what_is_needed(monkeypatch, tmp_path):
    monkeypatch.setenv("GANZOO_HOME", str(tmp_path))
    monkeypatch.setenv("GANZOO_OFFLINE", "1")
    words = r"put it at .*pt_inception-2015-12-05-6726825d\.pth \(sha256 6726825d\);.* or --weights"
    with pytest.raises(WeightsError, match=words):
        load_extractor("inception")
    with pytest.raises(WeightsError, match="no file of weights at"):
        load_extractor("inception", weights=tmp_path / "absent.pth")


def test_weights_of_another_network_are_refused():
    parameters = parameters_by_name(lenet_network())
    with pytest.raises(WeightsError, match=r"has shape \(3,\) where 'lenet' needs \(6,\)"):
        load_named_parameters(lenet_network(), parameters | {"convnet.c1.bias": np.zeros(3)})
    for value in (np.nan, np.inf):
        spoilt = parameters | {"convnet.c1.bias": np.array([0, 0, value, 0, 0, 0])}
        with pytest.raises(WeightsError, match=r"^'convnet\.c1\.bias' has .*, or is not finite\."):
            load_named_parameters(lenet_network(), spoilt)
    del parameters["fc.f6.bias"]
    with pytest.raises(WeightsError, match="have no 'fc.f6.bias'"):
        load_named_parameters(lenet_network(), parameters)


def own_network():
    """A small network with features of its own: 12×12 colour in [-1, 1] to 5 numbers."""
    images = keras.Input((12, 12, 3), name="images")
    pooled = keras.layers.GlobalAveragePooling2D()(images)
    outputs = keras.layers.Dense(5, name="features")(pooled)
    return keras.Model(images, outputs, name="Mine-Small")


def test_a_keras_model_of_ones_own_extracts():
    model = own_network()
    extractor = load_extractor(model)
    assert (extractor.name, extractor.side, extractor.channels) == ("mine_small", (12, 12), 3)
    images = reference_inputs.smooth_images(3, side=32)[:, :12, :12]
    expected = model(images.astype(np.float32) / 127.5 - 1)
    np.testing.assert_allclose(extractor(images)["features"], expected, atol=1e-5)
    before = extractor.sha256
    model.layers[-1].bias.assign_add([1.0, 0, 0, 0, 0])
    assert load_extractor(model).sha256 != before
    with pytest.raises(GanzooError, match="'mine_small' gives no logits"):
        extractor(images, ("logits",))


class Shifted(keras.layers.Layer):
    """Does not tell Keras by what it shifts."""

    def __init__(self, shift):
        super().__init__()
        self.shift = shift

    def call(self, images):
        return self.shift(images)


def convolving(scale=1.0, activation="relu", strides=1, shift=None, after=False):
    """A network with always the same weights."""
    images = keras.Input((8, 8, 1))
    rescale = keras.layers.Rescaling(scale)
    convolve = keras.layers.Conv2D(
        2, 3, strides, activation=activation, kernel_initializer="ones", dtype="float32"
    )
    maps = rescale(convolve(images)) if after else convolve(rescale(images))
    maps = maps if shift is None else Shifted(shift)(maps)
    pooled = keras.layers.GlobalAveragePooling2D()(maps + 1)
    return keras.Model(images, {"features": pooled}, name="convolving")


def test_the_hash_of_a_keras_model_is_of_all_that_it_computes():
    """Neither names, which count up in a process, nor a layer without a config are in the way."""
    others = [
        {"scale": 10.0},
        {"activation": "tanh"},
        {"strides": 2},
        {"after": True},
        {"shift": abs},
        {"shift": abs, "scale": 10.0},
    ]
    hashes = [load_extractor(convolving(**options)).sha256 for options in ({}, *others)]
    assert len(set(hashes)) == len(hashes)
    again = [load_extractor(convolving(**options)).sha256 for options in ({}, *others)]
    assert again == hashes


def test_the_hash_of_weights_is_of_the_kinds_of_layers_too():
    def network(kind, name):
        layers = [keras.layers.Dense(2, kernel_initializer="ones", name=name), kind()]
        return keras.Sequential([keras.Input((3,)), *layers])

    rectified = weights_sha256(network(keras.layers.ReLU, "one"))
    assert weights_sha256(network(keras.layers.ReLU, "other")) == rectified
    assert weights_sha256(network(keras.layers.LeakyReLU, "one")) != rectified


def test_the_hash_of_a_folder_is_of_its_files_by_name(tmp_path):
    for number, name in enumerate(("a", "b")):
        (tmp_path / name).write_text(str(number))
    before = folder_sha256(tmp_path)
    lines = (f"{name} {sha256_of(tmp_path / name)}\n" for name in ("a", "b"))
    assert before == hashlib.sha256("".join(lines).encode()).hexdigest()
    (tmp_path / "b").rename(tmp_path / "c")
    assert folder_sha256(tmp_path) != before


def test_a_saved_model_extracts_and_is_hashed(tmp_path):
    model = own_network()
    folder = tmp_path / "My Features"
    model.export(folder, verbose=False)
    extractor = load_extractor(folder, pixel_range=(0, 1))
    assert extractor.name == "my_features"
    images = reference_inputs.smooth_images(3, side=32)[:, :12, :12]
    np.testing.assert_allclose(
        extractor(images)["features"], model(images.astype(np.float32) / 255), atol=1e-5
    )
    assert load_extractor(folder).sha256 == extractor.sha256
    (folder / "assets" / "more.txt").write_text("x")
    assert load_extractor(folder).sha256 != extractor.sha256
    assert load_extractor(folder, name="Inception").name == "own_inception"


@pytest.mark.parametrize("exported", [True, False])
def test_networks_of_integers_see_the_grey_levels_themselves(tmp_path, exported):
    """Rounded where resizing put one between two."""
    images = keras.Input((4, 4, 1), dtype="uint8", name="images")
    network = keras.Model(images, {"features": keras.layers.Flatten()(images)}, name="levels")
    if exported:
        network.export(tmp_path / "levels", verbose=False)
    extractor = load_extractor(tmp_path / "levels" if exported else network)
    levels = reference_inputs.smooth_images(2, side=32)[..., :1]
    exact = levels[:, :4, :4]
    np.testing.assert_array_equal(extractor(exact)["features"], exact.reshape(2, 16))
    resized = np.asarray(resizers.resize(levels[:, :13, :13], (4, 4), "legacy_pytorch"))
    found = extractor(levels[:, :13, :13])["features"]
    np.testing.assert_array_equal(found, np.rint(resized).reshape(2, 16))
    assert (extractor.low, extractor.high) == (0, 255)


def test_a_saved_model_segments_for_the_fcn_score(tmp_path):
    """Two classes by brightness; pictures are brought to the labels' resolution."""
    images = keras.Input((None, None, 3), name="images")
    kernel = np.array([[[[-1.0, 1.0]]] * 3]).reshape(1, 1, 3, 2) / 3
    layer = keras.layers.Conv2D(2, 1, bias_initializer="zeros")
    model = keras.Model(images, layer(images))
    layer.set_weights([kernel, np.array([100.0, -100.0])])
    model.export(tmp_path / "fcn", verbose=False)
    segment = load_segmenter(tmp_path / "fcn", resolution=(4, 8))
    picture = np.zeros((1, 8, 16, 3), np.uint8)
    picture[:, :, 8:] = 250
    labels = np.zeros((1, 4, 8), int)
    labels[:, :, 4:] = 1
    labels[0, 0, 0] = 1
    score = fcn_score([(picture, labels)], segment, classes=2)
    assert score.per_pixel == pytest.approx(31 / 32)
    assert score.class_iou == pytest.approx((15 / 16 + 16 / 17) / 2)


@pytest.mark.parametrize(
    ("extractor", "words"),
    [("incepton", "'incepton' is no extractor.*Did you mean 'inception'"), (".", "no extractor")],
)
def test_what_is_no_extractor_is_refused(extractor, words):
    with pytest.raises(GanzooError, match=words):
        load_extractor(extractor)


@pytest.mark.parametrize(
    ("kind", "options", "words"),
    [
        (
            "model",
            {"weights": "x.npz"},
            r"^weights is 'x\.npz', and 'Mine-Small', a network of your",
        ),
        (
            "folder",
            {"weights": "x.npz"},
            r"^weights is 'x\.npz', and 'My Features', a network of y",
        ),
        (
            "extractor",
            {"weights": "x.npz"},
            r"^weights is 'x\.npz', and an Extractor has no use for",
        ),
        (
            "extractor",
            {"name": "mine"},
            r"^name is 'mine', and an Extractor has no use for it\. Lea",
        ),
        (
            "extractor",
            {"pixel_range": (0, 1)},
            r"^pixel_range is \(0, 1\), and an Extractor has no",
        ),
        (
            "inception",
            {"name": "mine"},
            r"^name is 'mine', and 'inception' has no use for it\. Leav",
        ),
        ("inception", {"pixel_range": (0, 1)}, r"^pixel_range is \(0, 1\), and 'inception' has no"),
        (
            "lenet_mnist",
            {"name": "mine"},
            r"^name is 'mine', and 'lenet_mnist' has no use for it\.",
        ),
        (
            "lenet_mnist",
            {"pixel_range": (0, 1)},
            r"^pixel_range is \(0, 1\), and 'lenet_mnist' has",
        ),
    ],
    ids=str,
)
def test_arguments_that_would_change_nothing_are_refused(kind, options, words, tmp_path):
    extractor = own_network() if kind == "model" else kind
    if kind == "folder":
        extractor = tmp_path / "My Features"
        own_network().export(extractor, verbose=False)
    if kind == "extractor":
        extractor = load_extractor("lenet_mnist")
    with pytest.raises(GanzooError, match=words):
        load_extractor(extractor, **options)


def test_other_weights_of_a_lenet_have_a_name_of_their_own(shared_data):
    other = shared_data / "weights" / "lenet5_mnist_classifier.npz"
    assert load_extractor("lenet_mnist", weights=other, name="Digits").name == "digits"


class Endpoint(tf.Module):
    """Exports one function of a batch of the given form, under a name."""

    def __init__(self, spec, name="serving_default"):
        super().__init__()
        self.call = tf.function(lambda images: {"features": images}, [spec])
        self.endpoint = name

    def save(self, folder):
        tf.saved_model.save(self, str(folder), {self.endpoint: self.call.get_concrete_function()})


@pytest.mark.parametrize(
    ("module", "words"),
    [
        (
            Endpoint(tf.TensorSpec((None, 8, 8, 3), "float32", "images"), "embed"),
            r"no endpoint 'serving_default', but embed\. Export the network with Keras",
        ),
        (Endpoint(tf.TensorSpec(None, "float32", "images")), "takes images, not one batch of ima"),
        (Endpoint(tf.TensorSpec((None, 8, 8, 3), "string", "images")), "takes images, not one bat"),
        (
            Endpoint(tf.TensorSpec((None, 8, 8, 3), "int8", "images")),
            r"takes images of int8, which does not reach 255\. Export it with floats or uint8",
        ),
    ],
    ids=["other endpoint", "unknown rank", "text", "signed bytes"],
)
def test_a_saved_model_of_another_kind_is_refused(tmp_path, module, words):
    module.save(tmp_path)
    with pytest.raises(GanzooError, match=words):
        load_extractor(tmp_path)


def test_a_keras_model_of_another_kind_is_refused():
    rows, images = keras.Input((784,)), keras.Input((8, 8, 1))
    flatten = keras.layers.Flatten()
    flat = keras.Model(rows, keras.layers.Dense(2)(rows), name="flat")
    joined = keras.layers.Concatenate()([flatten(images), rows])
    two = keras.Model([images, rows], joined, name="two")

    class Own(keras.Model):
        pass

    for model, takes in (
        (flat, r"'flat' takes \(None, 784\)"),
        (two, r"'two' takes \(None, 8, 8, 1\) and \(None, 784\)"),
        (Own(name="own"), "'own' takes inputs of unknown shape"),
    ):
        message = f"{takes}, not one batch of images. Build it on keras.Input"
        with pytest.raises(GanzooError, match=message):
            load_extractor(model)


def test_rubbish_in_a_saved_models_place_is_refused(tmp_path):
    (tmp_path / "saved_model.pb").write_bytes(b"rubbish")
    with pytest.raises(GanzooError, match=r"cannot be read as a SavedModel: .*Export the network"):
        load_extractor(tmp_path)


def test_features_that_are_maps_are_refused():
    images = keras.Input((8, 8, 3))
    model = keras.Model(images, keras.layers.Conv2D(2, 3)(images), name="maps")
    with pytest.raises(GanzooError, match=r"'maps' gives features of shape \(1, 6, 6, 2\)"):
        load_extractor(model)(np.zeros((1, 8, 8, 3), np.uint8))


REPLICAS = """
import numpy as np, tensorflow as tf
from ganzoo.metrics.extractors import load_extractor
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
images = np.random.RandomState(0).randint(0, 256, (7, 28, 28, 1)).astype(np.uint8)
one = load_extractor("lenet_mnist")(images)["features"]
with tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]).scope():
    two = load_extractor("lenet_mnist")(images)["features"]
assert one.shape == two.shape == (7, 84)
np.testing.assert_allclose(one, two, rtol=1e-5, atol=1e-5)
"""


def test_two_replicas_extract_the_same_features():
    """In a process of its own, because devices are divided before TensorFlow starts."""
    subprocess.run([sys.executable, "-W", "error", "-c", REPLICAS], check=True, timeout=120)
