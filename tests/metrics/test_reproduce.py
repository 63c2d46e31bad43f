"""tools/reproduce.py: a row needs its inputs, by hash, and otherwise prints no number."""

import dataclasses
import gzip
import hashlib
import importlib
import json
import pathlib
import runpy
import struct
import sys
import tarfile

import numpy as np
import pytest
from PIL import Image

from ganzoo.metrics import inception_score
from ganzoo.metrics.extractors import load_extractor
from ganzoo.metrics.probe import ProbeResult

TOOLS = pathlib.Path(__file__).parents[2] / "tools"


@pytest.fixture(scope="module")
def tool():
    sys.path.insert(0, str(TOOLS))
    yield importlib.import_module("reproduce")
    sys.path.remove(str(TOOLS))


@pytest.fixture
def inputs(tool):
    return importlib.import_module("paper_inputs")


@pytest.fixture
def tables(tool):
    return importlib.import_module("paper_tables")


@pytest.fixture
def shipped(tool):
    return importlib.import_module("shipped_scores")


@pytest.fixture
def nothing(tool, tmp_path, monkeypatch):
    """A machine that has neither data nor weights."""
    monkeypatch.setattr(tool, "_DEBIAN", tmp_path / "debian")
    monkeypatch.setenv("GANZOO_HOME", str(tmp_path / "home"))
    return ["--data", str(tmp_path / "data"), "--weights", str(tmp_path / "weights")]


SLOW = "cyclegan_textures"


def test_without_inputs_every_row_says_what_it_needs_and_no_number(
    tool, tables, shipped, nothing, capsys, tmp_path, monkeypatch
):
    monkeypatch.setattr(tool, "_model", lambda row, name: (None, None))
    # The other model that needs no inputs translates for a quarter of a minute.
    entries = {key: entry for key, entry in shipped.shipped_entries().items() if key != SLOW}
    monkeypatch.setattr(tool, "shipped_entries", lambda: entries)
    tool.main([*nothing, "--json", str(tmp_path / "scores.jsonl")])
    lines = [line.strip() for line in capsys.readouterr().out.splitlines()]
    answers = [line.removeprefix("here:").strip() for line in lines if line.startswith("here:")]
    rows = [row for table in tables.TABLES.values() for row in table]
    assert len(answers) == len(rows)
    for answer, row in zip(answers, rows, strict=True):
        needs = [f"{item.name} (" for item in row.inputs.values()]
        assert answer.startswith("needs ")
        assert all(need in answer for need in needs)
        assert answer.count("sha256 ") == len(needs)
    records = map(json.loads, (tmp_path / "scores.jsonl").read_text().splitlines())
    assert {record["model"] for record in records} == {"gan_ring"}


def test_a_model_without_weights_is_needed_too(tool, tables, nothing):
    (row,) = tables.TABLES["goodfellow_parzen"]
    row = dataclasses.replace(row, preset="gan_notmnist")
    text, scores = tool.reproduce(row, [], None, 0)
    assert "trained weights of gan_notmnist (none published: train it, --model FOLDER)" in text
    assert text.startswith("needs ")
    assert scores == {}


@pytest.mark.parametrize(
    "command", [["reproduce", "goodfellow_parzen", "--model"], ["publish", "gan_ring"]]
)
def test_a_model_that_is_not_there_is_one_sentence(command, tool, nothing, monkeypatch):
    name, *arguments = command
    options = nothing if name == "reproduce" else []
    monkeypatch.setattr(sys, "argv", [name, *arguments, "nowhere", *options])
    with pytest.raises(SystemExit, match="^error: There is no preset named 'nowhere'"):
        runpy.run_path(str(TOOLS / f"{name}.py"), run_name="__main__")


def test_a_file_counts_only_with_its_hash(inputs, tmp_path):
    (tmp_path / "sub").mkdir()
    place = tmp_path / "sub" / "data.bin"
    place.write_bytes(b"right")
    digest = hashlib.sha256(b"right").hexdigest()
    assert inputs.File("data.bin", digest[:8], ("sub/data.bin",)).find([tmp_path]) == place
    place.write_bytes(b"wrong")
    assert inputs.File("data.bin", digest[:8], ("sub/data.bin",)).find([tmp_path]) is None
    for level in (1, 9):  # the archive differs, what it holds does not
        place.write_bytes(gzip.compress(b"right", level))
        assert inputs.File("sub/data.bin", digest, inner=True).find([tmp_path]) == place


