# `make demo` and `make test` need only Python 3.10 to 3.12 and make: they build their own .venv.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
DEMO ?= demo
# A process for each processor, and the longest file not last.
PYTEST := $(BIN)/python -m pytest --numprocesses auto --maxprocesses 8 --dist worksteal

.PHONY: demo test test-all lint bench figures docs clean

# Made again when the dependencies or the compiled part change.
$(VENV)/.installed: setup.cfg pyproject.toml setup.py $(wildcard vimeo_tools/*/*.[ch] rvrt/models/kernels/*.[ch])
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev,train]'
	touch $@

test: $(VENV)/.installed
	$(PYTEST) -m 'not slow'

test-all: $(VENV)/.installed
	$(PYTEST) --durations 15

demo: $(VENV)/.installed
	PATH="$(abspath $(BIN)):$$PATH" sh docs/demo.sh $(DEMO)

lint: $(VENV)/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# Into build/site; any warning is an error.
docs: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[docs]'
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

bench: $(VENV)/.installed
	$(BIN)/python benchmarks/bench_imresize.py
	$(BIN)/python benchmarks/bench_prepare.py
	$(BIN)/python benchmarks/bench_feed.py

# The figures of the README and the documents, into build/figures; an hour on a quiet machine.
figures: $(VENV)/.installed
	$(BIN)/python benchmarks/figures.py

clean:
	rm -rf $(VENV) $(DEMO) build *.egg-info vimeo_tools/*/*.so rvrt/models/kernels/*.so
