# Everything runs from here: `make run` for the service, `make test` for what CI runs.
# Needs Python 3.11 or newer; Apache Kafka on this machine needs Java 17 and Maven besides.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/installed
INSTALLED_DEV := $(VENV)/installed-dev
KAFKA := .cache/kafka/complete
UV := .cache/lock/bin/uv
REPORT := .cache/test-report

# Settings that would send packages elsewhere than into .venv.
export PIP_USER := 0
unexport PIP_TARGET PIP_PREFIX PIP_REQUIRE_HASHES PYTHONHOME PYTHONPATH

.PHONY: help install run test test-long lint kafka lock clean
.DEFAULT_GOAL := help

help:
	@echo "make run        install, then start the service with its local stack"
	@echo "make test       lint, types, import contracts and tests, as in CI"
	@echo "make test-long  the sizes that do not fit the CI run"
	@echo "make kafka      fetch Apache Kafka for the durable local broker and its tests"
	@echo "make install | lint | lock | clean"

install: $(INSTALLED)

run: $(INSTALLED)
	@$(BIN)/treasury up

test: lint
	@mkdir -p .cache && rm -f $(REPORT) $(REPORT).2
	$(BIN)/python -m tests.halves $(PYTEST_ARGS)
	@echo "make test: ruff, mypy, import contracts and pytest passed. $$(cat $(REPORT)*)"

test-long: $(INSTALLED_DEV)
	@mkdir -p .cache && rm -f $(REPORT)
	$(BIN)/python -m pytest -m long --timeout=3600 $(PYTEST_ARGS)
	@echo "make test-long: passed. $$(cat $(REPORT))"

lint: $(INSTALLED_DEV)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

kafka: $(KAFKA)

$(KAFKA): compose/kafka/pom.xml
	@command -v java >/dev/null && command -v mvn >/dev/null || \
	  { echo "Apache Kafka needs Java 17 and Maven on PATH" >&2; exit 1; }
	@rm -rf .cache/kafka .cache/kafka.new
	mvn -q -B -f compose/kafka/pom.xml package -DoutputDirectory="$(CURDIR)/.cache/kafka.new"
	@mv .cache/kafka.new .cache/kafka && touch $@

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed; name one with make PYTHON=..." >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

# The lock holds the build backend too, so nothing is fetched that it does not name.
define install_from
	$(BIN)/python -m pip install --quiet --require-hashes -r $(1)
	$(BIN)/python -m pip install --quiet --no-build-isolation --no-deps -e .
endef

$(INSTALLED): requirements.lock pyproject.toml | $(BIN)/python
	$(call install_from,requirements.lock)
	@touch $@

$(INSTALLED_DEV): requirements-dev.lock pyproject.toml | $(BIN)/python
	$(call install_from,requirements-dev.lock)
	@touch $@ $(INSTALLED)

# One resolution for all: the smaller locks are held to the pins of the largest.
# `make lock UPGRADE=--upgrade` takes newer versions; otherwise existing pins stay.
COMPILE = echo 'setuptools>=77' | UV_CUSTOM_COMPILE_COMMAND='make lock' $(UV) pip compile --quiet \
  --universal --python-version 3.11 --generate-hashes --no-annotate $(UPGRADE) pyproject.toml -

lock: $(UV)
	$(COMPILE) --extra local --extra dev -o requirements-dev.lock
	$(COMPILE) --extra local -c requirements-dev.lock -o requirements.lock
	$(COMPILE) -c requirements-dev.lock -o compose/docker/requirements.lock

$(UV):
	$(PYTHON) -m venv .cache/lock
	.cache/lock/bin/python -m pip install --quiet 'uv>=0.9,<1'

# Local data in .treasury stays.
clean:
	rm -rf $(VENV) .cache .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	rm -rf build *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
