# Everything a developer runs. Each target sees to its own set-up, so `make demo` or `make test` is
# enough on a fresh checkout; what is up to date already costs a second or two.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

CLUSTER ?= local
IMAGE_REGISTRY ?=
export CLUSTER IMAGE_REGISTRY

QM_CACHE ?= $(HOME)/.cache/quartermaster
QM_STATE ?= $(HOME)/.local/state/quartermaster
export QM_CACHE QM_STATE

# The cluster's own command needs nothing but Python 3.11, so it runs before anything is set up.
DEVCLUSTER := python3 -m devcluster
VENV := .venv
PYTHON := $(VENV)/bin/python
TRAINER_VENV := .venv-trainer
TRAINER_PYTHON := $(TRAINER_VENV)/bin/python
export PYTHONPATH := operator:trainer_image:.

ifeq ($(CLUSTER),local)
export KUBECONFIG := $(QM_STATE)/kubeconfig
export PATH := $(QM_STATE)/bin:$(PATH)
endif

##@ Help

.PHONY: help
help: ## Show this help
	@awk 'BEGIN { FS = ":.*##"; printf "Usage: make TARGET\n" } \
	  /^##@/ { printf "\n%s\n", substr($$0, 5) } \
	  /^[a-z0-9-]+:.*##/ { printf "  %-18s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

##@ Set-up

.PHONY: setup
setup: ## Make the Python environment for developing (.venv)
	@$(DEVCLUSTER) venv dev --link $(VENV)

.PHONY: requirements
requirements: ## Lock requirements/*.in again, with hashes
	@$(DEVCLUSTER) lock installer operator trainer dev

##@ Demonstration

.PHONY: demo demo-files
demo: setup ## Train a model end to end: cluster, images, operator, job, summary
	@$(PYTHON) -m scripts.demo

demo-files: setup ## List the files that the last demonstration left on its volume
	@$(PYTHON) -m scripts.demo files

##@ Cluster (CLUSTER=local, kind or existing)

.PHONY: cluster-up cluster-status cluster-nodes cluster-down cluster-purge kubeconfig images
cluster-up: ## Start the development cluster, or what of it does not run
	@$(DEVCLUSTER) up

cluster-status: ## Show its components, nodes and images
	@$(DEVCLUSTER) status

cluster-nodes: ## Have N fake nodes of eight GPUs (N=0 removes them)
	@$(DEVCLUSTER) nodes $(or $(N),$(error say how many: make cluster-nodes N=500))

cluster-down: ## Stop the cluster, and keep what is in it
	@$(DEVCLUSTER) down

cluster-purge: ## Stop the cluster and delete its state
	@$(DEVCLUSTER) down --purge

kubeconfig: ## Print the path of its kubeconfig
	@$(DEVCLUSTER) kubeconfig

images: ## Build the images and put them on the nodes (IMAGE_REGISTRY= for CLUSTER=existing)
	@$(DEVCLUSTER) images

.PHONY: images-prune
images-prune: ## Build the images, and remove older ones from the registry
	@$(DEVCLUSTER) images --prune

.PHONY: install
install: setup ## Install the operator from this tree into the cluster, which is started if need be
	@$(PYTHON) -m scripts.demo install

##@ Code

.PHONY: generate verify
generate: setup ## Write what is derived from code: CRDs, the chart's copy, the reference pages
	@$(PYTHON) scripts/generate.py

.PHONY: prices
prices: setup ## Write the shipped price lists anew from the data folder (QM_BENCH_DATA), and their page
	@$(PYTHON) scripts/price_catalogue.py
	@$(PYTHON) scripts/generate.py

verify: setup ## Fail when a generated file is not what the code says
	@$(PYTHON) scripts/generate.py --check

.PHONY: format check lint types layers
format: setup ## Format the Python code
	@$(VENV)/bin/ruff format .
	@$(VENV)/bin/ruff check --fix .

check: lint types layers verify ## Everything that can be judged without running it

lint: setup ## Style and likely mistakes (ruff)
	@$(VENV)/bin/ruff format --check --quiet . || { echo "run: make format" >&2; exit 1; }
	@$(VENV)/bin/ruff check --quiet .

