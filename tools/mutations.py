"""Breaks the code on purpose, one thing at a time, and shows which tests notice.

    python tools/mutations.py             all breaks; takes minutes
    python tools/mutations.py sign pool   those whose names hold one of these words

Works on a copy of the checkout. Exits with 1 where a break is noticed by no test, and where the
text that a break replaces is no longer in the code.
"""

import dataclasses
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[1]


@dataclasses.dataclass(frozen=True)
class Break:
    """One way to break the code: in `file`, `old` becomes `new`; `tests` have to notice."""

    name: str
    file: str
    old: str
    new: str
    tests: str


BREAKS = (
    Break(
        "sign of the generator's loss",
        "losses.py",
        "_mean(tf.nn.softplus(-_float(fake_logits)))\n\n\ndef minimax_d",
        "-_mean(tf.nn.softplus(-_float(fake_logits)))\n\n\ndef minimax_d",
        "test_losses.py",
    ),
    Break(
        "sign of the discriminator's loss",
        "losses.py",
        "return _mean(tf.nn.softplus(-_float(real_logits))) +",
        "return _mean(tf.nn.softplus(_float(real_logits))) +",
        "test_losses.py",
    ),
    Break(
        "generator without training=True",
        "models/dcgan/model.py",
        "self.generator(self.training_latents(batch_size, purpose), training=True)",
        "self.generator(self.training_latents(batch_size, purpose), training=False)",
        "models/test_dcgan.py",
    ),
    Break(
        "discriminator without training=True",
        "models/dcgan/model.py",
        "real_logits = self.discriminator(real_images, training=True)",
        "real_logits = self.discriminator(real_images, training=False)",
        "models/test_dcgan.py",
    ),
    Break(
        "real and fake in one batch-norm batch",
        "models/dcgan/model.py",
        "real_logits = self.discriminator(real_images, training=True)\n"
        "            fake_logits = self.discriminator(fake_images, training=True)",
        "both = tf.concat([real_images, fake_images], axis=0)\n"
        "            logits = self.discriminator(both, training=True)\n"
        "            real_logits, fake_logits = tf.split(logits, 2)",
        "models/test_dcgan.py",
    ),
    Break(
        "stateful noise",
        "randomness.py",
        "return tf.random.stateless_normal(shape, key, alg=_ALGORITHM)",
        "return tf.random.normal(shape)",
        "test_randomness.py models/test_dcgan.py",
    ),
    Break(
        "noise of the replica, not of the position",
        "randomness.py",
        "return own_rows(draw(key, (batch_size * replica_count(), *shape)))",
        "return draw(key, (batch_size, *shape))",
        "test_randomness.py test_replicas.py",
    ),
    Break(
        "generator's step moves the discriminator too",
        "models/dcgan/model.py",
        'weights = self.weights_of("generator")',
        'weights = self.weights_of("generator", "discriminator")',
        "models/test_dcgan.py",
    ),
    Break(
        "discriminator's dropout off in the generator's update",
        "models/gan/model.py",
        "loss = self.generator_loss(self.discriminator(fake_images, training=True))",
        "loss = self.generator_loss(self.discriminator(fake_images, training=False))",
        "models/test_gan.py",
    ),
    Break(
        "simultaneous updates one after the other",
        "models/gan/model.py",
        "minimize_together(moves, tape)",
        "for loss, weights, player in reversed(moves):\n"
        "            minimize(2 * loss, tape, weights, player)",
        "models/test_gan.py",
    ),
    Break(
        "batch norm of each replica alone",
        "normalization.py",
        "def __init__(self, synchronized=True, **kwargs):",
        "def __init__(self, synchronized=False, **kwargs):",
        "models/test_dcgan.py",
    ),
    Break(
        "gradients added up over the replicas",
        "updates.py",
        "tf.constant(1.0 / replica_count(), loss.dtype)",
        "tf.constant(1.0, loss.dtype)",
        "models/test_progan_replicas.py",
    ),
    Break(
        "gradient penalty without its second derivative",
        "losses.py",
        "norms = tf.sqrt(tf.maximum(squares, 1e-30))",
        "norms = tf.stop_gradient(tf.sqrt(tf.maximum(squares, 1e-30)))",
        "models/test_progan_penalty.py",
    ),
    Break(
        "drift of fake scores",
        "models/progan/model.py",
        "drift = tf.reduce_mean(tf.square(real_scores))",
        "drift = tf.reduce_mean(tf.square(fake_scores))",
        "models/test_progan.py",
    ),
    Break(
        "minibatch statistic of neighbours, not strided",
        "equalized.py",
        "values = ops.reshape(inputs, (size, groups, height * width * channels))",
        "values = ops.reshape(inputs, (groups, size, height * width * channels))\n"
        "            values = ops.transpose(values, (1, 0, 2))",
        "models/test_progan_layers.py",
    ),
    Break(
        "real images that do not fade",
        "models/progan/model.py",
        "alpha = self.advance(batch_size)\n"
        "        real_images = growth.shrink(real_images, self.resolution, alpha)",
        "alpha = self.advance(batch_size)\n"
        "        real_images = growth.shrink(real_images, self.resolution, None)",
        "models/test_progan.py",
    ),
    Break(
        "cycle that ends at the translation",
        "models/cyclegan/objective.py",
        "cycle = mean_distance(cycled, images)",
        "cycle = mean_distance(cycled, fake)",
        "models/test_cyclegan_training.py",
    ),
    Break(
        "pool never gives back",
        "models/cyclegan/pool.py",
        "result = _choose(swaps & ~filling, taken, rows)",
        "result = rows",
        "models/test_cyclegan_pool.py",
    ),
    Break(
        "average without batch-norm statistics",
        "latent_model.py",
        "update_average(self.ema_generator.variables, self.generator.variables, decay)",
        "pairs = (self.ema_generator, self.generator)\n"
        "            update_average(*(network.trainable_variables for network in pairs), decay)",
        "test_latent_model.py",
    ),
    Break(
        "permutation of every pass the same",
        "data/domain.py",
        "np.random.SeedSequence([*self.key, number])",
        "np.random.SeedSequence([*self.key, 0])",
        "data/test_stream.py",
    ),
    Break(
        "pixels cut off, not rounded",
        "data/decoding.py",
        'levels = tf.round((tf.cast(images, "float32") + 1.0) * 127.5)',
        'levels = (tf.cast(images, "float32") + 1.0) * 127.5',
        "test_latent_model.py",
    ),
    Break(
        "tiles of a convolution a pixel too far",
        "winograd.py",
        "start = tf.range(0, side - _KERNEL + 1, _SIDE)",
        "start = tf.range(1, side - _KERNEL + 2, _SIDE)",
        "test_convolutions.py",
    ),
    Break(
        "kernel of a gradient not turned",
        "winograd.py",
        "_OF_KERNEL[:, :: -1 if turned else 1]",
        "_OF_KERNEL",
        "test_convolutions.py",
    ),
    Break(
        "two processes in one run folder",
        "training/exclusive.py",
        "lock.acquire(timeout=0)",
        "pass",
        "training/test_run.py",
    ),
    Break(
        "images of a test by chance",
        "feeds.py",
        "dataset = stream.in_order(count=count)",
        "dataset = stream.dataset(steps=stream.steps_per_epoch)",
        "test_fitting.py",
    ),
    Break(
        "checkpoint read without its hash",
        "training/checkpoints.py",
        'return "" if found == expected else',
        'return "" if True or found == expected else',
        "training/test_checkpoints.py",
    ),
)


