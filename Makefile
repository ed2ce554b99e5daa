# Everything happens in .venv; `make` alone says what there is.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DEMO ?= demo
ifndef SEED
SEED := $(shell date +%s)
endif

.PHONY: help demo test coverage lint docs dist clean

help:
	@echo "make demo      install ftso into $(VENV) and run the whole chain on the digits that come with it"
	@echo "make test      install what the tests need and run them, in the order that SEED=N gives"
	@echo "make coverage  run them once more, and tell which lines they reach"
	@echo "make lint      ruff and mypy"
	@echo "make docs      the documentation as a site, in site/"
	@echo "make dist      wheel and source archive, in dist/, installed and tried without the checkout"
	@echo "make clean     remove $(VENV), demo/, site/, dist/ and caches"

$(VENV)/.ftso: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --editable .
	@touch $@

$(VENV)/.test: $(VENV)/.ftso
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[test]'
	@touch $@

demo: $(VENV)/.ftso
	@mkdir -p $(DEMO)
	@rm -rf $(DEMO)/run
	$(BIN)/ftso search-topology --data digits --epochs 1 -o $(DEMO)/cell.json
	$(BIN)/ftso prune $(DEMO)/cell.json
	$(BIN)/ftso assign-ops $(DEMO)/cell.json --op sep_conv_3x3
	$(BIN)/ftso draw $(DEMO)/cell.json -o $(DEMO)/cell.svg
	$(BIN)/ftso draw $(DEMO)/cell.json -o $(DEMO)/cell.png
	$(BIN)/ftso cost $(DEMO)/cell.json
	$(BIN)/ftso train $(DEMO)/cell.json --data digits -o $(DEMO)/run
	@echo
	@echo "the found cell:       $(DEMO)/cell.json"
	@echo "its pictures:         $(DEMO)/cell.svg, $(DEMO)/cell.png"
	@echo "the trained network:  $(DEMO)/run/weights.safetensors"
	@echo "its metrics:          $(DEMO)/run/metrics.csv"
	@echo "test it again:        $(BIN)/ftso evaluate $(DEMO)/run"

test: $(VENV)/.test
	@echo "order of the tests: SEED=$(SEED)"
	@PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest -n 2 --dist worksteal --randomly-seed=$(SEED) \
	|| { status=$$?; echo "failed; this order again: make test SEED=$(SEED)"; exit $$status; }

coverage: $(VENV)/.test
	$(BIN)/python -m pytest -n 2 --dist worksteal --cov --cov-report=term:skip-covered --cov-fail-under=90

lint: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

$(VENV)/.docs: $(VENV)/.ftso
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[docs]'
	@touch $@

docs: $(VENV)/.docs
	$(BIN)/mkdocs build --strict --quiet --site-dir site

$(VENV)/.release: $(VENV)/.ftso
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[release,report]'
	@touch $@

dist: $(VENV)/.release
	rm -rf dist
	$(BIN)/python -m build --quiet
	$(BIN)/twine check --strict dist/*
	$(BIN)/python tools/smoke.py dist/*

clean:
	rm -rf $(VENV) $(DEMO) site .coverage* .pytest_cache .mypy_cache .ruff_cache .hypothesis build dist
