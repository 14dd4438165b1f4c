# The front door. `make help` lists what it opens.

BUILD   ?= build
VENV    ?= .venv
JOBS    ?= $(shell nproc 2>/dev/null || echo 2)
PREFIX  ?= /usr/local
FLAGS   ?=
FORMAT_BASE ?= main

PYTHON  := $(VENV)/bin/python
TOOLS   := VENV=$(VENV) sh tools/setup.sh

# What is missing on this machine, as the one line that says what to install: checked only where
# it is needed, and before anything is built.
require = $(eval problem := $(shell $(TOOLS) missing $(1)))$(if $(problem),$(error $(problem)))

# Looked up when first needed, and again until found: setting up may bring them.
CMAKE   = $(or $(cmake_found),$(eval cmake_found := $(shell $(TOOLS) cmake))$(cmake_found))
NINJA   = $(or $(ninja_found),$(eval ninja_found := $(shell $(TOOLS) ninja))$(ninja_found))

# $(call configure,FOLDER,OPTIONS) and $(call build,FOLDER,TARGETS)
configure = $(CMAKE) -S . -B $(1) $(if $(wildcard $(1)/CMakeCache.txt),,$(if \
    $(NINJA),-G Ninja -DCMAKE_MAKE_PROGRAM=$(NINJA),-G 'Unix Makefiles')) \
    $(2) $(FLAGS) >$(1)/configure.log 2>&1 || { cat $(1)/configure.log; exit 1; }
build     = $(CMAKE) --build $(1) --parallel $(JOBS) --target $(2)

.DEFAULT_GOAL := library
.PHONY: format format-check library python run test test-c test-python built-tests sanitize wheel install bench bench-door clean help tools

help:
	@echo "make            build the C library alone, in $(BUILD)/"
	@echo "make run        set up $(VENV), build, train a classifier of handwritten digits"
	@echo "make test       set up, build, run the C and the Python tests"
	@echo "make install    install the C library under PREFIX=$(PREFIX)"
	@echo "make wheel      build the wheel into dist/"
	@echo "make sanitize   all tests under AddressSanitizer and UBSan"
	@echo "make bench      time the workloads of bench/ (AGAINST=torch: beside PyTorch)"
	@echo "make bench-door what a call costs, part by part, from C and from Python"
	@echo "make format     lay out the C lines changed since FORMAT_BASE=$(FORMAT_BASE); format-check looks"
	@echo "make clean      remove all that was built ($(VENV) stays)"

# ---- Building -----------------------------------------------------------------------------------

library: tools
	@mkdir -p $(BUILD)
	@$(call configure,$(BUILD))
	@$(call build,$(BUILD),flambeau flambeau_static)

# The extension is put into python/flambeau, and $(VENV) knows python/ by a .pth file: an edited
# .py file counts at once, an edited .c file after `make python`.
python: $(VENV)/ready tools
	@mkdir -p $(BUILD)
	@$(call configure,$(BUILD),-DFLAMBEAU_PYTHON=ON -DFLAMBEAU_INPLACE=ON \
	    -DPython_EXECUTABLE=$(abspath $(PYTHON)))
	@$(call build,$(BUILD),python_extension flambeau)

# Stamps: once they stand, nothing below asks the network.
tools: $(if $(CMAKE),,$(VENV)/cmake)
	$(call require,compiler)
$(VENV)/ready:
	$(call require,compiler)
	$(call require,python)
	@$(TOOLS) venv
$(VENV)/cmake: $(VENV)/ready
	@$(TOOLS) pip cmake 'cmake>=3.20' 'ninja>=1.10'
$(VENV)/pytest-xdist: $(VENV)/ready
	@$(TOOLS) pip pytest-xdist 'pytest>=7,<10' 'pytest-xdist>=3'
# What some tests compare with. Where it cannot be had they are skipped.
$(VENV)/compared: $(VENV)/ready
	@$(TOOLS) wish compared numpy mpmath mypy basedpyright 'pillow>=9.1' scipy-openblas32
