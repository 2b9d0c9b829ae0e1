# make demo   a trained classifier's report in a few minutes
# make test   lint, layers, tests, notebooks
# VENV=path   another virtual environment; made and filled when it is not there

VENV ?= .venv
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.learnerkit-installed

.PHONY: demo test lint pytest notebooks clean

$(INSTALLED): settings.ini setup.py pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --disable-pip-version-check -q -e '.[dev]'
	touch $@

demo: $(INSTALLED)
	$(BIN)/learnerkit demo

test: lint pytest notebooks

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

pytest: $(INSTALLED)
	$(BIN)/python -m pytest

notebooks: $(INSTALLED)
	cd nbs && MPLBACKEND=agg $(abspath $(BIN))/nbdev-test --n-workers 1 --do-print

clean:
	rm -rf build dist *.egg-info .pytest_cache .ruff_cache
