"""`make quickstart`: trains a DCGAN on 5,000 digits and shows what came of it."""

import pathlib
import subprocess
import sys

import ganzoo
from ganzoo import pictures, zoo
from ganzoo.errors import GanzooError
from ganzoo.training import train

OUT = pathlib.Path("runs/quickstart")
STEPS = 1000
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
            "training.batch_size": 64,
            "training.sample_every": 200,
            "training.checkpoint_every": 200,
        },
    )
    model = ganzoo.load(OUT / "model")
    digits = model.generate(64, seed=1)
    pictures.write_png(OUT / "digits.png", pictures.make_grid(digits))
    model.export(OUT / "saved_model" / "1")
    subprocess.run([sys.executable, "-c", RELOAD, str(OUT / "saved_model" / "1")], check=True)
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
