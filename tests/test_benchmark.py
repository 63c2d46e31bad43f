"""tools/benchmark.py: counted operations, ratios, tables and options, against known answers."""

import pathlib
import sys

import keras
import pytest
import tensorflow as tf

TOOLS = pathlib.Path(__file__).parents[1] / "tools"


@pytest.fixture(autouse=True)
def tools_on_path(monkeypatch):
    monkeypatch.syspath_prepend(TOOLS)


def flops_of(network, *shape, grow=False):
    import benchmark_flops

    def gradients(inputs):
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            outputs = network(inputs)
        return tape.gradient(outputs, [inputs, network.kernel] if grow else [inputs])

    function = tf.function(gradients if grow else network)
    spec = tf.TensorSpec(shape)
    return benchmark_flops.count_flops(function.get_concrete_function(spec))


def test_a_dense_layer_takes_two_operations_for_each_weight_and_row():
    assert flops_of(keras.layers.Dense(7), 3, 5) == 2 * 3 * 5 * 7


def test_a_convolution_takes_two_operations_for_each_tap_of_each_output():
    # Sides of 9 and 7 become 4 and 3; each of the 4·3·6 outputs sums 3·3·2 products.
    convolution = keras.layers.Conv2D(6, 3, strides=2)
    assert flops_of(convolution, 5, 9, 7, 2) == 2 * 5 * (4 * 3 * 6) * (3 * 3 * 2)


def test_a_transposed_convolution_takes_as_many_as_the_convolution_it_reverses():
    # Each of the 4·4·2 inputs is spread over 3·3·6 outputs.
    convolution = keras.layers.Conv2DTranspose(6, 3, strides=2)
    assert flops_of(convolution, 5, 4, 4, 2) == 2 * 5 * (4 * 4 * 2) * (3 * 3 * 6)


@pytest.mark.parametrize("layer", [keras.layers.Dense(7), keras.layers.Conv2D(7, 1)])
def test_each_gradient_takes_as_many_as_the_layer(layer):
    layer.build((3, 1, 1, 5) if isinstance(layer, keras.layers.Conv2D) else (3, 5))
    shape = (3, 1, 1, 5) if isinstance(layer, keras.layers.Conv2D) else (3, 5)
    # The layer's own outputs are not needed for its gradients: that product is pruned.
    assert flops_of(layer, *shape, grow=True) == 2 * (2 * 3 * 5 * 7)


def test_operations_inside_a_called_function_count_and_unused_ones_do_not():
    import benchmark_flops

    inner = tf.function(tf.matmul)

    @tf.function
    def outer(x):
        tf.matmul(x, x)
        return inner(x, x)

    function = outer.get_concrete_function(tf.TensorSpec((4, 4)))
    assert benchmark_flops.count_flops(function) == 2 * 4**3


def test_a_shape_that_is_not_fixed_is_refused():
    with pytest.raises(ValueError, match="MatMul .* which is not fixed"):
        flops_of(keras.layers.Dense(7), None, 5)


def test_a_ratio_is_the_median_of_those_of_the_rounds():
    import benchmark_turns

    ours, theirs = [[1.0, 1.0], [2.0, 4.0, 2.0], [1.0]], [[1.5, 1.5], [4.0], [5.0]]
    assert benchmark_turns.ratio(ours, theirs) == {"ratio": 2.0, "low": 1.5, "high": 5.0}


def test_the_spread_is_half_the_distance_of_the_quartiles_over_the_median():
    import benchmark_turns

    found = benchmark_turns.summary([[1.0, 2.0, 3.0], [4.0, 5.0]])
    assert found == {"median": 3.0, "spread": pytest.approx(1 / 3), "count": 5}


def test_processes_take_turns(tmp_path, monkeypatch):
    import benchmark_turns

    script = tmp_path / "echo.py"
    script.write_text(
        "import json, sys\n"
        f"sys.path.insert(0, {str(TOOLS)!r})\n"
        "from benchmark_turns import CLOCKS, claim_output, serve\n"
        "out = claim_output()\n"
        "print('not an answer')\n"
        "row = json.loads(sys.argv[1])\n"
        "calls = []\n"
        "def call(x):\n"
        "    calls.append(x)\n"
        "    return [row, calls]\n"
        "serve({'call': call}, out, CLOCKS['wall'])\n"
    )
    monkeypatch.setattr(benchmark_turns, "TOOLS", tmp_path)
    one, other = (benchmark_turns.Worker(sys.executable, "echo.py", row) for row in "ab")
    with one.wait(), other.wait():
        times = benchmark_turns.take_turns([one, other], 2, "call", 3, repeat=2)
        assert [[len(seconds) for seconds in rounds] for rounds in times] == [[2, 2], [2, 2]]
        assert one.ask("call", 4)[1] == ["a", [3, 3, 3, 3, 4]]
    assert one.process.returncode == other.process.returncode == 0


