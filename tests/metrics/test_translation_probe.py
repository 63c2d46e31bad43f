"""The yardsticks of translation and of what a discriminator has learnt."""

import numpy as np
import pytest

from ganzoo import errors
from ganzoo.errors import DataError
from ganzoo.metrics import cycle_psnr, fcn_score, identity_error, linear_probe, probe
from ganzoo.metrics.probe import pooled_features

IGNORED = 255


def test_fcn_score_by_hand():
    """Class 0: 3 of 4 right; class 1: 1 of 2; class 2 absent and unseen; one pixel unlabelled."""
    labels = np.array([[[0, 0, 0, 0], [1, 1, IGNORED, IGNORED]]])
    predicted = np.array([[[0, 0, 0, 1], [1, 0, 0, 1]]])
    images = np.zeros((1, 2, 4, 3), np.uint8)
    score = fcn_score([(images, labels)], lambda _: predicted, classes=3)
    assert score.per_pixel == pytest.approx(4 / 6)
    assert score.per_class == pytest.approx((3 / 4 + 1 / 2 + 0) / 3)
    assert score.class_iou == pytest.approx((3 / 5 + 1 / 3 + 0) / 3)
    more_of_1 = np.array([[[0, 0, 0, 1], [1, 1, 0, 1]]])  # than there are
    assert fcn_score([(images, labels)], lambda _: more_of_1, classes=3) == pytest.approx(
        (5 / 6, (3 / 4 + 2 / 2 + 0) / 3, (3 / 4 + 2 / 3 + 0) / 3)
    )


def test_fcn_score_sums_batches_and_takes_scores_by_class():
    random = np.random.RandomState(0)
    labels = random.randint(0, 4, (6, 5, 5))
    scores = random.standard_normal((6, 5, 5, 4))
    whole = fcn_score([(scores, labels)], lambda x: x.argmax(axis=-1), classes=4)
    parts = fcn_score(
        ((scores[i : i + 2], labels[i : i + 2]) for i in (0, 2, 4)), lambda x: x, classes=4
    )
    assert whole == parts


def test_fcn_score_refuses():
    images, labels = np.zeros((1, 2, 2, 3)), np.zeros((1, 2, 2), int)
    with pytest.raises(DataError, match="Resize the images to the labels"):
        fcn_score([(images, labels)], lambda x: np.zeros((1, 4, 4), int), 2)
    with pytest.raises(DataError, match="0 to 7, outside 0 to 1"):
        fcn_score([(images, labels)], lambda x: np.array([[[0, 7], [0, 0]]]), 2)
    with pytest.raises(DataError, match="counted no pixel"):
        fcn_score([], None, 2)


def test_cycle_psnr_and_identity_error_by_hand():
    images = np.zeros((2, 4, 4, 3), np.uint8)
    other = images.copy()
    other[0] = 51
    other[1] = 255
    assert cycle_psnr(images, other) == pytest.approx(20 * np.log10(5) / 2)
    # As if one of 48 values were half a grey level off.
    assert cycle_psnr(images, images) == pytest.approx(10 * np.log10(255**2 * 48 / 0.5**2))
    assert identity_error(images, other) == pytest.approx((0.2 + 1) / 2)
    # uint8 would wrap: 0 − 255 is 1.
    assert identity_error(other, images) == pytest.approx((0.2 + 1) / 2)
    with pytest.raises(DataError, match="Match them"):
        identity_error(images, other[:1])


class TwoLayers:
    """Features that keep what the images say: the pixels, their halves, and a flat layer."""

    def features(self, images):
        images = np.asarray(images)
        return {
            "fine": images,
            "coarse": images[:, ::4, ::4] * 2,
            "logits": images.mean(axis=(1, 2)),
        }


def test_features_are_pooled_to_four_by_four_and_joined():
    images = np.arange(3 * 9 * 9, dtype=float).reshape(3, 9, 9, 1)
    pooled = pooled_features(TwoLayers(), images, batch_size=2)
    assert pooled.shape == (3, 16 + 9)
    # Windows of a side of 9 start at 0, 2, 4, 6: the first covers rows 0-1, the last 6-8.
    np.testing.assert_array_equal(pooled[0, [0, 15]], [10, 80])
    np.testing.assert_array_equal(pooled[0, 16:], 2 * images[0, ::4, ::4, 0].ravel())
    assert pooled_features(TwoLayers(), images, ["logits"]).shape == (3, 1)
    with pytest.raises(DataError, match="no layer 'fin'. Choose among fine"):
        pooled_features(TwoLayers(), images, ["fin"])


