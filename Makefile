# DataNevers: every command a person needs. `make help` lists them.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.ONESHELL:
.SHELLFLAGS := -euo pipefail -c
.PHONY: help setup run test soak check ui serve bench generate lock clean

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
export DATANEVERS_HOME ?= $(CURDIR)/var
export DAGSTER_HOME := $(DATANEVERS_HOME)/dagster
LANDING ?=

help: ## this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sort | awk -F':.*## ' '{printf "  make %-8s %s\n", $$1, $$2}'

$(BIN)/uv: requirements-bootstrap.lock
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11) and "Python 3.11 is needed, found " + sys.version.split()[0] + ": make PYTHON=/path/to/python3.11")'
	$(PYTHON) -m venv $(VENV) || { echo "python3 -m venv failed: on Debian, apt install python3.11-venv" >&2; exit 1; }
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-bootstrap.lock

$(VENV)/.run: $(BIN)/uv requirements.lock pyproject.toml
	$(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python --require-hashes -r requirements.lock
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	touch $@

$(VENV)/.dev: $(VENV)/.run requirements-dev.lock
	$(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python --require-hashes -r requirements-dev.lock
	touch $@

setup: $(VENV)/.run ## install into .venv (what the other targets do first)

run: setup ## landing to publication; simulates a territory when there is no landing (LANDING=dir for yours)
	@if [ -n "$(LANDING)" ]; then
	  $(BIN)/datanevers run --landing "$(LANDING)"
	else
	  # its 35 days end yesterday, so that nothing of the first publication is out of date
	  first=$$($(BIN)/python -c 'from datetime import date, timedelta; print(date.today() - timedelta(days=35))')
	  [ -d "$(DATANEVERS_HOME)/landing" ] || $(BIN)/datanevers simulate --start "$$first" --out "$(DATANEVERS_HOME)/landing"
	  $(BIN)/datanevers run
	fi

test: $(VENV)/.dev ## every test
	$(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder

soak: $(VENV)/.dev ## fifty runs killed at random moments (a quarter of an hour)
	$(BIN)/pytest -s tests/integration/soak_kill.py

check: $(VENV)/.dev ## lint, types, layers, SQL, Dagster definitions
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m orchestration.generate --check
	$(BIN)/datanevers prepare
	(cd dbt_project && ../$(BIN)/sqlfluff lint models)
	$(BIN)/dg check defs --check-yaml

ui: setup ## the Dagster UI on port 3000
	$(BIN)/datanevers prepare
	$(BIN)/dagster dev --host 127.0.0.1 --port 3000

serve: setup ## the published tree on port 8000
	$(BIN)/datanevers serve --port 8000

bench: $(VENV)/.dev ## speed against the bare limit, on this machine
	$(BIN)/python -m benchmarks

generate: $(VENV)/.run ## write the files that are made from declarations (dbt sources, reference pages)
	$(BIN)/python -m orchestration.generate

lock: $(BIN)/uv ## resolve the pins of pyproject.toml into hashed lock files
	$(BIN)/uv pip compile pyproject.toml --generate-hashes --no-emit-index-url --no-header --quiet --upgrade -o requirements.lock
	$(BIN)/uv pip compile pyproject.toml --extra dev -c requirements.lock --generate-hashes --no-emit-index-url --no-header --quiet --upgrade -o requirements-dev.lock
	printf 'uv\nsetuptools\n' | $(BIN)/uv pip compile - -c requirements.lock --generate-hashes --no-emit-index-url --no-header --quiet --upgrade -o requirements-bootstrap.lock

clean: ## remove the environment and caches; data in DATANEVERS_HOME stays
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache *.egg-info
