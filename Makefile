# Two commands do everything, set-up included:
#   make run    the signaling self-test, then a server-to-server relay
#   make test   format check, lint, types, and the tests (once more compiled, on Python 3.13 if it is here), then the counts
# and for those who work here: make format, make suites, make bench, make soak, make counts, make clean.

PYTHON ?= python3
PYTEST_ARGS ?=
BENCH_ARGS ?=
# Whose compiled modules are tested: 3.13 where it is installed, else PYTHON.
COMPILED_PYTHON ?=

# Twice quiet: errors only.
PIP := -m pip --disable-pip-version-check -qq install
BIN := .venv/bin
# Asked of the interpreter itself, since a shim of that name may answer for a version that is not there.
FIND_313 = for p in python3.13 "$$HOME"/.pyenv/versions/3.13*/bin/python3.13; do \
	"$$p" -c 'import ensurepip, sys; sys.exit(sys.version_info[:2] != (3, 13))' >/dev/null 2>&1 && { echo "$$p"; break; }; done; true

.DEFAULT_GOAL := help
.NOTPARALLEL:
.SILENT:
.DELETE_ON_ERROR:
.PHONY: help run test check suite compiled suite-compiled suite-3.13 suites counts soak bench format clean

help:
	sed -n '/^# Two/,/^$$/s/^# \{0,1\}//p' Makefile

# --- set-up: stamps, renewed when pyproject.toml changes

.venv/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Python 3.11 or newer is needed: make PYTHON=...")'
	echo "== creating .venv"
	$(PYTHON) -m venv .venv

.venv/.installed-run: pyproject.toml | .venv/bin/python
	echo "== installing into .venv"
	TOOLKIT_COMPILE=0 $(BIN)/python $(PIP) -e '.[all]'
	touch $@

.venv/.installed-test: pyproject.toml | .venv/bin/python
	echo "== installing into .venv, with what the tests need"
	TOOLKIT_COMPILE=0 $(BIN)/python $(PIP) -e '.[all,test]'
	touch .venv/.installed-run $@

# --- the main job

run: .venv/.installed-run
	$(BIN)/python examples/signaling.py --test
	$(BIN)/python examples/relay.py

# --- the checks, in the order of their speed

test: check
	# The compiler works beside the first suite, which keeps one core busy.
	$(MAKE) --no-print-directory compiled & compiling=$$!; \
	$(MAKE) --no-print-directory suite && wait $$compiling || { wait $$compiling; exit 1; }
	$(MAKE) --no-print-directory suite-compiled counts

check: .venv/.installed-test
	echo "== format"
	$(BIN)/ruff format --check .
	echo "== lint"
	$(BIN)/ruff check .
	echo "== types"
	$(BIN)/mypy

suite: .venv/.installed-test
	echo "== tests, $$($(BIN)/python --version)"
	rm -f .cache/junit-*.xml
	$(BIN)/python -m pytest -q --junitxml=.cache/junit-venv.xml $(PYTEST_ARGS)

# An environment where the package is installed as users install it, anew whenever a source has changed. The repository
# comes behind it on the path: tests are found there, the package is not.
CHOOSE = set -e; python="$(COMPILED_PYTHON)"; \
	[ -n "$$python" ] || python="$$($(FIND_313))"; [ -n "$$python" ] || python=$(BIN)/python; \
	version="$$("$$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')"; \
	folder=.venv-compiled-$$version; stamp=$$folder/.installed-test

compiled: .venv/.installed-test
	$(CHOOSE); \
	if [ ! -e $$stamp ] || [ -n "$$(find toolkit hatch_build.py pyproject.toml -type f -newer $$stamp ! -name '*.pyc')" ]; then \
		echo "== compiling into $$folder, which takes some minutes"; \
		[ -x $$folder/bin/python ] || "$$python" -m venv $$folder; \
		touch $$stamp.new; \
		TOOLKIT_COMPILE=1 $$folder/bin/python $(PIP) '.[all,test]'; \
		echo "$(CURDIR)" >"$$($$folder/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/repository.pth"; \
		mv $$stamp.new $$stamp; \
	fi

suite-compiled: compiled
	$(CHOOSE); \
	export PYTHONSAFEPATH=1; \
	$$folder/bin/python -c 'import sys, toolkit; sys.exit(0 if toolkit.compiled else "the package is not compiled")'; \
	echo "== tests, compiled, $$($$folder/bin/python --version)"; \
	$$folder/bin/python -m pytest -q --import-mode=append -p no:cacheprovider \
		--junitxml=.cache/junit-compiled-$$version.xml $(PYTEST_ARGS)

suite-3.13: .venv/.installed-test
	python="$$($(FIND_313))"; \
	if $(BIN)/python -c 'import sys; sys.exit(sys.version_info[:2] != (3, 13))'; then exit 0; fi; \
	if [ -z "$$python" ]; then echo "== no Python 3.13 here: the suite ran once"; exit 0; fi; \
	if [ ! .venv-3.13/.installed-test -nt pyproject.toml ]; then \
		echo "== installing into .venv-3.13"; \
		"$$python" -m venv .venv-3.13 && TOOLKIT_COMPILE=0 .venv-3.13/bin/python $(PIP) -e '.[all,test]' && touch .venv-3.13/.installed-test \
		|| exit 1; \
	fi; \
	echo "== tests, $$(.venv-3.13/bin/python --version)"; \
	.venv-3.13/bin/python -m pytest -q -p no:cacheprovider --junitxml=.cache/junit-venv-3.13.xml $(PYTEST_ARGS)

# Both forms on both versions.
suites: suite suite-3.13 suite-compiled
	$(MAKE) suite-compiled COMPILED_PYTHON=$(BIN)/python

counts: .venv/.installed-test
	echo "== counts"
	$(BIN)/python scripts/counts.py .cache/junit-*.xml

# --- on request

soak: .venv/.installed-test
	$(BIN)/python -m pytest -m soak --timeout=3600 $(PYTEST_ARGS)

# Makes its own environment for the peers, .cache/bench-venv-*. BENCH_ARGS="--quick", "--python 3.13", "--rows http_json"
bench: | .venv/bin/python
	$(BIN)/python -m benchmarks $(BENCH_ARGS)

format: .venv/.installed-test
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:
	rm -rf .venv .venv-3.13 .venv-compiled-* .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis dist build
