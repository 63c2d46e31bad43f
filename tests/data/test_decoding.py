"""Pictures of every kind become the same uint8 pixels, whoever decodes them."""

import io
import struct
import zlib

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from ganzoo.data import decoding
from ganzoo.errors import DataError


def save(path, image, **settings):
    image.save(path, **settings)
    return path


def in_graph(path, channels=3):
    """Decodes a file as the stream does; returns (who decodes it, pixels)."""
    with open(path, "rb") as file:
        decoder, width, height, whole = decoding.classify(file, str(path))
    assert whole
    decode = tf.function(lambda d, k: decoding.decode(d, k, tf.constant(str(path)), channels))
    pixels = decode(tf.constant(path.read_bytes()), tf.constant(decoder)).numpy()
    assert pixels.shape == (height, width, channels)
    return decoder, pixels


@pytest.mark.parametrize("suffix", ["png", "webp", "bmp", "gif", "jpg"])
@pytest.mark.parametrize("channels", [1, 3])
def test_each_format_keeps_its_pixels(tmp_path, pixels, suffix, channels):
    image = pixels(20, 30)
    exact = {"webp": {"lossless": True}, "jpg": {"quality": 95, "subsampling": 0}}
    path = save(tmp_path / f"x.{suffix}", Image.fromarray(image), **exact.get(suffix, {}))
    found = decoding.read_image(path, channels)
    assert found.shape == (20, 30, channels)
    assert found.dtype == np.uint8
    expected = (
        image if channels == 3 else np.asarray(Image.fromarray(image).convert("L"))[..., None]
    )
    # GIF has 256 colours, JPEG loses some.
    tolerance = {"gif": 40, "jpg": 15}.get(suffix, 0)
    assert np.abs(found.astype(int) - expected).max() <= tolerance
    np.testing.assert_array_equal(in_graph(path, channels)[1], found)


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("a.jpg", {"quality": 90, "subsampling": 2}),
        ("b.jpg", {"quality": 70, "subsampling": 0}),
        ("c.jpg", {"progressive": True}),
        ("d.png", {}),
    ],
)
@pytest.mark.parametrize("channels", [1, 3])
def test_tensorflow_and_pillow_decode_alike(tmp_path, pixels, name, settings, channels):
    path = save(tmp_path / name, Image.fromarray(pixels(37, 53)), **settings)
    decoder, found = in_graph(path, channels)
    assert decoder == (decoding.PNG if name.endswith("png") else decoding.JPEG)
    np.testing.assert_array_equal(found, decoding.read_image(path, channels))


def test_grey_becomes_three_equal_channels(tmp_path, pixels):
    grey = pixels(9, 8, 1)[..., 0]
    for name in ("grey.png", "grey.jpg"):
        path = save(tmp_path / name, Image.fromarray(grey), quality=100)
        decoder, found = in_graph(path)
        assert decoder != decoding.PILLOW
        assert (found == found[..., :1]).all()
        assert np.abs(found[..., 0].astype(int) - grey).max() <= (name == "grey.jpg")


def test_colour_becomes_grey_by_the_usual_weights():
    colours = np.random.RandomState(0).randint(0, 256, (5, 7, 3)).astype("uint8")
    grey = decoding.colour_to_grey(tf.constant(colours)).numpy()
    np.testing.assert_allclose(grey[..., 0], colours @ [0.299, 0.587, 0.114], atol=0.51)
    np.testing.assert_array_equal(grey[..., 0], np.asarray(Image.fromarray(colours).convert("L")))


def test_of_sixteen_bits_the_upper_eight_are_kept(tmp_path):
    levels = np.array([[0, 255, 256], [30000, 65280, 65535]], "uint16")
    path = save(tmp_path / "deep.png", Image.fromarray(levels))
    expected = np.repeat((levels >> 8).astype("uint8")[..., None], 3, -1)
    np.testing.assert_array_equal(in_graph(path)[1], expected)
    np.testing.assert_array_equal(decoding.read_image(path), expected)


@pytest.mark.parametrize(
    ("levels", "expected"), [([0, 7, 255], [0, 7, 255]), ([0, 255, 256], [0, 0, 1])]
)
def test_wide_levels_are_of_sixteen_bits_where_one_is_above_255(tmp_path, levels, expected):
    path = save(tmp_path / "wide.tif", Image.fromarray(np.array([levels], "int32")))
    assert decoding.read_image(path, 1).ravel().tolist() == expected


def test_sixteen_bit_colours_agree_whoever_decodes(tmp_path):
    levels = np.random.RandomState(0).randint(0, 65536, (5, 6, 3)).astype("uint16")
    path = tmp_path / "deep.png"
    path.write_bytes(tf.io.encode_png(levels).numpy())
    np.testing.assert_array_equal(in_graph(path)[1], levels >> 8)
    np.testing.assert_array_equal(decoding.read_image(path), levels >> 8)


def test_cmyk_becomes_colour(tmp_path):
    ink = np.zeros((16, 16, 4), "uint8")
    ink[..., 0] = 255  # full cyan: no red
    path = save(tmp_path / "print.jpg", Image.fromarray(ink, "CMYK"), quality=95)
    decoder, found = in_graph(path)
    assert decoder == decoding.PILLOW
    assert np.abs(found.astype(int) - [0, 255, 255]).max() <= 3


