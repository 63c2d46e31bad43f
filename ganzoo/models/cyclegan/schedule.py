"""The learning rate of CycleGAN: constant at first, then falling by the epoch towards zero."""

import keras
from keras import ops

from ganzoo.checks import check_whole


@keras.saving.register_keras_serializable("ganzoo")
class LinearDecay(keras.optimizers.schedules.LearningRateSchedule):
    """A rate that is constant for some epochs and then falls by equal steps, one an epoch.

    Epoch e, counted from 0, has `initial * (1 - max(0, e + 1 - constant_epochs) / fall)`: never
    0 before epoch `constant_epochs + fall - 1`. The authors' PyTorch code runs 200 epochs with
    100 and 101, so that the last has 1/101 of the rate; their Lua code lowers the rate after
    an epoch and not before it, which is 101 and 100.

    Args:
        initial_learning_rate: Rate of the first epochs.
        constant_epochs: Epochs at that rate.
        fall: Epochs in which the rate would fall to zero.
        steps_per_epoch: Updates in an epoch; None leaves it to `fit`, which fills in that of
            the first data of a known length. The rate is constant until then.

    Raises:
        GanzooError: A number of epochs or steps is not a whole number, or too small.
    """

    def __init__(
        self,
        initial_learning_rate=2e-4,
        constant_epochs=100,
        fall=101,
        steps_per_epoch=None,
        name="linear_decay",
    ):
        check_whole("constant_epochs", constant_epochs, least=0)
        check_whole("fall", fall)
        if steps_per_epoch is not None:
            check_whole("steps_per_epoch", steps_per_epoch)
        self.initial_learning_rate = initial_learning_rate
        self.constant_epochs = constant_epochs
        self.fall = fall
        self.steps_per_epoch = steps_per_epoch
        self.name = name

    @property
    def length(self):
        """Updates after which the rate is 0; None where the length of an epoch is not known."""
        if self.steps_per_epoch is None:
            return None
        return max(0, self.constant_epochs + self.fall - 1) * self.steps_per_epoch

    def __call__(self, step):
        """Gives the rate of an update, counted from 0, float32."""
        if self.steps_per_epoch is None:
            return ops.convert_to_tensor(self.initial_learning_rate, "float32")
        epoch = ops.cast(ops.floor_divide(step, self.steps_per_epoch), "float32")
        fallen = ops.clip((epoch + 1 - self.constant_epochs) / self.fall, 0.0, 1.0)
        return self.initial_learning_rate * (1 - fallen)

    def get_config(self):
        return {
            "initial_learning_rate": self.initial_learning_rate,
            "constant_epochs": self.constant_epochs,
            "fall": self.fall,
            "steps_per_epoch": self.steps_per_epoch,
            "name": self.name,
        }
