# `make run`: a tour of the samples. `make test`: what each change must pass; `make test-all`: everything that is checked. Nothing is needed before them but Python and make.
PYTHON ?= python3
VENV := .venv
STAMP := $(VENV)/.installed
REAL := .venv-real
# A third process works while the others wait.
PYTEST := $(VENV)/bin/python -m pytest -n 3 --dist loadgroup
# llama.cpp's own server beside the Python package: for any machine, with no page from a hub and no second copy of mtmd.
LLAMA_FLAGS := -DGGML_NATIVE=OFF -DLLAMA_BUILD_TOOLS=ON -DLLAMA_BUILD_SERVER=ON -DLLAMA_TOOLS_INSTALL=ON -DLLAVA_BUILD=OFF \
	-DLLAMA_USE_PREBUILT_UI=OFF -DLLAMA_OPENSSL=OFF -DCMAKE_INSTALL_RPATH=$$ORIGIN/../lib:$$ORIGIN/../llama_cpp/lib

# Modules are compiled once, and not in each of the hundreds of processes that the tests start.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: run test test-all test-real lint types clean

run: $(STAMP)
	$(VENV)/bin/pagemill tour

# Everything but whole machines. The checks of `lint` run beside the tests, on what they leave of
# the cores, and are told only where they fail, so that the last line is pytest's.
test: $(STAMP)
	@mkdir -p build
	@$(MAKE) --no-print-directory lint >build/lint.txt 2>&1 & lint=$$!; \
	$(PYTEST) -m 'not whole_machine and not real_server and not real_browser'; tests=$$?; \
	wait $$lint || { cat build/lint.txt; exit 1; }; exit $$tests

# Everything: whole machines, all runs through Prefect, each step killed, all examples of hypothesis, pages in a real browser.
test-all: $(STAMP) lint
	PAGEMILL_TEST_STEPS=all $(PYTEST) --everything
	if command -v chromium >/dev/null; then $(VENV)/bin/python -m pytest -m real_browser tests/flows; fi

# Compiles llama.cpp the first time, which takes a C++ compiler and some ten minutes.
test-real: $(REAL)/.installed
	$(REAL)/bin/python -m pytest -m real_server tests/real

lint: $(STAMP)
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports
	$(VENV)/bin/deptry flows extractors schemas

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]' --constraint constraints.txt
	touch $(STAMP)

# Without pip's cache, which tells a package with the server from one without it by its version alone.
$(REAL)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(REAL)
	CMAKE_ARGS='$(LLAMA_FLAGS)' $(REAL)/bin/python -m pip install --quiet --disable-pip-version-check --no-cache-dir \
		--no-binary llama-cpp-python 'llama-cpp-python[server]' --constraint constraints.txt
	$(REAL)/bin/python -m pip install --quiet --disable-pip-version-check --editable '.[dev,real]' --constraint constraints.txt
	touch $(REAL)/.installed

clean:
	rm -rf $(VENV) $(REAL) build out