def test_palettes_are_looked_up(tmp_path):
    image = Image.fromarray(np.array([[0, 1], [2, 1]], "uint8"))
    image.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255])
    path = save(tmp_path / "palette.png", image)
    assert in_graph(path)[1].tolist() == [
        [[255, 0, 0], [0, 255, 0]],
        [[0, 0, 255], [0, 255, 0]],
    ]


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_transparent_parts_lie_on_white(tmp_path, mode):
    image = Image.fromarray(np.array([[[0, 0, 0, 255], [0, 0, 0, 0]]], "uint8"))
    if mode == "P":
        image = Image.fromarray(np.array([[0, 1]], "uint8"))
        image.putpalette([0, 0, 0, 10, 10, 10])
        image.info["transparency"] = 1
    path = save(tmp_path / "clear.png", image if mode == "P" else image.convert(mode))
    assert in_graph(path)[1].tolist() == [[[0, 0, 0], [255, 255, 255]]]


def chunk(kind, content):
    check = zlib.crc32(kind + content)
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", check)


def two_pixels(bits, colour, row, key):
    """A PNG file of one row, where the colour `key` is transparent."""
    head = struct.pack(">IIBBBBB", 2, 1, bits, colour, 0, 0, 0)
    parts = [(b"IHDR", head), (b"tRNS", struct.pack(f">{len(key)}H", *key))]
    parts += [(b"IDAT", zlib.compress(b"\0" + row)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts)


@pytest.mark.parametrize(
    ("bits", "colour", "row", "key", "opaque"),
    [
        (1, 0, b"\x80", [0], [255] * 3),
        (2, 0, b"\x60", [2], [85] * 3),
        (4, 0, b"\x3a", [10], [51] * 3),
        (8, 0, b"\x07\x0a", [10], [7] * 3),
        (16, 0, b"\x0a\x0c\x0a\x0b", [0x0A0B], [10] * 3),
        (8, 2, b"\1\2\3\4\5\6", [4, 5, 6], [1, 2, 3]),
        (16, 2, b"\1\0\2\0\3\0\4\0\5\0\6\0", [0x400, 0x500, 0x600], [1, 2, 3]),
    ],
)
def test_one_transparent_colour_lies_on_white(tmp_path, bits, colour, row, key, opaque):
    path = tmp_path / "keyed.png"
    path.write_bytes(two_pixels(bits, colour, row, key))
    assert decoding.read_image(path).tolist() == [[opaque, [255, 255, 255]]]
    assert in_graph(path)[1].tolist() == [[opaque, [255, 255, 255]]]


@pytest.mark.parametrize("suffix", ["gif", "webp", "png"])
def test_an_animation_gives_its_first_frame(tmp_path, suffix):
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "lime", "blue")]
    settings = {"save_all": True, "append_images": frames[1:]}
    if suffix == "webp":
        settings["lossless"] = True
    path = save(tmp_path / f"moving.{suffix}", frames[0], **settings)
    found = in_graph(path)[1]
    assert found.shape == (8, 8, 3)
    assert (found == [255, 0, 0]).all()


@pytest.mark.parametrize(
    ("orientation", "upright"),
    [
        (1, lambda image: image),
        (2, np.fliplr),
        (3, lambda image: np.rot90(image, 2)),
        (4, np.flipud),
        (5, lambda image: image.swapaxes(0, 1)),
        (6, lambda image: np.rot90(image, -1)),  # shown a quarter clockwise
        (7, lambda image: np.rot90(image.swapaxes(0, 1), 2)),
        (8, np.rot90),
    ],
)
def test_the_orientation_of_a_photo_is_applied(tmp_path, pixels, orientation, upright):
    image = pixels(16, 24)
    turned = Image.Exif()
    turned[0x0112] = orientation
    path = save(tmp_path / "photo.png", Image.fromarray(image), exif=turned)
    np.testing.assert_array_equal(in_graph(path)[1], upright(image))


def test_rounding_and_clipping_never_wrap():
    images = np.array([-7.0, -1.0, -0.9999, 0.0, 0.0039, 0.999, 1.0, 1.01, 40.0], "float32")
    assert decoding.to_uint8(images).numpy().tolist() == [0, 0, 0, 128, 128, 255, 255, 255, 255]
    assert decoding.to_uint8(tf.constant(images, "bfloat16")).numpy()[-1] == 255
    levels = np.arange(256, dtype="uint8")
    there = decoding.from_uint8(levels)
    assert there.dtype == tf.float32
    assert there.numpy()[[0, 255]].tolist() == [-1, 1]
    np.testing.assert_array_equal(decoding.to_uint8(there), levels)


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "gif", "bmp"])
def test_a_truncated_file_is_named(tmp_path, pixels, suffix):
    data = io.BytesIO()
    Image.fromarray(pixels(64, 64)).save(data, {"jpg": "jpeg"}.get(suffix, suffix))
    path = tmp_path / f"cut.{suffix}"
    path.write_bytes(data.getvalue()[: len(data.getvalue()) // 2])
    with pytest.raises(DataError, match=rf"cut\.{suffix}' is (damaged|not a picture)"):
        decoding.read_image(path)


def test_a_text_file_and_a_missing_one_are_named(tmp_path):
    (tmp_path / "note.png").write_text("no picture at all")
    with pytest.raises(
        DataError, match=r"note\.png' is not a picture that can be read\. Give another file"
    ):
        decoding.read_image(tmp_path / "note.png")
    with pytest.raises(DataError, match=r"gone\.png' cannot be read: No such file"):
        decoding.read_image(tmp_path / "gone.png")


def test_a_picture_too_large_to_be_honest_is_refused(tmp_path, monkeypatch):
    path = save(tmp_path / "large.png", Image.new("L", (50, 50)))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    with pytest.raises(DataError, match=r"large\.png' is too large"):
        decoding.read_image(path)


def test_postscript_is_not_run(tmp_path):
    (tmp_path / "evil.png").write_bytes(
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\nshowpage"
    )
    with pytest.raises(DataError, match="is not a picture"):
        decoding.read_image(tmp_path / "evil.png")
