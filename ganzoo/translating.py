"""Whole folders of pictures, translated file by file."""

import pathlib
from collections.abc import Iterator

from PIL import Image

from ganzoo.data.pictures import is_picture_name
from ganzoo.errors import DataError, GanzooError
from ganzoo.files import replacing

_WRITTEN = {".jpg": "jpeg", ".jpeg": "jpeg", ".png": "png", ".webp": "webp", ".bmp": "bmp"}


def translate_files(
    model, source, out, *, direction: str = "ab", tile: int | None = None
) -> Iterator[tuple[pathlib.Path, int]]:
    """Translates a picture, or every picture of a folder and those below, keeping names.

    Args:
        model: A model that translates.
        source: A picture or a folder.
        out: A file for a picture, a folder for a folder.
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
        if out.suffix.lower() not in _WRITTEN:
            raise GanzooError(f"{out} is no picture. Name a .png or .jpg file for the result.")
        return [(source, out)]
    if not source.is_dir():
        raise DataError(f"There is nothing at {source}. Name a picture or a folder of pictures.")
    if out.is_file():
        raise GanzooError(f"{out} is a file. Name a folder for the results.")
    originals = sorted(path for path in source.rglob("*") if is_picture_name(path.name))
    if not originals:
        raise DataError(f"{source} holds no pictures. Name a folder with PNG or JPEG files.")
    pairs, taken = [], {}
    for original in originals:
        target = out / original.relative_to(source)
        if target.suffix.lower() not in _WRITTEN:
            target = target.with_suffix(".png")  # a GIF's film is not translated
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
