"""Training on many devices: strategies, the compiled step that works under them, and how the
rows of a global batch are dealt out."""

import tensorflow as tf

from ganzoo.errors import DataError, TrainingError


def compiled_step(model, step, names):
    """Compiles `step` for the model's strategy.

    Keras's own train function fails under `MultiWorkerMirroredStrategy`, and it keeps running
    means in variables, which a resumed run would lose; this one hands the values out.

    Args:
        model: An `AdversarialModel`, which brings its strategy, `jit_compile` and
            `run_eagerly`.
        step: Function of one batch that returns a dict of scalars, each a mean over the rows
            of this replica.
        names: Which of the scalars to return, in order.

    Returns:
        Function of an iterator and a number n of steps, int32. It takes n steps and returns
        the values of the last and their sums, `(len(names),)` each, as means over the
        replicas.
    """
    strategy = model.distribute_strategy

    def values_of_step(batch):
        values = step(batch)
        return tf.stack([tf.cast(values[name], "float32") for name in names])

    if model.jit_compile:
        values_of_step = tf.function(values_of_step, jit_compile=True, reduce_retracing=True)

    def one_step(iterator):
        batch = next(iterator)
        if strategy.num_replicas_in_sync == 1:
            return values_of_step(batch)
        values = strategy.run(values_of_step, args=(batch,))
        return strategy.reduce(tf.distribute.ReduceOp.MEAN, values, axis=None)

    if model.run_eagerly:
        return _in_python(one_step)
    one = tf.function(one_step, reduce_retracing=True)

    @tf.function(reduce_retracing=True)
    def several(iterator, count):
        values = one_step(iterator)
        sums = values
        for _ in tf.range(count - 1):
            values = one_step(iterator)
            sums += values
        return values, sums

    def run(iterator, count):
        return (one(iterator),) * 2 if count == 1 else several(iterator, tf.constant(count))

    return run


def _in_python(one_step):
    def run(iterator, count):
        values = [one_step(iterator) for _ in range(count)]
        return values[-1], tf.add_n(values)

    return run


def check_options(strategy, *, jit_compile, steps_per_execution, optimizers):
    """Refuses what TensorFlow cannot do under a strategy of several replicas.

    Raises:
        TrainingError: XLA, several steps an execution, or accumulated gradients.
    """
    if strategy.num_replicas_in_sync == 1:
        return
    name = f"{type(strategy).__name__} with {strategy.num_replicas_in_sync} replicas"
    if jit_compile:
        raise TrainingError(
            f"XLA (jit_compile=True) does not work under {name}: its variables lie on several "
            "devices. Compile with jit_compile=False."
        )
    if steps_per_execution > 1:
        raise TrainingError(
            f"steps_per_execution={steps_per_execution} does not work under {name}. "
            "Compile with steps_per_execution=1."
        )
    for key, optimizer in optimizers.items():
        if getattr(optimizer, "gradient_accumulation_steps", None):
            raise TrainingError(
                f"The {key} accumulates gradients over "
                f"{optimizer.gradient_accumulation_steps} steps, which does not work under "
                f"{name}. Leave gradient_accumulation_steps out and use a larger batch."
            )


def check_divides(batch_size, strategy):
    """Refuses a global batch that the replicas do not divide.

    Raises:
        DataError: Some replica would get fewer images than another.
    """
    count = strategy.num_replicas_in_sync
    if batch_size is not None and batch_size % count:
        larger = -(-batch_size // count) * count
        raise DataError(
            f"A global batch of {batch_size} images does not divide over {count} replicas. "
            f"Use a multiple of {count}, for example batch_size={larger}."
        )


def distribute_stream(stream, strategy, start):
    """Iterates over a ganzoo stream from image `start` on, without end, on every replica."""
    count = strategy.num_replicas_in_sync
    if count == 1:
        return iter(stream.dataset(start))
    check_divides(stream.batch_size, strategy)

    def for_worker(context):
        local = count // context.num_input_pipelines
        first = context.input_pipeline_id * local
        return stream.dataset(start, first_replica=first, local_replicas=local, num_replicas=count)

    return iter(strategy.distribute_datasets_from_function(for_worker))


def distribute_dataset(dataset, strategy):
    """Iterates once over a user's dataset of global batches, on every replica."""
    count = strategy.num_replicas_in_sync
    if count == 1:
        return iter(dataset)

    def for_worker(context):
        local = count // context.num_input_pipelines
        first = context.input_pipeline_id * local
        return dataset.map(lambda *batch: _deal(batch, first, local, count)).unbatch()

    return iter(strategy.distribute_datasets_from_function(for_worker))


def _deal(batch, first, local, count):
    """Stacks the rows of each local replica, `(local, B / count, …)`."""
    batch = batch[0] if len(batch) == 1 else batch

    def stack(rows):
        tf.debugging.assert_equal(
            tf.shape(rows)[0] % count,
            0,
            f"A global batch does not divide over {count} replicas: batch with "
            "drop_remainder=True and a multiple of their number.",
        )
        return tf.stack([rows[replica::count] for replica in range(first, first + local)])

    return tf.nest.map_structure(stack, batch)
