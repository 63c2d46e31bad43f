"""What the pictures are put together from: captions, tables, colours of numbers, and curves."""

import itertools
import pathlib

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from ganzoo.errors import GanzooError
from ganzoo.pictures import write_gif, write_png

INK, PALE = (40, 40, 40), (200, 200, 200)
BLUE, ORANGE, GREEN = (31, 90, 180), (225, 110, 20), (30, 140, 60)
_WHITE = (255, 255, 255)
_GAP = 6


def to_rgb(image) -> np.ndarray:
    """Turns an image `(h, w, 1 or 3)` or `(h, w)` into uint8 `(h, w, 3)`; floats lie in [-1, 1]."""
    image = np.asarray(image)
    if image.dtype != np.uint8:
        image = np.clip(np.round((image.astype("float64") + 1) * 127.5), 0, 255).astype("uint8")
    if image.ndim == 2:
        image = image[..., None]
    if image.shape[-1] not in (1, 3):
        raise GanzooError(
            f"An image of {image.shape[-1]} channels cannot be drawn. Give one with 1 or 3."
        )
    return np.repeat(image, 3, axis=-1) if image.shape[-1] == 1 else image


def fit(image, side: int) -> np.ndarray:
    """Resizes an image so that its longer side is `side`; small ones keep their square pixels."""
    picture = Image.fromarray(to_rgb(image))
    factor = side / max(picture.size)
    size = [max(1, round(length * factor)) for length in picture.size]
    filter = Image.Resampling.NEAREST if factor >= 2 else Image.Resampling.LANCZOS
    return np.asarray(picture.resize(size, filter))