types: setup trainer-venv ## Types (mypy, strict)
	@$(VENV)/bin/mypy --no-error-summary operator/quartermaster operator/kubectl_qm devcluster dashboards scripts benchmarks/control_plane.py benchmarks/cluster_fill.py benchmarks/classification.py benchmarks/packing.py benchmarks/completion_time.py benchmarks/decisions.py benchmarks/ledger.py benchmarks/spot_deadline.py benchmarks/metrics.py benchmarks/interruptions.py
	@$(TRAINER_PYTHON) -m mypy --no-error-summary --config-file trainer_image/mypy.ini trainer_image/qm_trainer benchmarks/trainer_overhead.py benchmarks/profile_cost.py benchmarks/checkpoint_stall.py

layers: setup ## Who may import whom (import-linter)
	@$(VENV)/bin/lint-imports --no-logo >/dev/null || { $(VENV)/bin/lint-imports --no-logo; exit 1; }

.PHONY: trainer-venv
trainer-venv: ## Make the environment that the trainer is tested in (.venv-trainer, 5 GB)
	@$(DEVCLUSTER) venv trainer-test --link $(TRAINER_VENV)

##@ Pictures

.PHONY: dashboards-pictures
dashboards-pictures: setup ## Draw docs/images/dashboards from MINUTES of jobs, or from PROMETHEUS=http://...
	@$(PYTHON) -m scripts.dashboard_pictures $(if $(MINUTES),--minutes $(MINUTES)) $(if $(PROMETHEUS),--prometheus $(PROMETHEUS))

##@ Tests

.PHONY: test unit trainer e2e
test: check unit trainer e2e ## Everything, the tests on a real cluster among it

unit: setup ## Laws, units, contracts, documents: no cluster, no PyTorch
	@$(PYTHON) -m pytest -q -m "not e2e and not torch" tests

trainer: trainer-venv ## The trainer, with PyTorch on this machine
	@$(TRAINER_PYTHON) -m pytest -q -m torch tests/unit/trainer

e2e: install ## On the cluster: bad input, the life of jobs, what breaks them
	@[ "$(CLUSTER)" != local ] || $(DEVCLUSTER) nodes 0
	@$(PYTHON) -m pytest -v -m e2e tests/contract tests/unit tests/e2e

.PHONY: proof-of-cost
proof-of-cost: install ## Fifty jobs' costs beside a ledger made from the API server's audit (about four minutes)
	@QM_PROOF=1 $(PYTHON) -m pytest -v -m e2e tests/e2e/test_money.py

##@ Benchmarks (benchmarks/results)

.PHONY: bench-interruptions bench-ledger bench-metrics bench-control-plane bench-cluster-fill bench-trainer bench-checkpoint bench-classification bench-packing bench-completion bench-decisions bench-spot-deadline
bench-ledger: setup ## The ledger with a million entries on SQLite (about five minutes)
	@$(PYTHON) -m benchmarks.ledger

bench-metrics: setup ## Series and time of a scrape at 1,000 jobs
	@$(PYTHON) -m benchmarks.metrics

bench-interruptions: install ## Lost steps and time of a training interrupted twenty times (about 45 minutes)
	@$(PYTHON) -m benchmarks.interruptions

bench-decisions: setup ## Time of one placement decision as the cluster grows
	@$(PYTHON) -m benchmarks.decisions

bench-completion: setup ## Completion time under our rounds, Gavel and Sia (QM_BENCH_DATA=), about ten minutes
	@$(PYTHON) -m benchmarks.completion_time

bench-spot-deadline: setup ## Cost of jobs with a deadline on spot, beside greedy, Uniform Progress and the best (QM_BENCH_DATA)
	@$(PYTHON) -m benchmarks.spot_deadline

bench-control-plane: install ## Apply to place, and 1,000 jobs beside kube-scheduler (after cluster-nodes N=500)
	@$(PYTHON) -m benchmarks.control_plane

bench-cluster-fill: install ## 4,000 jobs of one GPU and a gang of 512 beside kube-scheduler (after cluster-nodes N=500)
	@$(PYTHON) -m benchmarks.cluster_fill

bench-trainer: trainer-venv ## The step of qm_trainer beside a loop written by hand
	@$(TRAINER_PYTHON) -m benchmarks.trainer_overhead

bench-checkpoint: trainer-venv ## How long training stands still for a checkpoint, beside other ways
	@$(TRAINER_PYTHON) -m benchmarks.checkpoint_stall

bench-classification: setup ## Which jobs have to be packed, judged before they run (QM_BENCH_DATA)
	@$(PYTHON) -m benchmarks.classification

bench-packing: setup ## GPU allocation by packing policy over the OpenB lists (QM_BENCH_DATA; 7 min if nothing else runs)
	@$(PYTHON) -m benchmarks.packing
