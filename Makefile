# `make` alone lists the targets. All set-up is `make train` or `make test`: each makes .venv as far as it needs it.
FITS := import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))
PYTHON ?= $(shell for each in python3.11 python3.12 python3.13 python3 python; do \
	$$each -c '$(FITS)' 2>/dev/null && { command -v $$each; break; }; done)
VENV := .venv
BIN := $(VENV)/bin
RUN := $(VENV)/.run
DEV := $(VENV)/.dev
LEAN := .venv-lean
PICTURES := .venv-pictures
RIVALS := .venv-rivals
BENCH ?=

.DEFAULT_GOAL := help
.PHONY: help train test check schema tutorials pictures dashboard bench coverage readme clean

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s  %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "No Python from 3.11 to 3.13 was found. Name one, as in: make train PYTHON=/opt/python3.12"; exit 1; }
	@echo "Making $(VENV) with $$($(PYTHON) --version) ($(PYTHON)). The first time this downloads PyTorch and its libraries: 0.3 GB"
	@echo "for the CPU alone, 3 GB with those for GPUs, as on Linux; that takes one to ten minutes. \`make clean\` removes it."
	@$(PYTHON) -m venv $(VENV)

$(RUN): pyproject.toml constraints.txt | $(BIN)/python
	$(BIN)/pip install --quiet --constraint constraints.txt --editable .
	@touch $@

$(DEV): pyproject.toml constraints.txt | $(BIN)/python
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[dev]'
	@touch $@ $(RUN)

$(LEAN)/.run: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(LEAN)
	$(LEAN)/bin/pip install --quiet --constraint constraints.txt --editable .
	@touch $@

$(PICTURES)/.run: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(PICTURES)
	$(PICTURES)/bin/pip install --quiet --constraint constraints.txt --editable '.[pictures]'
	@touch $@

$(RIVALS)/.run: scripts/bench/rivals/requirements.txt
	$(PYTHON) -m venv $(RIVALS)
	$(RIVALS)/bin/pip install --quiet --requirement scripts/bench/rivals/requirements.txt
	@touch $@

train: $(RUN)  ## train the main job: toy data, model=sequential, 1,001 epochs (ARGS="..." for overrides)
	$(BIN)/python train.py $(ARGS)

# Each process gets a contiguous half of the tests, so that those of a file share what it makes; who has finished takes from others.
test: $(DEV)  ## run every test
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist worksteal $(ARGS)

check: $(DEV)  ## lint, formatting and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

schema: $(DEV)  ## write conf/schema.json, by which an editor completes and checks the keys of conf/
	$(BIN)/python scripts/schema.py

tutorials: $(RUN)  ## print every number of the tutorials beside the project's own
	$(BIN)/python scripts/tutorials.py $(ARGS)

# From other machines: ssh -L 6006:localhost:6006 HOST. `tensorboard --bind_all` would open every run, its config and its tables'
# column names to everybody who reaches this machine, without a password.
dashboard: $(RUN)  ## open TensorBoard on every run and sweep, for this machine alone (--bind_all: for everybody, no password)
	$(BIN)/tensorboard --logdir outputs --samples_per_plugin scalars=20000,images=100

pictures: $(DEV)  ## draw the tutorials' pictures into docs/pictures
	$(BIN)/python scripts/pictures.py

bench: $(DEV) $(LEAN)/.run $(PICTURES)/.run $(RIVALS)/.run  ## measure against the rivals and write docs/benchmarks.md (BENCH=name: that one)
	LEAN_PYTHON=$(LEAN)/bin/python PICTURES_PYTHON=$(PICTURES)/bin/python RIVALS_PYTHON=$(RIVALS)/bin/python \
		$(BIN)/python scripts/bench $(BENCH)

coverage: $(RUN)  ## how often printed intervals hold the truth: 1,000 tables each, into docs/statistics.md
	$(BIN)/python scripts/interval_coverage.py

readme: $(DEV)  ## run every command of README.md and the notebook and put their outputs there
	$(BIN)/python scripts/readme.py
	$(BIN)/python scripts/notebook.py

clean:  ## remove the environment and caches; outputs/ stays
	rm -rf .venv .venv-* .pytest_cache .mypy_cache .ruff_cache .hypothesis build src/*.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
