"""Whole folders of pictures, translated file by file."""

import pathlib
import warnings
from collections.abc import Callable, Iterator
from typing import Any

from PIL import Image

from ganzoo.data.picture_files import SUFFIXES, is_picture_name
from ganzoo.data.walking import walk
from ganzoo.errors import DataError, GanzooError
from ganzoo.files import replacing

_WRITTEN = {".jpg": "jpeg", ".jpeg": "jpeg", ".png": "png", ".webp": "webp", ".bmp": "bmp"}
# What data sets do not come in, but pictures to translate do.
_READ = (*SUFFIXES, ".tif", ".tiff", ".ppm", ".pgm", ".pbm", ".pnm")
_MOST_NAMES = 20


def translate_files(
    model,
    source,
    out,
    *,
    direction: str = "ab",
    tile: int | None = None,
    skip_bad: bool = False,
    advance: Callable[[int, int], Any] | None = None,
) -> Iterator[tuple[pathlib.Path, int]]:
    """Translates a picture, or every picture of a folder and those below, keeping names.

    What is neither JPEG, PNG, WebP nor BMP becomes PNG. Links are followed. What is no picture,
    or cannot be reached, is left out with a warning that counts and names it.

    Args:
        model: A model that translates.
        source: A picture or a folder.
        out: A file for a picture, a folder for a folder, outside of it.
        direction: "ab" or "ba".
        tile: Side of the tiles for large pictures; None as in `Translator.translate`.
        skip_bad: Leave out, with a warning each, pictures of a folder that cannot be read or
            translated.
        advance: As in `Translator.translate`.

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
    count = 0
    for original, target in pairs:
        try:
            translated = model.translate(original, direction=direction, tile=tile, advance=advance)
        except DataError as error:
            if source.is_file():
                raise
            if not skip_bad:
                raise DataError(
                    f"{error} Or leave out what cannot be translated: skip_bad=True (--skip-bad). "
                    f"{count} of {len(pairs)} pictures are in {out}."
                ) from error
            warnings.warn(f"Skipped {original}: {error}", stacklevel=2)
            continue
        _write(target, translated)
        count += 1
        yield target, len(pairs)
    if not count:
        raise DataError(f"No picture in {source} can be translated. Check what it holds.")


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
    files, folders, skipped = _find_files(source)
    for folder in folders:
        if out.resolve().is_relative_to(folder.resolve()):
            raise GanzooError(f"{out} lies in {folder}, as its pictures do. Name another folder.")
    originals = [path for path in files if is_picture_name(path.name, _READ)]
    skipped |= {path: "" for path in set(files) - set(originals)}
    if not originals:
        raise DataError(f"{source} holds no pictures. Name a folder with PNG or JPEG files.")
    _warn_of_skipped(source, skipped)
    return _targets(source, originals, out)


def _find_files(source):
    """Lists the files in and below a folder, and the folders that hold them, links followed.

    Returns:
        The files in order; the folders that are not below another, which links lead to; and what
        cannot be read, each with why.
    """
    files, folders, skipped = [], [source], {}

    def refuse(error):
        skipped[pathlib.Path(error.filename)] = f" ({error.strerror})"

    for folder, inner, found, back in walk(source, onerror=refuse):
        folders += [folder / each for each in inner if (folder / each).is_symlink()]
        skipped |= {folder / each: " (a link to a folder around it)" for each in back}
        for path in [folder / each for each in found]:
            if path.is_file():
                files.append(path)
            else:
                skipped[path] = " (a link to nothing)" if path.is_symlink() else " (no file)"
    return sorted(files), folders, skipped


def _warn_of_skipped(source, skipped):
    if not skipped:
        return
    names = [f"{path.relative_to(source)}{why}" for path, why in sorted(skipped.items())]
    more = f" and {len(names) - _MOST_NAMES:,} more" if len(names) > _MOST_NAMES else ""
    warnings.warn(
        f"Skipped {len(names):,} file(s) in {source} that are no pictures: "
        f"{', '.join(names[:_MOST_NAMES])}{more}.",
        stacklevel=4,
    )


def _targets(source, originals, out):
    pairs, taken = [], {}
    # Both where a link lies and where it leads: either would lose a picture.
    places = {place for path in originals for place in (_place(path), path.resolve())}
    for original in originals:
        target = out / original.relative_to(source)
        if target.suffix.lower() not in _WRITTEN:
            target = target.with_suffix(".png")  # of a GIF the first frame
        if target in taken:
            raise DataError(
                f"{original} and {taken[target]} would both become {target}. Rename one of them."
            )
        if _place(target) in places:
            raise GanzooError(
                f"The result of {original} would replace {target}, one of the pictures "
                "to translate. Name another folder."
            )
        taken[target] = original
        pairs.append((original, target))
    return pairs


def _place(path):
    """Where a file lies, itself and not what it may link to: that is what writing replaces."""
    return path.parent.resolve() / path.name


def _write(path, pixels):
    picture = Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)
    kind = _WRITTEN[path.suffix.lower()]
    options = {"quality": 95} if kind in ("jpeg", "webp") else {}
    with replacing(path) as partial:
        picture.save(partial, format=kind, **options)
