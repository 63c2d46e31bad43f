"""The command `ganzoo explore`, whose options are those of all its pictures."""

import pathlib
from typing import Annotated

import typer

from ganzoo.commands import Name, source_of
from ganzoo.quiet import import_tensorflow_quietly

Whole = int | None
Text = str | None


def explore(
    what: Annotated[
        str,
        typer.Argument(
            help="game, interpolate, activations, features, invert, adversarial, growth, cycle "
            "or training. Each takes the options beside which it is named."
        ),
    ],
    name: Name,
    out: Annotated[pathlib.Path, typer.Option(help="A .png or .gif file.")],
    data: Annotated[
        list[str] | None,
        typer.Option(
            help="Source of images; for pairs give --data twice, A before B, which only cycle "
            "takes (features, invert, adversarial, cycle)."
        ),
    ] = None,
    picture: Annotated[Text, typer.Option(help="A picture (activations, invert, cycle).")] = None,
    network: Annotated[Text, typer.Option(help="Network to look into (activations).")] = None,
    method: Annotated[
        Text, typer.Option(help="pca or tsne; fgsm or pgd (features, adversarial).")
    ] = None,
    classifier: Annotated[Text, typer.Option(help="Fool this, not D (adversarial).")] = None,
    direction: Annotated[Text, typer.Option(help="ab or ba (cycle).")] = None,
    count: Annotated[
        Whole,
        typer.Option(
            help="How many (interpolate, activations, features, adversarial, growth, cycle)."
        ),
    ] = None,
    stations: Annotated[Whole, typer.Option(help="Latents a film visits (interpolate).")] = None,
    steps: Annotated[
        Whole, typer.Option(help="Steps of a walk or descent (game, interpolate, invert).")
    ] = None,
    queries: Annotated[
        Whole, typer.Option(help="Images whose nearest are shown (features).")
    ] = None,
    neighbours: Annotated[Whole, typer.Option(help="Nearest of each (features).")] = None,
    restarts: Annotated[Whole, typer.Option(help="Latents to start from (invert).")] = None,
    frames: Annotated[Whole, typer.Option(help="Frames of a film (game, training).")] = None,
    names: Annotated[Text, typer.Option(help="Curves, with commas between (training).")] = None,
    seed: Annotated[Whole, typer.Option(help="Same seed, same result (all but training).")] = None,
    truncation: Annotated[
        float | None, typer.Option(help="As in generate (interpolate, growth).")
    ] = None,
    skip_bad: Annotated[
        bool | None,
        typer.Option(
            help="Leave out pictures that cannot be read; as the preset says by default "
            "(features, invert, adversarial, cycle)."
        ),
    ] = None,
) -> None:
    """Draws what a model sees, knows and believes."""
    import_tensorflow_quietly()
    from ganzoo.explore import explore as draw

    written = draw(
        what,
        name,
        out,
        data=source_of(data),
        picture=picture,
        network=network,
        method=method,
        classifier=classifier,
        direction=direction,
        count=count,
        stations=stations,
        steps=steps,
        queries=queries,
        neighbours=neighbours,
        restarts=restarts,
        frames=frames,
        names=names.split(",") if names else None,
        seed=seed,
        truncation=truncation,
        skip_bad=skip_bad,
    )
    print(f"Wrote {written}")
