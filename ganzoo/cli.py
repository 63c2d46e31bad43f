"""The command line: each command reads its options and calls one public function."""

import dataclasses
import errno
import io
import json
import os
import pathlib
import sys
import warnings
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from ganzoo import cards, catalogue, commands, explore_command, folders, presets
from ganzoo._version import __version__
from ganzoo.assignments import parse_assignments
from ganzoo.commands import Name, Seed, source_of
from ganzoo.environment import check_backend
from ganzoo.errors import GanzooError, nearest
from ganzoo.quiet import import_tensorflow_quietly

app = typer.Typer(
    name="ganzoo",
    help="A model zoo of generative adversarial networks for TensorFlow and Keras 3.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
_TEMPORARY_FAILURE = 75  # of sysexits.h: a preempted run, worth starting again
_SHOWN = 300  # characters of a path in a message
_WIDEST_METRIC = 16  # of a score's name in the table; the card has all of it
_PIPE_WIDTH = 200  # a program that reads the table wants no line cut


def main() -> None:
    """Runs the command line; prints what a user can put right as one line, without traceback."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # The line of source that caused it means nothing to who gave a command.
    warnings.formatwarning = lambda message, *_, **__: f"warning: {message}\n"
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.errors == "strict":
        # A path may hold what is no text, and a terminal's alphabet lack what is.
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        check_backend()
        app()
    except GanzooError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(_exit_status(error))
    except OSError as error:
        if error.filename is None:  # no path is to blame
            raise
        print(f"error: {_about_path(error)}", file=sys.stderr)
        sys.exit(2)
    except Exception as error:
        if not _is_out_of_memory(error):
            raise
        reason = " ".join(str(error).split())[:_SHOWN]
        if os.strerror(errno.ENOSPC) in str(error):  # TensorFlow says this of the disk too
            print(f"error: The disk is full ({reason}). Free some space.", file=sys.stderr)
            sys.exit(2)
        print(
            f"error: The memory was used up ({reason}). Ask for less at once: fewer or smaller "
            "pictures, a smaller tile, batch or model.",
            file=sys.stderr,
        )
        sys.exit(2)


def _is_out_of_memory(error):
    """Says so of TensorFlow's own error too, which is known only once TensorFlow is imported."""
    return isinstance(error, MemoryError) or type(error).__name__ == "ResourceExhaustedError"


def _about_path(error):
    """Says what is wrong with the path that an OSError names, and what to do."""
    place = str(error.filename)
    shown = place if len(place) <= _SHOWN else f"{place[:_SHOWN]}…"
    if isinstance(error, PermissionError):
        return f"{shown}: permission is denied. Check the path and who may read it."
    return f"{shown}: {str(error.strerror).lower()}. Check the path."


def _exit_status(error):
    import signal

    number = getattr(error, "signal", None)
    if number == signal.SIGTERM:
        return _TEMPORARY_FAILURE
    return 130 if number == signal.SIGINT else 2


def _version(wanted: bool) -> None:
    if wanted:
        print(f"ganzoo {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show it and exit.")
    ] = False,
) -> None:
    del version


@app.command("list")
def list_(
    pattern: Annotated[str, typer.Argument(help='A wildcard such as "cyclegan_*".')] = "*",
    family: Annotated[str | None, typer.Option(help="Only one family.")] = None,
    pretrained: Annotated[bool, typer.Option(help="Only those with trained weights.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON array.")] = False,
) -> None:
    """Lists the presets: side of the images in pixels, parameters of a generator, and of the
    published weights their size (~ where it is reckoned), licence and headline score."""
    names = presets.find_presets(pattern, family=family, pretrained=pretrained)
    found = [presets.read_preset(name) for name in names]
    facts = [catalogue.facts_of(preset) for preset in found]
    if as_json:
        print(
            json.dumps(
                [
                    preset.settings() | {"name": preset.name, "facts": dataclasses.asdict(line)}
                    for preset, line in zip(found, facts, strict=True)
                ]
            )
        )
        return
    if not found:
        raise GanzooError(
            f"No preset matches {pattern!r}.{nearest(pattern, presets.preset_names())} "
            "List all with: ganzoo list"
        )
    console = Console() if sys.stdout.isatty() else Console(width=_PIPE_WIDTH)
    console.print(_table(facts), crop=False)


def _table(facts):
    table = Table(box=None, pad_edge=False)
    for column in ("name", "side", "parameters", "download", "licence", "score"):
        right = column in ("side", "parameters", "download")
        table.add_column(column, no_wrap=True, justify="right" if right else "left")
    for line in facts:
        size = line.download_bytes and catalogue.short_bytes(line.download_bytes)
        table.add_row(
            line.name,
            str(line.resolution or "-"),
            catalogue.short_count(line.parameters) if line.parameters else "-",
            f"{'~' * line.download_is_estimate}{size}" if size else "-",
            # What stands in parentheses is for the card.
            (line.licence or "-").split(" (")[0],
            f"{_shortened(line.score['metric'])} {line.score['value']:g}" if line.score else "-",
        )
    return table


def _shortened(text):
    return text if len(text) <= _WIDEST_METRIC else f"{text[: _WIDEST_METRIC - 1]}…"


