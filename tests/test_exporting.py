"""Exports hold what the model computes, need nothing of ours, and take no one's place unproved."""

import json
import subprocess
import sys
import tempfile
import textwrap
import types

import numpy as np
import pytest
import tensorflow as tf

from ganzoo import export_check, export_formats, export_runner, exporting, sampling, zoo
from ganzoo.errors import GanzooError, WeightsError

TINY = {
    "gan_mnist": {
        "model.image_shape": [6, 6, 1],
        "model.latent_dim": 5,
        "model.generator_units": [8],
        "model.generator_activations": ["relu"],
        "model.discriminator_units": [4],
    },
    "gan_ring": {},
    "dcgan_mnist": {
        "model.image_size": 16,
        "model.base_filters": 4,
        "model.latent_dim": 6,
        "model.ema_half_life": None,
    },
    "progan_mnist": {
        "model.image_size": 8,
        "model.base_filters": 4,
        "model.max_filters": 8,
        "model.latent_dim": 6,
        "phases": None,
    },
    "cyclegan_horse2zebra": {
        "model.base_filters": 4,
        "model.residual_blocks": 1,
        "model.discriminator_filters": 4,
    },
}
LATENT = [name for name in TINY if not name.startswith("cyclegan")]
LATENT_ENDPOINTS = ["sample", "generate", "discriminate"]


def greatest_difference(report):
    """The greatest difference of the float endpoints of a report."""
    return max(found.greatest for found in report.differences.values() if not found.levels)


def make(preset, **overrides):
    """A small model whose weights and statistics are all away from their initial values."""
    model = zoo.load(preset, weights=False, **TINY[preset] | overrides)
    random = np.random.default_rng(5)
    for network in model.networks.values():
        for weight in network.variables:
            # The progressive GAN scales its weights by itself.
            values = random.normal(0, 1.0 if preset.startswith("progan") else 0.3, weight.shape)
            if "variance" in weight.path or "gamma" in weight.path:
                values = np.exp(values)
            weight.assign(values)
    return model


@pytest.fixture(scope="module")
def models():
    return {preset: make(preset) for preset in LATENT}


@pytest.fixture(scope="module")
def cyclegan():
    return make("cyclegan_horse2zebra")


@pytest.fixture(scope="module")
def dcgan(models):
    return models["dcgan_mnist"]


def latents_for(model, count=4, seed=11):
    return np.random.default_rng(seed).standard_normal((count, model.latent_dim)).astype("f4")


def run_alone(script, *arguments):
    """Runs Python where neither Keras nor ganzoo can be imported."""
    blocked = """
        import sys
        sys.modules["keras"] = sys.modules["ganzoo"] = None
        import numpy as np
        import tensorflow as tf
    """
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(blocked) + textwrap.dedent(script), *arguments],
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def alone(models, tmp_path_factory):
    """What each family's SavedModel answers in a process of its own, by preset and name."""
    folder = tmp_path_factory.mktemp("alone")
    inputs = {}
    for preset, model in models.items():
        exporting.export(model, folder / preset, check=False)
        inputs[f"{preset}/latents"] = latents_for(model)
        inputs[f"{preset}/images"] = (
            np.random.default_rng(3).uniform(-1, 1, (4, *model.image_shape)).astype("f4")
        )
    np.savez(folder / "inputs.npz", **inputs)
    done = run_alone(
        """
        import pathlib
        folder = pathlib.Path(sys.argv[1])
        inputs, outputs = np.load(folder / "inputs.npz"), {}
        for preset in sys.argv[2:]:
            loaded = tf.saved_model.load(str(folder / preset))
            outputs[preset + "/endpoints"] = np.array(sorted(loaded.signatures))
            latents = tf.constant(inputs[preset + "/latents"])
            with tf.GradientTape() as tape:
                tape.watch(latents)
                images = loaded.signatures["generate"](latents=latents)["images"]
                total = tf.reduce_sum(images * inputs[preset + "/images"])
            outputs[preset + "/generate"] = images.numpy()
            outputs[preset + "/gradient"] = tape.gradient(total, latents).numpy()
            discriminate = loaded.signatures["discriminate"]
            outputs[preset + "/discriminate"] = discriminate(
                images=tf.constant(inputs[preset + "/images"]))["logits"].numpy()
            for name in ("sample", "serving_default"):
                outputs[preset + "/" + name] = loaded.signatures[name](
                    count=tf.constant(5), seed=tf.constant([7, 0]))["images"].numpy()
        np.savez(folder / "outputs.npz", **outputs)
        """,
        str(folder),
        *models,
    )
    assert done.returncode == 0, done.stderr
    return inputs, dict(np.load(folder / "outputs.npz"))


