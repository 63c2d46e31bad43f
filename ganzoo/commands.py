"""The commands that work on a model: translate, evaluate, export, import, and more.

`cli.py` holds the way in and the commands from a preset to its samples, `explore_command.py` the
one with the most options.
"""

import json
import pathlib
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress

from ganzoo.assignments import parse_metric_settings
from ganzoo.errors import GanzooError
from ganzoo.quiet import import_tensorflow_quietly
from ganzoo.scores import json_lines, read_scores

Name = Annotated[
    str, typer.Argument(help="A preset, a model folder, a run folder or hf://owner/name.")
]
Out = Annotated[pathlib.Path, typer.Option(help="Where to write.")]
Seed = Annotated[int | None, typer.Option(help="Same seed, same result.")]
SkipBad = Annotated[
    bool | None,
    typer.Option(help="Leave out pictures that cannot be read; as the preset says by default."),
]
Direction = Annotated[str, typer.Option(help="ab or ba.")]
_HALF = "Store the weights in 16 bits, and say what that changes."
cache = typer.Typer(help="Downloaded weights, and statistics of real images.", no_args_is_help=True)


def add_to(app: typer.Typer) -> None:
    """Adds these commands to the command line."""
    app.command()(translate)
    app.command()(evaluate)
    app.command()(export)
    app.command()(save)
    app.command("import")(import_)
    app.command()(demo)
    app.command()(push)
    app.add_typer(cache, name="cache")


def source_of(data: list[str] | None) -> str | tuple[str, ...] | None:
    """Makes of what --data gave, once or several times, what a source is in Python."""
    return data[0] if data and len(data) == 1 else tuple(data) if data else None


def translate(
    name: Name,
    source: Annotated[pathlib.Path, typer.Argument(help="A picture or a folder of pictures.")],
    out: Out,
    direction: Direction = "ab",
    tile: Annotated[int | None, typer.Option(help="Side of the tiles of large pictures.")] = None,
    skip_bad: Annotated[bool, typer.Option(help="Leave out pictures that cannot be read.")] = False,
) -> None:
    """Translates pictures from one domain into the other."""
    import_tensorflow_quietly()
    from ganzoo import zoo
    from ganzoo.translating import translate_files

    model = zoo.load(name)
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        pictures = bar.add_task("Translating", total=None)
        tiles = bar.add_task("Tiles", visible=False)
        files = translate_files(
            model,
            source,
            out,
            direction=direction,
            tile=tile,
            skip_bad=skip_bad,
            advance=lambda done, total: bar.update(
                tiles, completed=done, total=total, visible=done < total
            ),
        )
        for count, (_, total) in enumerate(files, 1):
            bar.update(pictures, completed=count, total=total)
    print(f"Wrote {count} picture{'s' if count > 1 else ''} to {out}")


def evaluate(
    name: Name,
    data: Annotated[
        list[str], typer.Option(help="Real images; for pairs give --data twice, A before B.")
    ],
    metrics: Annotated[str, typer.Option(help="Names, with commas between.")] = "fid,kid",
    count: Annotated[
        int | None,
        typer.Option(help="Samples to draw; by default one for each real image, at most 50,000."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Decides samples and subsets.")] = 0,
    repeats: Annotated[
        int, typer.Option(help="How often to draw samples, for mean and spread.")
    ] = 1,
    real_count: Annotated[
        int | None, typer.Option(help="Real images to take, at random; all by default.")
    ] = None,
    valid: Annotated[str | None, typer.Option(help="Validation images, for parzen.")] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="METRIC.SETTING=VALUE, as kid.subsets=50.")
    ] = None,
    strategy: Annotated[str, typer.Option(help="none, or mirrored for all GPUs.")] = "none",
    extractor: Annotated[
        str | None,
        typer.Option(help="inception (the default), lenet_mnist, lenet_fashion_mnist or a folder."),
    ] = None,
    weights: Annotated[
        pathlib.Path | None, typer.Option(help="The extractor's weights, a local file.")
    ] = None,
    resizer: Annotated[
        str | None, typer.Option(help="legacy_tensorflow, legacy_pytorch or clean.")
    ] = None,
    truncation: Annotated[
        float | None, typer.Option(help="Redraw latents until |z| is at most this.")
    ] = None,
    skip_bad: SkipBad = None,
) -> None:
    """Scores a model against real images; prints one line of JSON a score."""
    if strategy not in ("none", "mirrored"):
        raise GanzooError(f"evaluate has no strategy {strategy!r}. Choose none or mirrored.")
    settings = parse_metric_settings(set_ or [])
    import_tensorflow_quietly()
    from ganzoo import zoo
    from ganzoo.distribution import make_strategy
    from ganzoo.evaluate import evaluate as score

    with make_strategy(strategy).scope():
        model = zoo.load(name)
    scores = score(
        model,
        source_of(data),
        metrics,
        settings=settings,
        count=count,
        real_count=real_count,
        valid=valid,
        seed=seed,
        repeats=repeats,
        extractor=extractor,
        weights=weights,
        resizer=resizer,
        truncation=truncation,
        skip_bad=skip_bad,
    )
    print(json_lines(scores))


