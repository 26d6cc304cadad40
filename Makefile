# Everything runs in .venv, which the targets make themselves from python3 (3.11 or newer).

VENV := .venv
BIN := $(VENV)/bin
SPEC := ellipses-antisymmetric
# The first of these that is new enough; `make PYTHON=/path/to/python test` chooses another.
CANDIDATES := python3 python3.14 python3.13 python3.12 python3.11
NEW_ENOUGH := import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))
PYTHON ?= $(shell for python in $(CANDIDATES); do \
	$$python -c '$(NEW_ENOUGH)' 2>/dev/null && echo $$python && break; done)

.DEFAULT_GOAL := help
.PHONY: help demo test test-all lint bench clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(VENV)/.demo ## train an example on PyTorch and JAX, check them against each other, draw the plots
	@set -e; runs=; \
	for backend in torch jax; do \
		run=runs/demo-$$backend; n=2; \
		while [ -e $$run ]; do run=runs/demo-$$backend-$$n; n=$$((n + 1)); done; \
		$(BIN)/wellposed train $(SPEC) --backend $$backend --out $$run; \
		runs="$$runs $$run"; \
	done; \
	$(BIN)/wellposed check $(SPEC); \
	echo "The pictures:"; \
	find $$runs -name '*.png' | sort | sed 's/^/  /'

# One thread per process: pytest runs two processes, and more threads than cores slow each other down.
test: lint ## what has to pass: make lint, then the tests
	OMP_NUM_THREADS=1 $(BIN)/pytest -n 2 --dist worksteal

test-all: lint ## the tests over whole grids, 2,000 random specs, 300 random edits of programs
	OMP_NUM_THREADS=1 $(BIN)/pytest -n 2 --dist worksteal --all-grids
	OMP_NUM_THREADS=1 $(BIN)/python -m campaigns.fuzz --specs 2000
	OMP_NUM_THREADS=1 $(BIN)/python -m campaigns.edits --edits 300

lint: $(VENV)/.test .links/wellposed ## style and types: ruff and pyright
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/pyright --pythonpath $(BIN)/python

bench: $(VENV)/.test ## time the emitted programs against diffrax and torchdiffeq
	$(BIN)/python benchmarks/bench_ellipses.py
	$(BIN)/python benchmarks/bench_solvers.py

clean: ## remove what make and the tools made; runs/ stays
	rm -rf $(VENV) .links build dist wellposed.egg-info .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# A stamp is newer than what it depends on exactly when the environment holds what those files ask for.
$(VENV)/.demo: EXTRAS := all
$(VENV)/.test: EXTRAS := all,test
$(VENV)/.demo $(VENV)/.test: pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing wellposed[$(EXTRAS)] into $(VENV): several minutes the first time"
	$(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt -e ".[$(EXTRAS)]"
	@touch $@

$(BIN)/python:
	@if [ -z "$(PYTHON)" ]; then \
		echo "wellposed needs Python 3.11 or newer with venv (on Debian: python3-venv);" \
			"none of these is: $(CANDIDATES). Name one: make PYTHON=/path/to/python" >&2; \
		exit 1; \
	fi
	$(PYTHON) -m venv $(VENV)

.links/wellposed:
	@mkdir -p $(@D) && ln -s .. $@