def main(words):
    chosen = [item for item in BREAKS if not words or any(word in item.name for word in words)]
    with tempfile.TemporaryDirectory() as folder:
        copy = pathlib.Path(folder) / "ganzoo"
        kept = shutil.ignore_patterns(".*", "runs", "build", "__pycache__")
        shutil.copytree(ROOT, copy, ignore=kept)
        noticed = [notice(item, copy) for item in chosen]
    sys.exit(0 if chosen and all(noticed) else 1)


def notice(item, copy):
    """Makes a break in a copy of the checkout, prints the tests that fail, and mends it."""
    path = copy / "ganzoo" / item.file
    text = path.read_text()
    if text.count(item.old) != 1:
        print(f"{item.name}: the text to replace is {text.count(item.old)} times in {item.file}")
        return False
    path.write_text(text.replace(item.old, item.new))
    try:
        failed = failing_tests(item.tests.split(), copy)
    finally:
        path.write_text(text)
    print(f"{item.name}:", "; ".join(failed) or "NOT NOTICED", flush=True)
    return bool(failed)


def failing_tests(files, copy):
    """Runs test files of a copy; names the functions of those that fail, without their cases."""
    command = [sys.executable, "-m", "pytest", "-q", "--no-header", "--tb=no"]
    done = subprocess.run(
        [*command, *(f"tests/{file}" for file in files)],
        cwd=copy,
        env=os.environ | {"PYTHONPATH": str(copy)},
        capture_output=True,
        text=True,
        check=False,
    )
    found = re.findall(r"^(?:FAILED|ERROR) \S+::(\w+)", done.stdout, re.MULTILINE)
    if done.returncode and not found:
        raise SystemExit(f"The tests did not run:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return list(dict.fromkeys(found))


if __name__ == "__main__":
    main(sys.argv[1:])
