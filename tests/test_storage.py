"""Weights files: what they hold, and that what does not fit changes nothing."""

import h5py
import keras
import numpy as np
import pytest

from ganzoo import storage
from ganzoo.errors import WeightsError
from ganzoo.layers import StatelessDropout


class Counting(keras.layers.Layer):
    """Keeps a whole number beside what it passes on."""

    def build(self, input_shape):
        self.count = self.add_weight(shape=(), dtype="int64", initializer="zeros", name="count")

    def call(self, inputs):
        return inputs


def network(*, units=3, extra=False, norm=True, count=None, name="generator"):
    """A small network of named layers, with random values everywhere, statistics included."""
    inputs = x = keras.Input((4,), name="latents")
    x = keras.layers.Dense(units, name="first")(x)
    if norm:
        x = keras.layers.BatchNormalization(name="norm")(x)
    x = StatelessDropout(0.5, name="drop")(x)
    if count is not None:
        x = Counting(name="counting")(x)
    if extra:
        x = keras.layers.Dense(2, name="second")(x)
    built = keras.Model(inputs, x, name=name)
    random = np.random.default_rng(0)
    for variable in storage.named_variables(built).values():
        variable.assign(random.normal(size=variable.shape))
    if count is not None:
        built.get_layer("counting").count.assign(count)
    return built


def values(of):
    return {key: storage.to_array(item) for key, item in storage.named_variables(of).items()}


def assert_same(one, other):
    assert one.keys() == other.keys()
    for key in one:
        np.testing.assert_array_equal(one[key], other[key], err_msg=key)


def test_variables_are_named_by_layer():
    assert set(values(network())) == {
        "first/kernel",
        "first/bias",
        *(f"norm/{name}" for name in ("gamma", "beta", "moving_mean", "moving_variance")),
    }


def test_two_variables_of_one_name_are_refused():
    inner = keras.Sequential([keras.Input((4,)), keras.layers.Dense(4, name="same")])
    both = keras.Sequential([keras.Input((4,)), inner, keras.layers.Dense(4, name="same")])
    for layer in both.layers:
        for variable in layer.variables:
            variable._path = f"same/{variable.name}"
    with pytest.raises(WeightsError, match=r"called 'same/kernel'\. Give every layer a name of"):
        storage.named_variables(both)


def test_what_is_written_is_read_back(tmp_path):
    written, read = network(), network()
    wanted = values(written)
    for variable in read.variables:
        variable.assign(np.zeros(variable.shape))
    storage.write_weights(tmp_path / "w.h5", {"generator": written})
    assert storage.stored_networks(tmp_path / "w.h5") == ["generator"]
    storage.read_weights(tmp_path / "w.h5", {"generator": read})
    assert_same(values(read), wanted)


def test_any_tool_can_read_the_names(tmp_path):
    storage.write_weights(tmp_path / "w.h5", {"generator": network(), "critic": network()})
    with h5py.File(tmp_path / "w.h5") as file:
        assert sorted(file) == ["critic", "generator"]
        assert file["generator/first/kernel"].shape == (4, 3)
        assert file["critic/norm/moving_mean"].dtype == "float32"


def test_half_precision_rounds_floats_and_nothing_else(tmp_path):
    written, read = network(units=2000, count=2**40 + 1), network(units=2000, count=0)
    sizes = []
    for half in (False, True):
        storage.write_weights(tmp_path / "w.h5", {"generator": written}, half=half)
        sizes.append((tmp_path / "w.h5").stat().st_size)
    storage.read_weights(tmp_path / "w.h5", {"generator": read})
    found = values(read)
    for key, array in values(written).items():
        exact = array.dtype.kind == "i"
        wanted = array if exact else array.astype("float16").astype("float32")
        np.testing.assert_array_equal(found[key], wanted, err_msg=key)
    assert sizes[1] < 0.65 * sizes[0]


@pytest.mark.parametrize(
    ("options", "problems"),
    [
        (
            {"extra": True},
            ["missing: generator/second/bias (2,)", "missing: generator/second/kernel (3, 2)"],
        ),
        ({"norm": False}, ["left over: generator/norm/beta (3,)"]),
        (
            {"units": 5},
            [
                "other shape: generator/first/kernel (4, 3), not (4, 5)",
                "other shape: generator/norm/gamma (3,), not (5,)",
            ],
        ),
    ],
    ids=["missing", "left over", "other shape"],
)
def test_a_misfit_is_listed_and_changes_nothing(tmp_path, options, problems):
    storage.write_weights(tmp_path / "w.h5", {"generator": network()})
    target = network(**options)
    for variable in target.variables:
        variable.assign(np.ones(variable.shape))
    before = values(target)
    with pytest.raises(WeightsError, match="w.h5 does not fit this model: ") as caught:
        storage.read_weights(tmp_path / "w.h5", {"generator": target})
    for problem in problems:
        assert problem in str(caught.value)
    assert str(caught.value).endswith("made for, without overrides of its model.")
    assert_same(values(target), before)


def test_a_long_list_of_misfits_is_cut(tmp_path):
    storage.write_weights(tmp_path / "w.h5", {"a": network(), "b": network()})
    targets = {"a": network(units=5), "b": network(units=5), "c": network()}
    with pytest.raises(WeightsError, match=r"\(3,\), not \(5,\); and 5 more\. Load the weights"):
        storage.read_weights(tmp_path / "w.h5", targets)


