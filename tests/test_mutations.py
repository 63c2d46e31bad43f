"""What `tools/mutations.py` breaks is still there to be broken."""

import importlib
import pathlib
import sys

ROOT = pathlib.Path(__file__).parents[1]


def test_every_break_finds_its_text_and_its_tests(monkeypatch):
    monkeypatch.setattr(sys, "path", [str(ROOT / "tools"), *sys.path])
    breaks = importlib.import_module("mutations").BREAKS
    assert len(breaks) >= 20
    for item in breaks:
        text = (ROOT / "ganzoo" / item.file).read_text(encoding="utf-8")
        assert text.count(item.old) == 1, item.name
        assert item.old != item.new, item.name
        for file in item.tests.split():
            assert (ROOT / "tests" / file).is_file(), item.name
