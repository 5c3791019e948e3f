# Two commands from a fresh clone: `make demo` and `make test`. They need python3 (3.11 or newer) with venv, and git.
#
# Each kind of work installs its extras of pyproject.toml into .venv, once: a stamp file remembers that it was done.

PYTHON ?= python3
PYTEST_ARGS ?=
VENV := .venv
OLDEST := .venv-oldest
BIN := $(VENV)/bin
export MPLBACKEND := Agg

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test test-slow test-gpu test-oldest doctest types lint format docs examples bench clean

help:  ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(VENV)/.cli  ## Compare models and regularizers on scikit-learn's breast cancer data
	$(BIN)/skreg compare

# Side by side; PYTEST_ARGS="-n 0" runs them one after the other, as a debugger wants.
test: $(VENV)/.test  ## Run the tests
	$(BIN)/python -m pytest -n logical --maxprocesses 4 $(PYTEST_ARGS)

test-slow: $(VENV)/.test  ## Run the tests that take long
	$(BIN)/python -m pytest -m "slow and not gpu" -n logical --maxprocesses 4 $(PYTEST_ARGS)

test-gpu: $(VENV)/.test  ## Run the tests that need a CUDA device
	$(BIN)/python -m pytest -m gpu $(PYTEST_ARGS)

# Without numba first: the tests see the fallback to the reference. The kernels then see the oldest numba.
test-oldest: $(OLDEST)/.test  ## Run the tests on the oldest supported versions
	$(OLDEST)/bin/python -m pip uninstall -qy numba
	$(OLDEST)/bin/python -m pytest -n logical --maxprocesses 4 --ignore tests/benchmarks $(PYTEST_ARGS)
	$(OLDEST)/bin/python -m pip install -q -c constraints-oldest.txt numba
	$(OLDEST)/bin/python -m pytest -n logical --maxprocesses 4 tests/backends/cpu $(PYTEST_ARGS)

doctest: $(VENV)/.test  ## Run the examples of the docstrings and of the guides
	$(BIN)/python -m pytest --doctest-modules --doctest-glob='*.rst' skreg docs/quickstart.rst docs/user_guide docs/coming_from docs/how_to $(PYTEST_ARGS)

types: $(VENV)/.types  ## Check that a type checker takes documented use of skreg and refuses mistakes
	$(BIN)/mypy

lint: $(VENV)/.lint  ## Check style, formatting and spelling
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/codespell

format: $(VENV)/.lint  ## Mend style and formatting where ruff can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(VENV)/.docs  ## Build the documentation; its gallery runs the examples
	$(BIN)/sphinx-build -W --keep-going -b html $(SPHINX_ARGS) docs docs/_build/html
	@echo "open docs/_build/html/index.html"

examples: $(VENV)/.cli  ## Run every example, without a screen
	@set -e; for script in $(wildcard examples/plot_*.py examples/*/plot_*.py); do echo "== $$script"; $(BIN)/python $$script; done

bench: $(VENV)/.bench  ## Measure speed; the pages go to docs/benchmarks
	$(BIN)/python -m benchmarks

clean:  ## Remove the environments and everything generated
	rm -rf $(VENV) $(OLDEST) build dist skreg.egg-info .pytest_cache .ruff_cache .mypy_cache .hypothesis
	rm -rf docs/_build docs/api/generated docs/api/backreferences docs/auto_examples docs/sg_execution_times.rst examples/output
	find skreg tests benchmarks docs examples -name __pycache__ -prune -exec rm -rf {} + 2>/dev/null || true

# Environments. torch and all the rest come from one call of pip, so that one set of versions is resolved.

define create_venv
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "skreg needs Python 3.11 or newer; set PYTHON=/path/to/python3.11" >&2; exit 1; }
	$(PYTHON) -m venv $(1)
endef

$(BIN)/python:
	$(call create_venv,$(VENV))

$(OLDEST)/bin/python:
	$(call create_venv,$(OLDEST))

# These two are enough to lint, so that `make lint` does not wait for torch.
$(VENV)/.lint: constraints.txt | $(BIN)/python
	$(BIN)/python -m pip install -c constraints.txt codespell ruff
	@touch $@

$(VENV)/.cli: pyproject.toml constraints.txt | $(BIN)/python
	$(BIN)/python -m pip install -c constraints.txt -e ".[cli,plot]"
	@touch $@

$(VENV)/.test $(VENV)/.types $(VENV)/.docs $(VENV)/.bench: $(VENV)/.%: pyproject.toml constraints.txt | $(BIN)/python
	$(BIN)/python -m pip install -c constraints.txt -e ".[$*]"
	@touch $@

# skreg itself goes in without its dependencies, because numba is one of them.
$(OLDEST)/.test: pyproject.toml constraints-oldest.txt | $(OLDEST)/bin/python
	$(OLDEST)/bin/python -m pip install -c constraints-oldest.txt \
		torch joblib matplotlib numpy pandas scikit-learn scipy skorch threadpoolctl hypothesis pytest pytest-timeout \
		pytest-xdist
	$(OLDEST)/bin/python -m pip install --no-deps -e .
	@touch $@