@pytest.mark.parametrize("preset", LATENT)
class TestSavedModelWithoutKerasOrGanzoo:
    def test_has_the_named_endpoints(self, alone, preset):
        assert list(alone[1][f"{preset}/endpoints"]) == sorted(
            [*LATENT_ENDPOINTS, "serving_default"]
        )

    def test_generates_the_models_images(self, models, alone, preset):
        inputs, outputs = alone
        images = models[preset](inputs[f"{preset}/latents"]).numpy()
        assert np.std(images) > 0.05
        np.testing.assert_allclose(outputs[f"{preset}/generate"], images, atol=1e-5)

    def test_judges_as_the_model(self, models, alone, preset):
        inputs, outputs = alone
        logits = models[preset].discriminator(inputs[f"{preset}/images"]).numpy()
        assert np.std(logits) > 1e-3
        np.testing.assert_allclose(outputs[f"{preset}/discriminate"], logits, atol=1e-4)

    def test_samples_what_generate_gives_for_the_same_seed(self, models, alone, preset):
        images = models[preset].generate(5, seed=7)
        sample = alone[1][f"{preset}/sample"]
        assert sample.dtype == images.dtype
        gaps = np.abs(sample.astype("f8") - images)
        assert gaps.max() <= (1 if images.dtype == np.uint8 else 1e-5)
        np.testing.assert_array_equal(alone[1][f"{preset}/serving_default"], sample)

    def test_lets_gradients_flow_to_the_latents(self, models, alone, preset):
        inputs, outputs = alone
        latents = tf.constant(inputs[f"{preset}/latents"])
        with tf.GradientTape() as tape:
            tape.watch(latents)
            total = tf.reduce_sum(models[preset](latents) * inputs[f"{preset}/images"])
        gradient = tape.gradient(total, latents).numpy()
        assert np.abs(gradient).max() > 1e-2
        np.testing.assert_allclose(outputs[f"{preset}/gradient"], gradient, rtol=1e-3, atol=1e-4)


@pytest.fixture
def here(monkeypatch):
    """Has the comparison answer in this process, which saves a start of TensorFlow."""

    def run(command, **options):
        export_runner.main(*command[-2:])
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(subprocess, "run", run)