def test_pictures_count_only_all_of_them(inputs, tmp_path):
    folder = tmp_path / "set" / "testA"
    folder.mkdir(parents=True)
    for number in range(3):
        Image.new("RGB", (4, 4), (number, 0, 0)).save(folder / f"{number}.jpg")
    lines = [
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}  set/testA/{path.name}\n"
        for path in sorted(folder.iterdir())
    ]
    digest = hashlib.sha256("".join(lines).encode()).hexdigest()
    assert inputs.Pictures("set/testA", digest, 3).find([tmp_path]) == folder
    (folder / "2.jpg").unlink()
    assert inputs.Pictures("set/testA", digest, 3).find([tmp_path]) is None


def test_the_real_pictures_are_those_of_the_table(inputs, shared_data):
    for wanted in (*inputs.MNIST.values(), *inputs.HORSES.values()):
        assert wanted.find([shared_data]) is not None


def idx(path, images):
    head = b"\0\0\x08\x03" + struct.pack(">3i", *images.shape)
    path.write_bytes(gzip.compress(head + images.tobytes()))


def test_goodfellows_row_runs_by_his_protocol(tool, tables, tmp_path, monkeypatch, capsys):
    """σ comes from images 50,000 on, and the test set gives the number."""
    folder = tmp_path / "data" / "mnist"
    folder.mkdir(parents=True)
    random = np.random.RandomState(0)
    train = random.randint(0, 256, (50_030, 2, 2)).astype(np.uint8)
    test = random.randint(0, 256, (25, 2, 2)).astype(np.uint8)
    idx(folder / "train-images-idx3-ubyte.gz", train)
    idx(folder / "t10k-images-idx3-ubyte.gz", test)
    row = tables.TABLES["goodfellow_parzen"][0]
    for name, images in (("train", train), ("test", test)):
        head = b"\0\0\x08\x03" + struct.pack(">3i", *images.shape)
        digest = hashlib.sha256(head + images.tobytes()).hexdigest()
        wanted = dataclasses.replace(row.inputs[name], sha256=digest)
        monkeypatch.setitem(row.inputs, name, wanted)
    seen = {}

    def evaluate(model, source, metrics, *, valid, seed, cache):
        seen.update(source=source.images, valid=valid.images, seed=seed)
        return {"parzen": {"value": 12.345, "standard_error": 0.678}}

    monkeypatch.setattr(tables.ganzoo, "evaluate", evaluate, raising=False)
    monkeypatch.setattr(tool, "_model", lambda row, name: ("a model", None))
    out = tmp_path / "scores.jsonl"
    tool.main(
        ["goodfellow_parzen", "--data", str(tmp_path / "data"), "--seed", "3", "--json", str(out)]
    )
    assert "here:      12.3 ± 0.7 (gan_mnist, seed 3)" in capsys.readouterr().out
    np.testing.assert_array_equal(seen["source"][..., 0], test)
    np.testing.assert_array_equal(seen["valid"][..., 0], train[50_000:])
    assert json.loads(out.read_text())["published"] == "225 ± 2"


def test_cifar10s_binary_archive_is_read(tables, tmp_path):
    images = np.random.RandomState(1).randint(0, 256, (4, 32, 32, 3)).astype(np.uint8)
    for name, part, labels in (
        ("data_batch_1", images[:1], [7]),
        ("data_batch_2", images[1:3], [0, 9]),
        ("test_batch", images[3:], [4]),
    ):
        planes = part.transpose(0, 3, 1, 2).reshape(len(part), -1)
        rows = np.concatenate([np.array(labels, np.uint8)[:, None], planes], axis=1)
        (tmp_path / f"{name}.bin").write_bytes(rows.tobytes())
    with tarfile.open(tmp_path / "cifar.tar.gz", "w:gz") as archive:
        for path in tmp_path.glob("*.bin"):
            archive.add(path, f"cifar-10-batches-bin/{path.name}")
    train, test = tables.read_cifar10({"cifar10": tmp_path / "cifar.tar.gz"})
    np.testing.assert_array_equal(train[0], images[:3])
    assert train[1].tolist() == [7, 0, 9]
    np.testing.assert_array_equal(test[0], images[3:])
    assert test[1].tolist() == [4]


@pytest.mark.filterwarnings("ignore:Only 30 .* is mostly bias")
def test_the_known_inception_score_is_that_of_torch_fidelitys_order(tables, monkeypatch):
    images = np.random.RandomState(1).randint(0, 256, (30, 32, 32, 3)).astype(np.uint8)
    monkeypatch.setattr(tables, "read_cifar10", lambda inputs: ((images, None), None))
    classifier = load_extractor("lenet_mnist")
    scored = tables.ganzoo.evaluate

    def evaluate(model, source, metrics, *, weights, **options):
        assert weights == "inception.pth"
        found = scored(model, source, metrics, extractor=classifier, **options)
        return {"inception_score": found["class_score_lenet_mnist"]}

    monkeypatch.setattr(tables.ganzoo, "evaluate", evaluate, raising=False)
    text, scores = tables.inception_score_of_cifar10({"inception": "inception.pth"}, None, 0)
    expected = inception_score(classifier(images, ("logits",))["logits"], 10, 2020)
    assert text == f"{expected.mean:.4f} ± {expected.std:.4f}"
    assert scores["inception_score"]["settings"] == {"splits": 10, "shuffle_seed": 2020}
    assert scores["inception_score"]["fake"]["source"] == "CIFAR-10 train"


