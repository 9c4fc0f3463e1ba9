# One entry for everything; `make` alone says what there is. The same commands run in CI (.ci/run).
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# the lock is complete, so nothing is resolved; modules are compiled when first used, and kept: every role and every
# test is a process, and one that compiles what it imports takes twice as long to start
export PYTHONDONTWRITEBYTECODE :=
PIP_OPTIONS := --quiet --disable-pip-version-check --no-deps --no-compile
LOCK := uv pip compile --universal --generate-hashes --no-emit-index-url --no-annotate --no-header \
	--python-version 3.11 --extra embedded --group build
# two processes, each with a Kafka and a PostgreSQL of its own; what shares an installation stays together
PYTEST := $(BIN)/pytest -q -n 2 --dist loadscope --no-loadscope-reorder
CODE := src ingest streams projections api tests tools bench examples

.DEFAULT_GOAL := help
.PHONY: help up install-dev check test-unit test test-long e2e-step-functions bench lock sizes docs clean

help: ## this list
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z0-9-]+):.*## /\1\t/' | expand -t 20

up: $(VENV)/.installed ## a running system on http://localhost:8000, from nothing
	@exec $(BIN)/tocsin up

install-dev: $(VENV)/.installed-dev ## the virtual environment with everything for development

$(VENV)/.installed: requirements.lock pyproject.toml
	@$(PYTHON) tools/check_python.py
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing the locked requirements"
	@$(BIN)/python -m pip install $(PIP_OPTIONS) --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install $(PIP_OPTIONS) --no-build-isolation -e .
	@touch $@

$(VENV)/.installed-dev: requirements.lock requirements-dev.lock pyproject.toml
	@$(PYTHON) tools/check_python.py
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing the locked requirements for development"
	@$(BIN)/python -m pip install $(PIP_OPTIONS) --require-hashes -r requirements-dev.lock
	@$(BIN)/python -m pip install $(PIP_OPTIONS) --no-build-isolation -e .
	@touch $(VENV)/.installed $@

check: install-dev ## lint, format, types, import contracts, printed documents
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/mypy tests tools bench
	$(BIN)/mypy $(addprefix examples/step-functions/,lambdas waiting_workflows)
	$(BIN)/lint-imports
	@$(BIN)/tocsin topics --asyncapi | diff -u docs/asyncapi.json - || { echo "run: make docs"; exit 1; }
	@$(BIN)/tocsin topics --markdown | diff -u docs/events.md - || { echo "run: make docs"; exit 1; }
	@$(BIN)/python tools/stories.py --check

test-unit: install-dev ## tests without I/O, in seconds
	$(PYTEST) tests/unit

test: test-unit ## every test, against a real Kafka and PostgreSQL
	$(PYTEST) tests --ignore=tests/unit

test-long: install-dev ## the same with all rounds
	$(PYTEST) --long tests/unit
	$(PYTEST) --long tests --ignore=tests/unit

e2e-step-functions: install-dev ## the Step Functions example: deployed to emulators and a tocsin, three times every scenario
	@cd examples/step-functions && ./deploy-local.sh --tocsin && trap './deploy-local.sh --stop' EXIT && \
		for round in 1 2 3; do ./test-local.sh || exit 1; done

bench: install-dev ## benchmarks; figures in bench/RESULTS.md
	$(BIN)/python -m bench

lock: ## pin all requirements anew, with hashes (needs uv)
	$(LOCK) -o requirements.lock pyproject.toml
	$(LOCK) --group dev -c requirements.lock -o requirements-dev.lock pyproject.toml

docs: install-dev ## print the documents that come from code and tests
	$(BIN)/python tools/cost.py
	$(BIN)/python tools/stories.py
	TOCSIN_WRITE_SNAPSHOTS=1 $(BIN)/pytest -q tests/stages/test_ingest_openapi.py
	$(BIN)/tocsin topics --markdown > docs/events.md
	$(BIN)/tocsin topics --asyncapi > docs/asyncapi.json

sizes: ## files and functions against the size budget
	@$(PYTHON) tools/sizes.py

clean: ## remove the virtual environment and caches; data stays in .tocsin
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache dist build
	find $(wildcard $(CODE)) -name __pycache__ -type d -prune -exec rm -rf {} +
