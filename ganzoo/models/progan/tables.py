"""The schedules of the authors' TensorFlow code, by the names that they have there.

tkarras/progressive_growing_of_gans @2504c3f, config.py:99-103. The tables for more GPUs take
larger batches at the high resolutions, with higher rates, and are meant to end in images as good.
"""

import dataclasses

from ganzoo.errors import TrainingError, nearest


@dataclasses.dataclass(frozen=True)
class Table:
    """One of the authors' schedules.

    Attributes:
        base: Global batch size of a resolution that `batches` does not have.
        batches: Global batch size by resolution.
        rates: Learning rate by resolution, of both optimizers, where it is not their own.
        phase_kimg: Thousands of images of a fade-in, and of what follows it.
        total_kimg: Thousands of images in all: the last phase is longer.
    """

    base: int
    batches: dict
    rates: dict = dataclasses.field(default_factory=dict)
    phase_kimg: int = 600
    total_kimg: int = 12_000


_UP_TO_64 = {4: 512, 8: 256, 16: 128, 32: 64, 64: 32}
TABLES = {
    "v1-1gpu": Table(16, {256: 14, 512: 6, 1024: 3}, phase_kimg=800, total_kimg=19_000),
    "v2-1gpu": Table(4, _UP_TO_64 | {4: 128, 8: 128, 128: 16, 256: 8, 512: 4}, {1024: 0.0015}),
    "v2-2gpus": Table(8, _UP_TO_64 | {4: 256, 128: 16, 256: 8}, {512: 0.0015, 1024: 0.002}),
    "v2-4gpus": Table(16, _UP_TO_64 | {128: 16}, {256: 0.0015, 512: 0.002, 1024: 0.003}),
    "v2-8gpus": Table(32, _UP_TO_64, {128: 0.0015, 256: 0.002, 512: 0.003, 1024: 0.003}),
}


def named_rows(name, image_size):
    """Writes a table out as the phases of a preset, up to images of a size.

    Raises:
        TrainingError: There is no such table.
    """
    if name not in TABLES:
        raise TrainingError(
            f"There are no phases named {name!r}.{nearest(name, TABLES)} "
            f"Choose one of: {', '.join(TABLES)}; or give a list of phases."
        )
    table = TABLES[name]
    rows = []
    for side in [2**power for power in range(2, image_size.bit_length())]:
        row = {"resolution": side}
        if side > 4:
            row["fade_kimg"] = table.phase_kimg
        row["stabilize_kimg"] = table.phase_kimg
        row["batch_size"] = table.batches.get(side, table.base)
        if side in table.rates:
            row["learning_rate"] = table.rates[side]
        rows.append(row)
    spent = sum(row.get("fade_kimg", 0) + row["stabilize_kimg"] for row in rows[:-1])
    rows[-1]["stabilize_kimg"] = table.total_kimg - spent - rows[-1].get("fade_kimg", 0)
    return rows
