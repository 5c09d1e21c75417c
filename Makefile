# make run    serve the welcome application at http://127.0.0.1:8000
# make test   run the tests (make test ARGS="-k reload" for some of them)
# make check  look at style and types
# make bench  measure beside other servers (needs wrk; make bench ARGS="--rounds 9")
# make clean  remove what the others have made
#
# Each sets up what it needs in .venv, again only when pyproject.toml has changed. PYTHON=python3.13 picks the Python.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
INSTALLED := $(VENV)/.installed
INSTALLED_DEV := $(VENV)/.installed-dev

.PHONY: run test check bench clean

run: $(INSTALLED)
	@$(BIN)/litmusd $(ARGS)

test: $(INSTALLED_DEV)
	@$(BIN)/python -m pytest $(ARGS)

check: $(INSTALLED_DEV)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

bench: $(INSTALLED)
	@$(BIN)/python -m loadtest.compare $(ARGS)

clean:
	rm -rf $(VENV) build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find litmus \( -name '*.so' -o -name '*.c' \) -delete
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed, this is " + sys.version.split()[0] + ": make PYTHON=...")'
	@echo "Setting up $(VENV) ..."
	@$(PYTHON) -m venv $(VENV)

$(INSTALLED): pyproject.toml | $(BIN)/python
	@echo "Installing Litmus and what it needs ..."
	@$(PIP) --editable .
	@touch $@

# What the development needs includes what running needs: both stamps are made.
$(INSTALLED_DEV): pyproject.toml | $(BIN)/python
	@echo "Installing Litmus and what its development needs ..."
	@$(PIP) --editable '.[dev]'
	@touch $(INSTALLED) $@
