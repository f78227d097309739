# The front door. Every target works on a fresh machine with Python 3.11+ and make, and installs what it needs into .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check -q
# Carries NLTK's punkt_tab data, which has no package of its own; installed out of the way, without its dependencies.
PUNKT := --no-deps --target $(VENV)/share/fac-eval -c constraints.txt llama-index-core

.PHONY: help install demo test lint bench clean

help:
	@echo "make install   install fac-eval, without the local model and the test tools, into $(VENV)"
	@echo "make demo      sanity models, a judge, a recogniser and a tiny Fun-Audio-Chat on the shipped data, as a report"
	@echo "make test      install the test tools and run the whole suite"
	@echo "make lint      ruff and mypy"
	@echo "make bench     the speed scripts of benchmarks/"
	@echo "make clean     remove the environment and everything built"

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/installed: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) install -c constraints.txt -e '.[data,api,speech]'
	$(PIP) install --upgrade $(PUNKT)
	@touch $@

$(VENV)/model-installed: $(VENV)/installed
	$(PIP) install -c constraints.txt -e '.[data,api,speech,model]'
	@touch $@

$(VENV)/test-installed: $(VENV)/installed
	$(PIP) install -c constraints.txt -e '.[test]'
	@touch $@

$(VENV)/dev-installed: $(VENV)/test-installed
	$(PIP) install -c constraints.txt -e '.[dev]'
	@touch $@

install: $(VENV)/installed

demo: $(VENV)/model-installed
	@$(BIN)/python examples/demo.py

test: $(VENV)/test-installed
	$(BIN)/python -m pytest

lint: $(VENV)/dev-installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(VENV)/test-installed
	@for script in benchmarks/[!_]*.py; do echo "== $$script"; $(BIN)/python $$script || exit 1; done

clean:
	rm -rf $(VENV) demo-store demo-report build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
