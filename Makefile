# Everything starts here: `make app` on a fresh machine, `make test` before you push.
# Set PYTHON to choose an interpreter (3.11 to 3.13), DATA to name MNIST's mnist.npz.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
DATA ?= $(SCANLINE_DATA)
RUN ?= runs/$(or $(PRESET),stacked)
CHROMIUM ?= $(firstword $(wildcard /usr/bin/chromium /usr/bin/chromium-browser /usr/bin/google-chrome))

.DEFAULT_GOAL := help
.PHONY: help app train export release notebook test test-browser test-ray test-triton test-container screenshots image sbom audit lint format bench bench-serving proto docs lock clean

help:  ## show this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 18

app: $(VENV)/.serve  ## start page and API on 127.0.0.1:7860
	$(BIN)/python -m serving $(ARGS)

train: $(VENV)/.full  ## train PRESET into RUN (DATA=mnist.npz, else download); ARGS=--resume goes on
	$(BIN)/python -m training $(if $(PRESET),--preset $(PRESET)) --out $(RUN) $(if $(DATA),--data $(DATA)) $(ARGS)

export: $(VENV)/.full  ## write the released network as ONNX and SavedModel into export/
	$(BIN)/python -m model.export model/release/scanline.keras --out export $(if $(DATA),--data $(DATA)) $(ARGS)

release: $(VENV)/.full  ## put RUN beside the networks that app and API offer
	$(BIN)/python -m training.release $(RUN) $(if $(DATA),--data $(DATA)) $(ARGS)

notebook: $(VENV)/.full  ## open the notebook "A recurrent network by hand" in JupyterLab
	$(BIN)/python -m pip install -q --disable-pip-version-check jupyterlab==4.6.6
	$(BIN)/jupyter lab --ip 127.0.0.1 notebooks/rnn_by_hand.ipynb

test: $(VENV)/.full  ## run all tests that need neither a browser nor a container
	$(BIN)/python -m pytest -n auto --dist worksteal $(ARGS)

test-browser: $(VENV)/.full  ## run the tests in a real Chromium
	@test -n "$(CHROMIUM)" || { echo "no Chromium found: apt-get install chromium, or CHROMIUM=path"; exit 2; }
	CHROMIUM=$(CHROMIUM) $(BIN)/python -m pytest -m browser -n 3 --dist worksteal tests/browser $(ARGS)

screenshots: $(VENV)/.full  ## remake the README's pictures (needs Chromium)
	CHROMIUM=$(CHROMIUM) $(BIN)/python -m tests.browser.screenshots

image:  ## build the container; TARGET=api: without the page
	@test -n "$(ENGINE)" || { echo "no Docker, Podman or Buildah answers: install one" \
		"(apt-get install podman), or name its command by ENGINE="; exit 2; }
	$(ENGINE) build $(if $(filter podman buildah,$(notdir $(ENGINE))),--format docker) \
		-t $(IMAGE) --target $(TARGET) \
		--build-arg VERSION=$$(sed -n 's/^__version__ = "\([^"]*\)".*/\1/p' model/__init__.py) \
		--build-arg REVISION=$$(git describe --always --abbrev=40 --dirty --exclude='*') \
		--build-arg CREATED=$$(date -u +%Y-%m-%dT%H:%M:%SZ) --build-arg SOURCE=$(SOURCE) $(ARGS) .
IMAGE ?= scanline
TARGET ?= page
ENGINE ?= $(shell for name in docker podman buildah; do \
	$$name version >/dev/null 2>&1 && echo $$name && break; done)

sbom: .venv-sbom/.done $(VENV)/.full  ## list what the container installs in sbom.json (CycloneDX)
	SOURCE_DATE_EPOCH=$$(git log -1 --format=%ct) $(BIN)/cyclonedx-py environment --validate \
		--output-reproducible --pyproject pyproject.toml -o sbom.json .venv-sbom/bin/python

audit: $(VENV)/.full  ## look all pinned packages up in PyPI's advisories (ARGS="-s osv": in OSV's)
	@$(BIN)/pip-audit --strict --disable-pip --require-hashes -r requirements-serve.txt \
		-r requirements.txt $(ARGS) || { echo "Not clean. If it says above that a package was not" \
		"found or a host not resolved, no advisories can be had from here, and nothing was" \
		"looked up: run make audit on a machine that reaches them."; exit 1; }

test-container: $(VENV)/.full  ## build and run the Dockerfile (docker, or CONTAINER_SH=script)
	$(BIN)/python -m pytest -s -m container tests/container $(ARGS)