class TestExport:
    def test_reports_what_it_wrote_and_how_far_it_is_from_the_model(self, dcgan, tmp_path):
        report = dcgan.export(tmp_path / "served" / "1")
        assert report.endpoints == tuple(LATENT_ENDPOINTS)
        assert report.differences["generate"].greatest < 1e-5
        assert report.differences["sample"].levels
        assert greatest_difference(report) < 1e-4
        files = [file for file in (tmp_path / "served" / "1").rglob("*") if file.is_file()]
        assert report.size == sum(file.stat().st_size for file in files)
        assert "generate: differs by" in str(report)
        assert [item.name for item in (tmp_path / "served").iterdir()] == ["1"]

    def test_takes_keras_names_of_formats_and_of_files(self, dcgan, tmp_path):
        assert dcgan.export(tmp_path / "x", format="tf_saved_model", check=False).format == (
            "saved_model"
        )
        pytest.importorskip("tf2onnx")
        report = dcgan.export(tmp_path / "x.onnx", format="onnx")
        assert (tmp_path / "x.onnx").is_file()
        assert report.endpoints == ("generate",)
        assert greatest_difference(report) < 1e-5

    def test_an_onnx_file_has_named_inputs_and_any_batch_size(self, dcgan, tmp_path):
        onnxruntime = pytest.importorskip("onnxruntime")
        pytest.importorskip("tf2onnx")
        exporting.export(dcgan, tmp_path / "x", format="onnx", check=False)
        session = onnxruntime.InferenceSession(str(tmp_path / "x" / "generate.onnx"))
        for count in (1, 3):
            latents = latents_for(dcgan, count)
            (images,) = session.run(["images"], {"latents": latents})
            np.testing.assert_allclose(images, dcgan(latents).numpy(), atol=1e-5)
        with pytest.raises(Exception, match="Got: 3 Expected: 6"):
            session.run(["images"], {"latents": np.zeros((1, 3), "f4")})

    @pytest.mark.filterwarnings("ignore:.*tf.lite.Interpreter is deprecated")
    def test_float16_halves_a_litert_file_and_states_the_change(self, tmp_path, here):
        model = make("dcgan_mnist", **{"model.base_filters": 16})
        whole = model.export(tmp_path / "x.tflite", format="litert")
        half = model.export(tmp_path / "16", format="litert", float16=True)
        assert greatest_difference(whole) < 1e-5
        assert 0.4 < half.size / whole.size < 0.6
        assert 1e-5 < greatest_difference(half) < 0.05
        assert [item.name for item in (tmp_path / "16").iterdir()] == ["generate.tflite"]

    def test_writes_the_averaged_generator(self, tmp_path):
        model = make("gan_ring")
        assert model.ema_generator is not None
        functions = exporting.trained_endpoints(model)
        assert list(functions["generate"].parts) == ["ema_generator"]
        model.generator.set_weights([w * 0 for w in model.generator.get_weights()])
        exporting.export(model, tmp_path / "x", check=False)
        loaded = tf.saved_model.load(str(tmp_path / "x"))
        latents = latents_for(model)
        images = loaded.signatures["generate"](latents=tf.constant(latents))["images"]
        np.testing.assert_allclose(images, model.ema_generator(latents), atol=1e-6)
        stored = tf.train.list_variables(str(tmp_path / "x" / "variables" / "variables"))
        count = sum(int(np.prod(shape)) for _, shape in stored if shape)
        assert count == model.ema_generator.count_params() + model.discriminator.count_params()

    @pytest.mark.parametrize("preset", LATENT)
    def test_samples_many_images_in_parts(self, models, preset, tmp_path, monkeypatch):
        model = models[preset]
        expected = model.generate(9, seed=7)
        monkeypatch.setattr(sampling, "_IMAGES_AT_ONCE", 4)
        exporting.export(model, tmp_path / "x", check=False)
        sample = tf.saved_model.load(str(tmp_path / "x")).signatures["sample"]
        for count in (0, 1, 4, 5, 9):
            made = sample(count=tf.constant(count), seed=tf.constant([7, 0]))["images"].numpy()
            assert (made.dtype, made.shape) == (expected.dtype, (count, *model.image_shape))
            limit = 1 if made.dtype == np.uint8 else 1e-5
            gaps = np.abs(made.astype("f8") - expected[:count])
            assert gaps.max(initial=0) <= limit
        inner = sample.graph.as_graph_def().library.function
        operations = {node.op for function in inner for node in function.node_def}
        assert operations & {"While", "StatelessWhile"}

    @pytest.mark.parametrize(
        ("trained", "endpoints"),
        [
            ({"generator"}, ["sample", "generate"]),
            ({"discriminator"}, ["discriminate"]),
            ({"generator", "discriminator"}, LATENT_ENDPOINTS),
        ],
    )
    def test_writes_the_endpoints_of_trained_networks_only(self, trained, endpoints):
        model = make("dcgan_mnist")
        model.trained = frozenset(trained)
        assert list(exporting.trained_endpoints(model)) == endpoints

    def test_an_average_that_is_not_trained_is_not_written(self):
        model = make("gan_ring")
        model.trained = frozenset({"generator"})
        with pytest.raises(
            WeightsError, match="^Nothing of 'gan_ring' can .* only generator are trained"
        ):
            exporting.trained_endpoints(model)

    def test_nothing_to_generate_with_is_said(self, tmp_path):
        model = make("dcgan_mnist")
        model.trained = frozenset({"discriminator"})
        with pytest.raises(WeightsError, match="only discriminator are trained"):
            model.export(tmp_path / "x", format="onnx")

    def test_a_model_of_16_bits_is_exported_as_saved_model_only(self, tmp_path, here):
        model = make("dcgan_mnist", precision="bfloat16")
        report = model.export(tmp_path / "x")
        assert greatest_difference(report) < export_check.HALF_LIMIT
        with pytest.raises(
            GanzooError, match="'generate' computes in bfloat16, which .*'litert'.* .--preci"
        ):
            model.export(tmp_path / "y", format="litert")


@pytest.fixture(scope="module")
def loaded(dcgan, tmp_path_factory):
    folder = tmp_path_factory.mktemp("bad") / "x"
    exporting.export(dcgan, folder, check=False)
    return tf.saved_model.load(str(folder))


