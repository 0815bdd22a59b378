# Each target is a few commands that anyone can type. The environment is made once, in .venv.
PYTHON ?= python3
VENV   ?= .venv
RUN    := $(VENV)/bin/python
# Test processes side by side.
WORKERS ?= 2

.PHONY: demo test quick check docs faults bench clean

demo: $(VENV)/.ready
	$(RUN) train_fcn.py --demo
	$(RUN) eval_fcn.py --run runs/demo

test: $(VENV)/.ready
	$(RUN) -m pytest -n $(WORKERS) --dist worksteal

# The tests that are not marked slow: about 90 seconds on two cores.
quick: $(VENV)/.ready
	$(RUN) -m pytest -n $(WORKERS) --dist worksteal -m "not slow"

check: $(VENV)/.ready
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports
	$(RUN) -m pip check

# The documentation with an API reference into site/. A broken link, heading or name fails it; nothing is fetched.
docs: $(VENV)/.ready-docs
	NO_MKDOCS_2_WARNING=1 $(VENV)/bin/mkdocs build --strict

# What a crash, a failing disk, a signal and a second process do to a cache, to an evaluation and to a run; half an hour
# on two cores, or with FAULTS=--quick a tenth of the cases.
FAULTS ?=
faults: $(VENV)/.ready
	$(RUN) benchmarks/faults.py $(FAULTS)
	$(RUN) benchmarks/evaluation_faults.py $(FAULTS)
	$(RUN) benchmarks/training_faults.py $(FAULTS)
	$(RUN) benchmarks/training_faults.py --half --only kills,signals $(FAULTS)
	$(RUN) benchmarks/distributed_faults.py $(FAULTS)

# Speed and memory against PyTorch, Keras and the tutorial's own graph, into benchmarks/results/NAME/: 70 minutes
# on two cores on which nothing else runs. BENCH=--quick: a verdict in one minute. BENCH="--only train-2,gemm": parts.
BENCH ?=
bench: $(VENV)/.ready-bench
	$(RUN) benchmarks/bench.py $(BENCH)

# The extras of setup.cfg that a target needs.
$(VENV)/.ready-%: $(VENV)/.ready
	$(RUN) -m pip install --quiet --editable '.[$*]'
	touch $@

$(VENV)/.ready: setup.cfg pyproject.toml
	$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(None if (3, 11) <= v < (3, 14) else f"Python 3.11 to 3.13 is needed, this is {v[0]}.{v[1]}: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv $(VENV)
	$(RUN) -m pip install --quiet --upgrade pip
	$(RUN) -m pip install --quiet --editable '.[dev]'
	touch $@

# Only an environment that these rules have made, which has the file .ready, and what pip has left of a build.
clean:
	if [ -e "$(VENV)/.ready" ]; then rm -rf "$(VENV)"; fi
	rm -rf fcn.egg-info build/lib build/bdist.*
	rmdir build 2>/dev/null || true
