"""Steps that turn an answer: on a linear model they are known by hand."""

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image, ImageDraw, ImageFont

from ganzoo.errors import GanzooError, WeightsError
from ganzoo.explore import adversarial, classifiers

WEIGHTS = np.array([0.5, -2.0, 1.0, 0.25], "f4").reshape(2, 2, 1)
BIAS = 0.3


def linear(images):
    """One logit: w·x + b."""
    return tf.reduce_sum(images * WEIGHTS, axis=(1, 2, 3))[:, None] + BIAS


def three_classes(images):
    """Logits of three classes, each a sum over some of the four pixels."""
    flat = tf.reshape(images, (-1, 4))
    return tf.stack([flat[:, 0], flat[:, 1], flat[:, 2] + flat[:, 3]], axis=1)


def images_of(*rows):
    return np.array(rows, "f4").reshape(-1, 2, 2, 1)


class TestFgsm:
    def test_moves_against_the_sign_of_a_linear_models_weights(self):
        images = images_of([0.1, 0, 0, 0], [0, 0.5, 0, 0])  # "real" by 0.35, "fake" by 0.7
        moved = adversarial.fgsm(linear, images, 0.05)
        signs = np.sign(WEIGHTS)
        np.testing.assert_allclose(moved[0], images[0] - 0.05 * signs, atol=1e-7)
        np.testing.assert_allclose(moved[1], images[1] + 0.05 * signs, atol=1e-7)

    def test_each_image_may_have_its_own_step(self):
        images = images_of([0.1, 0, 0, 0], [0.1, 0, 0, 0])
        moved = adversarial.fgsm(linear, images, np.array([0.01, 0.2]))
        np.testing.assert_allclose(
            np.abs(moved - images).max(axis=(1, 2, 3)), [0.01, 0.2], rtol=1e-5
        )

    def test_stays_among_images(self):
        moved = adversarial.fgsm(linear, images_of([1, -1, 1, 1]), 0.5)
        assert moved.min() >= -1
        assert moved.max() <= 1

    def test_of_classes_it_shrinks_the_lead_over_the_second(self):
        images = images_of([0.9, 0.5, 0.1, 0.1])  # class 0 before class 1
        moved = adversarial.fgsm(three_classes, images, 0.1)
        np.testing.assert_allclose(moved.reshape(-1), [0.8, 0.6, 0.1, 0.1], atol=1e-6)

    def test_has_a_slope_where_the_answer_is_certain(self):
        moved = adversarial.fgsm(lambda x: 1e4 * linear(x), images_of([0.1, 0, 0, 0]), 0.05)
        np.testing.assert_allclose(moved[0], images_of([0.1, 0, 0, 0])[0] - 0.05 * np.sign(WEIGHTS))


class TestPgd:
    def test_stays_in_the_ball_and_among_images(self):
        random = np.random.default_rng(0)
        images = random.uniform(-1, 1, (6, 2, 2, 1)).astype("f4")
        kernel = random.normal(size=(4, 4)).astype("f4")

        def curved(x):
            return tf.reduce_sum(tf.sin(4 * tf.reshape(x, (-1, 4)) @ kernel), 1, keepdims=True)

        moved = adversarial.pgd(curved, images, 0.07, steps=15, step_size=0.05)
        assert np.abs(moved - images).max() <= 0.07 + 1e-6
        assert np.abs(moved).max() <= 1

    def test_reaches_the_corner_of_the_ball_of_a_linear_model(self):
        images = images_of([0.1, 0, 0, 0])
        moved = adversarial.pgd(linear, images, 0.05, steps=10)
        np.testing.assert_allclose(moved[0], images[0] - 0.05 * np.sign(WEIGHTS), atol=1e-6)

    def test_leaves_no_images_at_either_end(self):
        moved = adversarial.pgd(linear, images_of([1, 1, 1, 1], [-1, -1, -1, -1]), 0.05)
        expected = images_of([0.95, 1, 0.95, 0.95], [-1, -0.95, -1, -1])
        np.testing.assert_allclose(moved, expected, atol=1e-6)
        assert np.abs(moved).max() <= 1

    def test_does_no_worse_than_one_step_on_a_curved_model(self):
        images = np.random.default_rng(2).uniform(-0.5, 0.5, (8, 2, 2, 1)).astype("f4")

        def curved(x):
            return linear(x) + 3 * tf.reduce_sum(x[:, :1] * x[:, 1:], axis=(1, 2, 3))[:, None]

        answers = adversarial._answers(curved(tf.constant(images)))
        leads = [
            adversarial._lead(curved(tf.constant(attack(curved, images, 0.3))), answers)
            for attack in (adversarial.fgsm, adversarial.pgd)
        ]
        assert np.mean(leads[1]) <= np.mean(leads[0]) + 1e-5


