"""The command line: what it prints, its exit status, and what it leaves behind."""

import io
import json
import os
import re
import resource
import shutil
import subprocess
import sys
import types
import typing

import numpy as np
import pytest
import tensorflow as tf
import yaml
from PIL import Image

import ganzoo
from ganzoo import cli, explore_command, presets
from ganzoo.explore.commands import PICTURES, options_of
from ganzoo.files import write_sums
from ganzoo.training.checkpoints import list_checkpoints, step_of
from ganzoo.training.logs import read_log

RING = [
    *("--set", "model.generator_units=[8, 8]", "--set", "model.discriminator_units=[8, 8]"),
    *("--set", "training.batch_size=12", "--set", "training.checkpoint_every=10"),
]


def fresh(*arguments, **environment):
    """Runs Python in a process of its own."""
    return subprocess.run(
        [sys.executable, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=300,
        env=os.environ | environment,
    )


# --- list, info -------------------------------------------------------------------------------


def test_version_and_help(run):
    assert run("--version") == (0, f"ganzoo {ganzoo.__version__}\n", "")
    status, out, _ = run("--help")
    assert status == 0
    commands = ("list", "info", "train", "generate", "translate", "evaluate", "export", "import")
    assert all(f" {command} " in out for command in commands)
    assert "Usage" in "".join(run()[1:])


def test_list_names_every_preset_in_order(run):
    status, out, errors = run("list")
    assert (status, errors) == (0, "")
    names = [line.split()[0] for line in out.splitlines()[1:] if not line.startswith(" ")]
    assert names == presets.preset_names()


def test_list_can_be_narrowed_and_read_by_programs(run):
    _, out, _ = run("list", "dcgan_*mnist", "--json")
    found = json.loads(out)
    assert [item["name"] for item in found] == presets.find_presets("dcgan_*mnist")
    assert found[1]["model"]["image_size"] == 28
    _, out, _ = run("list", "--family", "gan", "--json")
    assert [item["name"] for item in json.loads(out)] == presets.find_presets(family="gan")
    _, out, _ = run("list", "nothing*", "--json")
    assert json.loads(out) == []


def test_list_says_when_nothing_fits(fails):
    assert fails("list", "nothing*") == "No preset matches 'nothing*'. List all with: ganzoo list"
    assert "No preset matches 'dcgan_minst'. Did you mean 'dcgan_mnist'" in fails(
        "list", "dcgan_minst"
    )
    assert "no family 'dcgn'. Did you mean 'dcgan'" in fails("list", "--family", "dcgn")


def test_the_table_is_aligned_and_tells_the_facts(run, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    _, out, _ = run("list", "*_horse2zebra*")
    head, *rows = (line.rstrip() for line in out.splitlines())
    assert head.split() == ["name", "side", "parameters", "download", "licence", "score"]
    assert rows == [
        "cyclegan_horse2zebra      256      11.4 M  ~45.5 MB  MIT             -",
        "cyclegan_horse2zebra128   128       2.0 M   19.0 MB  non-commercial  cycle_psnr_ab 21.99",
    ]
    _, out, _ = run("list")
    assert len({len(line) for line in out.splitlines()}) == 1  # aligned, none is folded
    assert max(len(line.rstrip()) for line in out.splitlines()) <= 100
    _, out, _ = run("list", "progan_celeba64")
    assert "5.2 MB  non-commercial  swd_x1000" in out
    _, out, _ = run("list", "dcgan_fashion_mnist")
    assert out.splitlines()[1].rstrip().endswith("frechet_lenet_f… 3.01")
    _, out, _ = run("list", "gan_grid25")
    assert out.splitlines()[1].split() == ["gan_grid25", "-", "17.2", "k", "-", "-", "-"]
    _, out, _ = run("list", "gan_ring")
    cells = ["gan_ring", "-", "17.2", "k", "123", "kB", "Apache-2.0", "modes_hit", "8"]
    assert out.splitlines()[1].split() == cells


def test_a_measured_size_and_a_score_are_shown(run, monkeypatch):
    score = {"metric": "fid", "value": 7.25, "protocol": "50,000 images"}
    entry = {"source": "x", "sha256": "0" * 8, "bytes": 91_000_000, "scores": [score]}
    preset = presets.override(presets.read_preset("dcgan_mnist"), {"weights": [entry]})
    monkeypatch.setattr(presets, "read_preset", lambda name: preset)
    _, out, _ = run("list", "dcgan_mnist")
    assert out.splitlines()[1].rstrip().endswith("838 k   91.0 MB  -        fid 7.25")
    _, out, _ = run("list", "dcgan_mnist", "--json")
    assert json.loads(out)[0]["facts"] == {
        "name": "dcgan_mnist",
        "resolution": 28,
        "parameters": 838400,
        "download_bytes": 91_000_000,
        "download_is_estimate": False,
        "licence": None,
        "score": score,
    }
    _, out, _ = run("info", "dcgan_mnist")
    assert "| fid | 7.25 | 50,000 images |" in out


def test_info_is_the_card(run, fails):
    status, out, _ = run("info", "progan_celebahq256")
    assert status == 0
    assert out.startswith("# progan_celebahq256\n\nThe progressive GAN on CelebA-HQ at 256×256")
    assert "The progressive GAN: Karras et al. 2018, Progressive Growing of GANs for Impr" in out
    assert "Recipe `official`: the settings of the authors' released code." in out
    assert "| parameters | generator 23,051,989, discriminator 23,052,353 |" in out
    assert "| length | 12,000,000 images |" in out
    assert "| precision |" not in out, "published weights have one of their own"
    assert "celebaHQ_s6_i80000-6196db68.pth\n- hash: sha256 6196db68\n- size: 277 MB, re" in out
    assert "- licence: BSD-3-Clause\n- built with: pool_activations True, group_stat" in out
    assert "## How it differs from the paper" in out
    assert out.endswith(
        '```python\nimport ganzoo\nmodel = ganzoo.load("progan_celebahq256")\n'
        "model.generate(16, seed=1)  # uint8 (16, 256, 256, 3)\n```\n"
    )
    _, out, _ = run("info", "gan_grid25")
    assert "None are published. Train them: `ganzoo train gan_grid25`" in out
    assert "| precision | float32 |" in out
    assert out.endswith(
        'ganzoo.load("runs/gan_grid25")\nmodel.generate(16, seed=1)  # float32 (16, 2)\n```\n'
    )
    _, out, _ = run("info", "cyclegan_horse2zebra")
    assert 'model.translate("photo.jpg", direction="ab")  # uint8, of any size' in out
    assert "no preset named 'GAN_RING'. Did you mean 'gan_ring'" in fails("info", "GAN_RING")
    assert fails("info", "gan_rinng").startswith("There is no preset named 'gan_rinng'. Did you me")


def test_what_standard_output_has_no_letter_for_is_spelled_out(monkeypatch):
    out = io.TextIOWrapper(io.BytesIO(), encoding="ascii", errors="strict")
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(sys, "argv", ["ganzoo", "info", "dcgan_mnist"])
    with pytest.raises(SystemExit, match="0"):
        cli.main()
    out.seek(0)
    assert r"images | 28 \xd7 28 \xd7 1 |" in out.read()


def test_info_gives_the_yaml(run):
    status, out, _ = run("info", "gan_ring", "--yaml")
    assert status == 0
    assert yaml.safe_load(out) == presets.read_preset("gan_ring").settings()
    assert out.startswith("# A world whose truth is known: 8 Gaussians on a ring.")


def test_info_of_a_folder_is_its_card(run, fails, ring, tmp_path):
    card = (ring / "model" / "README.md").read_text()
    assert run("info", ring) == (0, card, "")
    assert run("info", ring / "model") == (0, card, "")
    _, out, _ = run("info", ring, "--yaml")
    assert yaml.safe_load(out)["model"]["generator_units"] == [8, 8]
    assert "a folder without a model" in fails("info", ring / "samples")
    shutil.copytree(ring / "model", tmp_path / "m")
    (tmp_path / "m" / "README.md").write_text(card + "Trust me.")
    assert "is damaged: README.md is absent or not as SHA256SUMS" in fails("info", tmp_path / "m")
    status, out, _ = run("info", ring / "preset.yaml", "--yaml")
    assert (status, yaml.safe_load(out)["family"]) == (0, "gan")
    (tmp_path / "m" / "README.md").unlink()
    write_sums(tmp_path / "m", ["preset.yaml", "model.weights.h5"])
    message = fails("info", tmp_path / "m")
    assert message.endswith(
        "has no card, README.md. See its settings with: ganzoo info FOLDER --yaml"
    )
    (tmp_path / "m" / "README.md").write_bytes(b"caf\xe9")
    assert "README.md is no text in UTF-8: byte 3 is no part of one" in fails(
        "info", tmp_path / "m"
    )


PROBE = """
import sys
sys.argv = ["ganzoo", *sys.argv[1:]]
from ganzoo import cli
try:
    cli.main()
except SystemExit:
    pass
heavy = {"tensorflow", "keras", "tensorflow_datasets", "h5py", "scipy"} & set(sys.modules)
print(sorted(heavy), file=sys.stderr)
"""


@pytest.mark.parametrize(
    "command",
    [["list"], ["list", "--json"], ["info", "dcgan_mnist"], ["info", "RING"], ["--version"]],
    ids=" ".join,
)
def test_looking_around_does_not_wait_for_tensorflow(command, request):
    if "RING" in command:
        command = ["info", request.getfixturevalue("ring")]
    done = fresh("-c", PROBE, *command)
    assert done.stderr.strip().splitlines()[-1] == "[]"
    assert done.stdout


def test_python_m_ganzoo_is_the_command():
    done = fresh("-m", "ganzoo", "--version")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"ganzoo {ganzoo.__version__}\n", "")


@pytest.mark.soak
@pytest.mark.parametrize("command", [["list"], ["info", "progan_celebahq256"]])
def test_list_and_info_answer_at_once(command):
    def seconds(*arguments):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        assert fresh(*arguments).returncode == 0
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    # Of a processor, which other processes disturb less than the clock; and beside what the
    # libraries take that every command needs.
    least = min(seconds("-c", "import typer, rich.table, yaml") for _ in range(5))
    assert min(seconds("-m", "ganzoo", *command) for _ in range(5)) < max(0.5, 3 * least)


@pytest.mark.parametrize("command", [["-m", "ganzoo", "list"], ["-c", "import ganzoo"]])
def test_another_backend_gets_one_sentence(command):
    done = fresh(*command, KERAS_BACKEND="jax")
    text = (
        "ganzoo needs the TensorFlow backend, and KERAS_BACKEND is 'jax'. Set "
        "KERAS_BACKEND=tensorflow before Python starts.\n"
    )
    assert done.stdout == ""
    if command[0] == "-m":
        assert (done.returncode, done.stderr) == (2, f"error: {text}")
    else:
        assert done.stderr.endswith(f"ganzoo.errors.GanzooError: {text}")


# --- train and generate -----------------------------------------------------------------------


SCORED = ["--set", "training.evaluate_every=1"]
ALTERNATING = [
    *("--set", "training.update_order=alternating", "--set", "training.discriminator_steps=2"),
]
TINY_PROGAN = [
    *(
        "progan_mnist",
        "--data",
        "mnist5k",
        "--set",
        "model.image_size=8",
        "--set",
        "data.image_size=8",
    ),
    *("--set", "model.base_filters=2", "--set", "model.max_filters=2"),
    *("--set", "phases=[{resolution: 8, stabilize_kimg: 1}]"),
]


@pytest.fixture(scope="module")
def ring(tmp_path_factory):
    """A run folder of 20 steps on points."""
    out = tmp_path_factory.mktemp("runs") / "a ring"
    overrides = cli.parse_assignments([item for item in RING if item != "--set"])
    ganzoo.train("gan_ring", out=out, steps=20, overrides=overrides, progress=False)
    return out


def test_quoted_text_and_words_are_no_numbers():
    given = ['a="2024"', "b=nan", "c=infinity", "d=2e-4", "e='1e5'", "f= 1E3 ", "g=7", "h=[x]"]
    assert cli.parse_assignments(given) == {
        **{"a": "2024", "b": "nan", "c": "infinity", "d": 2e-4, "e": "1e5", "f": 1000.0},
        **{"g": 7, "h": ["x"]},
    }


def test_train_makes_a_run_and_goes_on_with_it(run, tmp_path):
    out = tmp_path / "new" / "run"
    status, printed, _ = run("train", "gan_ring", "--out", out, "--steps", 20, *RING)
    assert (status, printed) == (
        0,
        f"The model is in {out / 'model'}, its samples in {out / 'samples'}.\n",
    )
    assert ganzoo.load(out).generate(3, seed=0).shape == (3, 2)
    status, _, _ = run("train", "gan_ring", "--out", out, "--steps", 30, *RING)
    assert status == 0
    assert [step_of(path) for path in list_checkpoints(out / "checkpoints")] == [20, 30]
    assert len({line["step"] for line in read_log(out / "metrics.jsonl")}) == len(
        read_log(out / "metrics.jsonl")
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--seed", 3], "holds a run with training.seed 0, and now it is 3. Continue with the"),
        (["--set", "model.latent_dim=3"], "holds a run with model.latent_dim 2, and now it is 3"),
        (["--set", "training.loss=minimax"], "training.loss 'non_saturating', and now it is 'min"),
        (["--precision", "bfloat16"], "training.precision 'float32', and now it is 'bfloat16'"),
        (["--data", "grid25"], "data.source 'ring8', and now it is 'grid25'"),
    ],
)
def test_a_run_is_not_continued_with_other_settings(fails, ring, options, message):
    before = sorted((path.name, path.stat().st_mtime_ns) for path in ring.iterdir())
    assert message in fails("train", "gan_ring", "--out", ring, "--steps", 25, *RING, *options)
    assert before == sorted((path.name, path.stat().st_mtime_ns) for path in ring.iterdir())


