"""The rows of the benchmark: what is trained, at which size, and what it takes its data from."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Row:
    """One line of the table.

    Attributes:
        preset: Whose settings train.
        side: Of the images.
        batch_size: Images a step; for CycleGAN pairs.
        channels: Of the images.
        overrides: Settings that differ from the preset's, by dotted key.
        sources: Kinds of source whose reading is timed beside it; see `benchmark_data.KINDS`.
        picture_side: Of the pictures in such a source, where people's are larger than `side`.
        steps_per_execution: For steps so short that starting one counts.
    """

    preset: str
    side: int
    batch_size: int
    channels: int = 3
    overrides: dict = dataclasses.field(default_factory=dict)
    sources: tuple[str, ...] = ("npy",)
    picture_side: int | None = None
    steps_per_execution: int = 1

    @property
    def family(self):
        return self.preset.partition("_")[0]

    def request(self, options, batch_size=None, **changes):
        """Gives what a process of ganzoo's is told, as JSON can hold it."""
        overrides = {"data.image_size": self.side, "data.channels": self.channels}
        pairs = "2npy" if self.family == "cyclegan" else "npy"
        return {
            "preset": self.preset,
            "overrides": overrides | self.overrides,
            "batch_size": batch_size or options.batch_size or self.batch_size,
            "steps_per_execution": 1,
            "data": pairs,
            "picture_side": self.side,
            "live": False,
            "jit": options.xla,
            "threads": options.threads,
            "clock": options.clock,
        } | changes


def _fully_grown(side, **overrides):
    """Lets a progressive GAN train at its largest side, without a fade-in."""
    model = {f"model.{key}": value for key, value in overrides.items()}
    return model | {"phases": [{"resolution": side, "stabilize_kimg": 1000}]}


ROWS = {
    "gan_mnist": Row(
        "gan_mnist",
        28,
        100,
        channels=1,
        overrides={"model.ema_half_life": None},  # the authors' step has no average
        sources=("tfds", "idx", "npy", "npz"),
        steps_per_execution=20,
    ),
    "dcgan_32": Row("dcgan_cifar10", 32, 128, sources=("tfds", "npz")),
    "dcgan_64": Row("dcgan_celeba64", 64, 128, sources=("tfds", "folder", "zip"), picture_side=178),
    "progan_32": Row(
        "progan_cifar10",
        32,
        16,
        # As wide as the networks of the paper's largest images are at this side.
        overrides=_fully_grown(32, latent_dim=512, base_filters=512, max_filters=512)
        | {"training.update_order": "alternating", "training.gradient_norm_target": 1.0},
        sources=("tfds",),
    ),
    "progan_128": Row(
        "progan_celeba128", 128, 16, overrides=_fully_grown(128), sources=("folder", "zip")
    ),
    "cyclegan_128": Row(
        "cyclegan_horse2zebra128",
        128,
        1,
        overrides={"model.base_filters": 64, "data.load_size": 143},
        sources=("2tfds", "2folder"),
        picture_side=256,
    ),
    "cyclegan_256": Row("cyclegan_horse2zebra", 256, 1, sources=("2tfds", "2folder")),
}
RIVALS = tuple(
    f"{structure}/{layout}"
    for structure in ("official", "merged")
    for layout in ("default", "channels_last")
)