$(VENV)/build: $(VENV)/ready
	@$(TOOLS) pip build 'build>=1' 'scikit-build-core>=0.10,<2' 'cmake>=3.20' 'ninja>=1.10'

# ---- Running and testing ------------------------------------------------------------------------

# The files of tests are shared out to as many processes as there are cores. One that dies (of a
# sanitizer's report, say) ends the run: xdist may wait for ever for the rest of its file.
AT_ONCE = -n $(JOBS) --dist loadfile --max-worker-restart=0

run: python
	@$(PYTHON) examples/digits.py

test: test-c test-python

built-tests: python
	@$(call build,$(BUILD),c_tests flambeau_static)

test-c: built-tests
	@$(dir $(CMAKE))ctest --test-dir $(BUILD) --output-on-failure --no-tests=ignore --parallel $(JOBS)

test-python: built-tests $(VENV)/pytest-xdist $(VENV)/compared
	@FLAMBEAU_BUILD=$(abspath $(BUILD)) $(PYTHON) -m pytest $(AT_ONCE) $(TESTS)

# The package goes to a folder of its own, so that the tree's own build is left as it is.
sanitize: $(VENV)/pytest-xdist $(VENV)/compared tools
	@mkdir -p $(BUILD)/sanitize
	@$(call configure,$(BUILD)/sanitize,-DFLAMBEAU_PYTHON=ON -DCMAKE_BUILD_TYPE=Debug \
	    -DFLAMBEAU_SANITIZE=address$(comma)undefined -DPython_EXECUTABLE=$(abspath $(PYTHON)))
	@$(call build,$(BUILD)/sanitize,all c_tests)
	@$(CMAKE) --install $(BUILD)/sanitize --component python --prefix $(BUILD)/sanitize/package >/dev/null
	@$(dir $(CMAKE))ctest --test-dir $(BUILD)/sanitize --output-on-failure --no-tests=ignore --parallel $(JOBS)
	@ASAN_OPTIONS=detect_leaks=0:allocator_may_return_null=1 UBSAN_OPTIONS=print_stacktrace=1 \
	    LD_PRELOAD="$$($(TOOLS) preload)" PYTHONMALLOC=malloc PYTHONPATH=$(BUILD)/sanitize/package \
	    FLAMBEAU_SANITIZED=1 FLAMBEAU_BUILD=$(abspath $(BUILD)/sanitize) \
	    $(PYTHON) -m pytest -p no:cacheprovider --capture=sys $(AT_ONCE) $(TESTS)
comma := ,

bench: python
	@$(if $(AGAINST),$(PYTHON) bench/pair.py $(AGAINST) flambeau,$(PYTHON) bench/workloads.py flambeau)

bench-door: python
	@$(call build,$(BUILD),bench_door)
	@$(BUILD)/bench_door
	@$(PYTHON) bench/door.py

# ---- Layout: of the lines that were changed, by one version of clang-format, since others differ ---

$(VENV)/clang-format: $(VENV)/ready
	@$(TOOLS) pip clang-format 'clang-format==21.1.2'

FORMAT = $(PYTHON) $(VENV)/bin/git-clang-format --binary $(VENV)/bin/clang-format --extensions c,h

format: $(VENV)/clang-format
	@$(FORMAT) $(FORMAT_BASE)

format-check: $(VENV)/clang-format
	@$(FORMAT) --diff $(FORMAT_BASE)

# ---- Delivering ---------------------------------------------------------------------------------

install: library
	@$(CMAKE) --install $(BUILD) --component c --strip --prefix $(abspath $(PREFIX))

wheel: $(VENV)/build
	@$(PYTHON) -m build --wheel --no-isolation --outdir dist .

clean:
	rm -rf $(BUILD) dist python/flambeau/_C.*
	find python tests -name __pycache__ -prune -exec rm -rf {} +
