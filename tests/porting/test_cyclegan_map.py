"""CycleGAN checkpoints of the authors' layout become Keras networks with PyTorch's outputs."""

import os
import pathlib

import numpy as np
import pytest

from ganzoo.errors import WeightsError
from ganzoo.files import sha256_of
from ganzoo.models.cyclegan.networks import build_discriminator, build_generator
from ganzoo.porting import read_checkpoint, recognise
from tests.porting.handmade import assign

TOLERANCE = 1e-4
REFERENCE = "cyclegan_resnet9_modern2vintage_reference.npz"
GENERATOR_KEYS = ("channels", "base_filters", "residual_blocks", "affine")


def nhwc(images):
    return images.transpose(0, 2, 3, 1)


def network(recognised, role):
    """Builds the network of a role from what was recognised, and fills it."""
    settings = recognised.settings
    if role.startswith("generator"):
        built = build_generator(role, **{key: settings[key] for key in GENERATOR_KEYS})
    else:
        built = build_discriminator(
            role,
            channels=settings["channels"],
            base_filters=settings["discriminator_filters"],
            layer_count=settings["discriminator_layers"],
            padding=settings["discriminator_padding"],
            affine=settings["affine"],
        )
    assign(built, recognised.networks[role])
    return built


def generator_state(fixtures, name="cyclegan_resnet6_affine"):
    return dict(read_checkpoint(fixtures / f"{name}.pth"))


@pytest.mark.parametrize(
    ("name", "blocks", "affine"),
    [
        ("cyclegan_resnet9", 9, False),
        ("cyclegan_resnet6_affine", 6, True),
        ("cyclegan_resnet9_affine", 9, True),
    ],
)
@pytest.mark.parametrize("direction", ["ab", "ba"])
def test_a_lone_generator(fixtures, name, blocks, affine, direction):
    content = read_checkpoint(fixtures / f"{name}.pth")
    recognised = recognise(content, direction=direction)
    assert recognised.family == "cyclegan"
    assert recognised.settings == {
        "channels": 3,
        "base_filters": 2,
        "residual_blocks": blocks,
        "affine": affine,
    }
    assert list(recognised.networks) == [f"generator_{direction}"]
    with np.load(fixtures / f"{name}.npz") as reference:
        images = network(recognised, f"generator_{direction}")(nhwc(reference["inputs"]))
        expected = nhwc(reference["outputs"])
    np.testing.assert_allclose(images, expected, rtol=0, atol=TOLERANCE)


def test_both_directions_with_their_discriminators(fixtures):
    recognised = recognise(read_checkpoint(fixtures / "cyclegan_both.pth"))
    # The authors' D_A judges what G_A makes: images of B.
    roles = {"G_A": "generator_ab", "G_B": "generator_ba"}
    roles |= {"D_A": "discriminator_b", "D_B": "discriminator_a"}
    assert set(recognised.networks) == set(roles.values())
    with np.load(fixtures / "cyclegan_both.npz") as reference:
        for theirs, role in roles.items():
            found = network(recognised, role)(nhwc(reference[f"{theirs}_inputs"]))
            expected = nhwc(reference[f"{theirs}_outputs"])
            np.testing.assert_allclose(found, expected, rtol=0, atol=TOLERANCE, err_msg=theirs)


@pytest.mark.parametrize("padding", [1, 2])
def test_a_discriminator_of_the_papers_code(fixtures, padding):
    content = read_checkpoint(fixtures / "cyclegan_paper_discriminator.pth")
    preset = {"discriminator_padding": padding} if padding != 1 else {}
    recognised = recognise(content, direction="ba", model=preset)
    assert recognised.settings == {
        "channels": 3,
        "discriminator_filters": 2,
        "discriminator_layers": 3,
        "discriminator_padding": padding,  # which the tensors do not tell
        "affine": True,
    }
    with np.load(fixtures / "cyclegan_paper_discriminator.npz") as reference:
        logits = network(recognised, "discriminator_a")(nhwc(reference["inputs"]))
        expected = nhwc(reference["outputs"])
    assert expected.shape == (2, 6, 7, 1)
    if padding == 2:
        np.testing.assert_allclose(logits, expected, rtol=0, atol=TOLERANCE)
    else:
        assert logits.shape == (2, 1, 2, 1)


