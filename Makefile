# `make run`: a tour of the samples. `make test`: everything that is checked. Nothing is needed before them but Python and make.
PYTHON ?= python3
VENV := .venv
STAMP := $(VENV)/.installed
REAL := .venv-real
# llama.cpp's own server beside the Python package: for any machine, with no page from a hub and no second copy of mtmd.
LLAMA_FLAGS := -DGGML_NATIVE=OFF -DLLAMA_BUILD_TOOLS=ON -DLLAMA_BUILD_SERVER=ON -DLLAMA_TOOLS_INSTALL=ON -DLLAVA_BUILD=OFF \
	-DLLAMA_USE_PREBUILT_UI=OFF -DLLAMA_OPENSSL=OFF -DCMAKE_INSTALL_RPATH=$$ORIGIN/../lib:$$ORIGIN/../llama_cpp/lib

.PHONY: run test test-real lint types clean

run: $(STAMP)
	$(VENV)/bin/pagemill tour

test: $(STAMP) lint
	$(VENV)/bin/python -m pytest -n 3 --dist worksteal
	if command -v chromium >/dev/null; then $(VENV)/bin/python -m pytest -m real_browser tests/flows; fi

# Compiles llama.cpp the first time, which takes a C++ compiler and some ten minutes.
test-real: $(REAL)/.installed
	$(REAL)/bin/python -m pytest -m real_server tests/real

lint: $(STAMP)
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports --no-cache

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
	rm -rf $(VENV) $(REAL) out
