"""Who trains: the workers that Slurm's variables describe, their GPUs, and GPUs not found."""

import json
import pathlib
import types

import pytest
import tensorflow as tf

from ganzoo import distribution, workers
from ganzoo.errors import TrainingError

STEP = {
    "SLURM_JOB_ID": "1234",
    "SLURM_STEP_ID": "2",
    "SLURM_STEP_NODELIST": "gpu[09-10],login1",
    "SLURM_STEP_TASKS_PER_NODE": "2(x2),1",
    "SLURM_STEP_NUM_TASKS": "5",
    "SLURM_PROCID": "3",
    "SLURM_NODEID": "1",
    "SLURM_LOCALID": "1",
}
PORT = 20000 + 64 * 1236 % 12000


@pytest.fixture
def outside(monkeypatch):
    """No variable of a cluster is set."""
    for name in ("TF_CONFIG", "SLURM_NTASKS", *STEP, *workers._BINDINGS, "SLURM_GPU_BIND"):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


@pytest.fixture
def step(outside):
    """The variables of one task of a step on three hosts."""
    for name, value in STEP.items():
        outside.setenv(name, value)
    return outside


class Gpus:
    """Stands for TensorFlow's list of GPUs, of which some are visible."""

    def __init__(self, monkeypatch, count):
        self.visible = [f"gpu {number}" for number in range(count)]
        monkeypatch.setattr(tf.config, "get_visible_devices", lambda kind: self.visible)
        monkeypatch.setattr(tf.config, "set_visible_devices", self.show)
        monkeypatch.setattr(tf.config.experimental, "get_device_details", self.details)

    def show(self, devices, kind):
        assert kind == "GPU"
        self.visible = devices

    def details(self, device):
        return {"device_name": "NVIDIA A100"} if device in self.visible else {}


@pytest.mark.parametrize(
    ("text", "hosts"),
    [
        ("node7", ["node7"]),
        ("b,a", ["b", "a"]),
        ("n[8-11]", ["n8", "n9", "n10", "n11"]),
        ("gpu[09-10,3],login1", ["gpu09", "gpu10", "gpu3", "login1"]),
        ("r[1-2]n[1,3]-ib", ["r1n1-ib", "r1n3-ib", "r2n1-ib", "r2n3-ib"]),
    ],
)
def test_hosts_are_listed_in_slurms_order(text, hosts):
    assert workers.expand_hosts(text) == hosts


def test_tasks_are_counted_a_host():
    assert workers.expand_counts("2(x3),1,10") == [2, 2, 2, 1, 10]


def test_tasks_of_a_step_get_hosts_in_order_and_successive_ports(step):
    resolver = workers.cluster_resolver()
    assert resolver.cluster_spec().as_dict() == {
        "worker": [
            f"gpu09:{PORT}",
            f"gpu09:{PORT + 1}",
            f"gpu10:{PORT}",
            f"gpu10:{PORT + 1}",
            f"login1:{PORT}",
        ]
    }
    assert (resolver.task_type, resolver.task_id) == ("worker", 3)
    assert resolver.num_accelerators() == {"GPU": 0}
    assert resolver.rpc_layer == "grpc"


def test_two_jobs_get_ports_apart(step):
    first = workers.slurm_addresses(STEP)[0]
    second = workers.slurm_addresses(STEP | {"SLURM_JOB_ID": "1235"})[0]
    assert (first, second) == (f"gpu09:{PORT}", f"gpu09:{PORT + 64}")
    ports = [
        int(workers.slurm_addresses(STEP | {"SLURM_JOB_ID": str(job)})[0].split(":")[1])
        for job in range(1000)
    ]
    assert min(ports) >= 20000
    assert max(ports) + 64 <= 32768, "where Linux begins to give ports away"


def test_tasks_that_are_not_in_blocks_are_refused(step):
    step.setenv("SLURM_NODEID", "0")
    message = (
        r"^Task 3 of Slurm runs on node 0 of its step, .* on node 1\. .*--distribution=block\.$"
    )
    with pytest.raises(TrainingError, match=message):
        workers.cluster_resolver()


