# Needs Python 3.11 to 3.13 and make. Everything else is installed into .venv, and only when what it depends on changed.
# Paths are relative and quoted, so that a checkout below a folder with a space in its name works.
PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/python -m
# The stamp names the folder: an environment that was moved or copied is made again.
READY := $(VENV)/.ready-$(shell pwd -P | cksum | cut -d ' ' -f 1)

.DEFAULT_GOAL := help
.PHONY: help book html site pdf epub test newest plain mutants refresh replicate bench lock clean install
.DELETE_ON_ERROR:

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' Makefile

install: $(READY) ## make the environment in .venv (every other target does it too)

$(READY): requirements.txt pyproject.toml
	@"$(PYTHON)" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null || { \
	  echo "make: PYTHON=$(PYTHON) is $$("$(PYTHON)" --version 2>&1 || echo missing); this book needs Python 3.11, 3.12 or 3.13."; \
	  echo "      Name one: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@$(RUN) pip --version >/dev/null 2>&1 && test "$$($(VENV)/bin/python -c 'import sys; print(sys.prefix)')" -ef $(VENV) || \
	  "$(PYTHON)" -m venv --clear $(VENV)
	$(RUN) pip install --quiet --disable-pip-version-check -r requirements.txt
	$(RUN) pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@rm -f $(VENV)/.ready-*
	@touch $(READY)

book: $(READY) ## run every chapter and build the book from what just ran
	@$(RUN) resnet_lib.cli book

html: $(READY) ## build the book from the stored outputs, without running anything
	@$(RUN) resnet_lib.cli book --stored

site: $(READY) ## make _build/site, which a static host can serve, from the stored outputs
	@$(RUN) resnet_lib.cli site

pdf: $(READY) ## print the book as one PDF from the stored outputs (needs Chromium or Chrome)
	@$(RUN) resnet_lib.cli print pdf

epub: $(READY) ## make the book one ePub from the stored outputs
	@$(RUN) resnet_lib.cli print epub

test: $(READY) ## everything that has to be right: style, types, units, notebooks, claims, the built pages in a browser
	$(RUN) ruff check
	$(RUN) ruff format --check
	$(RUN) basedpyright
	$(RUN) pytest -n 2 --dist loadscope -p tests.notebooks --ignore tests/pages resnet_lib tests chapters
	@$(RUN) resnet_lib.cli book --stored
	$(RUN) pytest -n 2 tests/pages

NEWEST := .venv-newest
newest: ## run the unit tests with the newest release of everything that pyproject.toml admits, in .venv-newest
	@"$(PYTHON)" -m venv $(NEWEST)
	$(NEWEST)/bin/python -m pip install --quiet --disable-pip-version-check --upgrade --upgrade-strategy eager -e ".[book,test]"
	$(NEWEST)/bin/python -m pip list --disable-pip-version-check
	$(NEWEST)/bin/python -m pytest -n 2 --dist loadscope --ignore tests/pages resnet_lib tests

SPHINX9 := .sphinx9
# The newest releases that go together on Python 3.11; Jupyter Book 1, which they leave out, asks for Sphinx below 8.
PLAIN := sphinx==9.0.4 myst-nb==1.4.0 myst-parser==5.2.0 sphinx-book-theme==1.4.0 pydata-sphinx-theme==0.20.0 \
  sphinx-external-toc==1.1.0 sphinxcontrib-bibtex==2.7.0 sphinx-copybutton==0.5.2 sphinx-design==0.8.0 \
  sphinx-togglebutton==0.4.5 sphinx-codeautolink==0.20.0 sphinx-mathjax-offline==0.0.2
# Its stamp names what was asked for: where that changes, the packages are fetched anew.
ASKED := $(SPHINX9)/.asked-$(shell echo "$(PLAIN)" | cksum | cut -d ' ' -f 1)
$(ASKED): $(READY)
	@rm -rf $(SPHINX9)
	$(RUN) pip install --quiet --disable-pip-version-check --no-warn-conflicts --target $(SPHINX9) $(PLAIN)
	@touch $@

plain: $(ASKED) ## make the pages with plain Sphinx 9 as well and compare them; its packages are kept in .sphinx9
	@$(RUN) resnet_lib.cli book --stored
	@$(RUN) resnet_lib.cli plain --packages $(SPHINX9)
	$(RUN) pytest tests/book/test_plain.py
	$(RUN) pytest tests/pages/test_second_builder.py --plain _build/plain

MUTATION := cosmic-ray==8.7.0
mutants: $(READY) ## draw mutants of the library and report how many the unit tests see; takes hours
	$(RUN) pip install --quiet --disable-pip-version-check $(MUTATION)
	$(RUN) tests.mutants

refresh: $(READY) ## run the committed notebooks and take their outputs and figures into the checkout
	@$(RUN) resnet_lib.cli refresh

replicate: $(READY) ## compute the book as if the processor were an old one, and compare it with what is published
	@$(RUN) resnet_lib.cli replicate --instructions oldest

bench: $(READY) ## compare speed with named peers, side by side
	$(RUN) benchmarks

lock: ## renew requirements.txt from pyproject.toml (needs uv)
	uv pip compile --upgrade pyproject.toml -o requirements.txt

clean: ## remove what was built; the environment and the cache of trials stay
	rm -rf _build