@pytest.mark.parametrize(
    ("names", "roles"),
    [
        (("netG_A2B", "netG_B2A"), ("generator_ab", "generator_ba")),
        (("genAtoB", "genBtoA"), ("generator_ab", "generator_ba")),
        (("G_AB", "G_BA"), ("generator_ab", "generator_ba")),
        (("netG_B", "netG_A"), ("generator_ba", "generator_ab")),
        (("models.G_BA", "models.G_AB"), ("generator_ba", "generator_ab")),
        (("genA", "genB"), ("generator_ab", "generator_ba")),
        (("netGA", "GB"), ("generator_ab", "generator_ba")),
        (("g_b", "g_a"), ("generator_ba", "generator_ab")),
        (("B", "A"), ("generator_ba", "generator_ab")),
        (("genBA", "ab"), ("generator_ba", "generator_ab")),
    ],
)
def test_names_of_generators(fixtures, names, roles):
    state = generator_state(fixtures)
    content: dict = {}
    for name in names:
        place = content
        *path, last = name.split(".")
        for part in path:
            place = place.setdefault(part, {})
        place[last] = state
    assert tuple(recognise(content).networks) == roles


def test_discriminators_named_after_their_images(fixtures):
    both = read_checkpoint(fixtures / "cyclegan_both.pth")
    content = {"netG_A2B": both["G_A"], "netD_A": both["D_A"], "netD_B": both["D_B"]}
    recognised = recognise(content)
    assert list(recognised.networks) == ["generator_ab", "discriminator_a", "discriminator_b"]


def test_a_lone_discriminator_judges_what_the_direction_makes(fixtures):
    both = read_checkpoint(fixtures / "cyclegan_both.pth")
    assert list(recognise(both["D_A"], direction="ab").networks) == ["discriminator_b"]
    assert list(recognise(both["D_A"], direction="ba").networks) == ["discriminator_a"]


def test_a_direction_that_is_not_told(fixtures):
    state = generator_state(fixtures)
    with pytest.raises(WeightsError, match="does not say of which direction.*--direction ab"):
        recognise(state)
    with pytest.raises(WeightsError, match="direction is 'AB'. Give 'ab' or 'ba'"):
        recognise(state, direction="AB")


@pytest.mark.parametrize("name", ["netG_ema", "data", "lambda", "G_lab", "ALPHA", "ema", "netG"])
def test_a_word_that_ends_in_a_letter_tells_no_direction(fixtures, name):
    content = {name: generator_state(fixtures)}
    with pytest.raises(WeightsError, match="does not say of which direction"):
        recognise(content)
    assert list(recognise(content, direction="ba").networks) == ["generator_ba"]


def test_a_network_and_its_average_do_not_fill_both_directions(fixtures):
    state = generator_state(fixtures)
    expected = "2 networks that could be the generator_ba: netG, netG_ema. Save one"
    with pytest.raises(WeightsError, match=expected):
        recognise({"netG": state, "netG_ema": state}, direction="ba")


def test_a_direction_that_a_name_contradicts(fixtures):
    state = generator_state(fixtures)
    both = read_checkpoint(fixtures / "cyclegan_both.pth")
    expected = "direction is 'ba', and The checkpoint calls a generator G_A2B, which makes it the "
    with pytest.raises(WeightsError, match=f"{expected}generator_ab. Leave the direction out"):
        recognise({"G_A2B": state}, direction="ba")
    with pytest.raises(WeightsError, match="calls a discriminator D_A, .* the discriminator_b"):
        recognise({"D_A": both["D_A"]}, direction="ba")
    assert list(recognise({"G_A2B": state}, direction="ab").networks) == ["generator_ab"]
    lone = {"G": both["G_A"], "D_A": both["D_A"], "D_B": both["D_B"]}
    roles = ["generator_ab", "discriminator_b", "discriminator_a"]
    assert list(recognise(lone, direction="ab").networks) == roles


# --- variants ---------------------------------------------------------------------------------


def same_networks(found, expected):
    assert found.settings == expected.settings
    for role, arrays in expected.networks.items():
        for path, array in arrays.items():
            np.testing.assert_array_equal(found.networks[role][path], array)


def test_dropout_in_the_blocks_moves_their_second_convolution(fixtures):
    state = generator_state(fixtures)
    moved = {
        name.replace(".conv_block.6.", ".conv_block.7.").replace(
            ".conv_block.5.", ".conv_block.6."
        ): array
        for name, array in state.items()
    }
    assert moved.keys() != state.keys()
    same_networks(recognise(moved, direction="ab"), recognise(state, direction="ab"))