def test_a_deterministic_run_has_tensorflow_add_up_in_a_fixed_order(run, tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(
        "tensorflow.config.experimental.enable_op_determinism", lambda: asked.append(True)
    )
    for options, expected in ([], []), (["--deterministic"], [True]):
        out = tmp_path / f"run{len(options)}"
        assert run("train", "gan_ring", *RING, "--steps", "1", *options, "--out", out)[0] == 0
        assert asked == expected


@pytest.mark.parametrize(
    "error",
    [
        MemoryError("unable to allocate 9 GiB"),
        tf.errors.ResourceExhaustedError(None, None, "unable to allocate\n9 GiB"),
    ],
)
def test_a_model_for_which_there_is_no_memory_is_said(fails, tmp_path, monkeypatch, error):
    def build(settings):
        raise error

    monkeypatch.setattr("ganzoo.zoo.build", build)
    message = fails("train", "gan_ring", "--steps", 1, "--out", tmp_path / "run")
    assert message == (
        "The memory was used up (unable to allocate 9 GiB). Ask for less at once: fewer or "
        "smaller pictures, a smaller tile, batch or model."
    )
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_not_taken_for_full_memory(fails, tmp_path, monkeypatch):
    def build(settings):
        text = "variables.data: No space left on device [Op:SaveV2]"
        raise tf.errors.ResourceExhaustedError(None, None, text)

    monkeypatch.setattr("ganzoo.zoo.build", build)
    message = fails("train", "gan_ring", "--steps", 1, "--out", tmp_path / "run")
    assert message == (
        "The disk is full (variables.data: No space left on device [Op:SaveV2]). Free some space."
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["gan_rinng"], "no preset named 'gan_rinng'. Did you mean 'gan_ring'"),
        (["gan_ring", "--set", "model.units=3"], "no key 'model.units' (its value is 3)"),
        (["gan_ring", "--set", "modl.x=3"], "there is no key 'modl.x'"),
        (["gan_ring", "--set", "steps"], "--set 'steps' has no value. Write it as KEY=VALUE."),
        (["gan_ring", "--set", "a.b=[1"], "--set 'a.b=[1': the value cannot be read. Quote it"),
        (["gan_ring", "--set", "a.b=2024-13-45"], "'a.b=2024-13-45': the value cannot be read"),
        (["gan_ring", "--set", "training.batch_size=many"], "training.batch_size is 'many', str"),
        (["gan_ring", "--steps", "5", "--epochs", "1"], "Both steps (5) and epochs (1) are given"),
        (["gan_ring", "--steps", "0"], "The run's length is 0 steps. It has to be a whole"),
        (["gan_ring", "--precision", "float8"], "no precision 'float8'"),
        (["gan_ring", "--data", "nowhere/"], "There is no file or folder 'nowhere/'"),
        (["gan_ring", "--weights", "nothing.h5"], "There is no weights file nothing.h5"),
        (["gan_ring", "--strategy", "many"], "strategy"),
        (["cyclegan_cityscapes"], "comes without data. Name a source of images with --data."),
        (["gan_ring", "--keep", "0"], "checkpoints to keep is 0. Give a whole number from 1 up."),
        (["gan_ring", "--on-nan", "explode"], "on_nan is 'explode'. Choose 'stop' or 'rollback'."),
        (["gan_ring", "--jit", "maybe"], "training.jit is 'maybe'. It is one of: on, off, auto."),
        (["gan_ring", "--set", "training.sample_every=0"], "The interval in steps is 0. Give a"),
        (["gan_ring", *SCORED, "--set", "training.evaluate_metrics=[fido]"], "'fido'"),
        (["gan_ring", *ALTERNATING, "--set", "training.batch_size=5"], "images cannot be shared"),
        (
            [*TINY_PROGAN, "--set", "training.batch_size=5"],
            "batch of 5 images on 1 replica splits",
        ),
        ([*TINY_PROGAN, "--set", "model.group_size=3"], "splits the groups of 3 whose statistics"),
        (["cyclegan_textures", "--data", "ring8", "--data", "mnist5k"], "of which no pairs are"),
        (
            ["cyclegan_textures", "--data", "textures:grass"],
            "two sources, as in --data A --data B, or a",
        ),
        (
            ["cyclegan_textures", "--set", "training.pool_size=100000000"],
            "GB, for which there is no memory. Use a smaller training.pool_size",
        ),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_run_that_cannot_begin_leaves_nothing(fails, tmp_path, options, message):
    assert message in fails("train", *options, "--out", tmp_path / "run")
    assert list(tmp_path.iterdir()) == []


def test_folders_that_hold_other_things_are_left_alone(fails, tmp_path):
    (tmp_path / "thesis.tex").write_text("mine")
    message = fails("train", "gan_ring", "--out", tmp_path)
    assert message.endswith("exists and holds other things. Name a new folder, or that of a run.")
    message = fails("train", "gan_ring", "--out", tmp_path / "thesis.tex")
    assert message.endswith("thesis.tex is a file. Name a folder for the run.")
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_folder_that_cannot_be_written_is_one_sentence(fails, unwritable, ring):
    message = fails("train", "gan_ring", "--out", unwritable / "run", "--steps", 5, *RING)
    assert re.fullmatch(r"Cannot write .*: permission is denied\. Choose a folder that .*", message)
    assert list(unwritable.iterdir()) == []
    message = fails("generate", ring, "--out", "grid.png")
    assert message.endswith("permission is denied. Check the path and who may read it.")


def test_a_path_that_cannot_be_is_one_sentence(fails, monkeypatch, tmp_path):
    long = "a" * 300
    for command in (("info", long), ("generate", long, "--out", "x.png")):
        assert fails(*command) == f"{long}…: file name too long. Check the path."
    monkeypatch.setenv("GANZOO_HOME", str(tmp_path / long))
    for command in (("cache", "clear"), ("info", "hf://someone/digits")):
        assert fails(*command).endswith("…: file name too long. Check the path.")


def test_a_file_in_the_way_is_one_sentence(fails, ring, tmp_path):
    (tmp_path / "file").write_text("mine")
    message = fails("generate", ring, "--out", tmp_path / "file" / "grid.png")
    assert message.endswith("grid.png: part of the path is a file. Choose another place.")
    assert (tmp_path / "file").read_text() == "mine"


def test_points_are_generated_as_one_picture(run, fails, ring, tmp_path):
    pictures = []
    for name, seed in (("a.png", 1), ("b.png", 1), ("c.png", 2)):
        status, out, _ = run("generate", ring, "--out", tmp_path / name, "--seed", seed)
        assert (status, out) == (0, f"Wrote {tmp_path / name}\n")
        pictures.append((tmp_path / name).read_bytes())
    assert pictures[0] == pictures[1] != pictures[2]
    message = fails("generate", ring, "--out", tmp_path / "folder")
    assert message.endswith("makes points, which one picture shows. Name a .png file.")
    status, _, _ = run("generate", ring / "model", "--out", tmp_path / "t.png", "--truncation", 0.5)
    assert status == 0


def test_images_are_generated_of_one_class(run, tmp_path):
    settings = {"image_size": 4, "base_filters": 4, "max_filters": 4}
    settings |= {"latent_dim": 8, "classes": 3}
    settings = {f"model.{key}": value for key, value in settings.items()} | {"phases": None}
    model = ganzoo.load("progan_dtd128", weights=False, **settings)
    ganzoo.save(model, tmp_path / "model")
    (drawn,) = model.generate(1, seed=1)
    (expected,) = model.generate(1, seed=1, labels=0)
    assert not np.array_equal(expected, drawn)
    command = ("generate", tmp_path / "model", "--out", tmp_path / "one.png", "--count", 1)
    status, _, _ = run(*command, "--seed", 1, "--label", 0)
    assert status == 0
    with Image.open(tmp_path / "one.png") as image:
        np.testing.assert_array_equal(image, expected)


def test_images_are_generated_as_a_grid_or_one_by_one(run, fails, tmp_path):
    settings = {
        "model.image_shape": [6, 5, 3],
        "model.generator_units": [4, 4],
        "model.discriminator_units": [4, 4],
    }
    model = ganzoo.load("gan_cifar10", weights=False, **settings)
    ganzoo.save(model, tmp_path / "model")
    status, _, _ = run("generate", tmp_path / "model", "--out", tmp_path / "g.png", "--seed", 1)
    assert status == 0
    with Image.open(tmp_path / "g.png") as grid:
        assert (grid.mode, grid.size) == ("RGB", (8 * 5 + 7 * 2, 8 * 6 + 7 * 2))
        first = np.asarray(grid)[:6, :5]
    status, _, _ = run(
        *("generate", tmp_path / "model", "--out", tmp_path / "many"),
        *("--seed", 1, "--count", 3),
    )
    assert status == 0
    files = sorted((tmp_path / "many").iterdir())
    assert [file.name for file in files] == ["00000.png", "00001.png", "00002.png"]
    with Image.open(files[0]) as image:
        np.testing.assert_array_equal(np.asarray(image), first)
    command = ("generate", tmp_path / "model", "--out")
    # A dot tells a file, unless a slash or a folder that is there says otherwise.
    for target in (f"{tmp_path}/many/v1.5/", f"{tmp_path}/many/v1.5"):
        assert run(*command, target, "--seed", 1, "--count", 1)[0] == 0
        assert (tmp_path / "many" / "v1.5" / "00000.png").read_bytes() == files[0].read_bytes()
        (tmp_path / "many" / "v1.5" / "00000.png").unlink()
    with pytest.warns(UserWarning, match=r"many holds 3 more file\(s\), which were there before"):
        assert run(*command, tmp_path / "many", "--count", 1, "--seed", 1)[0] == 0
    assert run(*command, tmp_path / "many" / "G.PNG", "--seed", 1)[0] == 0
    assert (tmp_path / "many" / "G.PNG").read_bytes() == (tmp_path / "g.png").read_bytes()
    message = fails(*command, tmp_path / "x.jpg")
    assert "x.jpg is not a PNG. Name a .png file for a grid, or a folder: " in message
    assert message.endswith("x.jpg/ would be one.")
    message = fails(*command, tmp_path / "x.png", "--count", 0)
    assert message == "Cannot write 0 images. Ask for 1 or more."
    message = fails(*command, tmp_path / "x.png", "--label", 0)
    assert message.endswith("model makes images without classes. Leave --label out.")
    message = fails("generate", "gan_grid25", "--out", tmp_path / "x.png")
    assert "has no trained weights yet" in message
    assert sorted(path.name for path in tmp_path.iterdir()) == ["g.png", "many", "model"]


def test_export_loads_in_the_precision_that_is_asked_for(run, tmp_path, monkeypatch):
    seen = []

    def load(name, precision=None):
        def export(out, **options):
            seen.append((name, precision, out.name, options))

        return types.SimpleNamespace(export=export)

    monkeypatch.setattr("ganzoo.zoo.load", load)
    options = ("--format", "onnx", "--precision", "float32")
    assert run("export", "dcgan_mnist", "--out", tmp_path / "x", *options)[0] == 0
    assert run("export", "dcgan_mnist", "--out", tmp_path / "y")[0] == 0
    assert seen == [
        ("dcgan_mnist", "float32", "x", {"format": "onnx", "float16": False}),
        ("dcgan_mnist", None, "y", {"format": "saved_model", "float16": False}),
    ]


# --- evaluate ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def squares(tmp_path_factory):
    """A small model of 8×8 images, and two arrays of such images."""
    folder = tmp_path_factory.mktemp("squares")
    settings = {
        "model.image_shape": [8, 8, 1],
        "model.generator_units": [4, 4],
        "model.discriminator_units": [4, 4],
    }
    ganzoo.save(ganzoo.load("gan_mnist", weights=False, **settings), folder / "model")
    random = np.random.default_rng(0)
    for name in ("real", "valid"):
        np.save(folder / f"{name}.npy", random.integers(0, 256, (20, 8, 8, 1), "uint8"))
    return folder


def test_evaluate_takes_validation_images_and_settings(run, fails, squares):
    command = ("evaluate", squares / "model", "--data", squares / "real.npy", "--metrics")
    status, out, _ = run(
        *(*command, "parzen", "--valid", squares / "valid.npy", "--set", "parzen.samples=30"),
        *("--set", "parzen.valid_limit=7", "--real-count", 12, "--strategy", "mirrored"),
    )
    assert status == 0
    score = json.loads(out)
    assert score["settings"] == {"samples": 30, "valid_limit": 7}
    assert (score["fake"]["images"], score["real"]["images"]) == (30, 12)
    assert score["valid"]["source"].endswith("valid.npy")
    assert "Name their source with valid (--valid SOURCE)" in fails(*command, "parzen")
    for nothing in ("", ","):
        assert fails(*command, nothing).startswith("No metric is named. Choose among fid, kid")
    message = fails(*command, "parzen", "--set", "samples=3")
    assert message.startswith("--set 'samples' does not name a metric and its setting. Write it")
    message = fails(*command, "fid", "--strategy", "auto")
    assert message == "evaluate has no strategy 'auto'. Choose none or mirrored."


@pytest.mark.parametrize(
    ("option", "expected"), [((), None), (("--skip-bad",), True), (("--no-skip-bad",), False)]
)
def test_pictures_that_cannot_be_read_may_be_left_out(run, squares, monkeypatch, option, expected):
    seen = []

    def evaluate(*arguments, skip_bad, **options):
        seen.append(skip_bad)
        return {}

    def explore(*arguments, skip_bad, **options):
        seen.append(skip_bad)
        return "x.png"

    monkeypatch.setattr("ganzoo.evaluate.evaluate", evaluate)
    monkeypatch.setattr("ganzoo.explore.explore", explore)
    data = ("--data", squares / "real.npy", *option)
    assert run("evaluate", squares / "model", *data)[0] == 0
    assert run("explore", "invert", squares / "model", "--out", "x.png", *data)[0] == 0
    assert seen == [expected] * 2


def test_explore_has_the_options_of_every_picture_and_says_which_takes_what():
    taken = {what: set(options_of(what)) for what in PICTURES}
    options = typing.get_type_hints(explore_command.explore, include_extras=True)
    for own in ("what", "name", "out", "return"):
        del options[own]
    assert set(options) == set().union(*taken.values())
    for name, option in options.items():
        help_text = option.__metadata__[0].help
        named = re.search(r"\((?:all but )?([a-z, ]+)\)\.$", help_text)[1].split(", ")
        holders = [what for what, names in taken.items() if name in names]
        if "(all but" in help_text:
            named = [what for what in PICTURES if what not in named]
        assert named == holders, name


def test_explore_takes_two_sources_and_several_curves(run, monkeypatch):
    seen = []

    def explore(*arguments, data, names, **options):
        seen.append((data, names))
        return "x.png"

    monkeypatch.setattr("ganzoo.explore.explore", explore)
    command = ("explore", "cycle", "any", "--out", "x.png")
    assert run(*command)[0] == 0
    assert run(*command, "--data", "a", "--names", "one,two")[0] == 0
    assert run(*command, "--data", "a", "--data", "b")[0] == 0
    assert seen == [(None, None), ("a", ["one", "two"]), (("a", "b"), None)]


@pytest.mark.parametrize("command", ["train", "evaluate", "explore"])
def test_pairs_are_said_to_need_two_sources(run, monkeypatch, command):
    monkeypatch.setenv("COLUMNS", "300")
    assert "for pairs give --data twice" in " ".join(run(command, "--help")[1].split())


def test_a_warning_is_one_line_without_a_line_of_source(squares):
    done = fresh(
        *("-m", "ganzoo", "evaluate", squares / "model", "--data", squares / "real.npy"),
        *("--metrics", "fid", "--extractor", "lenet_mnist", "--count", 30),
        GANZOO_HOME=str(squares / "home"),
    )
    assert done.returncode == 0
    assert "warning: Only 20 real images: below 2,048 a distance of distributions" in done.stderr
    for line in done.stderr.splitlines():
        assert line.startswith("warning: "), line
