"""Runs a row of a paper's table and prints it beside the published number.

    python tools/reproduce.py                     all tables
    python tools/reproduce.py goodfellow_parzen   one of them
    python tools/reproduce.py shipped             the models of the package, against their cards
    python tools/reproduce.py shipped --model gan_mnist   one of them
      [--data FOLDER] [--weights FOLDER] [--model NAME_OR_FOLDER] [--seed N] [--json FILE]

Data sets are looked for below --data (GANZOO_TEST_DATA, or ../shared/data) and where Debian's
packages of data sets put them, files of weights below --weights (ganzoo's cache too); each is
used only if its sha256 is the stated one. Models
are ganzoo's presets with trained weights; --model takes another preset or a model folder, and
its name is printed with the number. A row whose inputs are absent prints `needs FILE (sha256)`
and never a number. A shipped model whose score is not that of its card any more ends the
command with status 1.
"""

import argparse
import dataclasses
import json
import os
import pathlib

from paper_inputs import Pictures
from paper_tables import TABLES, Row
from shipped_scores import MEASURES, compare, shipped_entries

import ganzoo
from ganzoo.cache import home
from ganzoo.errors import GanzooError

ROOT = pathlib.Path(__file__).resolve().parents[1]
_DEBIAN = pathlib.Path("/usr/share/datasets")
_SHIPPED = "shipped"


def main(arguments: list[str] | None = None) -> int:
    options = _parse(arguments)
    caches = [home(), *sorted(home().glob("weights/*"))]
    folders = [options.data, options.weights, *caches, _DEBIAN]
    for name in [name for name in TABLES if options.table in (None, name)]:
        print(name)
        for row in TABLES[name]:
            text, scores = reproduce(row, folders, options.model, options.seed)
            print(f"  {row.what}")
            print(f"    published: {row.published} ({row.source})")
            print(f"    here:      {text}")
            published = {"published": row.published}
            _append(options.json, [score | published for score in scores.values()])
    if options.table == _SHIPPED:
        return score_shipped(folders, options.json, options.model)
    return 0 if options.table else score_shipped(folders, options.json)


def _append(file: pathlib.Path | None, records: list[dict]) -> None:
    """Appends a line of JSON for each record, if there is a file for it."""
    if file and records:
        with open(file, "a") as lines:
            lines.writelines(json.dumps(record) + "\n" for record in records)


def score_shipped(
    folders: list[pathlib.Path], json_file: pathlib.Path | None = None, only: str | None = None
) -> int:
    """Scores the package's models, or one, again: how many scores are not those of the cards."""
    print(_SHIPPED)
    drifted = 0
    for name in [only] if only else shipped_entries():
        inputs = MEASURES[name].inputs
        found, needs = _find(inputs, folders)
        print(f"  {name}")
        if needs:
            print(f"    needs {'; '.join(needs)}")
            continue
        comparisons = compare(name, found)
        for line in comparisons:
            print(f"    {line}")
            drifted += line.drifted
        _append(json_file, [{"model": name} | dataclasses.asdict(one) for one in comparisons])
    return drifted


def _find(inputs, folders):
    """The paths of inputs by name, and what to say of those that are absent."""
    found = {key: wanted.find(folders) for key, wanted in inputs.items()}
    return found, [_words(inputs[key]) for key, path in found.items() if path is None]


def reproduce(row: Row, folders: list[pathlib.Path], name: str | None, seed: int):
    """Runs a row: its number as text and the scores, or what it needs and none.

    Args:
        row: The row.
        folders: Where inputs may lie.
        name: A preset or model folder in place of the row's own.
        seed: Decides samples and draws.
    """
    found, needs = _find(row.inputs, folders)
    model = None
    if row.preset or row.needs_model:
        model, missing = _model(row, name)
        needs += [missing] if missing else []
    if needs:
        return "needs " + "; ".join(needs), {}
    text, scores = row.run(found, model, seed)
    named = f" ({name or row.preset}, seed {seed})" if model is not None else f" (seed {seed})"
    return text + named, scores


def _words(wanted) -> str:
    kind = f"{wanted.count} pictures, " if isinstance(wanted, Pictures) else ""
    return f"{wanted.name} ({kind}sha256 {wanted.sha256})"


def _model(row: Row, name: str | None):
    """Loads the row's model with trained weights, without the network; or says what is absent."""
    if not (name or row.preset):
        return None, row.needs_model
    try:
        return ganzoo.load(name or row.preset, offline=True), None
    except GanzooError:
        if name:
            raise
    entries = _weights_of(row.preset)
    if not entries:
        return None, f"trained weights of {row.preset} (none published: train it, --model FOLDER)"
    return None, " or ".join(f"{entry['source']} ({_pin(entry)})" for entry in entries)


def _weights_of(preset: str) -> list[dict]:
    try:
        return ganzoo.preset_info(preset).get("weights") or []
    except GanzooError:
        return []


def _pin(entry: dict) -> str:
    return next(f"{key} {entry[key]}" for key in ("sha256", "git_blob") if entry.get(key))


def _parse(arguments):
    default = os.environ.get("GANZOO_TEST_DATA", ROOT.parent / "shared" / "data")
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("table", nargs="?", choices=[*TABLES, _SHIPPED])
    parser.add_argument("--data", type=pathlib.Path, default=pathlib.Path(default))
    parser.add_argument("--weights", type=pathlib.Path, default=pathlib.Path("."))
    parser.add_argument("--model")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=pathlib.Path)
    options = parser.parse_args(arguments)
    if options.table == _SHIPPED:
        if options.seed:
            parser.error(
                "the models of the package are scored as their cards say; leave out --seed"
            )
        if options.model and options.model not in MEASURES:
            parser.error(f"{options.model} does not come with the package; these do: "
                         f"{', '.join(MEASURES)}")  # fmt: skip
    return options


if __name__ == "__main__":
    try:
        raise SystemExit(min(main(), 1))
    except GanzooError as error:
        raise SystemExit(f"error: {error}") from None