@pytest.mark.parametrize(("local", "seen"), [("0", ["gpu 0", "gpu 1"]), ("1", ["gpu 2", "gpu 3"])])
def test_tasks_of_a_host_share_its_gpus(local, seen, step):
    gpus = Gpus(step, 4)
    step.setenv("SLURM_LOCALID", local)
    resolver = workers.cluster_resolver()
    assert gpus.visible == seen
    assert resolver.num_accelerators() == {"GPU": 2}


@pytest.mark.parametrize(
    "bound",
    [
        {"SLURM_GPUS_PER_TASK": "4"},
        {"SLURM_NTASKS_PER_GPU": "1"},
        {"SLURM_GPU_BIND": "closest"},
        {"SLURM_TRES_PER_TASK": "cpu=2,gres/gpu=4"},
        {"SLURM_STEP_TASKS_PER_NODE": "1(x4)", "SLURM_NODEID": "3", "SLURM_PROCID": "3"},
    ],
)
def test_gpus_of_ones_own_are_not_shared(bound, step):
    gpus = Gpus(step, 4)
    workers.take_own_gpus(STEP | bound)
    assert len(gpus.visible) == 4


def test_gpus_that_the_tasks_do_not_divide_are_refused(step):
    Gpus(step, 3)
    message = r"^2 tasks of Slurm share a host with 3 GPUs, .* Use --ntasks-per-node=1, which"
    with pytest.raises(TrainingError, match=message):
        workers.take_own_gpus(STEP)


def test_slurm_describes_workers_inside_srun_only(outside):
    assert workers.worker_count() == 1
    for name in ("SLURM_PROCID", "SLURM_NTASKS"):  # as a script of sbatch has them
        outside.setenv(name, "4")
    assert workers.worker_count() == 1
    with pytest.raises(TrainingError, match=r"^Nothing says who the workers are\. Set TF_CONFIG"):
        workers.cluster_resolver()
    outside.setenv("SLURM_STEP_NUM_TASKS", "4")
    assert workers.worker_count() == 4


PAIR = {"worker": ["10.0.0.1:5000", "10.0.0.2:5000"]}
FIRST = {"type": "worker", "index": 0}


