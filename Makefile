# The same commands that the README shows.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint tools/constraints.txt

.PHONY: quickstart test soak lint clean

quickstart: $(VENV)/.installed
	$(BIN)/python tools/quickstart.py

test: $(VENV)/.installed-test lint
	$(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder

soak: $(VENV)/.installed-test
	GANZOO_SOAK=1 $(BIN)/python -m pytest -m "soak or not soak"

lint: $(VENV)/.installed-test
	$(BIN)/python -m ruff check .
	$(BIN)/python -m ruff format --check .
	$(BIN)/python -m mypy

clean:
	rm -rf $(VENV) build dist *.egg-info

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: setup.cfg pyproject.toml tools/constraints.txt | $(BIN)/python
	$(INSTALL) --editable ".[samples]"
	touch $@

$(VENV)/.installed-test: setup.cfg pyproject.toml tools/constraints.txt | $(BIN)/python
	$(INSTALL) --editable ".[all,test]"
	touch $@ $(VENV)/.installed
