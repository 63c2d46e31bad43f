"""Training on many devices.

Strategies, the compiled step that works under them, and how the rows of a global batch are dealt
out.
"""

import functools

import tensorflow as tf

from ganzoo.checks import check_choice, check_whole
from ganzoo.errors import DataError, TrainingError
from ganzoo.optimizers import inner
from ganzoo.tracing import compiled
from ganzoo.workers import check_gpus_are_found, cluster_resolver, describe_devices, worker_count

STRATEGIES = ("auto", "none", "mirrored", "multi_worker")
_CLIPS = ("clipnorm", "global_clipnorm", "clipvalue")


def make_strategy(name="auto"):
    """Makes a `tf.distribute.Strategy`; call it before anything else of TensorFlow.

    Args:
        name: "none" for one device; "mirrored" for all GPUs of this machine; "multi_worker"
            for the workers that TF_CONFIG or Slurm's variables describe; "auto" for whichever
            of these the surroundings call for.

    Raises:
        TrainingError: There is no such strategy, or nothing describes the workers, or TF_CONFIG
            wrongly; or it is "mirrored", and TensorFlow does not find the GPU of this machine.

    Warns:
        UserWarning: This machine has a GPU, and TensorFlow does not find it.
    """
    check_choice(f"There is no strategy {name!r}", name, STRATEGIES, error=TrainingError)
    check_gpus_are_found(name)
    if name == "auto":
        several = worker_count() > 1
        gpus = tf.config.list_physical_devices("GPU")
        name = "multi_worker" if several else "mirrored" if len(gpus) > 1 else "none"
    if name == "none":
        return tf.distribute.get_strategy()
    if name == "mirrored":
        return tf.distribute.MirroredStrategy()
    return tf.distribute.MultiWorkerMirroredStrategy(
        cluster_resolver=cluster_resolver(), communication_options=_communication()
    )


def _communication():
    """Says how workers exchange gradients: in messages of 2 MB, where no GPU takes part.

    In one message the exchange takes half as long again, and each worker waits meanwhile.
    """
    gpus = tf.config.list_physical_devices("GPU")
    bytes_per_pack = 0 if gpus else 2**21
    return tf.distribute.experimental.CommunicationOptions(bytes_per_pack=bytes_per_pack)


def worker_addresses(strategy):
    """Lists "host:port" of all workers, the chief first, and this one's place among them."""
    resolver = strategy.cluster_resolver
    if not isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy) or resolver is None:
        return [], 0
    cluster = resolver.cluster_spec().as_dict()
    addresses = [*cluster.get("chief", []), *cluster.get("worker", [])]
    before = len(cluster.get("chief", [])) if resolver.task_type == "worker" else 0
    return addresses, before + (resolver.task_id or 0)


def is_chief(strategy):
    """Says whether this process is the one of the workers that writes files."""
    return worker_addresses(strategy)[1] == 0


def devices_of(strategy):
    """Writes what trains under a strategy, as "8 GPUs (NVIDIA A100)"."""
    return describe_devices(strategy.num_replicas_in_sync, len(worker_addresses(strategy)[0]))


def gather_numbers(strategy, number):
    """Collects a number of each worker, once for each of its replicas.

    Each worker has to ask, at the same step. A process that trains alone gives its own number,
    however many devices it has: asking them takes as long as a small step.
    """
    if len(worker_addresses(strategy)[0]) < 2:
        return [number]
    gathered = _gatherer(strategy)(tf.constant(number, "int64"))
    return strategy.experimental_local_results(gathered)[0].numpy().tolist()


@functools.cache
def _gatherer(strategy):
    def gather(value):
        return tf.distribute.get_replica_context().all_gather(value[None], axis=0)

    return tf.function(lambda value: strategy.run(gather, args=(value,)))


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
        the values of the last and their sums, `(len(names) + 1,)` each, as means over the
        replicas. What follows the named values is 0, or NaN where a weight is not finite.
    """
    strategy = model.distribute_strategy

    def values_of_step(batch):
        # At the end of a dataset there is no batch: then nothing may move, not even a count.
        with tf.control_dependencies(tf.nest.flatten(batch)):
            values = step(batch)
        named = [tf.cast(values[name], "float32") for name in names]
        return tf.stack([*named, 0.0 * _sum_of_weights(model)])

    def on_replicas(batch):
        # One replica too: inside its strategy's scope Keras's optimizers need its context.
        values = strategy.run(values_of_step, args=(batch,))
        return strategy.reduce(tf.distribute.ReduceOp.MEAN, values, axis=None)

    if model.jit_compile:
        on_replicas = compiled(on_replicas, jit_compile=True, reduce_retracing=True)

    def one_step(iterator):
        return on_replicas(next(iterator))

    if model.run_eagerly:
        return _in_python(one_step)

    def several_steps(iterator, count):
        values = one_step(iterator)
        sums = values
        for _ in tf.range(count - 1):
            values = one_step(iterator)
            sums += values
        return values, sums

    one = compiled(one_step, reduce_retracing=True)
    several = compiled(several_steps, reduce_retracing=True)

    def run(iterator, count):
        return (one(iterator),) * 2 if count == 1 else several(iterator, tf.constant(count))

    return run


def _sum_of_weights(model):
    """Adds up all weights that training moves: cheaper than asking each whether it is finite.

    The losses do not tell: a rectifier turns NaN into 0 on some devices.
    """
    moved = [name for names in model.optimized_networks.values() for name in names]
    sums = [tf.reduce_sum(tf.convert_to_tensor(weight)) for weight in model.weights_of(*moved)]
    return tf.add_n(sums) if sums else tf.zeros(())  # of frozen networks there are none


def _in_python(one_step):
    def run(iterator, count):
        values = [one_step(iterator) for _ in range(count)]
        return values[-1], tf.add_n(values)

    return run


def check_options(strategy, *, jit_compile, steps_per_execution, optimizers):
    """Refuses what TensorFlow cannot do under a strategy of several replicas.

    Raises:
        TrainingError: XLA, several steps an execution, accumulated or clipped gradients; or,
            whatever the strategy, less than a step an execution.
    """
    check_whole("steps_per_execution", steps_per_execution, error=TrainingError)
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
        _check_optimizer(key, inner(optimizer), name)


def _check_optimizer(key, optimizer, strategy_name):
    if getattr(optimizer, "gradient_accumulation_steps", None):
        raise TrainingError(
            f"The {key} accumulates gradients over "
            f"{optimizer.gradient_accumulation_steps} steps, which does not work under "
            f"{strategy_name}. Leave gradient_accumulation_steps out and use a larger batch."
        )
    for clip in _CLIPS:
        if getattr(optimizer, clip, None) is not None:
            # Keras clips before it adds up the replicas' gradients, not their sum.
            raise TrainingError(
                f"The {key} clips gradients by {clip}={getattr(optimizer, clip)!r}, which under "
                f"{strategy_name} clips those of each replica, and so trains otherwise than one "
                f"device. Leave {clip} out, or train on one device."
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
            f"Use a multiple of {count}, for example batch_size={larger}, or fewer devices: one "
            "with --strategy none, or those that CUDA_VISIBLE_DEVICES names."
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