def write_foreign(path, version):
    with h5py.File(path, "w") as file:
        if version is not None:
            file.attrs["ganzoo_format"] = version


@pytest.mark.parametrize(
    ("version", "message"),
    [
        (None, r"w\.h5 is an HDF5 file, and not one that ganzoo wrote\..*, then load_weights"),
        (2, r"has weights format 2, and this ganzoo reads up to 1\. Update ganzoo\."),
        (0, r"has weights format 0, and this ganzoo reads up to 1\. Save it with ganzoo\.save"),
        ("one", r"has weights format one, and this ganzoo reads up to 1\. Save it with ganzoo"),
        ([1, 1], r"has weights format \[1 1\], and this ganzoo reads up to 1\. Save it with"),
    ],
)
def test_files_of_others_are_refused(tmp_path, version, message):
    write_foreign(tmp_path / "w.h5", version)
    with pytest.raises(WeightsError, match=message):
        storage.stored_networks(tmp_path / "w.h5")


@pytest.mark.parametrize("damage", ["text", "cut"])
def test_a_damaged_file_is_refused(tmp_path, damage):
    path = tmp_path / "w.h5"
    storage.write_weights(path, {"generator": network()})
    content = path.read_bytes()
    path.write_bytes(b"no weights" if damage == "text" else content[: len(content) // 2])
    with pytest.raises(WeightsError, match="cannot be read as a weights file .*cut short or of an"):
        storage.read_weights(path, {"generator": network()})


def soft_link(file, outside):
    del file["generator/first/kernel"]
    file["generator/first/kernel"] = h5py.SoftLink("/generator/first/bias")


def outside_link(file, outside):
    del file["generator/first/kernel"]
    file["generator/first/kernel"] = h5py.ExternalLink(str(outside), "/generator/first/kernel")


def outside_numbers(file, outside):
    del file["generator/first/kernel"]
    file["generator"].create_dataset(
        "first/kernel", (4, 3), "float32", external=[(str(outside), 0, 48)]
    )


def virtual_numbers(file, outside):
    del file["generator/first/kernel"]
    layout = h5py.VirtualLayout((4, 3), "float32")
    layout[:] = h5py.VirtualSource(str(outside), "generator/first/kernel", (4, 3))
    file["generator"].create_virtual_dataset("first/kernel", layout)


def text(file, outside):
    del file["generator/first/kernel"]
    file["generator/first/kernel"] = np.full((4, 3), "a", dtype="S1")


def objects(file, outside):
    del file["generator/first/kernel"]
    file["generator/first/kernel"] = np.full((4, 3), "a", dtype=object)


def nothing(file, outside):
    del file["generator/first/kernel"]
    file["generator/first/kernel"] = h5py.Empty("float32")


def no_group(file, outside):
    del file["generator"]
    file["generator"] = np.zeros(3)


def outside_group(file, outside):
    del file["generator"]
    file["generator"] = h5py.ExternalLink(str(outside), "/generator")


@pytest.mark.parametrize(
    ("garble", "message"),
    [
        (soft_link, r"does not fit this model: missing: generator/first/kernel \(4, 3\)\. Load"),
        (outside_link, r"does not fit this model: missing: generator/first/kernel \(4, 3\)\. Load"),
        (outside_numbers, r"fit this model: in another file: generator/first/kernel\. Load the"),
        (virtual_numbers, r"fit this model: in another file: generator/first/kernel\. Load the"),
        (text, r"does not fit this model: no numbers: generator/first/kernel\. Load the weights"),
        (objects, r"does not fit this model: no numbers: generator/first/kernel\. Load the weig"),
        (nothing, r"other shape: generator/first/kernel None, not \(4, 3\)\. Load the weights"),
        (no_group, r"w\.h5 has something else than a network under 'generator'\. Fetch it again"),
        (outside_group, r"w\.h5 has something else than a network under 'generator'\. Fetch it a"),
    ],
)
def test_a_garbled_file_changes_nothing_and_leads_nowhere_else(tmp_path, garble, message):
    for name in ("w.h5", "outside.h5"):
        storage.write_weights(tmp_path / name, {"generator": network()})
    with h5py.File(tmp_path / "w.h5", "a") as file:
        garble(file, tmp_path / "outside.h5")
    target = network(count=None)
    before = values(target)
    with pytest.raises(WeightsError, match=message):
        storage.read_weights(tmp_path / "w.h5", {"generator": target})
    assert_same(values(target), before)


def test_bytes_changed_anywhere_are_refused_or_read(tmp_path):
    """No damage ends in another error than the one that says what to do."""
    path = tmp_path / "w.h5"
    storage.write_weights(path, {"generator": network()})
    content = path.read_bytes()
    random, refused = np.random.default_rng(0), 0
    for place in random.integers(0, len(content), 300):
        changed = bytearray(content)
        changed[place] ^= 255
        path.write_bytes(changed)
        try:
            storage.stored_networks(path)
            storage.read_weights(path, {"generator": network()})
        except WeightsError:
            refused += 1
    assert refused > 10
