# Two commands do everything: `make train` and `make test`. Each sets up .venv by itself.
#   TORCH_INDEX=URL   an extra package index for torch, such as that of its small CPU build
#   ARGS="…"          more flags for `make train` (see `anchorgym train --help`), or for the tests

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
VLLM := .venv-vllm
TORCH_INDEX ?=
INDEX := $(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX))
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt $(INDEX)
PACKAGES := agents assets envs gigpo training

# One thread a process: threads that spin cost more than they bring on shared cores.
export OMP_NUM_THREADS ?= 1

SMOLLM2 := models/SmolLM2-135M-Instruct
COINS := games/coin

.PHONY: train train-llm test test-all test-vllm gpu mutants lint format bench clean
.DEFAULT_GOAL := help

help:
	@echo "make train      set up, then train the embedded default agent on ALFWorld games"
	@echo "make train-llm  set up, then train a pretrained language model of 135 M parameters"
	@echo "make test       set up, then lint, types and tests (without those marked slow)"
	@echo "make test-all   the same with the slow tests"
	@echo "make test-vllm  the tests that need vLLM, in a virtual environment of its own"
	@echo "make gpu        set up, then the tests that need a GPU, and a benchmark of 10 minutes"
	@echo "make mutants    small changes of the source that no test notices"
	@echo "make bench      speed, as ratios in one run"
	@echo "make lint       ruff and mypy; make format rewrites the files"

train: $(VENV)/.core
	$(BIN)/anchorgym train $(ARGS)

train-llm: $(VENV)/.textworld $(SMOLLM2)/model.safetensors $(COINS)/test
	$(BIN)/anchorgym train @examples/train_llm.toml $(ARGS)

test: lint $(VENV)/.vgc
	$(BIN)/python -m pytest -n 2 --dist loadfile -m "not slow and not vllm" $(ARGS)

test-all: lint $(VENV)/.vgc
	$(BIN)/python -m pytest -n 2 --dist loadfile -m "not vllm" $(ARGS)

test-vllm:
	@if $(MAKE) --no-print-directory $(VLLM)/.done; then \
		$(VLLM)/bin/python -m pytest -m vllm tests/agents/engines/remote $(ARGS); \
	else \
		echo "vLLM cannot be installed here, so its tests are skipped: see requirements-vllm.txt" >&2; \
	fi

# Results of the benchmark that are in the file already are kept.
gpu: $(VENV)/.dev
	$(BIN)/python -m pytest -m gpu $(shell find tests -name test_devices.py)
	$(BIN)/python tests/bench/bench_gpu.py --minutes 10 --out gpu.jsonl $(ARGS)

mutants: $(VENV)/.dev $(VENV)/.vgc
	$(BIN)/python tests/mutants/run.py $(ARGS)

lint: $(VENV)/.dev .typing/anchorgym
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy $(PACKAGES:%=-p anchorgym.%)

format: $(VENV)/.dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/.dev $(VENV)/.vgc
	$(BIN)/python tests/bench/run.py

clean:
	rm -rf $(VENV) $(VLLM) .typing build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache

# mypy needs the namespace as folders: a link to this one gives it.
.typing/anchorgym:
	mkdir -p .typing && ln -sfn .. .typing/anchorgym

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.core: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(PIP) --editable .
	touch $@

$(SMOLLM2)/model.safetensors: | $(VENV)/.core
	$(PIP) --requirement requirements-smollm2.txt
	$(BIN)/python examples/smollm2.py $(SMOLLM2)

# jericho, which TextWorld plays with, is compiled: this needs a C compiler.
$(VENV)/.textworld: requirements-textworld.txt | $(VENV)/.core
	$(PIP) --no-deps --requirement requirements-textworld.txt
	touch $@

$(COINS)/test: | $(VENV)/.textworld
	$(BIN)/python examples/coin_collector.py $(COINS)

# The stock ALFWorld engine is what the tests compare with. Its packages ask for much that
# playing a text game does not need, so they are installed without what they ask for.
$(VENV)/.dev: $(VENV)/.core requirements-stock.txt requirements-textworld.txt
	$(PIP) --editable ".[dev]"
	$(PIP) --no-deps --requirement requirements-stock.txt
	-$(PIP) --editable ".[redteam]" || echo "reasoning-gym needs a C compiler: its tests are skipped"
	touch $@

# vLLM needs older packages than the others, so it lives in an environment of its own. What it brings
# for pictures and sound is for another torch, and would keep it from being imported.
$(VLLM)/.done: pyproject.toml requirements-vllm.txt
	test -x $(VLLM)/bin/python || $(PYTHON) -m venv $(VLLM)
	$(VLLM)/bin/python -m pip install --quiet --disable-pip-version-check $(INDEX) \
		--requirement requirements-vllm.txt
	$(VLLM)/bin/python -m pip uninstall --quiet --yes torchvision torchaudio torchcodec
	$(VLLM)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	touch $@

# The battle simulator comes from npm. Without its registry, the tests that need it are skipped.
$(VENV)/.vgc: envs/vgc/js/package-lock.json | $(VENV)/.dev
	$(BIN)/anchorgym setup vgc && touch $@ || echo "the battle simulator is not set up" >&2