def test_the_probe_states_accuracy_and_error(tables, monkeypatch):
    parts = [(np.full((1, 2, 2, 3), 255, np.uint8), np.array([1]))] * 2
    seen = []

    def linear_probe(model, train, test, **protocol):
        seen.append((train[0].max(), protocol))
        return ProbeResult(0.7752, 0.01, 0.001)

    monkeypatch.setattr(tables, "linear_probe", linear_probe)
    run = tables.probe(lambda inputs: parts, labels_per_class=100)
    text, scores = run({}, None, 5)
    assert text == "accuracy 77.52%, error 22.48%"
    assert seen == [(1.0, {"seed": 5, "labels_per_class": 100})]
    assert scores["linear_probe"]["c"] == 0.001


def test_every_score_of_a_shipped_model_can_be_measured_again(shipped):
    stated = {
        name: {score["metric"] for score in entry["scores"]}
        for name, entry in shipped.shipped_entries().items()
    }
    assert stated
    assert stated == {name: set(shipped.MEASURES[name].drifts) for name in stated}


@pytest.mark.parametrize(("good_points", "status"), [(0.9625, 0), (0.9500, 1), (np.nan, 1)])
def test_a_score_that_drifts_fails(
    good_points, status, tool, shipped, monkeypatch, capsys, tmp_path
):
    entry = shipped.shipped_entries()["gan_ring"]
    monkeypatch.setattr(shipped, "shipped_entries", lambda: {"gan_ring": entry})
    monkeypatch.setattr(tool, "shipped_entries", shipped.shipped_entries)
    measure = dataclasses.replace(
        shipped.MEASURES["gan_ring"],
        run=lambda inputs, model, name: {"modes_hit": 8, "good_points": good_points},
    )
    monkeypatch.setitem(shipped.MEASURES, "gan_ring", measure)
    assert tool.main(["shipped", "--json", str(tmp_path / "scores.jsonl")]) == status
    modes, _ = map(json.loads, (tmp_path / "scores.jsonl").read_text().splitlines())
    assert modes == {
        "model": "gan_ring", "metric": "modes_hit", "stated": 8, "found": 8, "drift": 0,
    }  # fmt: skip
    lines = capsys.readouterr().out.splitlines()
    assert lines[2].endswith("modes_hit: the card says 8, here 8, as stated (within 0)")
    assert ("DRIFTED" in lines[3]) == bool(status)


def test_a_shipped_model_is_scored_on_data_of_the_right_hash_only(
    tool, shipped, nothing, monkeypatch, capsys
):
    entries = {"dcgan_mnist": {"scores": []}}
    monkeypatch.setattr(tool, "shipped_entries", lambda: entries)
    assert tool.main(["shipped", *nothing]) == 0
    line = capsys.readouterr().out.splitlines()[-1]
    assert line.startswith("    needs mnist/train-images-idx3-ubyte.gz (sha256 ba891046")
    assert "weights/lenet5_mnist_classifier.npz (sha256 8f40eb66" in line
    with pytest.raises(SystemExit, match="2"):
        tool.main(["shipped", "--seed", "1", *nothing])
    assert "leave out --seed" in capsys.readouterr().err


def test_one_shipped_model_can_be_scored_alone(tool, nothing, capsys):
    assert tool.main(["shipped", "--model", "gan_mnist", *nothing]) == 0
    shipped, model, needs = capsys.readouterr().out.splitlines()
    assert (shipped, model) == ("shipped", "  gan_mnist")
    assert needs.startswith("    needs mnist/t")
    with pytest.raises(SystemExit, match="2"):
        tool.main(["shipped", "--model", "dcgan_cifar10", *nothing])
    wanted = "dcgan_cifar10 does not come with the package; these do: cyclegan_horse2zebra128, "
    assert wanted in capsys.readouterr().err


def test_shares_of_classes_are_those_of_the_classifier(shipped):
    labels = np.repeat(np.arange(10), [0, 10, 20, 30, 40, 50, 60, 70, 80, 640])

    def classifier(images, outputs):
        return {"logits": np.eye(10)[images]}

    shares = shipped.class_shares(classifier, labels)
    np.testing.assert_allclose(shares, [0, 0.01, 0.02, 0.03, 0.04, 0.05, 0.06, 0.07, 0.08, 0.64])
