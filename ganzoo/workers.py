"""Where training runs: the devices of this machine, and the workers that TF_CONFIG or Slurm's
variables describe.

TensorFlow's own resolver for Slurm asks nvidia-smi, which machines without GPUs do not have,
and gives every job the same ports.
"""

import json
import os
import pathlib
import re
import warnings

import tensorflow as tf

from ganzoo.errors import TrainingError

_NVIDIA = pathlib.Path("/dev/nvidia0")
# Below the ports that Linux gives to whoever asks for any.
_FIRST_PORT, _PORTS, _PORTS_OF_A_STEP = 20000, 12000, 64
_BINDINGS = ("SLURM_GPUS_PER_TASK", "SLURM_NTASKS_PER_GPU")
_TRAINING_TASKS = ("chief", "worker")
_TASKS = (*_TRAINING_TASKS, "ps", "evaluator")  # that TensorFlow knows
_HOW_TO_DESCRIBE = (
    'Write it as {"cluster": {"worker": ["10.0.0.1:5000", "10.0.0.2:5000"]}, "task": '
    '{"type": "worker", "index": 0}}, with the addresses of all workers and the index of this one.'
)


def worker_count():
    """Counts the workers that the surroundings describe; 1 where they describe none.

    Slurm's variables count inside srun only: a script of sbatch has them too, and is alone.

    Raises:
        TrainingError: TF_CONFIG is wrong.
    """
    if os.environ.get("TF_CONFIG"):
        cluster = described_cluster(os.environ["TF_CONFIG"])
        return sum(len(cluster.get(kind, ())) for kind in _TRAINING_TASKS)
    return int(os.environ.get("SLURM_STEP_NUM_TASKS", 1))


def described_cluster(text):
    """Reads the addresses "host:port" of each kind of task in a TF_CONFIG; none of a lone process.

    Raises:
        TrainingError: It is not what TensorFlow can train with.
    """
    try:
        config = json.loads(text)
    except ValueError as error:
        raise TrainingError(f"TF_CONFIG is not JSON: {error}. {_HOW_TO_DESCRIBE}") from error
    wrong = _wrong_in_config(config)
    if wrong:
        raise TrainingError(f"TF_CONFIG {wrong}. {_HOW_TO_DESCRIBE}")
    return config.get("cluster", {})


def _wrong_in_config(config):
    """Says what is wrong in the content of a TF_CONFIG; "" for nothing."""
    if not isinstance(config, dict):
        return f"is {config!r:.80} and no object"
    cluster, task = config.get("cluster", {}), config.get("task", {})
    for key, value in {"cluster": cluster, "task": task}.items():
        if not isinstance(value, dict):
            return f"has the {key} {value!r:.80}, which is no object"
    if not cluster:
        return ""
    return _wrong_in_cluster(cluster) or _wrong_in_task(task, cluster)


def _wrong_in_cluster(cluster):
    for kind, tasks in cluster.items():
        if kind not in _TASKS:
            return f"lists {kind!r} in its cluster, which is none of {', '.join(_TASKS)}"
        if not isinstance(tasks, list | dict):
            return f"has {tasks!r:.80} as the {kind} of its cluster, which is no list of addresses"
        for address in tasks.values() if isinstance(tasks, dict) else tasks:
            if not isinstance(address, str) or not re.fullmatch(r"\S+:\d+", address):
                return f"has the address {address!r:.80} of a {kind}, which is not host:port"
    if len(cluster.get("chief", ())) > 1:
        return f"has {len(cluster['chief'])} addresses of the chief, of which there can be one"
    return ""


def _wrong_in_task(task, cluster):
    kind, index = task.get("type"), task.get("index")
    if kind is None or index is None:
        return "has no task with a type and an index, which say who of its cluster this process is"
    counts = {name: len(cluster[name]) for name in _TRAINING_TASKS if cluster.get(name)}
    if not isinstance(kind, str) or kind not in counts:
        found = ", ".join(counts) or "none"
        return f"has the task type {kind!r:.80}, and those that train in its cluster are: {found}"
    if not re.fullmatch(r"\d+", str(index)) or int(index) >= counts[kind]:
        last = counts[kind] - 1
        return f"has the task index {index!r:.80}, and each {kind} has one from 0 to {last}"
    return ""


def cluster_resolver():
    """Describes the workers to TensorFlow.

    Raises:
        TrainingError: Nothing describes them, or TF_CONFIG wrongly, or Slurm placed them otherwise
            than in blocks.
    """
    if os.environ.get("TF_CONFIG"):
        described_cluster(os.environ["TF_CONFIG"])
        return tf.distribute.cluster_resolver.TFConfigClusterResolver()
    if "SLURM_STEP_NUM_TASKS" not in os.environ:
        raise TrainingError(
            "Nothing says who the workers are. Set TF_CONFIG in each of them, or start them with "
            "Slurm's srun; the README shows both."
        )
    addresses = slurm_addresses(os.environ)
    take_own_gpus(os.environ)
    return tf.distribute.cluster_resolver.SimpleClusterResolver(
        tf.train.ClusterSpec({"worker": addresses}),
        task_type="worker",
        task_id=int(os.environ["SLURM_PROCID"]),
        num_accelerators={"GPU": len(tf.config.get_visible_devices("GPU"))},
        rpc_layer="grpc",
    )