@app.command()
def info(
    name: Name,
    as_yaml: Annotated[bool, typer.Option("--yaml", help="Its settings as YAML.")] = False,
) -> None:
    """Shows the card: what it is, its weights and scores, how it differs, how to use it."""
    folder = folders.find_folder(name)
    if folder is not None and not as_yaml:
        print(folders.read_card(folder), end="")
        return
    preset = folders.read_folder(folder) if folder else presets.read_preset(name)
    print(preset.to_yaml() if as_yaml else cards.preset_card(preset), end="")


@app.command()
def train(
    preset: Annotated[str, typer.Argument(help="A preset, or a YAML file like one.")],
    data: Annotated[
        list[str] | None,
        typer.Option(help="Source of images; for pairs give --data twice, A before B."),
    ] = None,
    out: Annotated[pathlib.Path | None, typer.Option(help="The run folder.")] = None,
    steps: Annotated[int | None, typer.Option(help="Length in steps, if not the preset's.")] = None,
    epochs: Annotated[int | None, typer.Option(help="Or in passes over the data.")] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", help="A setting of the preset, KEY=VALUE, as model.base_filters=32."),
    ] = None,
    seed: Seed = None,
    strategy: Annotated[
        str, typer.Option(help="auto, none, mirrored (all GPUs of this machine) or multi_worker.")
    ] = "auto",
    precision: Annotated[str | None, typer.Option(help="float32, bfloat16 or float16.")] = None,
    jit: Annotated[str | None, typer.Option(help="XLA: on, off, or auto to measure.")] = None,
    deterministic: Annotated[
        bool, typer.Option(help="On GPUs too, the same bits each time; slower.")
    ] = False,
    weights: Annotated[
        pathlib.Path | None, typer.Option(help="Start from a weights file or model folder.")
    ] = None,
    keep: Annotated[int, typer.Option(help="Checkpoints to keep.")] = 2,
    on_nan: Annotated[
        str, typer.Option(help="stop, or rollback to the last checkpoint and halve the rates.")
    ] = "stop",
    peer_timeout: Annotated[
        float, typer.Option(help="Seconds of silence after which another worker counts as lost.")
    ] = 60.0,
    skip_bad: Annotated[bool, typer.Option(help="Leave out pictures that cannot be read.")] = False,
) -> None:
    """Trains a preset, or continues the run that --out holds."""
    overrides = parse_assignments(set_ or [])
    if skip_bad:
        overrides["data.skip_bad"] = True
    import_tensorflow_quietly()
    from ganzoo.training.run import train as run

    folder = out or pathlib.Path("runs") / presets.short_name(preset)
    run(
        preset,
        data_source=source_of(data),
        out=folder,
        steps=steps,
        epochs=epochs,
        overrides=overrides,
        seed=seed,
        strategy=strategy,
        precision=precision,
        jit=jit,
        deterministic=deterministic,
        weights=weights,
        keep=keep,
        on_nan=on_nan,
        peer_timeout=peer_timeout,
    )
    print(f"The model is in {folder / 'model'}, its samples in {folder / 'samples'}.")


@app.command()
def generate(
    name: Name,
    # As text: of a path the slash at the end, which tells a folder, would be lost.
    out: Annotated[str, typer.Option(help="A .png file for a grid, or a folder.")],
    count: Annotated[int, typer.Option(help="How many images.")] = 64,
    seed: Seed = None,
    truncation: Annotated[
        float | None, typer.Option(help="Redraw latents until |z| is at most this.")
    ] = None,
    label: Annotated[int | None, typer.Option(help="Class of the images, from 0 on.")] = None,
) -> None:
    """Generates images: a grid (--out grid.png) or one file each (--out folder/)."""
    if count < 1:
        raise GanzooError(f"Cannot write {count} images. Ask for 1 or more.")
    place = pathlib.Path(out)
    as_grid = bool(place.suffix) and not (out.endswith("/") or place.is_dir())
    if as_grid and place.suffix.lower() != ".png":
        raise GanzooError(
            f"{out} is not a PNG. Name a .png file for a grid, or a folder: {out}/ would be one."
        )
    import_tensorflow_quietly()
    from ganzoo import pictures, zoo

    model = zoo.load(name)
    if label is not None and not getattr(model, "classes", 0):
        raise GanzooError(f"{name} makes images without classes. Leave --label out.")
    chosen = {} if label is None else {"labels": label}
    images = model.generate(count, seed=seed, truncation=truncation, **chosen)
    if images.ndim == 2 and not as_grid:
        raise GanzooError(f"{name} makes points, which one picture shows. Name a .png file.")
    if as_grid:
        pictures.write_png(place, pictures.make_grid(images))
    else:
        _write_one_by_one(images, place)
    print(f"Wrote {place}")


def _write_one_by_one(images, folder):
    from ganzoo import pictures

    for index, image in enumerate(images):
        pictures.write_png(folder / f"{index:05d}.png", image)
    others = sum(1 for _ in folder.iterdir()) - len(images)
    if others:
        warnings.warn(
            f"{folder} holds {others} more file(s), which were there before. For these pictures "
            "alone name a new folder.",
            stacklevel=2,
        )


commands.add_to(app)
app.command()(explore_command.explore)
