# Thin on purpose: each target is one or two commands that a person could type.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
UV     := $(shell command -v uv 2>/dev/null || echo $(BIN)/uv)
MEMBERS := protos $(addprefix shared/,capture domain edge platform runtime) \
  $(addprefix services/,remoteunit ingest parser billing storage webapi cli kubectl) operator
WORKERS ?= 2
FAST    ?= $(addprefix tests/,spec unit dialects property architecture)
PAGE   := services/webapi/ui
PATHS  := shared services operator images tests bench protos/generate.py

page_or_not = $(MAKE) --no-print-directory page || echo "the page could not be built: the API is served without it"

.PHONY: help setup demo roles-demo page test test-fast test-slow test-page test-cluster simulate-ownership check \
  fix charts bench up lock clean
.DEFAULT_GOAL := help
# without compiled modules each of the processes that tests start compiles them anew
unexport PYTHONDONTWRITEBYTECODE

help:  ## list the targets
	@awk -F':.*## ' '/^[a-z-]+:.*## / {printf "  make %-19s %s\n", $$1, $$2}' Makefile

setup: $(VENV)/.ready  ## make .venv with everything; leaves .venv/bin/bluewhale

$(VENV)/.ready: requirements.lock pyproject.toml $(MEMBERS:=/pyproject.toml)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Bluewhale needs Python 3.11 or newer as $(PYTHON). Debian or Ubuntu: apt-get install python3 python3-venv; or say PYTHON=/path/to/python3.11"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || \
	  { echo "The venv module is missing. Debian or Ubuntu: apt-get install python3-venv"; exit 1; }
	@test -x "$(UV)" || $(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	$(UV) pip sync --quiet --python $(BIN)/python requirements.lock
	$(UV) pip install --quiet --python $(BIN)/python --no-deps $(addprefix -e ,$(MEMBERS))
	@touch $@

demo: setup  ## three PBXs, real bytes, priced calls, checked against the truth; at a terminal the page at the end
	@[ ! -t 0 ] || [ ! -t 1 ] || $(page_or_not)
	$(BIN)/bluewhale demo

page: $(PAGE)/node_modules/.ready  ## build the page of the web (Node 20.19 or newer; where there is none, its wheel)
	cd $(PAGE) && sh node.sh npm run build

$(PAGE)/node_modules/.ready: $(PAGE)/package-lock.json
	cd $(PAGE) && sh node.sh npm ci --ignore-scripts --no-audit --no-fund
	@touch $@

roles-demo: setup  ## the same fleet through all roles, with Kafka, PostgreSQL, Redis, Jaeger
	$(BIN)/python -m tests.support.services $(BIN)/bluewhale roles-demo

test: setup  ## everything quick; with Kafka, PostgreSQL, Redis where they can be had
	$(BIN)/python -m pytest -q -n $(WORKERS) --dist worksteal -m "not slow"

test-fast: setup  ## spec, unit, dialects, property, architecture; no services
	$(BIN)/python -m pytest -q -n $(WORKERS) --dist worksteal -m "not slow" $(FAST)

test-slow: setup  ## bounded long runs: mutations, random tariffs, kill -9
	$(BIN)/python -m pytest -q -n $(WORKERS) --dist loadgroup -m slow

test-page: setup page  ## the page: its checks and units, then every situation in a real Chromium
	@test -x "$${CHROMIUM:-/usr/bin/chromium}" || { echo "There is no Chromium. Debian or Ubuntu: apt-get install chromium; or say CHROMIUM=/path"; exit 1; }
	cd $(PAGE) && sh node.sh npm run check && sh node.sh npm test && BLUEWHALE=$(abspath $(BIN))/bluewhale sh node.sh npm run e2e

test-cluster: setup  ## on a Kubernetes cluster: KUBECONFIG, and what tests/cluster/README.md says
	$(BIN)/python -m pytest -q -m cluster tests/cluster

simulate-ownership: setup  ## a million seeds of clocks, cuts, freezes and restarts (about an hour)
	$(BIN)/python -m tests.property.ownership.simulate --seeds 1000000

check: setup  ## format, lint, types, import contracts, generated files; changes nothing
	$(BIN)/ruff format --check $(PATHS)
	$(BIN)/ruff check $(PATHS)
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -q -m "not slow" tests/architecture tests/charts/test_images.py
	@if [ -e $(PAGE)/node_modules/.ready ]; then cd $(PAGE) && sh node.sh npm run check; \
	  else echo "the page is not checked: its libraries are not here; make page"; fi

fix: setup  ## repair what a machine can: format, lint fixes, generated pages
	$(BIN)/ruff format $(PATHS)
	$(BIN)/ruff check --fix $(PATHS)
	$(BIN)/python protos/generate.py
	$(BIN)/python -m bluewhale.cli.reference --write
	$(BIN)/python images/pins.py --write

charts: setup  ## render the examples of the chart anew (needs Helm)
	$(BIN)/python -m tests.charts.regenerate

bench: setup  ## measure; prints a table and writes build/bench.json
	$(BIN)/python -m bench

up: setup  ## run the embedded runtime with the example configuration, and serve its page
	@$(page_or_not)
	$(BIN)/bluewhale up --config examples/small-site

lock:  ## resolve the pins anew (needs uv)
	$(UV) lock --quiet
	$(UV) export --quiet --all-packages --all-groups --no-emit-workspace --no-header --format requirements-txt -o requirements.lock
	$(BIN)/python images/pins.py --write

clean:
	rm -rf $(VENV) build .mypy_cache .ruff_cache .hypothesis
