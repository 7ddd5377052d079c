# OrderBridge. Every target runs alone from a fresh clone; needs python3 (3.11 or newer) with pip, and a network once.
SHELL := /bin/sh
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

PYTHON ?= python3
UV_PIN := $(shell sed -n 's/^uv==\([^ ;]*\).*/\1/p' requirements/dev.txt)
MEMBERS := $(sort $(patsubst %/pyproject.toml,%,$(wildcard libs/*/pyproject.toml services/*/pyproject.toml)))
SERVICES := $(sort $(patsubst services/%/pyproject.toml,%,$(wildcard services/*/pyproject.toml)))
SOURCES := libs services tests deploy

# Downloads are kept in one place, so that removing it removes all that a run leaves behind.
CACHE := $(or $(XDG_CACHE_HOME),$(if $(HOME),$(HOME)/.cache,$(CURDIR)/.cache))/orderbridge
export UV_CACHE_DIR ?= $(CACHE)/uv
export PIP_CACHE_DIR ?= $(CACHE)/pip
# Only the machine's own Python and its own certificates; the workspace's uv.lock is never written.
export UV_PYTHON_DOWNLOADS := never
export UV_NO_PROGRESS ?= 1
export UV_HTTP_TIMEOUT ?= 180
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# A shell with another environment switched on must not redirect uv.
unexport VIRTUAL_ENV UV_PROJECT_ENVIRONMENT PYTHONHOME

# deptry reads each member's own pyproject.toml. asyncpg is loaded by SQLAlchemy from the engine's address, and
# python-multipart by FastAPI when a form comes in: no import names them.
DEPTRY := --package-module-name-map orderbridge=orderbridge,orderbridge-standins=orderbridge_standins \
  --per-rule-ignores "DEP002=asyncpg|python-multipart"

UV := .tools/bin/uv
BIN := .venv/bin
READY := .venv/.ready

.PHONY: help setup test check lint types walls hygiene drift isolated format demo up down bench contracts lock clean

help: ## what there is
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  \033[1m%-10s\033[0m %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(READY) ## uv in .tools, everything else in .venv, from the hash-pinned lock
	@:

$(UV): requirements/dev.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
	  { echo "setup: $(PYTHON) must be Python 3.11 or newer; name another with make PYTHON=..." >&2; exit 2; }
	@$(PYTHON) -m pip --version >/dev/null 2>&1 || \
	  { echo "setup: $(PYTHON) has no pip; install it (on Debian: apt-get install python3-pip)" >&2; exit 2; }
	@[ "$$($(UV) --version 2>/dev/null | cut -d ' ' -f 2)" = "$(UV_PIN)" ] || { \
	  echo "setup: uv $(UV_PIN) into .tools" && \
	  $(PYTHON) -m pip install --quiet --root-user-action=ignore --no-warn-script-location --upgrade \
	    --target .tools "uv==$(UV_PIN)"; }
	@touch $(UV)

# The lock alone decides what is installed; packages that it does not name are removed again.
.venv/.locked: requirements/dev.txt $(UV)
	@[ -x $(BIN)/python ] || $(UV) venv --quiet --no-project \
	  --python "$$($(PYTHON) -c 'import sys; print(sys.executable)')" .venv
	@echo "setup: $$(grep -c '==' requirements/dev.txt) pinned packages into .venv"
	@$(UV) pip sync --quiet --python $(BIN)/python --require-hashes requirements/dev.txt
	@touch $@

$(READY): .venv/.locked $(MEMBERS:%=%/pyproject.toml)
	@$(UV) pip install --quiet --python $(BIN)/python --offline --no-deps --no-build-isolation $(MEMBERS:%=-e %)
	@touch $@

test: setup ## every test, on real PostgreSQL and real Kafka (ARGS= goes to pytest)
	@$(BIN)/python -m pytest tests/e2e tests/integration tests/contract tests/unit -n 2 --dist loadgroup --durations=10 $(ARGS)

check: setup lint types walls hygiene drift isolated ## lint, types, import rules, dependencies, contracts, lone services
	@echo "check: all green"

lint: setup
	@$(BIN)/ruff check $(SOURCES)
	@$(BIN)/ruff format --check $(SOURCES)

types: setup
	@$(BIN)/mypy $(SOURCES)

walls: setup
	@$(BIN)/lint-imports --no-logo

hygiene: setup
	@failed=0; for member in $(MEMBERS); do \
	  echo "deptry $$member"; (cd $$member && "$(CURDIR)/$(BIN)/deptry" . --no-ansi $(DEPTRY)) || failed=1; done; exit $$failed

drift: setup
	@$(BIN)/python -m deploy.contracts check

isolated: setup
	@UV=$(UV) sh deploy/local/isolated.sh $(SERVICES)

format: setup ## sort imports, repair what ruff can, format
	@$(BIN)/ruff check --fix $(SOURCES)
	@$(BIN)/ruff format $(SOURCES)

demo: setup ## the whole road with a story, from one command (KEEP=1 leaves it up)
	@$(BIN)/python -m deploy.local demo

# Variables given on make's command line reach the program as environment variables: make up MATCHER=2
up: setup ## the same stack, staying (MATCHER=2 starts two matchers)
	@$(BIN)/python -m deploy.local up

down: setup ## stop what up started
	@$(BIN)/python -m deploy.local down

bench: setup ## performance: one hop beside the straightforward consumer and a raw copy
	@$(BIN)/python -m tests.bench

contracts: setup ## write AsyncAPI, JSON Schemas, topic manifests and OpenAPI from the code
	@$(BIN)/python -m deploy.contracts write

lock: $(UV) ## resolve requirements/*.txt anew (needs a network)
	@UV=$(UV) sh deploy/local/lock.sh

clean: ## remove .venv, .tools and every cache in the tree
	@rm -rf .venv .tools .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .cache dist build
	@find libs services tests deploy -name __pycache__ -type d -prune -exec rm -rf {} +
