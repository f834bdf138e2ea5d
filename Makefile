# Everything runs in .venv, which make builds from the lock files. `make help` lists what there is.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
READY := $(VENV)/.ready
DEV_READY := $(VENV)/.dev-ready
CODE := rpo_sim probes tests benchmarks
WORKERS ?= 2
LAB := $(BIN)/python -m tests.cluster.lab
LAB_FLAGS ?=
PYTEST_FLAGS ?=

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test lint types unit docs bench lock format clean cluster test-cluster lab-build lab-up lab-down

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' Makefile

demo: $(READY) ## measure this machine, then predict five recovery scenarios on two platforms
	@$(BIN)/rpo-sim demo

test: lint types $(DEV_READY) ## all checks: lint, types and every test
	@$(LAB) build --if-possible >/dev/null
	@$(MAKE) --no-print-directory unit cluster

lint: $(DEV_READY) ## style, format and import contracts
	$(BIN)/ruff check $(CODE)
	$(BIN)/ruff format --check $(CODE)
	$(BIN)/lint-imports --no-cache

types: $(DEV_READY) ## mypy, strict
	$(BIN)/mypy

unit: $(DEV_READY) ## the tests but those on a cluster; PYTEST_FLAGS="-k store" chooses some, WORKERS=0 runs them here
	$(call pytest,-n $(WORKERS) --ignore tests/cluster)

# Alone and one after the other: they stop, break and time one cluster, and would see each other's load.
cluster: $(DEV_READY)
	$(call pytest,-n 0 tests/cluster)

test-cluster: $(if $(RPO_SIM_TEST_KUBECONFIG),$(DEV_READY),lab-build) ## the tests on a cluster: a lab, or the one that RPO_SIM_TEST_KUBECONFIG names
	@$(MAKE) --no-print-directory cluster

lab-build: $(DEV_READY) ## build the programs of the lab, some 12 minutes, once; needs Go and Prometheus
	@$(LAB) build >/dev/null

lab-up: lab-build ## start a real control plane on this machine; LAB_FLAGS="--backend a --state DIR"
	@$(LAB) up $(LAB_FLAGS)

lab-down: $(DEV_READY) ## end it and remove its state
	@$(LAB) down $(LAB_FLAGS)

docs: $(DEV_READY) ## run what README, docs and notebooks show
	$(BIN)/pytest -n $(WORKERS) tests/docs $(PYTEST_FLAGS)

bench: $(DEV_READY) ## measure speed; writes benchmarks/results.json
	$(BIN)/python -m benchmarks.run_all

format: $(DEV_READY) ## rewrite the code as ruff formats it
	$(BIN)/ruff check --fix $(CODE)
	$(BIN)/ruff format $(CODE)

lock: $(DEV_READY) ## resolve the newest allowed versions into the two lock files
	$(call compile,requirements.lock,--group build)
	$(call compile,requirements-dev.lock,--extra dev --constraint requirements.lock)

clean: ## remove what make made, the environment included
	rm -rf $(VENV) build dist rpo-sim-demo .hypothesis .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
	find rpo_sim probes tests benchmarks -name __pycache__ -prune -exec rm -rf {} +

# RETRY=1 runs what failed once more, alone: real servers on a busy machine may be late. Both runs are shown.
RETRY ?= 0
define pytest
$(BIN)/pytest $(1) $(PYTEST_FLAGS) || { [ $(RETRY) = 1 ] && $(BIN)/pytest $(1) $(PYTEST_FLAGS) -n 0 --last-failed; }
endef

# One resolution for every system and Python: wheels of all platforms are hashed, no address is written.
define compile
env -u PIP_FIND_LINKS -u PIP_INDEX_URL $(BIN)/uv pip compile --quiet --universal --python-version 3.11 \
	--generate-hashes --upgrade --no-annotate --custom-compile-command 'make lock' \
	pyproject.toml $(2) --output-file $(1)
endef

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
		echo "rpo-sim needs Python 3.11 or newer, and $(PYTHON) is \
	$$($(PYTHON) --version 2>/dev/null || echo not found). Name another: make PYTHON=python3.12 …" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); \
		echo "$(PYTHON) cannot make environments; on Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }

$(READY): requirements.lock pyproject.toml | $(BIN)/python
	@echo "installing the run-time dependencies into $(VENV) (once)" >&2
	@$(PIP) install --require-hashes -r requirements.lock
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

$(DEV_READY): requirements-dev.lock $(READY)
	@echo "installing the development dependencies into $(VENV) (once)" >&2
	@$(PIP) install --require-hashes -r requirements-dev.lock
	@touch $@
