"""Whole folders of pictures, translated file by file."""

import pathlib
import warnings
from collections.abc import Iterator

from PIL import Image

from ganzoo.data.pictures import SUFFIXES, is_picture_name
from ganzoo.errors import DataError, GanzooError
from ganzoo.files import replacing

_WRITTEN = {".jpg": "jpeg", ".jpeg": "jpeg", ".png": "png", ".webp": "webp", ".bmp": "bmp"}
# What data sets do not come in, but pictures to translate do.
_READ = (*SUFFIXES, ".tif", ".tiff", ".ppm", ".pgm", ".pbm", ".pnm")
_MOST_NAMES = 20


def translate_files(
    model, source, out, *, direction: str = "ab", tile: int | None = None
) -> Iterator[tuple[pathlib.Path, int]]:
    """Translates a picture, or every picture of a folder and those below, keeping names.

    What is neither JPEG, PNG, WebP nor BMP becomes PNG. Files that are no pictures are left out,
    with a warning that counts and names them.

    Args:
        model: A model that translates.
        source: A picture or a folder.
        out: A file for a picture, a folder for a folder, outside of it.
        direction: "ab" or "ba".
        tile: Side of the tiles for large pictures; None for whole pictures.

    Yields:
        The path of each picture written, and how many there are in all.

    Raises:
        DataError: There is no picture, or one cannot be read; those before it are written.
        GanzooError: The model does not translate, or `out` cannot be written.
    """
    if not hasattr(model, "translate"):
        raise GanzooError(
            f"{type(model).__name__} does not translate; it generates. Use: ganzoo generate"
        )
    source, out = pathlib.Path(source), pathlib.Path(out)
    pairs = _pairs(source, out)
    for original, target in pairs:
        translated = model.translate(original, direction=direction, tile=tile)
        _write(target, translated)
        yield target, len(pairs)


def _pairs(source, out):
    """Gives (picture, where its translation goes) for each picture."""
    if source.is_file():
        if out.resolve() == source.resolve():
            raise GanzooError(f"{out} is the picture itself. Name another file for the result.")
        if out.suffix.lower() not in _WRITTEN:
            raise GanzooError(f"{out} is no picture. Name a .png or .jpg file for the result.")
        return [(source, out)]
    if not source.is_dir():
        raise DataError(f"There is nothing at {source}. Name a picture or a folder of pictures.")
    if out.is_file():
        raise GanzooError(f"{out} is a file. Name a folder for the results.")
    if out.resolve().is_relative_to(source.resolve()):
        raise GanzooError(f"{out} lies in {source}, as its pictures do. Name another folder.")
    files = sorted(path for path in source.rglob("*") if path.is_file())
    originals = [path for path in files if is_picture_name(path.name, _READ)]
    if not originals:
        raise DataError(f"{source} holds no pictures. Name a folder with PNG or JPEG files.")
    _warn_of_skipped(source, sorted(set(files) - set(originals)))
    return _targets(source, originals, out)


def _warn_of_skipped(source, files):
    if not files:
        return
    names = [str(path.relative_to(source)) for path in files]
    more = f" and {len(names) - _MOST_NAMES:,} more" if len(names) > _MOST_NAMES else ""
    warnings.warn(
        f"Skipped {len(names):,} file(s) in {source} that are no pictures: "
        f"{', '.join(names[:_MOST_NAMES])}{more}.",
        stacklevel=4,
    )


def _targets(source, originals, out):
    pairs, taken = [], {}
    for original in originals:
        target = out / original.relative_to(source)
        if target.suffix.lower() not in _WRITTEN:
            target = target.with_suffix(".png")  # of a GIF the first frame
        if target in taken:
            raise DataError(
                f"{original} and {taken[target]} would both become {target}. Rename one of them."
            )
        taken[target] = original
        pairs.append((original, target))
    return pairs


def _write(path, pixels):
    picture = Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)
    kind = _WRITTEN[path.suffix.lower()]
    options = {"quality": 95} if kind in ("jpeg", "webp") else {}
    with replacing(path) as partial:
        picture.save(partial, format=kind, **options)
