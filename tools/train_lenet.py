"""Trains the classifiers that ship: ganzoo/weights/lenet_mnist.npz and lenet_fashion_mnist.npz.

    python tools/train_lenet.py mnist FOLDER_OF_IDX_FILES [--out FILE]
    python tools/train_lenet.py fashion_mnist FOLDER_OF_IDX_FILES [--out FILE]

LeNet-5 (61,706 parameters) on 60,000 images, 28×28 enlarged to 32×32 bilinearly and shifted at
random by up to two pixels: minutes on two CPU cores. On the test set 99 % of the digits and 90 %
of the clothes have to be right, or no file is written. The last 5,000 train images choose the
epoch; the test set is looked at once. Prints the accuracy and the file's sha256, which
`ganzoo/metrics/extractors.py` pins.
"""

import argparse
import gzip
import hashlib
import io
import os
import pathlib
import tempfile

import keras
import numpy as np
import tensorflow as tf

from ganzoo.data.arrays import read_idx
from ganzoo.metrics.lenet import SIDE, lenet_network
from ganzoo.metrics.named_parameters import parameters_by_name

ROOT = pathlib.Path(__file__).resolve().parents[1]
EPOCHS = 16
BATCH_SIZE = 128
HELD_OUT = 5000
LEAST_ACCURACY = {"mnist": 0.99, "fashion_mnist": 0.9}


def read_split(folder, prefix):
    """Images `(n, 32, 32, 1)` float32 in [0, 1] and labels `(n,)`."""
    digits = read_idx(folder / f"{prefix}-images-idx3-ubyte.gz")
    with gzip.open(folder / f"{prefix}-labels-idx1-ubyte.gz") as file:
        labels = np.frombuffer(file.read()[8:], np.uint8)
    images = tf.image.resize(digits[..., None] / np.float32(255), (SIDE, SIDE))
    return images.numpy(), labels.astype(np.int64)


def shifted(images, labels, seed):
    """Moves each image of a batch by up to two pixels; what moves out is lost."""
    padded = tf.pad(images, [[0, 0], [2, 2], [2, 2], [0, 0]])
    offsets = tf.random.stateless_uniform((tf.shape(images)[0], 2), seed, 0, 5, "int32")

    def crop(pair):
        image, (top, left) = pair[0], tf.unstack(pair[1])
        return tf.image.crop_to_bounding_box(image, top, left, SIDE, SIDE)

    moved = tf.map_fn(crop, (padded, offsets), fn_output_signature="float32")
    return moved, labels


def train(images, labels, valid):
    """Returns the network of the epoch that does best on `valid`."""
    keras.utils.set_random_seed(1998)
    network = lenet_network()
    classifier = keras.Model(network.input, network.output["logits"])
    steps = EPOCHS * -(-len(images) // BATCH_SIZE)
    classifier.compile(
        keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(2e-3, steps)),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    batches = (
        tf.data.Dataset.from_tensor_slices((images, labels))
        .shuffle(len(images), seed=1)
        .batch(BATCH_SIZE)
    )
    numbered = tf.data.Dataset.zip(batches, tf.data.Dataset.random(seed=2))
    data = numbered.map(lambda batch, seed: shifted(*batch, tf.stack([seed, 0])))
    with tempfile.TemporaryDirectory() as folder:
        best = keras.callbacks.ModelCheckpoint(
            f"{folder}/best.weights.h5",
            "val_accuracy",
            save_best_only=True,
            save_weights_only=True,
        )
        classifier.fit(data.prefetch(2), validation_data=valid, epochs=EPOCHS, callbacks=[best])
        classifier.load_weights(best.filepath)
    return network


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("dataset", choices=LEAST_ACCURACY)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--out", type=pathlib.Path)
    arguments = parser.parse_args()
    out = arguments.out or ROOT / "ganzoo/weights" / f"lenet_{arguments.dataset}.npz"
    least = LEAST_ACCURACY[arguments.dataset]
    images, labels = read_split(arguments.folder, "train")
    valid = images[-HELD_OUT:], labels[-HELD_OUT:]
    network = train(images[:-HELD_OUT], labels[:-HELD_OUT], valid)
    test_images, test_labels = read_split(arguments.folder, "t10k")
    logits = network.predict(test_images, batch_size=500, verbose=0)["logits"]
    accuracy = float((logits.argmax(axis=1) == test_labels).mean())
    print(f"test accuracy {accuracy:.4f}")
    if accuracy < least:
        raise SystemExit(f"below {least}: nothing written")
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **parameters_by_name(network))
    aside = out.with_name(out.name + ".part")
    aside.write_bytes(buffer.getvalue())
    os.replace(aside, out)
    digest = hashlib.sha256(buffer.getvalue()).hexdigest()
    print(f"{out} {out.stat().st_size:,} bytes sha256 {digest}")


if __name__ == "__main__":
    main()
