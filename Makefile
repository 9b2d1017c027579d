# Everything on a fresh machine with Python 3.11+ and a C compiler: `make demo`, `make test`, `make check`, `make clean`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
OFFLINE := HF_HUB_OFFLINE=1 HF_HUB_DISABLE_TELEMETRY=1 WANDB_MODE=disabled
# Tiny models are slower on several threads than on one, and much slower beside the servers that tests start.
ONE_THREAD := OMP_NUM_THREADS=1 OMP_WAIT_POLICY=PASSIVE
# Modules are compiled once, when they are installed: what training imports then takes 9 s of a process and not 24.
export UV_COMPILE_BYTECODE := 1
unexport PYTHONDONTWRITEBYTECODE
# Test files run side by side in so many processes, each of up to 2 GiB; one more than cores, since many wait for servers.
WORKERS ?= 3

.PHONY: demo tour demo-annotate test test-fast coverage check clean
.DEFAULT_GOAL := help

help:
	@echo "make demo   score the model that ships on the embedded set, beside answers that need no model (a minute)"
	@echo "make tour   all that this software does, on one page (8 minutes)"
	@echo "make demo-annotate   twelve drawn scenes through the whole annotation (3 minutes)"
	@echo "make test   run the tests (15 minutes)"
	@echo "make test-fast   run those that start nothing and load no model (90 seconds)"
	@echo "make coverage   run the tests and show which branches of the source they take"
	@echo "make check  ruff and mypy"
	@echo "make docs   the documentation as a site, in build/docs"
	@echo "make clean  remove the environment and what the targets wrote"

# uv when it is there, else installed into the environment through pip.
$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "Python 3.11 or newer is needed; $(PYTHON) is $$($(PYTHON) --version 2>&1). Set PYTHON=/path/to/python3.11"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	command -v uv >/dev/null || $(BIN)/python -m pip install --quiet uv

# A stamp for each set of extras, remade when the requirements change.
$(VENV)/.installed-%: $(BIN)/python setup.cfg constraints.txt
	uv=$$(command -v uv || echo $(BIN)/uv); \
	VIRTUAL_ENV=$(CURDIR)/$(VENV) $$uv pip install --quiet --constraint constraints.txt --editable ".[$*]"
	@touch $@

demo: $(VENV)/.installed-eval
	$(OFFLINE) $(BIN)/qreal demo

tour: $(VENV)/.installed-eval,train,annotate,annotate-local
	$(OFFLINE) $(BIN)/qreal tour

demo-annotate: $(VENV)/.installed-eval,annotate,annotate-local
	$(OFFLINE) $(BIN)/qreal annotate demo

EVERYTHING := $(VENV)/.installed-eval,train,annotate,annotate-local,dev
# In the order of tests/conftest.py: slow files first.
PYTEST := -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder

test: $(EVERYTHING) $(VENV)/label-studio/bin/label-studio
	$(OFFLINE) $(ONE_THREAD) $(BIN)/python $(PYTEST)

# Of the source only files with doctests that load no model, since importing all of it takes longer than the tests.
test-fast: $(EVERYTHING)
	$(OFFLINE) $(ONE_THREAD) $(BIN)/python $(PYTEST) -m "not slow" tests \
		$$(grep -rl --include='*.py' '>>>' qreal_tasks annotation | grep -vE 'qreal_tasks/(models|harness)/')

coverage: $(EVERYTHING) $(VENV)/label-studio/bin/label-studio
	$(BIN)/coverage erase
	$(OFFLINE) $(ONE_THREAD) $(BIN)/coverage run $(PYTEST)
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report --skip-covered

# In an environment of its own, since its requirements exclude those of this project. Tests that need it say when it is
# not there.
$(VENV)/label-studio/bin/label-studio: annotation/label_studio/label-studio.txt $(EVERYTHING)
	-rm -rf $(VENV)/label-studio && $(BIN)/python -m annotation.label_studio.environment $(VENV)/label-studio

check: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# Links and anchors that lead nowhere are errors.
.PHONY: docs
docs: $(VENV)/.installed-docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict
	@echo "Written: build/docs/index.html"

clean:
	rm -rf $(VENV) runs build *.egg-info .coverage* .pytest_cache .mypy_cache .ruff_cache .hypothesis
