"""Puts a trained model into the package: half-precision weights, a picture, a fingerprint.

    python tools/publish.py NAME FOLDER [--data SOURCE [SOURCE]] [--translations] [--float32]

FOLDER is a model folder. Its weights become `ganzoo/weights/NAME-<hash>.h5`, with a picture of
samples that nobody chose beside them (of translations of the first pictures of --data, for a
model that translates; of nothing else with --translations, where the pictures themselves may not
be passed on). Files that are there stay: weights or a picture that differ from what has their
name are refused. What belongs under `weights:` in the preset is printed; notes and scores are for
a person to write.
"""

import argparse
import hashlib
import json
import pathlib
import shutil
import tempfile

import numpy as np
import yaml

import ganzoo
from ganzoo import presets, zoo
from ganzoo.data.decoding import to_uint8
from ganzoo.errors import GanzooError
from ganzoo.pictures import make_grid, write_png
from ganzoo.saving import draw_patterns

ROOT = pathlib.Path(__file__).resolve().parents[1]
WEIGHTS = ROOT / "ganzoo" / "weights"
FINGERPRINTS = ROOT / "tests" / "fingerprints.json"
MOST_ROUNDING = 1.0  # grey levels on average
_BLOCKS, _SAMPLES, _POINTS, _PATTERNS = 4, 16, 64, 4


def main(arguments: list[str] | None = None) -> None:
    options = _parse(arguments)
    # In float32, as most people will load it: half precision would add rounding of its own.
    model = ganzoo.load(options.folder, precision="float32")
    preset = presets.read_preset(options.name)
    if (model.preset.family, model.preset.model) != (preset.family, preset.model):
        raise GanzooError(
            f"{options.folder} was trained with other networks than those of {options.name!r}. "
            "Name its preset, or change that first."
        )
    examples = zoo.first_pictures(model, options.data) if options.data else None
    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(temporary) / "model"
        rounding = zoo.save(model, folder, half=not options.float32, examples=examples)
        if rounding and rounding.mean >= MOST_ROUNDING:
            raise GanzooError(f"{rounding} Give --float32 to publish them whole.")
        digest = hashlib.sha256((folder / zoo.WEIGHTS_FILE).read_bytes()).hexdigest()
        stem = f"{options.name}-{digest[:8]}"
        # Before another picture takes the place of the one whose hash the folder holds.
        published = ganzoo.load(folder, precision="float32")
        if options.translations:
            write_png(folder / "samples.png", draw_translations(model, examples))
        copy_in(folder, stem)
    _remember(options.name, fingerprint(published))
    entry = {
        "source": f"package:{stem}.h5",
        "sha256": digest,
        "bytes": (WEIGHTS / f"{stem}.h5").stat().st_size,
        "networks": sorted(model.trained or model.networks),
        "notes": f"{model.provenance} {rounding or ''}".strip(),
    }
    print(yaml.safe_dump({"weights": [entry]}, sort_keys=False, width=100))


def copy_in(folder, stem) -> None:
    """Copies a model folder's weights and picture into the package, as STEM.h5 and STEM.png.

    Raises:
        GanzooError: Another file has one of these names. Nothing is copied then.
    """
    names = {zoo.WEIGHTS_FILE: f"{stem}.h5", "samples.png": f"{stem}.png"}
    places = {folder / name: WEIGHTS / other for name, other in names.items()}
    places = {file: place for file, place in places.items() if file.is_file()}
    for file, place in places.items():
        if place.exists() and place.read_bytes() != file.read_bytes():
            raise GanzooError(
                f"{place} is there and differs, and what is published stays as it is. Remove it "
                "first if nobody has it yet."
            )
    for file, place in places.items():
        if not place.exists():
            shutil.copyfile(file, place)


def draw_translations(model, examples) -> np.ndarray:
    """Draws what a model makes of images of A, and below of B: uint8, not the images themselves."""
    rows = [
        model.translate(images, direction=way)
        for images, way in zip(examples, ("ab", "ba"), strict=True)
    ]
    return make_grid(to_uint8(np.concatenate(rows)), columns=len(rows[0]))


def fingerprint(model) -> list:
    """What a model makes, so coarse that another machine's rounding does not show.

    Returns:
        Of 16 pictures, or of 4 translated patterns each way, the mean grey level of 4×4 blocks,
        `(pictures, 4, 4)` in [0, 255]; of a model of points the first 64 points.
    """
    if hasattr(model, "translate"):
        patterns = draw_patterns(_PATTERNS, model.channels)
        made = [model.translate(patterns, direction=way) for way in ("ab", "ba")]
        images = np.concatenate([(np.asarray(one) + 1) * 127.5 for one in made])
    else:
        images = model.generate(_SAMPLES if len(model.image_shape) == 3 else _POINTS, seed=7)
    if images.ndim == 2:
        return np.round(images.astype("float64"), 3).tolist()
    count, height, width, channels = images.shape
    side = (height // _BLOCKS, width // _BLOCKS)
    blocks = images.reshape(count, _BLOCKS, side[0], _BLOCKS, side[1], channels)
    return np.round(blocks.mean(axis=(2, 4, 5), dtype="float64"), 1).tolist()


def _remember(name, values):
    known = json.loads(FINGERPRINTS.read_text()) if FINGERPRINTS.is_file() else {}
    known[name] = values
    lines = [f"{json.dumps(key)}: {json.dumps(known[key])}" for key in sorted(known)]
    FINGERPRINTS.write_text("{\n" + ",\n".join(lines) + "\n}\n")


def _parse(arguments):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("name", help="the preset that the model was trained as")
    parser.add_argument("folder", type=pathlib.Path, help="a model folder")
    parser.add_argument("--data", nargs="+", help="the domains to show a translator on")
    parser.add_argument("--translations", action="store_true", help="show nothing else")
    parser.add_argument("--float32", action="store_true", help="store 32 bits")
    options = parser.parse_args(arguments)
    if options.translations and not options.data:
        parser.error("--translations shows what becomes of pictures; name them with --data")
    return options


if __name__ == "__main__":
    try:
        main()
    except GanzooError as error:
        raise SystemExit(f"error: {error}") from None
