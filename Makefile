# `make demo` and `make test` need Python 3.11 or newer and make, nothing else: they install into .venv.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMPS := $(VENV)/stamps
# Two test processes pay from two processors on; `make test WORKERS=0` runs them in one.
WORKERS ?= 2

.PHONY: help demo test test-quick check format examples bench clean

help:  ## show this text
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)$$/  make \1\t\2/p' Makefile | expand -t 20

demo: $(STAMPS)/run  ## run the main example: an RNN, line by line and compiled
	$(BIN)/python examples/rnn.py

examples: $(STAMPS)/test  ## run every example; pictures go to examples/out
	for each in examples/[a-z]*.py; do echo "== $$each"; $(BIN)/python $$each || exit 1; done

bench: $(STAMPS)/bench  ## compare with NumPy, numexpr, PyTorch and JAX; takes about half an hour
	$(BIN)/python -m benchmarks

test: test-quick  ## run the tests
	$(BIN)/python -m pytest -q -m numba -n $(WORKERS)

test-quick: $(STAMPS)/test  ## run the tests that compile no kernels
	$(BIN)/python -m pytest -q -m "not numba"

check: $(STAMPS)/dev  ## format, lint, types and tests: the gate
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(MAKE) test

format: $(STAMPS)/dev  ## put the code in the house's format
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

clean:  ## remove what was built or installed here
	rm -rf $(VENV) build dist examples/out .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/pyvenv.cfg:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	    { echo "jitorch needs Python 3.11 or newer; try: make PYTHON=python3.11 $(MAKECMDGOALS)"; exit 1; }
	$(PYTHON) -m venv $(VENV)

# A stamp for each set of packages, so that a second run installs nothing.
$(STAMPS)/run: WANTED := .
$(STAMPS)/test: WANTED := .[test,examples]
$(STAMPS)/dev: WANTED := .[dev]
$(STAMPS)/bench: WANTED := .[bench]
$(STAMPS)/run $(STAMPS)/test $(STAMPS)/dev $(STAMPS)/bench: $(VENV)/pyvenv.cfg pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '$(WANTED)'
	@mkdir -p $(STAMPS)
	@touch $@
