# `make demo` and `make test` need nothing but Python (3.11 or newer), git and make.
# Another Python: make PYTHON=python3.12 demo (before .venv is there).
PYTHON ?= python3
NOTEBOOK ?= notebooks/01_quickstart.ipynb
LAB_OPTIONS ?=

BIN := .venv/bin
PIP := $(BIN)/pip --disable-pip-version-check
NBVAL := --nbval --nbval-current-env --nbval-sanitize-with notebooks/sanitize.cfg
# A cell may start a pool and train on it; and nbval's own warnings are not our tests' errors.
NBVAL += -o timeout=300 -o filterwarnings=

DEMO := .venv/.installed-demo
DEV := .venv/.installed-dev
BENCH := .venv/.installed-bench
BROWSER := .venv/.installed-browser
LAB := .venv/.installed-lab,demo

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:
.PHONY: help demo test check lab protos bench chaos soak kernels clean

help: ## lists what can be made
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(DEMO) ## runs the quickstart notebook in a real kernel and prints what its cells print
	@$(BIN)/python notebooks/run_demo.py $(NOTEBOOK)

test: check $(BROWSER) ## runs all that the continuous integration runs: check, tests, notebooks
	.ci/tests
	XDG_STATE_HOME=$(CURDIR)/.venv/state SNAKEPIT_NONINTERACTIVE=1 $(BIN)/pytest $(NBVAL) notebooks/*.ipynb

check: $(DEV) ## lints, type-checks and looks for imports that cross a wall
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

lab: $(LAB) ## opens JupyterLab on the notebooks
	$(BIN)/jupyter lab --ServerApp.root_dir=notebooks $(LAB_OPTIONS)

protos: $(DEV) ## writes snakepit_nb/wire/generated again, after a change of a proto
	$(BIN)/python proto/generate.py

bench: $(BENCH) ## runs the benchmarks
	@set -e; for name in cells calls arrays scheduler telemetry views; do echo "== $$name"; $(BIN)/python "benchmarks/$$name.py"; done

# In processes of their own: what the first leaves behind takes the second longer to clear than it may.
chaos: $(DEV) ## runs the long form of the tests that try everything; over an hour
	SNAKEPIT_RULES_EXAMPLES=50000 $(BIN)/pytest tests/scheduling
	$(BIN)/pytest tests/pool
	SNAKEPIT_BRIDGE_STREAMS=1000 SNAKEPIT_BRIDGE_CHUNKS=100000 $(BIN)/pytest -s tests/bridge/test_many_streams.py
	SNAKEPIT_CRASH_CYCLES=100 SNAKEPIT_STORM_KILLS=1000 SNAKEPIT_FAULT_ROUNDS=5 $(BIN)/pytest -s tests/crashes

soak: $(DEV) ## runs a mixed load for an hour (SNAKEPIT_SOAK_SECONDS) and tells whether anything grows
	@SNAKEPIT_SOAK_SECONDS=$${SNAKEPIT_SOAK_SECONDS:-3600} $(BIN)/python benchmarks/soak.py

kernels: ## runs the corpus of cells on each ipykernel that we support, in an environment of its own
	@.ci/kernels $(PYTHON)

clean: ## removes what was built and cached, but not .venv
	rm -rf build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .coverage*
	find . -name .venv -prune -o -name __pycache__ -type d -exec rm -rf {} +

# A rule of its own, before the one for all others: this is no part of the package.
$(BROWSER): .ci/browser | $(BIN)/pip
	@.ci/browser
	@touch $@

.venv/.installed-%: pyproject.toml constraints.txt | $(BIN)/pip
	@echo "Setting up .venv for $* (once; it takes a minute or two)"
	@$(PIP) install -q -c constraints.txt -e '.[$*]'
	@touch $@

$(BIN)/pip:
	@.ci/setup $(PYTHON) .venv
