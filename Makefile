# Everything a developer runs; `make help` lists it. Needs Python 3.11 or newer, make and git; installs the rest
# into .venv and .tools from pinned versions, and again only when a pin changes.

SHELL := /bin/sh
.DEFAULT_GOAL := help
.PHONY: help demo test lint format types layers conformance inspector tools bench bench-quick bench-load pins clean

VENV := .venv
TOOLS := .tools
BIN := $(VENV)/bin
RUNTIME := $(VENV)/.runtime-installed
DEVELOPMENT := $(VENV)/.development-installed
NODE_TOOLS := $(TOOLS)/.node-tools-installed
PYTHON_TOOLS := $(TOOLS)/.python-tools-installed
FRAMEWORK := $(TOOLS)/.agent-framework-installed

PIP_INSTALL := -m pip install -qq --disable-pip-version-check --no-deps
PINNED := --require-hashes --only-binary=:all:
COMPILE := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url
NPM_INSTALL := --no-package-lock --ignore-scripts --no-audit --no-fund --no-update-notifier --loglevel=error
QUESTION := what is 17*23, and what time is it in Tokyo?

# What a developer's shell says about Python, pip, Node or the bridge reaches neither the demo nor the tests.
unexport PYTHONPATH PYTHONHOME PYTHONDONTWRITEBYTECODE PYTHONSTARTUP PYTHONWARNINGS VIRTUAL_ENV
unexport PIP_USER PIP_TARGET PIP_PREFIX PIP_REQUIRE_VIRTUALENV NODE_OPTIONS
unexport $(filter AGENT_BRIDGE_% LLMCHAT_% LLM_% CACHE_TYPE REDIS_URL,$(.VARIABLES))

help: ## list these commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' Makefile

demo: $(RUNTIME) ## ask the agent a question that needs two tools; no key is needed
	@echo 'No key is needed: demo/rules answers, a small deterministic stand-in for a model that really calls the tools.'
	@echo 'With a key in the environment, use a real one:  $(BIN)/agent-bridge ask --model openai/gpt-4o-mini "..."'
	@echo
	@echo '$$ agent-bridge ask "$(QUESTION)"'
	@$(BIN)/agent-bridge ask --config servers.yaml --model demo/rules "$(QUESTION)"

test: lint types layers tools ## format, lint, types, layers, and every test with branch coverage
	@$(BIN)/python -m pytest --cov --cov-report=term:skip-covered

lint: $(DEVELOPMENT) ## check formatting and style
	@$(BIN)/ruff format --check --quiet . || { $(BIN)/ruff format --diff --quiet .; exit 1; }
	@$(BIN)/ruff check --quiet .

format: $(DEVELOPMENT) ## format the code and sort its imports
	@$(BIN)/ruff check --quiet --select I --fix .
	@$(BIN)/ruff format .

types: $(DEVELOPMENT) ## check types, strictly
	@$(BIN)/pyright --warnings --pythonpath $(BIN)/python

layers: $(DEVELOPMENT) ## check which module may import which
	@$(BIN)/lint-imports --no-logo

conformance: tools ## run the MCP conformance suite against the product
	@$(BIN)/python -m pytest tests/conformance

inspector: tools ## list and call every tool with MCP Inspector
	@$(BIN)/python -m pytest tests/inspector

bench: $(DEVELOPMENT) $(FRAMEWORK) ## measure what agent-bridge costs, and write it into docs/benchmarks.md (6 minutes)
	@tools/find-redis $(TOOLS)/redis-server
	@$(BIN)/python -m benchmarks --framework $(TOOLS)/framework/bin/python --write

bench-quick: $(DEVELOPMENT) ## count what a turn does, and fail where it does more than is recorded
	@$(BIN)/python -m benchmarks.quick

bench-load: $(DEVELOPMENT) ## half an hour at half of capacity, a minute at three times; MINUTES=3 is shorter
	@$(BIN)/python -m benchmarks.load --minutes $(or $(MINUTES),30)

tools: $(NODE_TOOLS) $(PYTHON_TOOLS) ## install the published servers and tools that the tests use
	@tools/find-redis $(TOOLS)/redis-server
	@tools/find-chromium

pins: $(DEVELOPMENT) ## resolve pyproject.toml and tools/ into the pinned requirements again
	$(COMPILE) --upgrade pyproject.toml --group build -o requirements.txt
	$(COMPILE) --upgrade pyproject.toml --group build --group dev -c requirements.txt -o requirements-dev.txt
	$(COMPILE) --upgrade --group python-servers -o tools/python-servers.txt
	$(COMPILE) --upgrade --group agent-framework -o tools/agent-framework.txt

clean: ## remove what the commands above made
	rm -rf $(VENV) $(TOOLS) dist build htmlcov .coverage .coverage.* .pytest_cache .ruff_cache .import_linter_cache
	find src tests benchmarks tools -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	@python=$$(tools/find-python) && "$$python" -m venv $(VENV)

$(RUNTIME): requirements.txt pyproject.toml | $(BIN)/python
	@echo 'Installing what agent-bridge needs into $(VENV) (once; about a minute).'
	@$(BIN)/python $(PIP_INSTALL) $(PINNED) --requirement requirements.txt
	@$(BIN)/python $(PIP_INSTALL) --no-build-isolation --editable .
	@touch $@

$(DEVELOPMENT): requirements-dev.txt $(RUNTIME)
	@echo 'Installing what the tests need into $(VENV) (once).'
	@$(BIN)/python $(PIP_INSTALL) $(PINNED) --requirement requirements-dev.txt
	@touch $@

$(NODE_TOOLS): tools/package.json $(DEVELOPMENT)
	@echo 'Installing MCP Inspector, the conformance suite and MCP servers into $(TOOLS) (once).'
	@mkdir -p $(TOOLS)
	@cp tools/package.json $(TOOLS)/package.json
	@PATH="$(CURDIR)/$(BIN):$$PATH" NODE_USE_SYSTEM_CA=1 npm install --prefix $(TOOLS) $(NPM_INSTALL)
	@touch $@

$(PYTHON_TOOLS): tools/python-servers.txt | $(BIN)/python
	@mkdir -p $(TOOLS)
	@test -x $(TOOLS)/python/bin/python || $(BIN)/python -m venv $(TOOLS)/python
	@$(TOOLS)/python/bin/python $(PIP_INSTALL) $(PINNED) --requirement tools/python-servers.txt
	@touch $@

$(FRAMEWORK): tools/agent-framework.txt | $(BIN)/python
	@echo 'Installing the framework that the benchmarks compare with into $(TOOLS) (once).'
	@mkdir -p $(TOOLS)
	@test -x $(TOOLS)/framework/bin/python || $(BIN)/python -m venv $(TOOLS)/framework
	@$(TOOLS)/framework/bin/python $(PIP_INSTALL) $(PINNED) --requirement tools/agent-framework.txt
	@touch $@
