# Everything runs in .venv, which the first target that needs it makes; nothing but Python 3.11+ has to be there.
#   make demo        the whole of RISE in minutes; make demo DEMO_ARGS="--benchmark scenes" for others
#   make test        every test; make test-fast leaves out those marked slow
#   make lint        ruff, mypy, import-linter
#   make docs        the documentation site, in build/docs; fails on a broken link
#   PIP_EXTRA_INDEX_URL=https://download.pytorch.org/whl/cpu make demo   torch for the CPU: 4.3 GB less on Linux
#   make PYTHON=python3.12 ...   takes that interpreter for the environment

PYTHON ?= $(shell .ci/find-python)
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
DEMO_STAMP := $(VENV)/.installed-demo
DOCS_STAMP := $(VENV)/.installed-docs
TREE := build/tree
DEMO_ARGS ?=
PYTEST_ARGS ?=
WORKERS ?= 2

export PIP_DISABLE_PIP_VERSION_CHECK = 1
export TOKENIZERS_PARALLELISM = false

.PHONY: install tree demo docs lint format test test-fast clean
.DEFAULT_GOAL := install

install: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "rise-bench needs Python 3.11 or newer: install it, or name it with make PYTHON=..." >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -c constraints.txt -e ".[all,dev]"
	@touch $(DEMO_STAMP) $@

# The demo alone needs less: no DeepSpeed, no tools of development.
$(DEMO_STAMP): pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "rise-bench needs Python 3.11 or newer: install it, or name it with make PYTHON=..." >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -c constraints.txt -e ".[demo]"
	@touch $@

demo: $(DEMO_STAMP)
	$(BIN)/rise-bench demo --out demo $(DEMO_ARGS)

$(DOCS_STAMP): $(STAMP)
	$(BIN)/python -m pip install -c constraints.txt -e ".[docs]"
	@touch $@

# The package in the shape that its installation has, for tools that read files by path.
tree:
	@.ci/tree $(TREE)

docs: $(DOCS_STAMP) tree
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --quiet --strict

lint: $(STAMP) tree
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	MYPYPATH=$(TREE) $(BIN)/mypy --package rise_bench
	cd $(TREE) && $(abspath $(BIN))/lint-imports --config $(CURDIR)/pyproject.toml

format: $(STAMP)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

test: $(STAMP)
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder $(PYTEST_ARGS)

test-fast: $(STAMP)
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder -m "not slow" $(PYTEST_ARGS)

clean:
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