def slurm_addresses(variables):
    """Lists "host:port" of all tasks of a step of Slurm, in the order of their ranks.

    The port follows from the numbers of the job and the step; the tasks of one host have
    successive ones.

    Args:
        variables: The environment of one of the tasks.

    Raises:
        TrainingError: The tasks do not fill one host after the other.
    """
    hosts = expand_hosts(variables["SLURM_STEP_NODELIST"])
    counts = expand_counts(variables["SLURM_STEP_TASKS_PER_NODE"])
    step = int(variables.get("SLURM_JOB_ID", 0)) + int(variables.get("SLURM_STEP_ID", 0))
    port = _FIRST_PORT + _PORTS_OF_A_STEP * step % _PORTS
    placed = [
        (node, f"{host}:{port + place}")
        for node, (host, count) in enumerate(zip(hosts, counts, strict=True))
        for place in range(count)
    ]
    rank = int(variables["SLURM_PROCID"])
    node = placed[rank][0]
    if int(variables.get("SLURM_NODEID", node)) != node:
        raise TrainingError(
            f"Task {rank} of Slurm runs on node {variables['SLURM_NODEID']} of its step, where "
            f"tasks in blocks would have it on node {node}. Start srun with --distribution=block."
        )
    return [address for _, address in placed]


def expand_hosts(text):
    """Lists the hosts that Slurm writes as "gpu[01-03,7],login", in this order."""
    hosts = []
    for part in re.findall(r"(?:[^,\[]|\[[^\]]*\])+", text):
        found = [""]
        for plain, ranges in re.findall(r"([^\[]+)|\[([^\]]*)\]", part):
            ends = [plain] if plain else _numbers(ranges)
            found = [begin + end for begin in found for end in ends]
        hosts += found
    return hosts


def _numbers(ranges):
    """Lists the numbers of "01-03,7" as text, with the zeros that they begin with."""
    found = []
    for part in ranges.split(","):
        first, _, last = part.partition("-")
        numbers = range(int(first), int(last or first) + 1)
        found += [str(number).zfill(len(first)) for number in numbers]
    return found


def expand_counts(text):
    """Lists the tasks of each host, which Slurm writes as "2(x3),1"."""
    found = re.findall(r"(\d+)(?:\(x(\d+)\))?", text)
    return [int(count) for count, times in found for _ in range(int(times or 1))]


def take_own_gpus(variables):
    """Leaves this task its share of the GPUs that all tasks of a host see.

    Where Slurm itself gave each task GPUs of its own, nothing is left to share.

    Raises:
        TrainingError: The tasks of this host do not divide its GPUs.
    """
    binding = variables.get("SLURM_GPU_BIND", "none")
    bound = binding != "none" or "gpu" in variables.get("SLURM_TRES_PER_TASK", "")
    tasks = expand_counts(variables["SLURM_STEP_TASKS_PER_NODE"])
    tasks = tasks[int(variables.get("SLURM_NODEID", 0))]
    gpus = tf.config.get_visible_devices("GPU")
    if tasks == 1 or not gpus or bound or any(name in variables for name in _BINDINGS):
        return
    share, rest = divmod(len(gpus), tasks)
    if rest:
        raise TrainingError(
            f"{tasks} tasks of Slurm share a host with {len(gpus)} GPUs, which they do not "
            "divide. Use --ntasks-per-node=1, which takes all of them, or a number that does."
        )
    first = share * int(variables["SLURM_LOCALID"])
    tf.config.set_visible_devices(gpus[first : first + share], "GPU")


def check_gpus_are_found(name):
    """Speaks up where a machine has a GPU that TensorFlow does not find.

    Nothing is said where CUDA_VISIBLE_DEVICES hides them all.

    Args:
        name: The strategy that was asked for.

    Raises:
        TrainingError: It is "mirrored", which is for GPUs.

    Warns:
        UserWarning: Training is about to run on the CPU.
    """
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES", "all") in ("", "-1")
    if hidden or not _NVIDIA.exists() or tf.config.list_physical_devices("GPU"):
        return
    text = (
        f"This machine has a GPU ({_NVIDIA}), which TensorFlow does not find, so that only the "
        "CPU would work. Install ganzoo[gpu] and a driver that fits, or set "
        "CUDA_VISIBLE_DEVICES=-1 to mean the CPU."
    )
    if name == "mirrored":
        raise TrainingError(text)
    warnings.warn(text, stacklevel=3)


def describe_devices(replicas, workers=1):
    """Writes what trains, as "8 GPUs (NVIDIA A100)" or "2 CPUs of 2 workers"."""
    gpus = tf.config.get_visible_devices("GPU")
    kind = "GPU" if gpus else "CPU"
    text = f"{replicas} {kind}{'s' if replicas > 1 else ''}"
    text += f" of {workers} workers" if workers > 1 else ""
    details = [tf.config.experimental.get_device_details(gpu) for gpu in gpus]
    names = dict.fromkeys(found["device_name"] for found in details if "device_name" in found)
    return f"{text} ({', '.join(names)})" if names else text
