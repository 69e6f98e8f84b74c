# Everything a newcomer or the CI types; each target prepares what it needs and is quick the second time.
#
# Needs Python 3.11 or newer with venv, and make. `make run PYTHON=/path/to/python3.12` picks another Python,
# `make test ARGS="-k grants"` passes arguments on to the command behind a target.

SHELL := /bin/sh
.SHELLFLAGS := -eu -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory
.NOTPARALLEL:

BIN := .venv/bin
ARGS ?=

# The newest-named Python that is new enough; `make PYTHON=…` or the environment overrides the search.
ifeq ($(origin PYTHON),undefined)
PYTHON := $(shell for python in python3 python3.11 python3.12 python3.13 python; do \
	if $$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then echo $$python; break; fi; \
	done)
endif

.PHONY: help run demo test check bench soak fmt lock screenshots clean env-run env-dev python chromium

help: ## what you can type
	@echo 'Signoff: an approval gate for AI agents, run from Slack.'
	@echo
	@echo '  make run          the gate, the bot and a sandbox Slack workspace with sample requests'
	@echo '  make test         every test, on SQLite and a real PostgreSQL, in a real browser'
	@echo '  make check        style, types, import rules, claims and locks; no network needed'
	@echo '  make bench        the measurements of docs/reference/measurements.md'
	@echo '  make soak         long runs: random histories, crashes, races'
	@echo '  make fmt          put the code into shape'
	@echo '  make lock         write the lock files anew from pyproject.toml (UPGRADE=1 moves every pin)'
	@echo '  make screenshots  take the pictures the README shows'
	@echo '  make clean        remove .venv, var and every cache'
	@echo
	@echo '  ARGS="…" is passed on, e.g. make test ARGS="-k grants"'

run: env-run
	@exec $(BIN)/gate run $(ARGS)

# What tests read again in every process, Python compiles once, whatever the environment says about byte code.
test: env-dev chromium
	@exec env -u PYTHONDONTWRITEBYTECODE $(BIN)/python -m pytest -n 4 --dist loadfile --no-loadscope-reorder $(ARGS)

bench: env-dev
	@exec $(BIN)/python -m pytest -m bench -s $(or $(ARGS),tests/bench)

soak: env-dev
	@exec $(BIN)/python -m pytest -m soak $(ARGS)

check: env-dev
	@exec $(BIN)/python -m tools.check $(ARGS)

fmt: env-dev
	@$(BIN)/ruff check --quiet --fix-only .
	@$(BIN)/ruff format --quiet .
	@$(BIN)/python -m tools.check_invariants --write

lock: env-dev
	@$(BIN)/python tools/prepare.py lock
	@$(BIN)/python -m tools.lock $(if $(UPGRADE),--upgrade)

screenshots: env-dev chromium
	@exec $(BIN)/python -m tools.screenshots $(ARGS)

clean:
	@rm -rf .venv var build dist *.egg-info
	@rm -rf .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
	@echo '==> clean'

env-run: python
	@$(PYTHON) tools/prepare.py run

env-dev: python
	@$(PYTHON) tools/prepare.py dev

chromium:
	@$(BIN)/python -m tools.ensure_chromium

python:
	@if [ -z "$(PYTHON)" ] || ! $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
		echo 'error: Signoff needs Python 3.11 or newer, and found none.' >&2; \
		echo '    On Debian or Ubuntu: apt-get install python3 python3-venv' >&2; \
		echo '    If it is installed under another name: make PYTHON=/path/to/python3.12 …' >&2; \
		exit 1; \
	fi
