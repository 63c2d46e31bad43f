"""Trains every preset of a folder on several logical devices and writes the states."""

import pathlib
import sys

import tensorflow as tf

from ganzoo import presets
from ganzoo.training.checkpoints import write_checkpoint
from ganzoo.training.state import read_state
from tests.models.conformance import build, open_dataset, sgd


def main(folder, replicas):
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(
        cpu, [tf.config.LogicalDeviceConfiguration()] * replicas
    )
    devices = [device.name for device in tf.config.list_logical_devices("CPU")]
    strategy = tf.distribute.MirroredStrategy(devices)
    for file in sorted(pathlib.Path(folder).glob("*/preset.yaml")):
        preset = presets.parse_preset(file.read_text(), name=file.parent.name, origin=str(file))
        with strategy.scope():
            model = build(preset, optimizer=sgd)
        model.fit(open_dataset(file.parent), epochs=1, verbose=0)
        write_checkpoint(file.parent / "together", read_state(model))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