def test_options_name_rows_measures_and_rivals(capsys):
    import benchmark

    options = benchmark.parse(["dcgan_64", "--measure", "train,fit", "--rivals", "merged/default"])
    assert (options.rows, options.measure) == (["dcgan_64"], ["train", "fit"])
    assert (options.rivals, options.precision) == (["merged/default"], ["float32"])
    assert benchmark.parse([]).rows == list(benchmark.ROWS)
    for wrong, message in {
        "dcgan_65": "there is no row 'dcgan_65'; choose among gan_mnist",
        "--precision=int8": "'int8' is none of float32, bfloat16",
        "--workers --against torch": "--workers compares ganzoo with itself",
        "--workers --measure fit": "--workers compares ganzoo with itself",
    }.items():
        with pytest.raises(SystemExit, match="2"):
            benchmark.parse(wrong.split())
        assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("program", "message"),
    [
        ("#!/bin/sh\necho No module named torch >&2; exit 1", "(No module named torch); pip inst"),
        (None, "(No such file or directory); pip install '.[benchmark]', or name a Python"),
    ],
)
def test_a_python_without_torch_is_refused_at_once(tmp_path, capsys, program, message):
    import benchmark

    python = tmp_path / "python"
    if program:
        python.write_text(program)
        python.chmod(0o755)
    with pytest.raises(SystemExit, match="2"):
        benchmark.parse(["--against", "torch", "--torch-python", str(python)])
    assert f"{python} cannot import torch {message}" in " ".join(capsys.readouterr().err.split())


def test_a_python_with_torch_is_taken(tmp_path):
    import benchmark

    python = tmp_path / "python"
    python.write_text("#!/bin/sh\nexit 0")
    python.chmod(0o755)
    options = benchmark.parse(["--against", "torch", "--torch-python", str(python)])
    assert options.torch_python == str(python)


def test_a_row_becomes_lines_of_text():
    import benchmark

    ratio = {"ratio": 1.25, "low": 1.0, "high": 1.5}
    result = {
        "first_step": 3.0,
        "step": {"median": 0.5, "spread": 0.02, "count": 9},
        "images_a_second": 256.0,
        "flops": 291_200_000_000,
        "flops_without_short_cuts": 291_200_000_000,
        "product_rate": 800e9,
        "share_of_limit": 0.728,
        "memory": 3 * 2**29,
        "rivals": {
            "torch official/default": {
                "training": ratio,
                "generate": {1: ratio},
                "step": {"median": 0.625},
                "memory": 2**30,
            }
        },
        "data": {"zip": {"images_a_second": 1000.0, "over_training": ratio}},
    }
    assert benchmark.table_of("dcgan_64", "float32", result).splitlines() == [
        "dcgan_64 float32: first step 3.0 s",
        "  training   256.0 images/s, step 500.0 ms ± 2%, 291.2 GFLOP at 73% of 800 GFLOP/s, "
        "peak 1.50 GiB",
        "  over torch official/default: training 1.25 (1.00–1.50), generating 1 1.25 (1.00–1.50); "
        "its step 625.0 ms, peak 1.00 GiB",
        "  data       zip: 1000 images/s, 1.25 (1.00–1.50) times what training takes",
    ]
    result["flops_without_short_cuts"] *= 2
    training = benchmark.table_of("dcgan_64", "float32", result).splitlines()[1]
    assert "73% of 800 GFLOP/s (582.4 without short cuts, 146%), peak" in training


@pytest.mark.parametrize("kind", ["npy", "npz", "idx", "folder", "zip"])
def test_a_source_of_each_kind_is_read_back(kind, tmp_path):
    import benchmark_data

    import ganzoo

    source = benchmark_data.write_source(tmp_path, kind, 16, 1, 5)
    stream = ganzoo.data.load(source, image_size=16, channels=1, batch_size=2).stream
    assert (stream.count, stream.element_spec.shape[1:]) == (5, (16, 16, 1))


@pytest.mark.parametrize("kind", ["2npy", "2folder", "2tfds"])
def test_a_pair_of_sources_is_read_back(kind, tmp_path, monkeypatch):
    import benchmark_data

    import ganzoo

    monkeypatch.setenv("TFDS_DATA_DIR", "")  # back to what it was, afterwards
    sources = benchmark_data.write_source(tmp_path, kind, 16, 3, 5)
    stream = ganzoo.data.load(sources, image_size=16, channels=3, batch_size=2).stream
    assert [spec.shape[1:] for spec in stream.element_spec] == [(16, 16, 3)] * 2


@pytest.mark.parametrize("name", ["gan_mnist", "dcgan_32", "progan_32", "cyclegan_128"])
def test_the_rivals_networks_have_as_many_parameters(name):
    pytest.importorskip("torch", reason="the rival is PyTorch, which is not installed")
    import argparse

    import benchmark
    import benchmark_torch_networks

    import ganzoo

    row = benchmark.ROWS[name]
    options = argparse.Namespace(batch_size=None, xla=False, threads=None, clock="wall")
    request = row.request(options, precision="float32")
    rival = benchmark.torch_request(row, request, "official/default")
    ours = ganzoo.load(row.preset, weights=False, **request["overrides"])
    theirs = benchmark_torch_networks.build(rival["family"], rival["model"])
    for part, network in theirs.items():
        expected = sum(weight.shape.num_elements() for weight in ours.weights_of(part))
        assert benchmark_torch_networks.count_parameters(network) == expected