class TestBadInput:
    @pytest.mark.parametrize(
        ("endpoint", "inputs", "message"),
        [
            ("generate", {"latents": np.zeros((2, 9), "f4")}, r"latents \[2,9\] .* \[\?,6\]"),
            ("generate", {"latents": np.zeros((2, 6), "i4")}, "dtype|int32"),
            (
                "discriminate",
                {"images": np.zeros((2, 9, 9, 1), "f4")},
                r"images \[2,9,9,1\] .* \[\?,16,16,1\]",
            ),
            ("discriminate", {"images": np.zeros((2, 16, 16, 1), "u1")}, "dtype|uint8"),
            ("sample", {"count": np.int32(-1), "seed": np.zeros(2, "i4")}, "-1"),
            ("sample", {"count": np.int32(1), "seed": np.zeros(3, "i4")}, r"seed \[3\] .* \[2\]"),
            ("sample", {"count": np.int32(1)}, "seed"),
        ],
    )
    def test_is_refused_with_what_is_wrong(self, loaded, endpoint, inputs, message):
        inputs = {name: tf.constant(value) for name, value in inputs.items()}
        with pytest.raises((TypeError, ValueError, tf.errors.InvalidArgumentError), match=message):
            loaded.signatures[endpoint](**inputs)


class TestCycleGAN:
    """Translations: pixels in SavedModels, floats in the other formats."""

    @pytest.fixture
    def pictures(self):
        return np.random.default_rng(1).integers(0, 256, (2, 16, 24, 3), "uint8")

    def test_a_saved_model_translates_pixels_of_any_size(self, cyclegan, pictures, tmp_path, here):
        report = cyclegan.export(tmp_path / "x")
        assert report.endpoints == (
            "translate_ab",
            "translate_ba",
            "discriminate_a",
            "discriminate_b",
        )
        signatures = tf.saved_model.load(str(tmp_path / "x")).signatures
        for name, direction in (
            ("translate_ab", "ab"),
            ("translate_ba", "ba"),
            ("serving_default", "ab"),
        ):
            images = signatures[name](images=tf.constant(pictures))["images"].numpy()
            gaps = np.abs(images.astype(int) - cyclegan.translate(pictures, direction))
            assert images.dtype == np.uint8
            assert gaps.max() <= 1
            assert (gaps > 0).mean() < 1e-3
        for sides in ((30, 32), (4, 32), (8, 4)):
            with pytest.raises(tf.errors.InvalidArgumentError, match="multiples of 4, from 8 up"):
                signatures["translate_ab"](images=tf.zeros((1, *sides, 3), "uint8"))

    def test_writes_the_trained_direction_only(self, tmp_path):
        model = make("cyclegan_horse2zebra")
        model.trained = frozenset({"generator_ba", "discriminator_b"})
        assert list(exporting.trained_endpoints(model)) == ["translate_ba", "discriminate_b"]
        exporting.export(model, tmp_path / "x", format="litert", check=False)
        assert [item.name for item in (tmp_path / "x").iterdir()] == ["translate_ba.tflite"]

    def test_onnx_has_a_file_for_each_direction(self, cyclegan, pictures, tmp_path):
        onnxruntime = pytest.importorskip("onnxruntime")
        pytest.importorskip("tf2onnx")
        report = cyclegan.export(tmp_path / "x", format="onnx")
        assert report.endpoints == ("translate_ab", "translate_ba")
        assert greatest_difference(report) < 1e-4
        session = onnxruntime.InferenceSession(str(tmp_path / "x" / "translate_ba.onnx"))
        floats = (pictures / 127.5 - 1).astype("f4")
        (images,) = session.run(["output_images"], {"images": floats})
        np.testing.assert_allclose(images, cyclegan.generator_ba(floats), atol=1e-4)

    def test_one_file_cannot_hold_both_directions(self, cyclegan, tmp_path):
        with pytest.raises(GanzooError, match="can hold one function, and there are 2"):
            exporting.export(cyclegan, tmp_path / "x.onnx", format="onnx", check=False)


