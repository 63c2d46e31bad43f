"""When the progressive GAN grows: phases, measured in thousands of real images.

Each resolution fades in, and then trains on wholly grown. Karras et al. 2018, section 2 and
appendix A.1.
"""

import dataclasses
import math

from ganzoo.checks import check_number, check_whole
from ganzoo.errors import TrainingError, nearest
from ganzoo.models.progan.tables import named_rows


@dataclasses.dataclass(frozen=True)
class Stage:
    """What training does at one resolution.

    Attributes:
        resolution: Side of the images.
        stabilize_kimg: Thousands of images for which the grown networks train on.
        fade_kimg: Thousands of images over which its block is faded in, before that.
        batch_size: Global batch; None for that of the data, "auto" for what memory holds.
        learning_rate: Of both optimizers; None for their own.
    """

    resolution: int
    stabilize_kimg: float
    fade_kimg: float = 0
    batch_size: int | str | None = None
    learning_rate: float | None = None

    @property
    def fade_images(self):
        """Images of the fade-in."""
        return round(self.fade_kimg * 1000)

    @property
    def images(self):
        """Images of the whole stage, the fade-in included."""
        return round((self.fade_kimg + self.stabilize_kimg) * 1000)


@dataclasses.dataclass(frozen=True)
class Moment:
    """Where training stands after some number of images.

    Attributes:
        stage: The stage.
        start: Images seen when it began.
        phase: Number of the phase: fade-in and stabilisation of each stage count one each.
        end: Images seen when this phase ends; infinite for the last.
    """

    stage: Stage
    start: int
    phase: int
    end: float

    def alpha(self, images_seen):
        """How far the newest block is faded in, 0 to 1."""
        if not self.stage.fade_images:
            return 1.0
        return min(max((images_seen - self.start) / self.stage.fade_images, 0.0), 1.0)


class Schedule:
    """The stages of a run, in order."""

    def __init__(self, stages):
        self.stages = tuple(stages)

    @classmethod
    def of(cls, rows, image_size):
        """Makes a schedule of the rows that a preset gives, or the default one of none.

        Args:
            rows: Dicts with the attributes of `Stage`; or the name of one of the authors'
                tables; None for 600 thousand images of each phase, as in their TensorFlow code.
            image_size: Side of the largest images.

        Raises:
            TrainingError: A row is malformed, or the resolutions do not double up to
                `image_size`.
        """
        if isinstance(rows, str):
            rows = named_rows(rows, image_size)
        if not isinstance(rows, list | tuple | None):
            raise TrainingError(
                f"phases is {rows!r:.80}. Give a list with a row for each resolution, such as "
                f"[{{resolution: {image_size}, stabilize_kimg: 600}}]."
            )
        if rows is None:
            sides = [2**power for power in range(2, image_size.bit_length())]
            return cls(Stage(side, 600, 0 if side == 4 else 600) for side in sides)
        stages = [_stage(number, row) for number, row in enumerate(rows)]
        _check_growth([stage.resolution for stage in stages], image_size)
        if stages[0].fade_kimg:
            raise TrainingError(
                f"phases[0] fades {stages[0].resolution}x{stages[0].resolution} in, and there is "
                "nothing below the first resolution. Leave its fade_kimg out."
            )
        return cls(stages)

    @property
    def sets_rates(self):
        """Whether a stage has a learning rate of its own."""
        return any(stage.learning_rate is not None for stage in self.stages)

    @property
    def rows(self):
        """The stages as a preset gives them."""
        default = {field.name: field.default for field in dataclasses.fields(Stage)}
        return [
            {
                key: value
                for key, value in dataclasses.asdict(stage).items()
                if value != default[key]
            }
            for stage in self.stages
        ]

    @property
    def images(self):
        """Number of images in all phases together."""
        return sum(stage.images for stage in self.stages)

    def stage(self, resolution):
        """Gives the stage of a resolution, and the images seen before it."""
        start = 0
        for stage in self.stages:
            if stage.resolution == resolution:
                return stage, start
            start += stage.images
        raise TrainingError(
            f"The phases have no resolution {resolution}. They have: "
            f"{', '.join(str(stage.resolution) for stage in self.stages)}."
        )

    def at(self, images_seen):
        """Says where training stands after `images_seen` images."""
        start = number = 0
        while number < len(self.stages) - 1 and images_seen >= start + self.stages[number].images:
            start += self.stages[number].images
            number += 1
        stage = self.stages[number]
        fade_end = start + stage.fade_images
        if images_seen < fade_end:
            return Moment(stage, start, 2 * number, fade_end)
        is_last = number == len(self.stages) - 1
        return Moment(stage, start, 2 * number + 1, math.inf if is_last else start + stage.images)

    def with_batch_sizes(self, choose):
        """Makes a schedule in which `choose(resolution)` has replaced every "auto"."""
        return Schedule(
            dataclasses.replace(stage, batch_size=choose(stage.resolution))
            if stage.batch_size == "auto"
            else stage
            for stage in self.stages
        )


def _stage(number, row):
    known = [field.name for field in dataclasses.fields(Stage)]
    if not isinstance(row, dict):
        raise TrainingError(
            f"phases[{number}] is {row!r}. Write it as {{resolution: …, stabilize_kimg: …}}."
        )
    for key in row:
        if key not in known:
            raise TrainingError(
                f"phases[{number}] has no key {key!r}.{nearest(key, known)} "
                f"Its keys: {', '.join(known)}."
            )
    for key in ("resolution", "stabilize_kimg"):
        if key not in row:
            raise TrainingError(f"phases[{number}] lacks {key}. Add it: {{{key}: …}}.")
    _check_values(f"phases[{number}]", Stage(**row))
    return Stage(**row)


def _check_values(place, stage):
    check_whole(f"{place}.resolution", stage.resolution, least=4, error=TrainingError)
    for key in ("stabilize_kimg", "fade_kimg", "learning_rate"):
        value = getattr(stage, key)
        if value is not None or key != "learning_rate":
            check_number(f"{place}.{key}", value, error=TrainingError)
    if stage.batch_size is None or stage.batch_size == "auto":
        return
    if not isinstance(stage.batch_size, int) or stage.batch_size is True or stage.batch_size < 1:
        raise TrainingError(
            f"{place}.batch_size is {stage.batch_size!r}. Give a whole number from 1 up, or "
            "'auto' for what the memory holds."
        )


def _check_growth(sides, image_size):
    rises = all(upper == 2 * side for side, upper in zip(sides, sides[1:], strict=False))
    if not sides or not rises or sides[-1] != image_size:
        raise TrainingError(
            f"The phases have the resolutions {sides}, and images of {image_size}x{image_size} "
            f"need a row for each doubling up to {image_size}, such as "
            f"{[2**power for power in range(2, image_size.bit_length())]}."
        )