def test_blocks_of_another_name(fixtures):
    state = generator_state(fixtures)
    other = {name.replace("conv_block", "block"): array for name, array in state.items()}
    same_networks(recognise(other, direction="ab"), recognise(state, direction="ab"))


def test_running_statistics_of_old_files_are_left_out(fixtures):
    state = generator_state(fixtures, "cyclegan_resnet9")
    old = state | {
        "model.2.running_mean": np.zeros(2, "f4"),
        "model.2.running_var": np.ones(2, "f4"),
        "model.10.conv_block.2.running_mean": np.zeros(8, "f4"),
        "model.10.conv_block.2.num_batches_tracked": np.array(3),
    }
    same_networks(recognise(old, direction="ab"), recognise(state, direction="ab"))


def test_batch_norm_is_not_taken_for_instance_norm(fixtures):
    state = generator_state(fixtures)
    state["model.2.running_mean"] = np.zeros(2, "f4")
    with pytest.raises(WeightsError, match=r"left over: model\.2\.running_mean \(2,\)"):
        recognise(state, direction="ab")
    state = generator_state(fixtures, "cyclegan_resnet9")
    del state["model.1.bias"]
    with pytest.raises(WeightsError, match=r"missing: model\.1\.bias"):
        recognise(state, direction="ab")


def test_networks_with_and_without_scales(fixtures):
    content = {"G_A": generator_state(fixtures)}
    content["G_B"] = read_checkpoint(fixtures / "cyclegan_both.pth")["G_B"]
    with pytest.raises(WeightsError, match="affine is True in one and False in G_B"):
        recognise(content)


# --- a published network ----------------------------------------------------------------------


PUBLISHED = "G_A2B_epoch33.pth"
PUBLISHED_SHA256 = "c502cd44ca720d004f89775f593fc403acc6b36d27d65390cbe2f476f771e560"


@pytest.fixture(scope="module")
def published(shared_data):
    """The generator of the package vintagify, which lies in one of two folders."""
    folders = [shared_data / "weights"]
    if os.environ.get("GANZOO_TEST_WEIGHTS"):
        folders.append(pathlib.Path(os.environ["GANZOO_TEST_WEIGHTS"]))
    found = [folder / PUBLISHED for folder in folders if (folder / PUBLISHED).is_file()]
    if not found:
        pytest.skip(
            f"no {PUBLISHED}: run `pip download vintagify==0.1.2 --no-deps`, unzip "
            f"vintagify/resources/{PUBLISHED} from the wheel, and set GANZOO_TEST_WEIGHTS to its "
            "folder"
        )
    assert sha256_of(found[0]) == PUBLISHED_SHA256
    generator = network(recognise(read_checkpoint(found[0]), direction="ab"), "generator_ab")
    with np.load(shared_data / "weights" / REFERENCE) as reference:
        return generator, {name: reference[name] for name in reference if name.startswith("ref/")}


def test_published_generator(published):
    generator, reference = published
    assert generator.count_params() == 11_388_675
    images = reference["ref/x64_nhwc_uint8"] / np.float32(127.5) - 1
    expected = nhwc(reference["ref/y64_nchw_float32"])
    np.testing.assert_allclose(generator(images), expected, rtol=0, atol=TOLERANCE)


def test_published_generator_on_whole_pictures(published):
    """Of 256×256, to one grey level of 255: the reference is stored in 16 bits."""
    generator, reference = published
    images = reference["ref/x256_nhwc_uint8"] / np.float32(127.5) - 1
    expected = nhwc(reference["ref/y256_nchw_float16"]).astype("float32")
    assert images.shape == expected.shape == (2, 256, 256, 3)
    for image, wanted in zip(images, expected, strict=True):
        made = np.asarray(generator(image[None]))[0]
        np.testing.assert_allclose(127.5 * made, 127.5 * wanted, rtol=0, atol=1)


def test_names_and_shapes_of_the_published_generator(shared_data):
    folder = shared_data / "weights"
    with np.load(folder / REFERENCE) as reference:
        sides = [[int(side) for side in text.split(",")] for text in reference["param_shapes"]]
        state = {
            str(name): np.zeros(shape, "f4")
            for name, shape in zip(reference["param_names"], sides, strict=True)
        }
    recognised = recognise(state, direction="ba")
    assert recognised.settings["residual_blocks"] == 9
    assert recognised.settings["affine"]
    assert sum(array.size for array in recognised.networks["generator_ba"].values()) == 11_388_675