class TestPlaces:
    def test_an_unknown_format_names_the_nearest(self, dcgan, tmp_path):
        with pytest.raises(GanzooError, match="no format 'onxx'. Did you mean 'onnx'"):
            dcgan.export(tmp_path / "x", format="onxx")

    def test_half_weights_are_for_litert(self, dcgan, tmp_path):
        with pytest.raises(GanzooError, match="16 bits are for the format 'litert'"):
            dcgan.export(tmp_path / "x", format="onnx", float16=True)

    @pytest.mark.parametrize(
        "names",
        [
            *(["notes.txt"], ["x.onnx"], ["x.tflite"], ["assets/photo.png"], ["variables/x"]),
            *(["notes.txt", "saved_model.pb"], ["x.onnx", "saved_model.pb", "variables/x"]),
        ],
    )
    def test_a_folder_with_other_things_is_left_alone(self, dcgan, tmp_path, names):
        for name in names:
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).write_text("mine")
        first = names[0].partition("/")[0]
        message = f"holds other things, such as {first}. Name a new folder, or that of an exported"
        with pytest.raises(GanzooError, match=message):
            exporting.export(dcgan, tmp_path, check=False)
        assert {(tmp_path / name).read_text() for name in names} == {"mine"}

    def test_a_file_in_the_way_is_named(self, dcgan, tmp_path):
        (tmp_path / "x").write_text("mine")
        with pytest.raises(GanzooError, match="x is a file. Name a folder"):
            dcgan.export(tmp_path / "x")
        (tmp_path / "x.onnx").mkdir()
        with pytest.raises(GanzooError, match="x.onnx is a folder. Name a file"):
            dcgan.export(tmp_path / "x.onnx", format="onnx")

    def test_the_name_of_another_formats_file_is_refused(self, dcgan, tmp_path):
        with pytest.raises(GanzooError, match="pass format='onnx'"):
            dcgan.export(tmp_path / "x.onnx")

    def test_an_earlier_saved_model_is_replaced_as_a_whole(self, dcgan, tmp_path):
        exporting.export(dcgan, tmp_path / "x", check=False)
        (tmp_path / "x" / "assets" / "old").write_text("of the one before")
        exporting.export(dcgan, tmp_path / "x", check=False)
        assert not list((tmp_path / "x" / "assets").iterdir())

    def test_files_of_other_formats_and_of_others_stay(self, dcgan, tmp_path, monkeypatch):
        def write(functions, files):
            for name in functions:
                files[name].write_bytes(b"new")

        monkeypatch.setattr(export_formats, "write_onnx", write)
        monkeypatch.setattr(
            export_formats, "write_litert", lambda f, files, float16: write(f, files)
        )
        (tmp_path / "x").mkdir()
        for name in ("notes.txt", "other.onnx", "generate.onnx"):
            (tmp_path / "x" / name).write_bytes(b"old")
        for format in ("onnx", "litert"):
            exporting.export(dcgan, tmp_path / "x", format=format, check=False)
        assert {file.name: file.read_bytes() for file in (tmp_path / "x").iterdir()} == {
            "notes.txt": b"old",
            "other.onnx": b"old",
            "generate.onnx": b"new",
            "generate.tflite": b"new",
        }

    @pytest.mark.parametrize("there", [False, True])
    def test_files_that_cannot_be_written_leave_nothing(self, dcgan, tmp_path, monkeypatch, there):
        def write(functions, files):
            files["generate"].write_bytes(b"half")
            raise GanzooError("The writer failed. Try again.")

        monkeypatch.setattr(export_formats, "write_onnx", write)
        if there:
            (tmp_path / "x").mkdir()
            (tmp_path / "x" / "generate.onnx").write_bytes(b"old")
        with pytest.raises(GanzooError, match="The writer failed"):
            exporting.export(dcgan, tmp_path / "x", format="onnx", check=False)
        left = [path.relative_to(tmp_path).as_posix() for path in sorted(tmp_path.rglob("*"))]
        assert left == (["x", "x/generate.onnx"] if there else [])
        assert not there or (tmp_path / "x" / "generate.onnx").read_bytes() == b"old"


@pytest.mark.parametrize("format", ["saved_model", "litert"])
def test_no_room_for_temporary_files_is_said_of_their_folder(dcgan, tmp_path, monkeypatch, format):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "full"))
    message = f"^Cannot write temporary files in {tmp_path}/full, which TMPDIR names: "
    with pytest.raises(GanzooError, match=message):
        dcgan.export(tmp_path / "x", format=format)
    assert not (tmp_path / "x").exists()