def test_features_of_a_flat_discriminator_are_taken_as_they_are():
    class Flat:
        def features(self, images):
            return {"hidden": images.reshape(len(images), -1)}

    assert pooled_features(Flat(), np.ones((2, 3, 3, 1))).shape == (2, 9)


def stripes(count, seed):
    """Images whose class is the row that is bright: easy for a linear probe."""
    random = np.random.RandomState(seed)
    labels = random.randint(0, 4, count)
    images = random.standard_normal((count, 8, 8, 1)) * 0.3
    images[np.arange(count), 2 * labels] += 2
    return images, labels


def test_probe_separates_stripes_and_fails_on_shuffled_labels():
    train, test = stripes(200, 0), stripes(100, 1)
    result = linear_probe(TwoLayers(), train, test)
    assert result.accuracy == 1.0
    assert result.std == 0
    shuffled = np.random.RandomState(2).permutation(train[1])
    assert linear_probe(TwoLayers(), (train[0], shuffled), test).accuracy < 0.5


def test_probe_with_few_labels_averages_over_draws():
    train, valid, test = stripes(300, 3), stripes(60, 4), stripes(100, 5)
    noisy = train[0] + 4 * np.random.RandomState(6).standard_normal(train[0].shape)
    result = linear_probe(
        TwoLayers(),
        (noisy, train[1]),
        test,
        valid=valid,
        labels_per_class=10,
        grid=(1e-3, 1e-2),
        selection_draws=2,
        test_draws=5,
    )
    assert 0.3 < result.accuracy < 1
    assert result.std > 0
    assert result.c in (1e-3, 1e-2)


def test_probe_chooses_c_on_the_validation_images_only(monkeypatch):
    """The C that is best on the test images must lose to the one best on the others."""

    def accuracy(svm, c, train, on, random):
        return {(0.1, 9): 0.6, (0.5, 9): 0.7, (0.1, 50): 0.9, (0.5, 50): 0.8}[c, len(on[1])]

    monkeypatch.setattr(probe, "_accuracy", accuracy)
    data = {"valid": stripes(9, 7), "grid": (0.1, 0.5)}
    assert linear_probe(TwoLayers(), stripes(40, 7), stripes(50, 8), **data) == (0.8, 0, 0.5)
    monkeypatch.setitem(data, "valid", None)
    # A fifth of 45 is held out.
    assert linear_probe(TwoLayers(), stripes(45, 7), stripes(50, 8), **data).c == 0.5


def test_probe_refuses():
    images, labels = stripes(20, 9)
    with pytest.raises(DataError, match="20 images come with labels of shape"):
        linear_probe(TwoLayers(), (images, labels[:5]), (images, labels))
    with pytest.raises(DataError, match="fewer than 50"):
        linear_probe(TwoLayers(), (images, labels), (images, labels), labels_per_class=50)
    with pytest.raises(DataError, match="All 8 images that the probe learns from are of class 1"):
        linear_probe(TwoLayers(), (images[:10], np.ones(10, int)), (images, labels))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"labels_per_class": 0}, "labels_per_class is 0. Give a whole number from 1 up"),
        ({"selection_draws": 0}, "selection_draws is 0. Give a whole number from 1 up"),
        ({"labels_per_class": 2, "test_draws": 0}, "test_draws is 0. Give a whole number from 1"),
        ({"grid": ()}, "grid holds no value of C. Give one or more, or leave it out"),
        (
            {"valid": (np.zeros((2, 8, 8, 1)), np.arange(2))},
            r"images are \(4, 4, 1\) and \(8, 8, 1\). Bring all to one size",
        ),
    ],
)
def test_probe_refuses_to_draw_nothing(options, message):
    part = np.zeros((6, 4, 4, 1)), np.arange(6) % 2
    with pytest.raises(DataError, match=message):
        linear_probe(TwoLayers(), part, part, **options)


def test_probe_without_scikit_learn_names_the_extra(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "sklearn.svm", None)
    with pytest.raises(errors.MissingExtraError, match=r"ganzoo\[probe\]"):
        linear_probe(TwoLayers(), stripes(4, 0), stripes(4, 0))