@pytest.mark.parametrize("method", ["fgsm", "pgd"])
class TestSmallestStep:
    def test_never_steps_further_than_allowed(self, method):
        images = images_of([-0.15 * 4 + 1e-4, 0, 0, 0])  # "real" by 5e-5: a step of 1.3e-5 turns it
        for largest, found in ((1e-4, True), (1e-6, False)):
            deception = adversarial.smallest_step(linear, images, method, largest=largest)
            assert np.isfinite(deception.epsilons).all() == found
            assert np.nanmax(deception.epsilons, initial=0) <= largest
            assert np.abs(deception.deceptive - images).max() <= largest + 1e-7

    def test_of_a_linear_model_is_its_logit_over_the_sum_of_its_weights(self, method):
        images = images_of([0.1, 0, 0, 0], [0, 0.5, 0, 0])
        found = adversarial.smallest_step(linear, images, method)
        logits = linear(images).numpy()[:, 0]
        exact = np.abs(logits) / np.abs(WEIGHTS).sum()
        assert (found.epsilons >= exact).all()
        np.testing.assert_allclose(found.epsilons, exact, atol=adversarial.LEVEL / 4 + 1e-6)
        assert found.answers.tolist() == [1, 0]
        assert found.new_answers.tolist() == [0, 1]
        np.testing.assert_allclose(found.confidences, 1 / (1 + np.exp(-np.abs(logits))), rtol=1e-5)
        assert np.abs(found.deceptive - images).max() <= found.epsilons.max() + 1e-6

    def test_gives_up_on_what_nothing_turns(self, method):
        found = adversarial.smallest_step(lambda x: linear(x) + 100, images_of([0] * 4), method)
        assert np.isnan(found.epsilons).all()
        np.testing.assert_array_equal(found.deceptive, found.images)


def test_an_unknown_method_is_named():
    with pytest.raises(GanzooError, match="no method 'fgms'. Did you mean 'fgsm'"):
        adversarial.smallest_step(linear, images_of([0] * 4), "fgms")


def test_turns_a_real_classifier_with_a_step_that_it_keeps_to():
    classify = classifiers.load_classifier("lenet_mnist")
    page = Image.new("L", (28, 28))
    ImageDraw.Draw(page).text((8, 1), "4", 255, ImageFont.load_default(24))
    digit = np.asarray(page, "f4") / 127.5 - 1
    found = adversarial.smallest_step(classify, digit[None, ..., None], "fgsm")
    assert found.answers.tolist() == [4]
    assert found.confidences[0] > 0.9
    assert found.new_answers[0] != 4
    step = np.abs(found.deceptive - found.images).max()
    assert step == pytest.approx(found.epsilons[0], rel=1e-4)


def test_draws_both_methods_for_each_image(dcgan, tmp_path):
    images = dcgan.generate(2, seed=0)
    found = adversarial.draw_adversarial(dcgan, images, out=tmp_path / "x.png")
    assert list(found) == ["fgsm", "pgd"]
    with Image.open(tmp_path / "x.png") as picture:
        assert picture.size[0] > 5 * 112
        assert picture.size[1] > 2 * 112


def test_one_method_may_be_named_alone(dcgan, tmp_path):
    images = dcgan.generate(1, seed=0)
    found = adversarial.draw_adversarial(dcgan, images, out=tmp_path / "x.png", methods="fgsm")
    assert list(found) == ["fgsm"]


@pytest.mark.parametrize(
    ("shape", "methods", "message"),
    [
        ((1, 16, 16, 1), (), "No method is named. Choose among fgsm, pgd"),
        ((16, 16, 1), "fgsm", r"have the shape \(16, 16, 1\). Give \(n, h, w, c\), n from 1 up"),
        ((0, 16, 16, 1), "fgsm", r"have the shape \(0, 16, 16, 1\). Give"),
        (
            (1, 8, 16, 1),
            "fgsm",
            r"images are \(8, 16, 1\), and .* judges \(16, 16, 1\). Resize them",
        ),
    ],
)
def test_what_cannot_be_deceived_is_said(dcgan, tmp_path, shape, methods, message):
    with pytest.raises(GanzooError, match=message):
        adversarial.draw_adversarial(
            dcgan, np.zeros(shape, "f4"), out=tmp_path / "x.png", methods=methods
        )


def test_a_growing_model_is_shown_images_of_the_side_it_has_reached(half_grown, tmp_path):
    images = half_grown.generate(1, seed=0)
    adversarial.draw_adversarial(half_grown, images, out=tmp_path / "x.png", methods="fgsm")
    side = half_grown.resolution
    large = np.zeros((1, 2 * side, 2 * side, images.shape[-1]), "f4")
    with pytest.raises(GanzooError, match=rf"judges \({side}, {side}, .*\). Resize them"):
        adversarial.draw_adversarial(half_grown, large, out=tmp_path / "x.png")


