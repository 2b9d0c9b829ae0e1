# make demo   a trained classifier's report in a few minutes
# make test   minutes, after every change: lint, layers, the quick tests, the shortest notebook
# make prove  the proof, before anything is called done: all the rest
# make bench  the benchmarks, 20 minutes of an idle machine: benchmarks/RESULTS.md (ONLY=input,tta; SINCE=12: goes on)
# make bench-quick  the benchmarks in small, under 5 minutes: tables on the terminal
# make slurm  jobs of a real Slurm of one node, which the tests start themselves; needs root, slurm-wlm and munge
# make docs   the documentation as a site, into site/
# VENV=path   another virtual environment; made and filled when it is not there

VENV ?= .venv
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.learnerkit-installed
SHORTEST := 00_quick_start.ipynb
NOTEBOOKS := $(filter-out $(SHORTEST),$(notdir $(wildcard nbs/*.ipynb)))
STUDIES := $(notdir $(wildcard benchmarks/studies/*.py))
# a worker that is done takes over tests that the other has not begun
PYTEST := $(BIN)/python -m pytest -n 2 --dist worksteal
NB_TEST := cd nbs && OMP_NUM_THREADS=1 MPLBACKEND=agg $(abspath $(BIN))/nbdev-test --n-workers 1 --do-print

.PHONY: demo test prove slurm bench bench-quick docs lint clean

$(INSTALLED): settings.ini setup.py pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --disable-pip-version-check -q -e '.[dev]'
	touch $@

demo: $(INSTALLED)
	$(BIN)/learnerkit demo

bench: $(INSTALLED)
	$(BIN)/python benchmarks/bench.py --only '$(ONLY)' $(if $(SINCE),--since $(SINCE)); result=$$?; \
	$(BIN)/python benchmarks/table.py && exit $$result

bench-quick: $(INSTALLED)
	$(BIN)/python benchmarks/bench.py --quick --only '$(ONLY)' $(if $(SINCE),--since $(SINCE))

docs: $(INSTALLED)
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet
	@echo 'open site/index.html, or with the search: $(BIN)/python -m http.server -d site'

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

test: lint
	$(PYTEST) -m 'not slow and not reliability'
	$(NB_TEST) $(SHORTEST)
	@echo 'the quick half passed; make prove is the proof'

prove: $(INSTALLED)
	$(PYTEST) -m '(slow or reliability) and not slurm'
	$(MAKE) --no-print-directory -j 2 --output-sync $(STUDIES:%=study-%) $(NOTEBOOKS:%=run-%)

slurm: $(INSTALLED)
	$(BIN)/python -m pytest -m slurm

study-%.py: $(INSTALLED)
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/studies/$*.py --tiny

run-%.ipynb: $(INSTALLED)
	$(NB_TEST) $*.ipynb

clean:
	rm -rf build dist site *.egg-info .pytest_cache .ruff_cache
