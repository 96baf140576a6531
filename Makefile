# Everything a fresh machine needs is set up by the targets themselves: Python >= 3.11, git, make and apt are enough.
PYTHON  ?= python3
DEVICES ?= 8
PROFILE ?= dtls
VENV    := .venv
BIN     := $(VENV)/bin
# What tests and benchmarks meet: OpenSSL's and libcoap's commands, Leshan's Java libraries, a PKCS#11 token.
TEST_PACKAGES := curl openssl libcoap3-bin default-jdk-headless maven softhsm2

.PHONY: demo sizes test lint soak bench clean

demo: $(VENV)/.ready
	@$(BIN)/lwm2m-server demo --devices $(DEVICES) --profile $(PROFILE)

sizes: $(VENV)/.ready
	@$(BIN)/lwm2m-server sizes

test: $(VENV)/.ready-dev lint
	@tools/debian-packages $(TEST_PACKAGES)
	@PYTHON=$(BIN)/python tools/go-program step-ca >/dev/null
	@PYTHON=$(BIN)/python tools/go-program estserver >/dev/null
	$(BIN)/python -m pytest tests -n 3 --dist worksteal -m "not soak and not e2e"
	$(BIN)/python -m pytest tests/e2e -n 3 --dist worksteal -m "not soak" --durations 20

lint: $(VENV)/.ready-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

soak: $(VENV)/.ready-dev
	@tools/debian-packages $(TEST_PACKAGES)
	$(BIN)/python -m pytest tests -n 2 --dist worksteal -m soak --timeout 3600

bench: $(VENV)/.ready-dev
	@tools/debian-packages $(TEST_PACKAGES)
	$(BIN)/python -m benchmarks

# The virtual environment is complete or it is not there: the stamps are written last.
$(VENV)/.ready: pyproject.toml constraints.txt
	@tools/virtual-environment $(PYTHON) $(VENV) .
	@touch $@

$(VENV)/.ready-dev: pyproject.toml constraints.txt | $(VENV)/.ready
	@tools/virtual-environment $(PYTHON) $(VENV) ".[dev]"
	@touch $@

clean:
	rm -rf $(VENV) build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
