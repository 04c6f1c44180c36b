# The first interpreter that runs and that the dependencies support; make PYTHON=... names another.
SUPPORTED := import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))
PYTHON ?= $(firstword $(foreach name,python3 python3.13 python3.12 python3.11,\
  $(shell $(name) -c '$(SUPPORTED)' 2>/dev/null && echo $(name))))
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/installed
DEVELOPED := $(VENV)/developed

.DEFAULT_GOAL := help
.PHONY: help compare test check extras docs reproduce benchmark torture clean

help: ## list the targets
	@sed -n -E 's/^([a-z]+):.*## (.*)/\1\t\2/p' Makefile | sed 's/\$$\$$/$$/' | expand -t 12

compare: $(INSTALLED) ## train three heads on composed digits, print the table
	$(BIN)/python -m mlc.train --multirun experiment=compare

# Bytecode is kept: each process that a test starts would else compile torch again, for seconds.
test: $(DEVELOPED) ## run all tests
	PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest --numprocesses auto

check: $(DEVELOPED) ## lint, formatting and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	@$(BIN)/python -m tests.torture.freshness

extras: $(DEVELOPED) ## install kornia, transformers and ONNX; without them their tests are skipped
	$(BIN)/pip install --quiet --no-compile --disable-pip-version-check --editable '.[images,pretrained,export]'

docs: $(DEVELOPED) ## build the documentation into site/, which is read without a server
	$(BIN)/pip install --quiet --no-compile --disable-pip-version-check --editable '.[docs]'
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict

reproduce: $(DEVELOPED) ## run the experiments into reproduced/ (EXPERIMENT=league BUDGET=full)
	$(BIN)/python -m experiments $(EXPERIMENT) --budget $(or $(BUDGET),quick)

benchmark: $(DEVELOPED) ## measure the launchers (40 minutes; yeast under $$MLC_DATA)
	$(BIN)/python -m benchmarks.launchers
	$(BIN)/python -m benchmarks.scikit_learn
	$(BIN)/python -m benchmarks.growth
	$(BIN)/python -m benchmarks.profile
	$(BIN)/python -m benchmarks.many_runs
	$(BIN)/python -m benchmarks.cohort_cost
	$(BIN)/python -m benchmarks.powerset
	$(BIN)/python -m benchmarks.estimator
	$(BIN)/python -m benchmarks.cuda

torture: $(DEVELOPED) ## kill sweeps, fill disks, mangle files (FULL=1 writes docs/reliability.md)
	$(BIN)/python -m tests.torture $(if $(FULL),,--scale 0.1)

clean: ## delete the virtual environment, the site and the tools' caches
	rm -rf $(VENV) site .pytest_cache .ruff_cache .mypy_cache

$(INSTALLED): pyproject.toml
	@test -n "$(PYTHON)" && $(PYTHON) -c '$(SUPPORTED)' \
	  || { echo "make: Python 3.11 to 3.13 is needed: name one with make PYTHON=..."; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --no-compile --disable-pip-version-check --editable .
	@touch $@

$(DEVELOPED): $(INSTALLED)
	$(BIN)/pip install --quiet --no-compile --disable-pip-version-check --editable '.[dev]'
	@touch $@