@pytest.mark.parametrize(
    ("cluster", "task", "count"),
    [
        (PAIR, FIRST, 2),
        (PAIR, {"type": "worker", "index": "1"}, 2),
        ({"worker": {"0": "a:1", "1": "b:1"}}, FIRST, 2),
        ({"worker": ["[::1]:5000"], "evaluator": ["b:1"], "ps": []}, FIRST, 1),
        ({"chief": ["a:1"], "worker": ["b:1", "c:1"]}, {"type": "chief", "index": 0}, 3),
        ({"chief": ["a:1"], "worker": ["b:1", "c:1"]}, {"type": "worker", "index": 1}, 3),
        ({}, {}, 0),
    ],
    ids=str,
)
def test_tf_config_describes_workers(cluster, task, count, outside):
    outside.setenv("SLURM_STEP_NUM_TASKS", "4")  # it goes before Slurm
    outside.setenv("TF_CONFIG", json.dumps({"cluster": cluster, "task": task}))
    assert workers.worker_count() == count
    resolver = workers.cluster_resolver()
    assert set(resolver.cluster_spec().jobs) == set(cluster)
    if task:
        assert (resolver.task_type, resolver.task_id) == (task["type"], int(task["index"]))
    outside.setenv("TF_CONFIG", "{}")
    assert workers.worker_count() == 0


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ("{bad", r"is not JSON: Expecting property name enclosed in double quotes: line 1"),
        ("3", r"is 3 and no object"),
        ({"cluster": PAIR["worker"]}, r"has the cluster \['10.0.0.1:5000', .*, which is no object"),
        ({"cluster": PAIR, "task": "worker"}, r"has the task 'worker', which is no object"),
        ({"cluster": PAIR}, r"has no task with a type and an index"),
        ({"cluster": PAIR, "task": {"index": 0}}, r"has no task with a type and an index"),
        ({"cluster": PAIR, "task": {"type": "worker"}}, r"has no task with a type and an index"),
        (
            {"cluster": PAIR, "task": {"type": "worker", "index": 2}},
            r"has the task index 2, and each worker has one from 0 to 1",
        ),
        ({"cluster": PAIR, "task": {"type": "worker", "index": -1}}, r"has the task index -1, and"),
        ({"cluster": PAIR, "task": {"type": "worker", "index": "a"}}, r"has the task index 'a', "),
        (
            {"cluster": PAIR, "task": {"type": "chief", "index": 0}},
            r"has the task type 'chief', and those that train in its cluster are: worker",
        ),
        (
            {"cluster": PAIR | {"evaluator": ["a:1"]}, "task": {"type": "evaluator", "index": 0}},
            r"has the task type 'evaluator', and those that train in its cluster are: worker",
        ),
        ({"cluster": PAIR, "task": {"type": [], "index": 0}}, r"has the task type \[\], and those"),
        (
            {"cluster": {"worker": []}, "task": FIRST},
            r"has the task type 'worker', and .* are: none",
        ),
        (
            {"cluster": {"worker": ["10.0.0.1"]}, "task": FIRST},
            r"has the address '10\.0\.0\.1' of a worker, which is not host:port",
        ),
        (
            {"cluster": {"worker": [5000]}, "task": FIRST},
            r"has the address 5000 of a worker, which",
        ),
        (
            {"cluster": {"worker": "a:1"}, "task": FIRST},
            r"has 'a:1' as the worker of its cluster, ",
        ),
        (
            {"cluster": {"workers": ["a:1"]}, "task": FIRST},
            r"lists 'workers' in its cluster, which is none",
        ),
        (
            {"cluster": PAIR | {"chief": ["a:1", "b:1"]}, "task": FIRST},
            r"has 2 addresses of the chief, of which there can be one",
        ),
    ],
    ids=str,
)
def test_a_wrong_tf_config_says_what_and_how_to_write_it(config, message, outside):
    text = config if isinstance(config, str) else json.dumps(config)
    outside.setenv("TF_CONFIG", text)
    whole = rf'^TF_CONFIG {message}.*\. Write it as {{"cluster": {{"worker": .* of this one\.$'
    for ask in (workers.worker_count, workers.cluster_resolver, distribution.make_strategy):
        with pytest.raises(TrainingError, match=whole):
            ask()


def test_a_gpu_that_is_not_found_is_spoken_of(outside, tmp_path):
    outside.setattr(workers, "_NVIDIA", pathlib.Path("/dev/null"))
    assert distribution.make_strategy("none") is tf.distribute.get_strategy()  # all are hidden
    outside.setenv("CUDA_VISIBLE_DEVICES", "0")
    message = r"^This machine has a GPU \(/dev/null\), which TensorFlow does not find, .*=-1 to"
    with pytest.warns(UserWarning, match=message):
        assert distribution.make_strategy("auto") is tf.distribute.get_strategy()
    with pytest.raises(TrainingError, match=message):
        distribution.make_strategy("mirrored")
    outside.setattr(workers, "_NVIDIA", tmp_path / "nvidia0")
    assert distribution.make_strategy("auto") is tf.distribute.get_strategy()


def test_devices_are_described_in_a_few_words(monkeypatch):
    assert distribution.devices_of(tf.distribute.get_strategy()) == "1 CPU"
    alone = types.SimpleNamespace(num_replicas_in_sync=4, cluster_resolver=None)
    assert distribution.devices_of(alone) == "4 CPUs"
    assert workers.describe_devices(2, 2) == "2 CPUs of 2 workers"
    Gpus(monkeypatch, 4)
    assert distribution.devices_of(alone) == "4 GPUs (NVIDIA A100)"
