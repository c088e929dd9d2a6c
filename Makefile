# make demo   a GAN on real digits, from nothing
# make test   the whole test suite
# make lint   style and types
# make bench  GenBench against plain loops, side by side
# make quality  GenBench beside tutorials' scripts after equal seconds: 40 minutes; DATA=DIR has MNIST
# make accelerator   what a GPU does, in nine minutes; writes docs/accelerator.md
# make soak   kills and a long training; writes docs/soak.md
# make mutants  which small faults of the sources no test finds; writes docs/mutants.md
# make lock   renew requirements.lock from pyproject.toml

PYTHON ?= python3
VENV ?= .venv
# One more than cores: some tests wait for SLURM, for other processes or for the clock.
WORKERS ?= $(shell expr $$(getconf _NPROCESSORS_ONLN) + 1)
BIN = $(VENV)/bin
READY = $(VENV)/.ready-$(shell sha256sum requirements.lock | cut -c1-16)

.PHONY: demo test lint bench quality accelerator soak mutants lock setup

demo: setup
	$(BIN)/python -m genbench

test: setup
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: setup
	$(BIN)/python -m tests.benchmarks.step_speed
	$(BIN)/python -m tests.benchmarks.options_speed
	$(BIN)/python -m tests.benchmarks.latents_speed
	$(BIN)/python -m tests.benchmarks.peers_speed
	$(BIN)/python -m tests.benchmarks.clip_speed
	$(BIN)/python -m tests.benchmarks.sampling_speed
	$(BIN)/python -m tests.benchmarks.start_speed
	$(BIN)/python -m tests.benchmarks.growth_speed
	$(BIN)/python -m tests.benchmarks.data_speed
	$(BIN)/python -m tests.benchmarks.score_speed

quality: setup
	$(BIN)/python -m tests.benchmarks.quality_speed --seconds $(or $(SECONDS),300) $(if $(DATA),data.root=$(DATA))

# Not in the locked environment: a machine with a GPU has a torch of its own, which is what is to be measured.
accelerator:
	$(if $(wildcard $(READY)),$(BIN)/python,$(PYTHON)) -m tests.benchmarks.accelerator \
	  $(if $(IMAGES),--images "$(IMAGES)") $(if $(AGAIN),--again)

soak: setup
	$(BIN)/python -m tests.soak

# What it needs is not in the locked environment, and nothing else needs it.
mutants: setup
	$(BIN)/pip install -q mutmut==3.8.1
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.mutants --mutants $(or $(MUTANTS),400) --seed $(or $(SEED),0) \
	  $(if $(ONLY),--only "$(ONLY)") $(if $(AGAIN),--again)

# The environment is made anew when the lock file changes; the project itself is installed each time, in a second.
setup: $(READY)
	@$(BIN)/pip install -q --no-deps --no-build-isolation -e .

$(READY):
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/pip install -q --require-hashes -r requirements.lock
	touch $@

lock:
	$(BIN)/pip install -q uv
	$(BIN)/uv pip compile pyproject.toml --all-extras --universal --python-version 3.11 --generate-hashes \
	  --no-emit-index-url --no-header --no-annotate --constraint constraints.txt -o requirements.lock