def enlarge(images, least: int = 64) -> np.ndarray:
    """Repeats the pixels of small images `(n, h, w, c)` until no side is below `least`."""
    factor = max(1, -(-least // min(images.shape[1:3])))
    return np.repeat(np.repeat(images, factor, axis=1), factor, axis=2)


def is_film(path) -> bool:
    """Says whether a file is to be a film, a `.gif`, or else one picture; case does not matter."""
    return pathlib.Path(path).suffix.lower() == ".gif"


def write_picture(path, frames, *, seconds_a_frame: float = 0.1) -> None:
    """Writes frames, uint8 `(h, w, 3)`, as a looping `.gif`, or one of them as `.png`.

    Raises:
        GanzooError: The name ends otherwise, or several frames are to be a `.png`.
    """
    suffix = pathlib.Path(path).suffix.lower()
    if is_film(path):
        write_gif(path, frames, seconds_a_frame=seconds_a_frame)
    elif suffix == ".png" and len(frames) == 1:
        write_png(path, frames[0])
    elif suffix == ".png":
        raise GanzooError(f"{path} cannot hold {len(frames)} frames. Name a .gif file.")
    else:
        raise GanzooError(f"{path} is neither a PNG nor a GIF. Name a .png or .gif file.")


def table(rows, *, row_names=(), column_names=(), title="", size=13) -> np.ndarray:
    """Lays out images in a table.

    Args:
        rows: Lists of images, each cell an image or `(image, caption)`; rows may differ in length.
        row_names: Text to the left of each row.
        column_names: Text above each column.
        title: Text above all.
        size: Height of the text in pixels.

    Returns:
        uint8 `(height, width, 3)`.
    """
    cells = [[_captioned(cell, size) for cell in row] for row in rows]
    columns = max(len(row) for row in cells)
    widths = [
        max(row[index].width for row in cells if index < len(row)) for index in range(columns)
    ]
    heights = [max((cell.height for cell in row), default=0) for row in cells]
    left = max((_text_width(name, size) for name in row_names), default=-_GAP) + 2 * _GAP
    head = (size + _GAP if title else 0) + (size + _GAP if column_names else 0)
    names = [_text_width(name, size) for name in column_names]
    widths = [max([width, *names[index : index + 1]]) for index, width in enumerate(widths)]
    width = max(left + sum(widths) + _GAP * columns, _text_width(title, size) + 2 * _GAP)
    page = Image.new("RGB", (width, head + sum(heights) + _GAP * (len(cells) + 1)), _WHITE)
    write = ImageDraw.Draw(page)
    write.text((_GAP, _GAP / 2), title, INK, _font(size))
    lefts = [left + sum(widths[:index]) + _GAP * index for index in range(columns)]
    for name, x in zip(column_names, lefts, strict=False):
        write.text((x, head - size - 2), name, INK, _font(size))
    y = head + _GAP
    for index, (row, height) in enumerate(zip(cells, heights, strict=True)):
        for cell, x in zip(row, lefts, strict=False):
            page.paste(cell, (x, y))
        if index < len(row_names):
            write.text((_GAP, y + height / 2), row_names[index], INK, _font(size), anchor="lm")
        y += height + _GAP
    return np.asarray(page)


def diverging(values, limit: float | None = None) -> np.ndarray:
    """Colours numbers: blue below 0, white at 0, red above; `limit` is the deepest, ± the same.

    Args:
        values: `(h, w)`.
        limit: The largest absolute value by default.

    Returns:
        uint8 `(h, w, 3)`.
    """
    values = np.asarray(values, "float64")
    limit = float(np.abs(values).max()) if limit is None else limit
    share = np.clip(values / (limit or 1.0), -1, 1)[..., None]
    ends = np.where(share < 0, np.array([40, 80, 200.0]), np.array([210, 50, 40.0]))
    return np.round(255 + (ends - 255) * np.abs(share)).astype("uint8")


def grey(values) -> np.ndarray:
    """Stretches numbers `(h, w)` from their smallest, black, to their largest, white."""
    values = np.asarray(values, "float64")
    span = values.max() - values.min()
    return np.round(255 * (values - values.min()) / (span or 1.0)).astype("uint8")


def curves(
    series, *, width=360, height=180, x_range=None, y_range=None, lines=None, until=None, title=""
) -> np.ndarray:
    """Draws curves.

    Args:
        series: Name → `(xs, ys)`; values that are not finite leave gaps.
        width: In pixels.
        height: In pixels, with one line of names; others add to it.
        x_range: `(low, high)`; of the data by default.
        y_range: The same.
        lines: Name → y of horizontal lines.
        until: Only what lies at or before this x is drawn, with a dot at its end.
        title: Text above.

    Returns:
        uint8 `(height, width, 3)`, higher where the names need several lines.
    """
    lines = lines or {}
    x_range = x_range or _range([x for xs, _ in series.values() for x in xs])
    y_range = y_range or _range(
        [y for _, ys in series.values() for y in ys if np.isfinite(y)] + list(lines.values())
    )
    places, more = _legend(series, 52, width - 12)
    page = Image.new("RGB", (width, height + more), _WHITE)
    box = (52, 34 + more, width - 12, height + more - 20)
    axes = _Axes(ImageDraw.Draw(page), x_range, y_range, box)
    axes.frame(title)
    for name, y in lines.items():
        axes.level(name, y)
    for (name, (xs, ys)), colour in zip(series.items(), itertools.cycle(_colours()), strict=False):
        axes.write.text(places[name], name, colour, _font(11))
        axes.curve(xs, ys, colour, until)
    return np.asarray(page)


def _legend(names, left, right):
    """Places the names of curves in lines below each other; gives the height of all but one."""
    places, x, y = {}, left, 18
    for name in names:
        width = _text_width(name, 11)
        if x > left and x + width > right:
            x, y = left, y + 14
        places[name] = (x, y)
        x += width + 12
    return places, y - 18


class _Axes:
    """A rectangle of a page, and the numbers that its sides stand for."""

    def __init__(self, write, x_range, y_range, box):
        self.write, self.x_range, self.y_range, self.box = write, x_range, y_range, box

    def place(self, x, y):
        left, top, right, bottom = self.box
        across = (x - self.x_range[0]) / ((self.x_range[1] - self.x_range[0]) or 1)
        up = (y - self.y_range[0]) / ((self.y_range[1] - self.y_range[0]) or 1)
        return left + across * (right - left), bottom - np.clip(up, 0, 1) * (bottom - top)

    def frame(self, title):
        left, top, right, bottom = self.box
        self.write.rectangle(self.box, outline=PALE)
        self.write.text((left, 2), title, INK, _font(12))
        for y, anchor in zip(self.y_range, ("rs", "rt"), strict=True):
            text = f"{y:.3g}"
            self.write.text((left - 4, self.place(0, y)[1]), text, INK, _font(11), anchor=anchor)
        for x, place, anchor in zip(self.x_range, (left, right), ("lt", "rt"), strict=True):
            self.write.text((place, bottom + 4), f"{x:,.5g}", INK, _font(11), anchor=anchor)

    def level(self, name, y):
        height = self.place(0, y)[1]
        for x in range(self.box[0], self.box[2], 8):
            self.write.line((x, height, x + 4, height), fill=INK)
        self.write.text((self.box[2] - 4, height + 3), name, INK, _font(11), anchor="rt")

    def curve(self, xs, ys, colour, until):
        shown = [
            (x, y) if np.isfinite(y) else None
            for x, y in zip(xs, ys, strict=True)
            if until is None or x <= until
        ]
        places = [point and self.place(*point) for point in shown]
        for start, end in zip(places, places[1:], strict=False):
            if start and end:
                self.write.line((*start, *end), fill=colour, width=2)
        if places and places[-1]:
            x, y = places[-1]
            self.write.ellipse((x - 3, y - 3, x + 3, y + 3), fill=colour)


def _range(values):
    values = [value for value in values if np.isfinite(value)] or [0.0, 1.0]
    low, high = float(min(values)), float(max(values))
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def _colours():
    return [BLUE, ORANGE, GREEN, (150, 60, 160), (120, 120, 120), (190, 30, 40), (0, 140, 150)]


def _captioned(cell, size):
    image, caption = cell if isinstance(cell, tuple) else (cell, "")
    picture = Image.fromarray(to_rgb(image))
    if not caption:
        return picture
    lines = caption.split("\n")
    width = max([picture.width, *(_text_width(line, size) for line in lines)])
    page = Image.new("RGB", (width, picture.height + (size + 3) * len(lines)), _WHITE)
    page.paste(picture, (0, 0))
    for index, line in enumerate(lines):
        place = (0, picture.height + 1 + (size + 3) * index)
        ImageDraw.Draw(page).text(place, line, INK, _font(size))
    return page


def _font(size):
    return ImageFont.load_default(size)


def _text_width(text, size):
    return round(_font(size).getlength(text))
