"""`make quickstart`: trains a DCGAN on 5,000 digits and shows what came of it."""

import pathlib
import subprocess
import sys

from ganzoo.quiet import import_tensorflow_quietly

import_tensorflow_quietly()

import ganzoo  # noqa: E402
from ganzoo import pictures, zoo  # noqa: E402
from ganzoo.errors import GanzooError  # noqa: E402
from ganzoo.training import train  # noqa: E402

OUT = pathlib.Path("runs/quickstart")
STEPS = 2500
RELOAD = """
import sys
import tensorflow as tf
model = tf.saved_model.load(sys.argv[1])
images = model.signatures["sample"](count=tf.constant(64), seed=tf.constant([1, 0]))["images"]
print("The SavedModel, opened with TensorFlow alone, gave", images.shape, images.dtype.name)
"""


def main():
    """Trains, reads the model back, generates, exports, and says where to look."""
    train(
        "dcgan_mnist",
        data_source="mnist5k",
        out=OUT,
        steps=STEPS,
        overrides={
            # 5,000 images are few: the discriminator would learn them by heart.
            "training.augment": ["translation"],
            "model.ema_half_life": 10000,
            "training.batch_size": 64,
            "training.sample_every": 500,
            "training.checkpoint_every": 500,
        },
    )
    model = ganzoo.load(OUT / "model")
    digits = model.generate(64, seed=1)
    pictures.write_png(OUT / "digits.png", pictures.make_grid(digits))
    model.export(OUT / "saved_model" / "1")
    command = [sys.executable, "-c", RELOAD, str(OUT / "saved_model" / "1")]
    reloaded = subprocess.run(command, stderr=subprocess.PIPE, text=True)
    if reloaded.returncode:  # else TensorFlow's greetings
        sys.exit(f"{reloaded.stderr}error: TensorFlow cannot open the SavedModel, as shown above.")
    print(f"""
Look at
  {OUT}/digits.png       64 digits of the finished model, seed 1
  {OUT}/samples/         the same latents at several steps; samples.gif is their film
  {OUT}/{zoo.MODEL_FOLDER}/           the model: ganzoo.load("{OUT}/{zoo.MODEL_FOLDER}")
  {OUT}/saved_model/1/   the SavedModel, for TensorFlow Serving or tf.saved_model.load
  {OUT}/tensorboard/     tensorboard --logdir {OUT}""")


if __name__ == "__main__":
    try:
        main()
    except GanzooError as error:
        sys.exit(f"error: {error}")
