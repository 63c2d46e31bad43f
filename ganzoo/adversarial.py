"""What all families share: networks that train against each other with `fit`."""

import math

import tensorflow as tf

from ganzoo import distribution, exporting, fitting, shortcuts
from ganzoo.batches import check_batch
from ganzoo.errors import TrainingError
from ganzoo.optimizers import built_optimizer, checked_optimizers, inner
from ganzoo.randomness import checked_seed, key_for, next_of
from ganzoo.storage import to_array
from ganzoo.trainable import TrainableModel


class AdversarialModel(TrainableModel):
    """Networks that train against each other, each with an optimizer of its own.

    A subclass sets its networks in `__init__` and ends it with `build`; lists their names in
    `possible_networks`; says in `optimized_networks` which optimizer moves which; names what a
    step reports in `reported_names`; and writes `train_step` and `test_step`, which take a
    batch and return a dict of those names. It calls networks with an explicit `training=`:
    without it Keras runs them in inference mode inside `train_step`, where batch
    normalisation ignores the batch.

    Args:
        seed: With the step number, decides everything that is drawn in training.

    Attributes:
        step: Updates taken since the model was made, int64.
        test_batch: Batches tested since `evaluate` or a validation began, int64.
        last_step: The value of `step` at which the current `fit` ends, infinite if it has none;
            a callback sets it in `on_train_begin`.
        fit_state: Where the last or current `fit` stands, a `ganzoo.fitting.FitState`.
        last_order: The `Stream.order` of that `fit`; None where it had other data.
        trained: Names of the networks that have trained weights.
    """

    possible_networks: tuple[str, ...] = ()
    optimized_networks: dict = {}
    reported_names: tuple[str, ...] = ()
    # The settings that decide a batch's sides, and its channels: an error names one of them.
    shape_keys = ("model.image_size", "model.channels")

    def __init__(self, seed=0, **kwargs):
        super().__init__(**kwargs)
        self.seed = checked_seed(seed)
        self.step = self.add_weight(
            shape=(), dtype="int64", initializer="zeros", trainable=False, name="step"
        )
        # TensorFlow's own, so that no file holds it.
        self.test_batch = tf.Variable(0, dtype="int64", trainable=False, name="test_batch")
        self.last_step = math.inf
        self.fit_state, self.last_order = fitting.FitState(), None
        self.trained = frozenset()
        self.retrace()
        self.add_state()

    def add_state(self):
        """Makes the variables that a family keeps beside its networks, such as its growth."""

    @property
    def network_names(self):
        """Names of the networks that this model has, of all `possible_networks`."""
        return tuple(
            name for name in self.possible_networks if getattr(self, name, None) is not None
        )

    @property
    def networks(self):
        """The networks by name."""
        return {name: getattr(self, name) for name in self.network_names}

    @property
    def stored_parts(self):
        """What a model folder holds, by name: the networks, and what belongs to them."""
        return self.networks

    @property
    def optimizers(self):
        """The optimizers by name, once compiled."""
        return {name: getattr(self, name) for name in self.optimized_networks}

    @property
    def metrics(self):
        return []  # a step reports its own values; Keras would add a "loss" that is always 0

    @property
    def steps_taken(self):
        """The value of `step` as a Python int, under any strategy."""
        return int(to_array(self.step))

    @property
    def step_variant(self):
        """What the traced step depends on beside its batch; each value is traced once."""
        return None

    def compile(
        self,
        optimizers,
        settings=None,
        *,
        optimized_networks=None,
        jit_compile=False,
        steps_per_execution=1,
        run_eagerly=False,
    ):
        """Sets the optimizers, by name, and the settings of training, as attributes.

        What is refused changes nothing: the model trains on as it was compiled before.

        Args:
            optimizers: Keras optimizers, or their names, by the names in `optimized_networks`.
            settings: What else a family's `compile` was given, by name.
            optimized_networks: Replaces the attribute, where a setting decides what moves what.
            jit_compile: Compile the step by XLA. "auto" is for `ganzoo train`, which measures, and
                means False here.
            steps_per_execution: Steps that one call of the compiled function takes.
            run_eagerly: Run the step in Python, to look into it.
        """
        optimizers = checked_optimizers(type(self).__name__, optimizers)
        networks = optimized_networks or self.optimized_networks
        if jit_compile == "auto":
            jit_compile = False
        distribution.check_options(
            self.distribute_strategy,
            jit_compile=jit_compile,
            steps_per_execution=steps_per_execution,
            optimizers=optimizers,
        )
        for name, optimizer in optimizers.items():
            weights = self.weights_of(*networks[name])
            optimizers[name] = built_optimizer(optimizer, weights, self.compute_dtype)
        super().compile(
            optimizer=None,
            jit_compile=jit_compile,
            steps_per_execution=steps_per_execution,
            run_eagerly=run_eagerly,
        )
        self.optimized_networks = networks
        self.settings = dict(settings or {})
        for name, value in (optimizers | self.settings).items():
            setattr(self, name, value)
        self.retrace()

    def weights_of(self, *names):
        """Lists the trainable weights of some networks, in order."""
        return [weight for name in names for weight in getattr(self, name).trainable_variables]

    def key(self, purpose):
        """Gives the key of what this step draws for `purpose`, a word."""
        return key_for(self.seed, self.step, purpose)

    def test_key(self, purpose):
        """Gives the key of what this batch of a test draws for `purpose`."""
        return next_of(self.key(purpose), self.test_batch)

    def step_function(self, testing=False):
        """Returns the compiled step, traced once for each `step_variant`."""
        variant = (testing, self.step_variant)
        if variant not in self._step_functions:
            step = self.counted_test_step if testing else self.counted_train_step
            names = (*self.reported_names, *(["images"] if testing else []))
            self._step_functions[variant] = distribution.compiled_step(self, step, names)
        return self._step_functions[variant]

    def retrace(self):
        """Has the step traced anew: what the traced one took for constant has changed."""
        self._step_functions, self._traced_weights = {}, None

    def follow_freezing(self):
        """Has the step traced anew where layers were frozen, or freed, since it was traced.

        Raises:
            TrainingError: A weight was frozen when the model was compiled, and is to train now.
        """
        weights = []
        for name, optimizer in self.optimizers.items():
            moved = self.weights_of(*self.optimized_networks[name])
            known = {id(weight) for weight in inner(optimizer)._trainable_variables}
            freed = [weight.path for weight in moved if id(weight) not in known]
            if freed:
                raise TrainingError(
                    f"{freed[0]} was frozen when {type(self).__name__} was compiled, so that "
                    f"{name} does not know it. Compile the model again, or have "
                    "ganzoo.fine_tune do it."
                )
            weights += moved
        now = tuple(map(id, weights))
        if self._traced_weights not in (None, now):
            self.retrace()
        self._traced_weights = now

    def counted_train_step(self, batch):
        """Takes one `train_step` and counts it."""
        with shortcuts.scope():
            values = self.train_step(batch)
        self.step.assign_add(1)
        return values

    def counted_test_step(self, batch):
        """Takes one `test_step` and counts it; adds how many images the batch holds."""
        with shortcuts.scope():
            values = self.test_step(batch)
        self.test_batch.assign_add(1)
        return values | {"images": tf.shape(tf.nest.flatten(batch)[0])[0]}

    @property
    def moved_networks(self):
        """Names of the networks that steps so far have moved, with the averages that follow."""
        named = [name for names in self.optimized_networks.values() for name in names]
        moved = {name for name in named if getattr(self, name).trainable_variables}
        return frozenset(name for name in self.network_names if name.removeprefix("ema_") in moved)

    @property
    def extra_state(self):
        """Variables beside the weights that a resumed run needs, by name."""
        return {}

    def check_batch_size(self, batch_size, fixed=False):
        """Refuses global batches that training cannot divide.

        `fixed` means the same as in `begin_stage`.
        """

    def prepare(self, batch_size):
        """Makes what training on global batches of this size needs, before the first step."""

    def images_to_train(self):
        """Counts the images that a schedule of the model's own still asks for; None without one."""

    def begin_stage(self, position, batch_size, fixed=False):
        """Prepares for training from image `position` of this run on.

        Args:
            position: Where in the data this `fit` is, as its `FitState` has it.
            batch_size: Global batch size of the data.
            fixed: Whether that cannot be changed.

        Returns:
            The global batch size, and the position at which to be asked again.
        """
        del position, fixed
        return batch_size, math.inf

    def batch_shapes(self):
        """Gives the shape, or tuple of shapes, of a batch, with None for what is free."""
        raise NotImplementedError

    def check_batch(self, spec, batch=None):
        """Refuses batches that the model cannot train on, with a `DataError`."""
        check_batch(type(self).__name__, self.batch_shapes(), spec, batch, self.shape_keys)

    def endpoints(self):
        """Lists the endpoints of an exported model: name → (function, specs of its inputs).

        The first one is the default, `serving_default`.
        """
        raise NotImplementedError

    def export(self, path, format="saved_model", **options):
        """Writes the model for use without ganzoo; see `ganzoo.exporting.export`."""
        return exporting.export(self, path, format=format, **options)
