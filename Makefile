# Everything from nothing: `make demo`, `make view`, `make test`. A second run finds what the first one installed.

PYTHON ?= python3
VENV ?= .venv
SCENE ?= demo-scene
PYTEST_ARGS ?=
WORKERS ?= 2
QUICK := not slow and not browser and not gpu
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

.PHONY: help demo view test quick lint clean

help:
	@echo "make demo   fit the bundled capture (writes $(SCENE)/), then show it when a person is at the terminal"
	@echo "make view   show $(SCENE)/ in the browser; SCENE=folder for another"
	@echo "make test   every test, in WORKERS=2 processes"
	@echo "make quick  the tests that take under half a second each: a minute and a half on two cores"
	@echo "make lint   ruff and pyright"
	@echo "make clean  remove the environment, caches and $(SCENE)/"
	@echo "PYTHON=python3.12 picks another Python (3.11 or 3.12)."

demo: $(VENV)/.installed
	$(BIN)/semsplat demo -o $(SCENE)

view: $(VENV)/.installed
	$(BIN)/semsplat view $(SCENE)

# Each worker and each program that a test starts reads the bytecode that the first one wrote, wherever that is off.
test quick: export PYTHONDONTWRITEBYTECODE =

test: $(VENV)/.installed-dev
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal -m "not browser" $(PYTEST_ARGS)
	@# A browser that draws without a GPU can be too slow on a busy machine: what failed is tried once more, alone.
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal -m browser $(PYTEST_ARGS) || \
	  $(BIN)/python -m pytest -m browser --last-failed --last-failed-no-failures none $(PYTEST_ARGS)

quick: $(VENV)/.installed-dev
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal -m "$(QUICK)" $(PYTEST_ARGS)

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright --pythonpath $(BIN)/python

clean:
	rm -rf $(VENV) $(SCENE) .pytest_cache .ruff_cache .hypothesis build dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/.python:
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if (3, 11) <= v < (3, 13) else \
	  "semsplat needs Python 3.11 or 3.12, and $(PYTHON) is %d.%d; give another: make PYTHON=python3.12" % v)'
	@$(PYTHON) -m venv $(VENV) || { echo "Could not make $(VENV); on Debian: apt-get install python3-venv" >&2; exit 1; }
	@touch $@

# torch comes first and alone, so that the index that pip is set to decides on its build (CPU or CUDA).
$(VENV)/.torch: $(VENV)/.python constraints.txt
	@echo "Installing torch and the rest from the package index; this is the longest part of a first run ..."
	$(PIP) install --constraint constraints.txt torch
	@touch $@

$(VENV)/.installed: $(VENV)/.torch pyproject.toml
	$(PIP) install --constraint constraints.txt --editable .
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	$(PIP) install --constraint constraints.txt --editable '.[dev]'
	@touch $@
