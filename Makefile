# On a fresh machine with Python 3.11 and make:  `make demo`  and  `make test`.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check -q

.DEFAULT_GOAL := help

.PHONY: help
help:  ## List the targets.
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 18

$(VENV)/.made:
	$(PYTHON) -m venv $(VENV)
	$(PIP) install --upgrade "pip>=25.1"
	touch $@

# What users install: no torch, no drivers.
$(VENV)/.core: $(VENV)/.made pyproject.toml constraints.txt
	$(PIP) install -c constraints.txt -e .
	touch $@

# Everything that tests and benchmarks want. torch comes first and alone, so that nothing else chooses its build.
# Of the ten thousand modules that come along few are ever imported: they are compiled then, not all of them now.
$(VENV)/.dev: $(VENV)/.core
	$(PIP) install --no-compile torch==2.13.0
	$(PIP) install --no-compile -c constraints.txt -e ".[all,demo-live]" --group dev --group docs
	touch $@

.PHONY: demo
demo: $(VENV)/.core  ## Set up, play the three acts, write demo-report.html.
	$(BIN)/driftmon demo

.PHONY: dev
dev: $(VENV)/.dev  ## Set up the whole development environment.

.PHONY: test
test: $(VENV)/.dev  ## Set up and run the whole test suite.
	HF_HUB_OFFLINE=1 OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist loadfile --no-loadscope-reorder --durations=20

.PHONY: lint
lint: $(VENV)/.dev  ## Format check, lint, types, import contracts.
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(MAKE) --no-print-directory docs

.PHONY: check
check: lint test  ## The one recipe: what pre-commit and CI run.

.PHONY: docs
docs: $(VENV)/.dev  ## Build the documentation into build/site; a broken link or anchor fails.
	$(BIN)/zensical build --strict

.PHONY: generate
generate: $(VENV)/.dev  ## Write what comes from the code: rules, dashboards, configuration and metrics pages.
	$(BIN)/python -m deploy.mixin.build
	$(BIN)/python -m grafana.build
	$(BIN)/python -m handbook.build

.PHONY: stack
stack: $(VENV)/.dev  ## The tests on real Prometheus, Alertmanager, Chromium and PostgreSQL, and the times from drift to people.
	HF_HUB_OFFLINE=1 OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m stack -s tests

.PHONY: rules
rules: $(VENV)/.dev  ## Check and unit-test the Prometheus rules (needs promtool and amtool).
	promtool check rules deploy/prometheus/driftmon.rules.yaml
	promtool test rules deploy/prometheus/driftmon.rules.test.yaml
	amtool check-config deploy/alertmanager/alertmanager.yaml

.PHONY: chart
chart: $(VENV)/.dev  ## Take rules, dashboards and the values' schema into the Helm chart; render the kustomize base.
	$(BIN)/python -m deploy.helm.build
	PYTHON=$(BIN)/python deploy/get_helm.sh
	$(BIN)/python -m deploy.helm.kustomize

# A scanner with many requirements of its own; it is in no other environment.
build/checkov-venv/.made:
	$(PYTHON) -m venv build/checkov-venv
	build/checkov-venv/bin/python -m pip --disable-pip-version-check -q install checkov==3.3.30
	touch $@

.PHONY: scan
scan: $(VENV)/.dev build/checkov-venv/.made  ## Hold chart, kustomize base and Dockerfile to checkov's rules: each is met, or explained.
	PYTHON=$(BIN)/python deploy/get_helm.sh
	$(BIN)/python -m deploy.helm.scan build/checkov-venv/bin/checkov

.PHONY: bench
bench: $(VENV)/.dev  ## Print speed and memory against their bounds and peers; figures go to build/figures/.
	$(BIN)/python -m benchmarks.bench_profile
	$(BIN)/python -m benchmarks.bench_exact_search
	$(BIN)/python -m benchmarks.bench_ranking
	$(BIN)/python -m benchmarks.bench_histogram
	$(BIN)/python -m benchmarks.bench_segments
	$(BIN)/python -m benchmarks.bench_commands
	$(BIN)/python -m benchmarks.bench_pages

.PHONY: bench-detection
bench-detection: $(VENV)/.dev  ## What detectors and judge really do, by simulation; half an hour (PARTS="quiet cause" for some).
	$(BIN)/python -m benchmarks.detection $(PARTS)

# Other libraries to stand beside: an environment of their own, for they want an older NumPy. torch first and alone.
build/peers-venv/.made: pyproject.toml
	$(PYTHON) -m venv build/peers-venv
	build/peers-venv/bin/python -m pip --disable-pip-version-check -q install --upgrade "pip>=25.1"
	build/peers-venv/bin/python -m pip --disable-pip-version-check -q install torch==2.13.0
	build/peers-venv/bin/python -m pip --disable-pip-version-check -q install --group peers
	touch $@

.PHONY: peers-venv
peers-venv: build/peers-venv/.made  ## Install the libraries that `bench-detection PARTS=peers` stands beside (2 GB).

.PHONY: bench-detection-page
bench-detection-page: $(VENV)/.dev  ## Write docs/statistics.md from the figures of the last bench-detection.
	$(BIN)/python -m benchmarks.detection --page

.PHONY: torture
torture: $(VENV)/.dev  ## Kills, stalls, outages, full disks, hostile input, a week's soak; half an hour (PARTS="kills soak" for some).
	$(BIN)/python -m benchmarks.torture $(PARTS)

.PHONY: torture-page
torture-page: $(VENV)/.dev  ## Write docs/reliability.md from the figures of the last torture.
	$(BIN)/python -m benchmarks.torture --page

.PHONY: demo-seeds
demo-seeds: $(VENV)/.core  ## Play the demo with five seeds and check its signatures.
	$(BIN)/python -m benchmarks.check_demo

.PHONY: wheel
wheel: $(VENV)/.dev  ## Build the wheel.
	$(BIN)/python -m build --wheel

.PHONY: clean
clean:  ## Remove what was built, the virtual environment included.
	rm -rf $(VENV) build dist *.egg-info .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis
