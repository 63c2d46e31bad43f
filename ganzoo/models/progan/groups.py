"""Which batches the groups of the minibatch statistics fit into."""

from ganzoo.errors import TrainingError


def check_groups(statistics, batch_sizes, replicas):
    """Refuses batches that would split a group, whose images one replica has to see together.

    Args:
        statistics: The discriminator's `MinibatchStdDev`.
        batch_sizes: Sizes of the global batches to come.
        replicas: How many share each batch.

    Raises:
        TrainingError: Names the batch, the groups and the replicas.
    """
    if replicas > 1 and statistics.statistic != "official" and statistics.group_size != 1:
        # Neighbours in a batch, which is dealt out row by row; the official groups are strided.
        raise TrainingError(
            f"The minibatch statistics of {statistics.statistic!r} compare images that follow "
            f"each other in a batch, and {replicas} replicas would part them. Train on one "
            "replica, or set model.group_statistic to 'official'."
        )
    for size in sorted(batch_sizes):
        whole = min(statistics.group_size or size, size)
        if size % replicas or (size // replicas) % whole:
            raise TrainingError(_reason(size, statistics.group_size, whole, replicas))


def _reason(size, group, whole, replicas):
    if group is None:  # the group is the batch: no size of it would do
        return (
            "model.group_size is null, so that the discriminator compares the statistics of "
            f"whole batches, and {replicas} replicas would split one of {size} images. "
            "Set model.group_size to a number, such as 4, or train on one replica."
        )
    on, other = "1 replica", "or another model.group_size"
    if replicas > 1:
        on = f"{replicas} replicas"
        other = "another model.group_size, or fewer replicas"
    return (
        f"A batch of {size} images on {on} splits the groups of {whole} whose statistics the "
        f"discriminator compares. Use batches that {replicas * group} divides, {other}."
    )
