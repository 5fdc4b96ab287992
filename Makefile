# One word each. `make serve` and `make test` need nothing but Python 3.11+: they set everything up themselves.
PYTHON ?= python3
BIN := .venv/bin

serve: .venv/service
	$(BIN)/chatkeep serve

serve-postgres: .venv/tests
	$(BIN)/python -m tests.serve_postgres

serve-local: .venv/local
	$(BIN)/chatkeep serve --local

test: .venv/tests
	$(BIN)/python -m pytest -n 2

icu: .venv/tests
	TEST_ICU_LOCALE=en-US $(BIN)/python -m pytest -n 2 -k postgres tests/store tests/api tests/runs tests/test_journal.py

check: .venv/tests
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/pyright --pythonpath $(BIN)/python
	$(BIN)/lint-imports

fix: .venv/tests
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

.venv/service: requirements.txt pyproject.toml
	test -d .venv || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	touch $@

.venv/tests: requirements-dev.txt requirements-mcp.txt .venv/service
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	touch $@

.venv/local: requirements-local.txt .venv/service
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -r requirements-local.txt
	touch $@

bench: .venv/service
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r bench/requirements.txt
	$(BIN)/python bench/run.py

faults: .venv/tests
	FAULT_KILLS=200 $(BIN)/python -m pytest tests/faults -s

soak: .venv/service
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r bench/requirements.txt
	$(BIN)/python bench/soak.py --minutes 20 --plot soak.png --json soak.json

clean:
	rm -rf .venv

.PHONY: serve serve-postgres serve-local test icu check fix bench faults soak clean