def test_where_no_step_was_found_the_cells_are_as_large(dcgan, tmp_path, monkeypatch):
    rows = []
    monkeypatch.setattr(
        adversarial.drawing, "table", lambda cells, **options: rows.extend(cells) or cells[0][0][0]
    )
    images = np.zeros((1, 4, 4, 1), "f4")
    adversarial.draw_adversarial(
        lambda x: tf.reduce_sum(x, axis=(1, 2, 3))[:, None] + 1000, images, out=tmp_path / "x.png"
    )
    (row,) = rows
    assert [said for _, said in row[1:]] == ["no step", ""] * 2
    assert {picture.shape for picture, _ in row} == {(112, 112, 3)}


def test_a_growing_model_judges_with_its_fade(half_grown):
    images = half_grown.generate(3, seed=0).astype("f4") / 127.5 - 1
    answers = adversarial.judge_of(half_grown)(images).numpy()
    np.testing.assert_allclose(answers, half_grown.judge(images, 0.25), rtol=1e-5)
    assert not np.allclose(answers, half_grown.judge(images))


def test_a_translator_is_no_judge(cyclegan, monkeypatch):
    monkeypatch.setattr(cyclegan, "trained", frozenset({"generator_ab"}))
    with pytest.raises(GanzooError, match="no single discriminator to deceive"):
        adversarial.judge_of(cyclegan)


def test_a_discriminator_that_is_not_trained_is_not_deceived(dcgan, monkeypatch):
    monkeypatch.setattr(dcgan, "trained", frozenset({"generator"}))
    with pytest.raises(WeightsError, match="for generator only, and not for its discriminator"):
        adversarial.judge_of(dcgan)


class TestClassifiers:
    def test_a_saved_model_lets_gradients_through(self, tmp_path):
        class Module(tf.Module):
            @tf.function(input_signature=[tf.TensorSpec((None, 2, 2, 1), name="images")])
            def __call__(self, images):
                return {"logits": three_classes(images)}

        module = Module()
        tf.saved_model.save(module, str(tmp_path / "m"), signatures=module.__call__)
        classify = classifiers.load_classifier(tmp_path / "m")
        images = images_of([0.9, 0.5, 0.1, 0.1])
        moved = adversarial.fgsm(classify, images, 0.1)
        np.testing.assert_allclose(moved.reshape(-1), [0.8, 0.6, 0.1, 0.1], atol=1e-6)

    @pytest.mark.parametrize(
        ("specs", "message"),
        [
            ([tf.TensorSpec((None, 2), name="images")], "takes images, not one batch of images"),
            ([tf.TensorSpec((None, 2, 2, 1), name=name) for name in "ab"], "takes a, b, not one"),
            ([tf.TensorSpec((None, 2, 2, 1), "uint8", "images")], "of uint8, through which no gra"),
            (None, "has no endpoint 'serving_default', but none"),
        ],
    )
    def test_a_saved_model_of_another_kind_is_said(self, tmp_path, specs, message):
        module = tf.Module()
        answer = tf.function(lambda *values: {"logits": values[0]}, input_signature=specs)
        signatures = {"serving_default": answer} if specs else None
        tf.saved_model.save(module, str(tmp_path / "m"), signatures=signatures)
        with pytest.raises(GanzooError, match=message):
            classifiers.load_classifier(tmp_path / "m")

    def test_the_logits_of_several_outputs_are_taken_by_name(self, tmp_path):
        signature = [tf.TensorSpec((None, 2, 2, 1), name="images")]

        def export(folder, names):
            module = tf.Module()
            answer = tf.function(
                lambda images: {name: three_classes(images) + i for i, name in enumerate(names)},
                input_signature=signature,
            )
            tf.saved_model.save(module, str(folder), signatures={"serving_default": answer})
            return classifiers.load_classifier(folder)

        images = tf.constant(images_of([0.9, 0.5, 0.1, 0.1]))
        named = export(tmp_path / "named", ["embedding", "logits", "probabilities"])
        np.testing.assert_allclose(named(images), three_classes(images) + 1, atol=1e-6)
        unnamed = export(tmp_path / "unnamed", ["probabilities", "embedding"])
        with pytest.raises(GanzooError, match="gives embedding, probabilities. Name the one to"):
            unnamed(images)

    def test_a_damaged_saved_model_is_said(self, tmp_path):
        (tmp_path / "saved_model.pb").write_bytes(b"nothing of the kind")
        with pytest.raises(GanzooError, match="cannot be read as a SavedModel: .* Export the netw"):
            classifiers.load_classifier(tmp_path)

    def test_what_is_none_is_said(self, tmp_path):
        with pytest.raises(GanzooError, match="is no classifier. Give 'lenet_mnist'"):
            classifiers.load_classifier(str(tmp_path))
