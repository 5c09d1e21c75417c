# make run    serve the welcome application at http://127.0.0.1:8000
# make test   run the tests (make test ARGS="-k reload" for some of them)
# make check  look at style and types
# make bench  measure beside other servers (needs wrk, takes 15 minutes; ARGS=--quick: 4; ARGS=--http2: over
#             HTTP/2; ARGS=--websocket: WebSocket, without wrk)
# make fuzz   look for input that breaks a parser (make fuzz TARGET=settings SECONDS=600)
# make clean  remove what the others have made
#
# Each sets up what it needs in .venv, again only when pyproject.toml, setup.py or a module that is compiled has changed.
# PYTHON=python3.13 picks the Python.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
INSTALLED := $(VENV)/.installed
INSTALLED_DEV := $(VENV)/.installed-dev
TYPES := $(shell find litmus -name '*.pxd')
# To install is to compile: what the extension modules in litmus/ are made of, and by.
SOURCES := pyproject.toml setup.py $(TYPES) $(wildcard $(TYPES:.pxd=.py))
# Python prefers an extension module to the .py beside it. So one that is not made anew, for want of a compiler or
# because its .pxd is gone, must not stay.
FORGET := find litmus -name '*.so' -delete

.PHONY: run test check bench fuzz clean

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

TARGET ?= http1
SECONDS ?= 60

fuzz: $(INSTALLED_DEV)
	@$(BIN)/python -c 'import atheris' 2>/dev/null || $(PIP) atheris
	@PYTHONPATH=tests $(BIN)/python -m fuzz $(TARGET) $(SECONDS)

clean:
	rm -rf $(VENV) build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find litmus \( -name '*.so' -o -name '*.c' \) -delete
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed, this is " + sys.version.split()[0] + ": make PYTHON=...")'
	@echo "Setting up $(VENV) ..."
	@$(PYTHON) -m venv $(VENV)

$(INSTALLED): $(SOURCES) | $(BIN)/python
	@echo "Installing Litmus and what it needs, compiling the hot modules: that takes several minutes ..."
	@$(FORGET)
	@$(PIP) --editable .
	@touch $@

# What the development needs includes what running needs: both stamps are made.
$(INSTALLED_DEV): $(SOURCES) | $(BIN)/python
	@echo "Installing Litmus and what its development needs, compiling the hot modules: that takes several minutes ..."
	@$(FORGET)
	@$(PIP) --editable '.[dev]'
	@touch $(INSTALLED) $@