class TestComparison:
    """The proof itself fails where the export and the model differ."""

    def test_an_export_of_other_weights_does_not_take_the_place(self, tmp_path, monkeypatch, here):
        model = make("dcgan_mnist")
        exporting.export(model, tmp_path / "x", check=False)
        before = (tmp_path / "x" / "saved_model.pb").read_bytes()
        write = export_formats.write_saved_model

        def write_then_move_on(functions, files):
            write(functions, files)
            kernel = model.generator.get_layer("project").kernel
            kernel.assign(kernel * 1.01)

        monkeypatch.setattr(export_formats, "write_saved_model", write_then_move_on)
        with pytest.raises(GanzooError, match="'(sample|generate)' differs by .* is allowed"):
            exporting.export(model, tmp_path / "x")
        assert (tmp_path / "x" / "saved_model.pb").read_bytes() == before
        assert [item.name for item in tmp_path.iterdir()] == ["x"]

    def test_a_file_that_cannot_be_loaded_is_said(self, dcgan, tmp_path, monkeypatch):
        monkeypatch.setattr(
            export_formats,
            "write_onnx",
            lambda functions, files: [file.write_bytes(b"?") for file in files.values()],
        )
        with pytest.raises(GanzooError, match="cannot be used by a fresh process: .*generate.onnx"):
            exporting.export(dcgan, tmp_path / "x", format="onnx")
        assert not list(tmp_path.iterdir())

    @pytest.mark.parametrize(
        ("expected", "found", "fine"),
        [
            (np.zeros(5, "f4"), np.full(5, 9e-5, "f4"), True),
            (np.zeros(5, "f4"), np.full(5, 2e-4, "f4"), False),
            (np.zeros(5, "f4"), np.full(5, np.nan, "f4"), False),
            (np.zeros(2000, "u1"), np.r_[np.ones(2), np.zeros(1998)].astype("u1"), True),
            (np.zeros(2000, "u1"), np.r_[np.ones(3), np.zeros(1997)].astype("u1"), False),
            (np.zeros(2000, "u1"), np.r_[2, np.zeros(1999)].astype("u1"), False),
            (np.zeros(1, "u1"), np.full(1, 255, "u1"), False),
        ],
    )
    def test_limits(self, expected, found, fine):
        difference = export_check._difference("f", {"y": expected}, {"f/y": found})
        if fine:
            export_check._refuse("f", difference, "onnx", export_check.FLOAT_LIMIT)
        else:
            with pytest.raises(GanzooError, match="'f' differs by .* is allowed"):
                export_check._refuse("f", difference, "onnx", export_check.FLOAT_LIMIT)

    @pytest.mark.parametrize(
        ("gap", "float16", "dtypes", "fine"),
        [
            (5e-5, False, {"float32"}, True),
            (1e-3, False, {"float32"}, False),
            (1e-3, True, {"float32"}, True),
            (1e-3, False, {"float32", "bfloat16"}, True),
            (0.1, True, {"float16"}, False),
        ],
    )
    def test_more_is_allowed_to_16_bits_alone(self, gap, float16, dtypes, fine, monkeypatch):
        spec = tf.TensorSpec((None, 3), "float32", name="latents")
        function = types.SimpleNamespace(
            inputs=[spec], call=lambda latents: {"y": latents}, compute_dtypes=dtypes
        )
        monkeypatch.setattr(
            export_check,
            "_answers_of_export",
            lambda files, format, inputs: {"f/y": inputs["f"]["latents"] + np.float32(gap)},
        )
        job = ({"f": function}, {}, "litert")
        if fine:
            found = export_check.compare(*job, float16=float16)
            assert found["f"].greatest == pytest.approx(gap, rel=0.05)
        else:
            with pytest.raises(GanzooError, match="'f' differs by .* is allowed"):
                export_check.compare(*job, float16=float16)

    def test_another_type_or_shape_is_an_error(self):
        expected = {"y": np.zeros((2, 3), "f4")}
        for found in (np.zeros((2, 3), "f8"), np.zeros((3, 2), "f4")):
            with pytest.raises(GanzooError, match=r"and the model gives float32 \(2, 3\)"):
                export_check._difference("f", expected, {"f/y": found})
        with pytest.raises(GanzooError, match="gives nothing as 'y'"):
            export_check._difference("f", expected, {})

    def test_the_runner_blocks_what_an_export_must_not_need(self, tmp_path):
        (tmp_path / "job.json").write_text(json.dumps([]))
        np.savez(tmp_path / "inputs.npz")
        script = f"""
            import runpy, sys
            sys.argv = ["runner", "onnx", {str(tmp_path)!r}]
            runpy.run_path({str(export_check._RUNNER)!r}, run_name="__main__")
            for name in ("keras", "ganzoo"):
                try:
                    __import__(name)
                except ImportError:
                    print(name, "blocked")
        """
        command = [sys.executable, "-c", textwrap.dedent(script)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.stdout.split() == ["keras", "blocked", "ganzoo", "blocked"], done.stderr
