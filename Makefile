# One word each. `make serve` and `make test` need nothing but Python 3.11+: they set everything up themselves.
PYTHON ?= python3
BIN := .venv/bin
PORT := 8000
PATRONI := patroni
CLIENT := src/chatkeep/static/index.html
FAKES := tests/npm/node_modules/.package-lock.json examples/use-chat/node_modules/.package-lock.json
PROGRAMS := .venv/programs/llm .venv/programs/shell-gpt
WITHOUT := echo "The web client could not be built; the service starts with a small page instead."

serve: .venv/service
	@$(MAKE) --no-print-directory $(CLIENT) || $(WITHOUT)
	$(BIN)/chatkeep serve --port $(PORT)

serve-postgres: .venv/tests
	$(BIN)/python -m tests.serve_postgres

serve-local: .venv/local
	$(BIN)/chatkeep serve --local --port $(PORT)

test: .venv/tests
	@$(MAKE) --no-print-directory $(CLIENT) || $(WITHOUT)
	@$(MAKE) --no-print-directory $(FAKES) || echo "npm's packages could not be installed; tests that need them are skipped."
	@$(MAKE) --no-print-directory $(PROGRAMS) || echo "Programs could not be installed; tests that need them are skipped."
	$(BIN)/python -m pytest -n 2

icu: .venv/tests
	TEST_ICU_LOCALE=en-US $(BIN)/python -m pytest -n 2 -k postgres tests/store tests/api tests/runs

plain: .venv/tests
	TEST_PLAIN_POSTGRES=yes $(BIN)/python -m pytest -n 2 -k postgres tests/db tests/store tests/api tests/runs tests/cli tests/toolbox

check: .venv/tests .venv/web
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/pyright --pythonpath $(BIN)/python
	$(BIN)/lint-imports
	$(BIN)/python web/client.py check

fix: .venv/tests
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

.venv/service: requirements.txt pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	touch $@

.venv/tests: requirements-dev.txt requirements-documents.txt requirements-mcp.txt requirements-otel.txt requirements-s3.txt .venv/service
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	touch $@

.venv/bench: bench/requirements.txt .venv/service
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r bench/requirements.txt
	touch $@

.venv/local: requirements-local.txt .venv/service
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -r requirements-local.txt
	touch $@

.venv/dist: deploy/requirements-build.txt
	$(PYTHON) -m venv $@
	$@/bin/python -m pip install --quiet --disable-pip-version-check -r deploy/requirements-build.txt
	touch $@

dist: .venv/dist
	rm -rf dist
	.venv/dist/bin/python -m build --outdir dist .
	.venv/dist/bin/cyclonedx-py requirements deploy/requirements.txt --pyproject pyproject.toml --of JSON -o dist/sbom.json
	cd dist && sha256sum * > SHA256SUMS
	.venv/dist/bin/python deploy/try_wheel.py dist/*.whl

hashes: .venv/dist
	grep -v '^-e' requirements.txt > .venv/requirements.in
	( sed -n 1,2p deploy/requirements.txt; .venv/dist/bin/pip-compile --quiet --generate-hashes --no-header \
	    --no-annotate --strip-extras --allow-unsafe --no-emit-index-url --no-emit-trusted-host --no-emit-find-links \
	    --output-file - .venv/requirements.in ) > .venv/hashes.txt
	mv .venv/hashes.txt deploy/requirements.txt

web: $(CLIENT)

client: .venv/web
	$(BIN)/python web/client.py client

$(CLIENT): .venv/web $(shell find web clients/typescript/src -type f -not -path "web/node_modules/*")
	$(BIN)/python web/client.py

$(FAKES): %/node_modules/.package-lock.json: %/package-lock.json | .venv/tests
	$(BIN)/python web/client.py install $*

.venv/programs/%: tests/programs/%.txt | .venv/tests
	$(PYTHON) -m venv $@
	$@/bin/python -m pip install --quiet --disable-pip-version-check -r $<
	touch $@

.venv/web: web/requirements.txt .venv/service
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r web/requirements.txt
	touch $@

bench: .venv/bench
	$(BIN)/python bench/run.py --json bench.json --plots docs
	$(BIN)/python bench/growth.py
	$(BIN)/python bench/durable.py

bench-quick: .venv/bench
	$(BIN)/python bench/run.py --quick

files: .venv/bench
	$(BIN)/python bench/files.py

hostile: .venv/bench
	$(BIN)/python bench/hostile.py

faults: .venv/tests
	FAULT_KILLS=200 $(BIN)/python -m pytest tests/faults -s

fuzz: .venv/tests
	FUZZ_SEQUENCES=1000 $(BIN)/python -m pytest tests/faults/test_sequences.py -s
	FAILOVER_CUTS=100000 $(BIN)/python -m pytest -n 2 tests/agent/test_failover.py
	$(BIN)/python -m pytest -n 2 --timeout 0 --hypothesis-profile fuzz tests/hostile/test_any_stream.py tests/hostile/test_any_response.py

money: .venv/tests
	MONEY_TURNS=10000 $(BIN)/python -m pytest tests/faults/test_money.py -s

doors: .venv/tests $(FAKES)
	DOOR_KILLS=50 $(BIN)/python -m pytest -n 2 tests/dialects/test_many_doors.py -s

soak: .venv/bench
	$(BIN)/python bench/soak.py --minutes 20 --plot soak.png --json soak.json

failover: .venv/tests
	$(BIN)/python bench/failover.py --kills 100 --patroni $(PATRONI) --json failover.json

clean:
	rm -rf .venv web/node_modules tests/npm/node_modules examples/use-chat/node_modules clients/typescript/dist src/chatkeep/static

.PHONY: serve serve-postgres serve-local test icu plain check fix dist hashes web client bench bench-quick files hostile fuzz faults money doors soak failover clean