test-ray: .venv-ray/.done  ## run the tests of Ray and object storage, in an environment of their own
	RAY_USAGE_STATS_ENABLED=0 .venv-ray/bin/python -m pytest -W ignore tests/deploy/test_ray_serve.py \
		tests/serving/batch/test_cluster.py tests/serving/batch/test_storage.py $(ARGS)

test-triton: $(VENV)/.full .venv-triton/.done  ## serve an exported repository by a real Triton
	TRITON_ENV=.venv-triton $(BIN)/python -m pytest tests/deploy/test_triton_server.py $(ARGS)

lint: $(VENV)/.full  ## check style and common mistakes
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/hadolint Dockerfile
	$(BIN)/shellcheck .ci/run

format: $(VENV)/.full  ## mend what lint can mend
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/.full  ## measure ONNX forms, the live view (needs Chromium) and training
	$(BIN)/python benchmarks/onnx_forms.py model/release/scanline.keras
	$(BIN)/python benchmarks/live_latency.py
	$(BIN)/python benchmarks/training_speed.py

# Not overload.py, which is a trial that may fail: run it by hand.
bench-serving: $(VENV)/.full  ## measure the service beside others, and its start (Linux, wrk, 20 min)
	$(BIN)/python benchmarks/serving/compare.py
	$(BIN)/python benchmarks/serving/start.py

proto: $(VENV)/.full  ## write the Python modules of serving/inference/proto anew
	$(BIN)/python -m grpc_tools.protoc -I . --python_out=. --grpc_python_out=. \
		serving/inference/proto/open_inference.proto

docs: $(VENV)/.full  ## write settings, import graph and file map into docs/
	$(BIN)/python -m docs.generate

lock: $(VENV)/.full  ## resolve pyproject.toml into requirements*.txt, with hashes
	$(BIN)/python -m pip install -q uv==0.13.9
	$(BIN)/uv pip compile pyproject.toml -q $(LOCK) --all-extras -o requirements.txt
	$(BIN)/uv pip compile pyproject.toml -q $(LOCK) -c requirements.txt --extra page -o requirements-serve.txt
	$(BIN)/uv pip compile pyproject.toml -q $(LOCK) -c requirements.txt -o requirements-api.txt
LOCK := --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	--custom-compile-command "make lock"

clean:  ## remove the environment and what was built
	rm -rf $(VENV) .venv-ray .venv-sbom sbom.json .venv-triton export .pytest_cache .ruff_cache

# The environment: serving's packages first; the rest, TensorFlow among it, on demand.
$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(None if (3, 11) <= sys.version_info[:2] <= (3, 13) else \
		f"Python 3.11 to 3.13 is needed, this is {sys.version.split()[0]}: make app PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.serve: requirements-serve.txt | $(BIN)/python
	@echo "Installing what the app needs into $(VENV), once: 500 MB, in one to three minutes."
	$(BIN)/python -m pip install --disable-pip-version-check -r requirements-serve.txt
	@touch $@

.venv-sbom/.done: requirements-serve.txt | $(BIN)/python
	$(PYTHON) -m venv --clear --without-pip .venv-sbom
	$(BIN)/python -m pip --python .venv-sbom install -q --disable-pip-version-check \
		-r requirements-serve.txt
	@touch $@

.venv-ray/.done: requirements-serve.txt deploy/ray/requirements.txt deploy/ray/requirements-test.txt
	$(PYTHON) -m venv .venv-ray
	.venv-ray/bin/python -m pip install -q --disable-pip-version-check -r requirements-serve.txt
	.venv-ray/bin/python -m pip install -q --disable-pip-version-check \
		-r deploy/ray/requirements.txt -r deploy/ray/requirements-test.txt
	@touch $@

# Triton's Python stub knows NumPy 1 only; the package's own dependencies are not needed.
.venv-triton/.done:
	$(BIN)/python -m venv .venv-triton
	.venv-triton/bin/python -m pip install -q --disable-pip-version-check --no-deps \
		nvidia-pytriton==0.7.0
	.venv-triton/bin/python -m pip install -q --disable-pip-version-check \
		numpy==1.26.4 onnxruntime==1.20.1
	chmod +x .venv-triton/lib/python3.*/site-packages/pytriton/tritonserver/bin/tritonserver
	@touch $@

$(VENV)/.full: requirements.txt | $(BIN)/python
	@echo "Installing everything into $(VENV), once: 2 GB (TensorFlow and the rest), in two to five minutes."
	$(BIN)/python -m pip install -q --disable-pip-version-check -r requirements.txt
	@touch $@ $(VENV)/.serve
