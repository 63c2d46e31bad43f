"""Keras's way to train and to test: `fit` and `evaluate`, for models of several networks."""

from ganzoo import fitting, validation
from ganzoo.callbacks import callback_list
from ganzoo.checks import check_whole
from ganzoo.errors import DataError, TrainingError
from ganzoo.feeds import feed_for
from ganzoo.serialization import SerializableModel


class TrainableModel(SerializableModel):
    """A model whose `train_step` and `test_step` ganzoo's own loop calls.

    A subclass says what the loop asks of it: `check_batch`, `prepare`, `begin_stage` and the
    other methods of `ganzoo.adversarial.AdversarialModel`.
    """

    def fit(
        self,
        x=None,
        y=None,
        *,
        epochs=None,
        verbose="auto",
        callbacks=None,
        validation_data=None,
        shuffle=True,
        batch_size=None,
        initial_epoch=0,
        steps_per_epoch=None,
        validation_steps=None,
        validation_freq=1,
    ):
        """Trains on a dataset of batches; the arguments are those of `keras.Model.fit`.

        Args:
            x: What `ganzoo.data.load` returns, its `stream`, or a source of images to open at
                the model's size: a run on these can be resumed at any step. Or another
                `tf.data.Dataset` of batches, float in [-1, 1], or an array of images. Where the
                last `fit` had the same images of ganzoo, their order goes on where it ended.
            y: None: there are no targets.
            epochs: Passes over the data. Left out, the model trains for as long as it has to:
                see `images_to_train`; or else for one.
            callbacks: Keras's, but for those that need a model's one optimizer.
            validation_data: What `x` may be, in batches of `batch_size` too; looked at before
                the first step.

        Returns:
            A `keras.callbacks.History` with the means of each epoch.

        Raises:
            DataError: The data is not what the model trains on, or there are targets.
            TrainingError: A callback cannot work, or the model asks for no more training.

        Warns:
            RateWarning: A learning rate reaches 0 before the end.
        """
        self._assert_compile_called("fit")
        _check_no_targets("fit", y)
        for name, count in (("epochs", epochs), ("initial_epoch", initial_epoch)):
            if count is not None:
                check_whole(name, count, least=0, error=TrainingError)
        # Before the training data, whose shapes a model notes.
        validate = validation.validation(
            self,
            validation_data,
            batch_size=batch_size,
            steps=validation_steps,
            every=validation_freq,
        )
        feed = feed_for(
            self,
            x,
            batch_size=batch_size,
            shuffle=shuffle,
            steps_per_epoch=steps_per_epoch,
            again=not initial_epoch,
        )
        callbacks = callback_list(
            self,
            callbacks,
            verbose=1 if verbose == "auto" else verbose,
            epochs=fitting.planned_epochs(self, feed, epochs),
            steps=feed.steps_per_epoch,
        )
        self.fit_state, self.last_order = fitting.FitState(), feed.order
        fitting.FitLoop(self, feed, callbacks, validate).run(epochs, initial_epoch)
        return self.history

    def train_on_batch(self, *arguments, **options):
        """Refuses with a TrainingError: a step of several optimizers belongs to a `fit`."""
        raise TrainingError(
            f"{type(self).__name__} cannot take a step outside of fit, as train_on_batch would. "
            "Give the batch to fit: fit(images, batch_size=len(images))."
        )

    def test_on_batch(self, *arguments, **options):
        """Refuses with a TrainingError, as `train_on_batch` does."""
        raise TrainingError(
            f"{type(self).__name__} cannot take a test outside of evaluate, as test_on_batch "
            "would. Give the batch to evaluate: evaluate(images, batch_size=len(images))."
        )

    def evaluate(self, x=None, y=None, *, batch_size=None, verbose=0, steps=None, return_dict=True):
        """Computes the training losses on a dataset; for scores see `ganzoo.evaluate`."""
        del verbose
        self._assert_compile_called("evaluate")
        _check_no_targets("evaluate", y)
        feed = feed_for(self, x, batch_size=batch_size, training=False, steps_per_epoch=steps)
        means = validation.run_tests(self, feed)
        return means if return_dict else list(means.values())


def _check_no_targets(method, y):
    if y is not None:
        raise DataError(
            f"{method} was given targets, y, and a GAN learns from images alone. Leave y out."
        )
