# Everything runs from a virtual environment in .venv, made from hash-locked requirements.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
PYTEST_WORKERS ?= 3

.PHONY: run demo test check bench-connection bench-billing bench-bank bench-dunning bench-outage clean

run: $(VENV)/local.stamp
	@$(BIN)/abonent run

demo: $(VENV)/local.stamp
	@$(BIN)/abonent demo

test: check
	$(BIN)/python -m pytest -n $(PYTEST_WORKERS) --dist loadfile --no-loadscope-reorder

check: $(VENV)/dev.stamp
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

bench-connection: $(VENV)/local.stamp
	@$(BIN)/python benchmarks/connection.py

bench-billing: $(VENV)/local.stamp
	@$(BIN)/python benchmarks/billing_run.py

bench-bank: $(VENV)/local.stamp
	@$(BIN)/python benchmarks/bank.py

bench-dunning: $(VENV)/local.stamp
	@$(BIN)/python benchmarks/dunning.py

bench-outage: $(VENV)/local.stamp
	@$(BIN)/python benchmarks/outage.py

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache *.egg-info

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit("Abonent needs Python 3.11 or newer: make run PYTHON=python3.12" if sys.version_info < (3, 11) else 0)'
	@echo "Making the virtual environment in $(VENV)"
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); exit 1; }

# A stamp is newer than what it was made from; a later start finds it and does nothing.
$(VENV)/local.stamp: requirements/local.txt pyproject.toml | $(BIN)/python
	@echo "Installing requirements/local.txt"
	@$(PIP) --require-hashes -r requirements/local.txt
	@$(PIP) --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/dev.stamp: requirements/dev.txt $(VENV)/local.stamp
	@echo "Installing requirements/dev.txt"
	@$(PIP) --require-hashes -r requirements/dev.txt
	@touch $@