def export(
    name: Name,
    out: Out,
    format: Annotated[str, typer.Option(help="saved_model, onnx or litert.")] = "saved_model",
    float16: Annotated[
        bool, typer.Option(help="Store a LiteRT file's weights in 16 bits.")
    ] = False,
    precision: Annotated[
        str | None, typer.Option(help="float32, bfloat16 or float16; the preset's by default.")
    ] = None,
) -> None:
    """Writes a model for use without ganzoo, and checks that it agrees."""
    import_tensorflow_quietly()
    from ganzoo import zoo

    model = zoo.load(name, precision=precision)
    print(model.export(out, format=format, float16=float16))


def save(
    name: Name,
    out: Out,
    half: Annotated[bool, typer.Option("--half", help=_HALF)] = False,
    licence: Annotated[str, typer.Option(help="Of the weights, for the card.")] = "",
    scores: Annotated[
        pathlib.Path | None, typer.Option(help="What ganzoo evaluate printed, for the card.")
    ] = None,
    data: Annotated[
        list[str] | None,
        typer.Option(
            help="Give --data twice: a CycleGAN's card shows the first pictures of A and of B."
        ),
    ] = None,
) -> None:
    """Writes a model folder, such as a half-size one of a run's model to publish."""
    found = read_scores(scores) if scores else None
    import_tensorflow_quietly()
    from ganzoo import zoo

    model = zoo.load(name)
    examples = zoo.first_pictures(model, data) if data else None
    rounding = zoo.save(model, out, half=half, licence=licence, scores=found, examples=examples)
    print("\n".join([*([str(rounding)] if rounding else []), f"Wrote {out}"]))


def import_(
    file: Annotated[pathlib.Path, typer.Argument(help="A PyTorch checkpoint, or a .npz of one.")],
    preset: Annotated[str, typer.Option(help="The preset whose settings it gets.")],
    out: Out,
    direction: Annotated[
        str | None, typer.Option(help="What a lone CycleGAN generator does: ab or ba.")
    ] = None,
    half: Annotated[bool, typer.Option("--half", help=_HALF)] = False,
) -> None:
    """Makes a model folder of a checkpoint of another library."""
    import_tensorflow_quietly()
    from ganzoo import zoo
    from ganzoo.importing import import_checkpoint

    model, recognised = import_checkpoint(file, preset, direction=direction)
    rounding = zoo.save(model, out, half=half)
    print("\n".join([*recognised, *([str(rounding)] if rounding else []), f"Wrote {out}"]))


def demo(
    name: Annotated[
        list[str] | None,
        typer.Argument(help="Presets, folders or hf://owner/name; all with weights by default."),
    ] = None,
    host: Annotated[str, typer.Option(help="The address to bind, and no other.")] = "127.0.0.1",
    port: Annotated[int | None, typer.Option(help="The first free one from 7860.")] = None,
    open_browser: Annotated[bool, typer.Option("--open", help="Open the browser.")] = False,
) -> None:
    """Starts a page to try models on, for this machine alone."""
    import_tensorflow_quietly()
    from ganzoo.demo import launch

    page = launch(name or None, host=host, port=port, open_browser=open_browser)
    print(f"The page is at {page.url}; Ctrl-C ends it.", flush=True)
    page.wait()


def push(
    folder: Annotated[pathlib.Path, typer.Argument(help="A model folder.")],
    target: Annotated[str, typer.Argument(help="hf://owner/name")],
    private: Annotated[bool, typer.Option(help="Make the repository private.")] = False,
) -> None:
    """Publishes a model folder on Hugging Face."""
    from ganzoo.hugging_face import push as send

    print(send(folder, target, private=private))


@cache.command("list")
def cache_list() -> None:
    """Lists what is there."""
    from ganzoo import cache_contents as files

    for item in files.cache_list():
        facts = {"path": str(item.path), "state": item.state, "source": item.source}
        print(json.dumps(facts | {"bytes": item.bytes}))


@cache.command("verify")
def cache_verify() -> None:
    """Checks every file against its hash."""
    from ganzoo import cache_contents as files

    faults = [(item, fault) for item, fault in files.cache_verify() if fault]
    for item, fault in faults:
        print(f"{item.path}: {fault}")
    damaged = sum(item.state != "partial" for item, _ in faults)
    if damaged:
        raise GanzooError(f"{damaged} file(s) of the cache are damaged. Clear and fetch them.")
    print("Every file that is complete is as it should be.")


@cache.command("clear")
def cache_clear(
    pattern: Annotated[
        str, typer.Argument(help="A wildcard over the names of files and of their sources.")
    ] = "*",
) -> None:
    """Removes files: all of them, unless a pattern says which."""
    from ganzoo import cache_contents as files

    removed = files.cache_clear(pattern)
    print(f"Removed {len(removed)} file(s), {sum(item.bytes for item in removed):,} bytes.")
