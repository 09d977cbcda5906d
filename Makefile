# `make help` lists the targets.

PYTHON   ?= python3
VENV     ?= .venv
JOBS     ?= 6
VERSIONS ?= 3.10 4.0 4.3
CASES    ?= 300
ROUNDS   ?= 50
PYTHONS  ?= 3.11 3.13 3.14
CELERY   ?= 5.5.0
BROKER   ?=
ARGS     ?=

BIN   := $(VENV)/bin
STAMP := $(VENV)/.routectl-installed
TYPES := build/types
OLD   := build/oldest
SUITE := build/celery
# Tests of a file share its workers, so they run in one process; `tests/spread.py` says in which order.
SPREAD = -n $(JOBS) --dist loadfile --no-loadscope-reorder
# Live tests whose cases are random.
RANDOM := tests/live/test_nothing_comes_back.py tests/live/test_links.py tests/live/test_secrets.py \
	tests/live/test_regular_expressions.py tests/live/test_foreseen.py tests/live/test_any_sequence.py
# Traces of workers, which other tests would disturb.
TRACES := tests/workers/scheduling/test_traces.py tests/workers/scheduling/test_max_wait.py
# Workers with an order, of which something dies under load.
KILLS := tests/workers/scheduling/test_kills.py
# Two applies at once, among others.
LOCK := tests/live/test_apply_lock.py
# Moves of queues under load and under faults; moves, and applies with --prune, that are killed before each write.
MOVES := tests/live/test_move_faults.py tests/live/test_move_breaks.py tests/live/test_ownership.py
# Unit tests of what runs in Celery's processes.
ROUTING := tests/unit/routing tests/unit/cli/test_import.py

export PIP_DISABLE_PIP_VERSION_CHECK := 1
# Tests start thousands of Python processes: without this, each of them would compile routectl again.
unexport PYTHONDONTWRITEBYTECODE
# A broker that runs already: BROKER=amqp://... makes the tests use it instead of starting one.
ifneq ($(BROKER),)
export ROUTECTL_TEST_BROKER := $(BROKER)
endif

.DEFAULT_GOAL := help
.PHONY: help install demo test unit live matrix proof celery oldest pythons lint types bench plot docs clean

help: ## list the targets and variables
	@echo 'Targets:'
	@sed -n 's/^\([a-z]*\):[^#]*## \(.*\)/  \1\t\2/p' $(firstword $(MAKEFILE_LIST)) | expand -t 12
	@echo
	@echo 'Variables, as in `make test JOBS=4`:'
	@echo '  PYTHON    Python 3.11 or newer                            [$(PYTHON)]'
	@echo '  VENV      virtual environment                             [$(VENV)]'
	@echo '  CELERY    version of `make oldest`                        [$(CELERY)]'
	@echo '  JOBS      test processes                                  [$(JOBS)]'
	@echo '  VERSIONS  RabbitMQ versions of `make matrix` and `proof`  [$(VERSIONS)]'
	@echo '  CASES     random cases for each test of `make proof`      [$(CASES)]'
	@echo '  ROUNDS    faults and pairs of applies of `make proof`          [$(ROUNDS)]'
	@echo '  PYTHONS   Python versions of `make pythons`               [$(PYTHONS)]'
	@echo '  BROKER    AMQP URL of a running broker to test against    [$(BROKER)]'
	@echo '  ARGS      extra arguments, passed through                 [$(ARGS)]'

install: $(STAMP) ## set up the virtual environment, with all extras

$(STAMP): setup.cfg pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo 'error: `$(PYTHON)` is older than Python 3.11; pass another one with `make PYTHON=...`' >&2; exit 2; }
	@test -x $(BIN)/pip || $(PYTHON) -m venv $(VENV) || \
		{ rm -rf $(VENV); echo 'error: Python lacks venv; on Debian, `apt-get install python3-venv`' >&2; exit 2; }
	$(BIN)/pip install --quiet --editable '.[dev]'
	@touch $@

demo: $(STAMP) ## an end-to-end demo on a throwaway RabbitMQ, in two minutes
	$(BIN)/python -m demo.run $(ARGS)

test: $(STAMP) ## all tests, on a real RabbitMQ
	$(BIN)/pytest $(SPREAD) tests $(ARGS)

unit: $(STAMP) ## the tests that need no broker
	$(BIN)/pytest -n $(JOBS) tests/unit $(ARGS)

live: $(STAMP) ## the tests that need a RabbitMQ, and those with Celery workers
	$(BIN)/pytest $(SPREAD) tests/live tests/workers $(ARGS)

matrix: $(STAMP) ## `make live` on each RabbitMQ version
	@failed=''; for version in $(VERSIONS); do \
		echo "== RabbitMQ $$version"; \
		ROUTECTL_TEST_RABBITMQ=$$version $(BIN)/pytest $(SPREAD) tests/live tests/workers $(ARGS) || failed="$$failed $$version"; \
	done; test -z "$$failed" || { echo "error: failed on RabbitMQ$$failed" >&2; exit 1; }

proof: $(STAMP) ## random cases in numbers: a million patterns, files on each RabbitMQ version; and `make celery`
	ROUTECTL_TEST_FUZZ=1000000 $(BIN)/pytest tests/unit/routing/test_fuzz.py $(ARGS)
	@failed=''; for version in $(VERSIONS); do \
		echo "== RabbitMQ $$version"; \
		ROUTECTL_TEST_RABBITMQ=$$version ROUTECTL_TEST_CASES=$(CASES) $(BIN)/pytest -n $(JOBS) $(RANDOM) $(ARGS) \
			|| failed="$$failed $$version"; \
		ROUTECTL_TEST_RABBITMQ=$$version ROUTECTL_TEST_CASES=$(CASES) $(BIN)/pytest $(TRACES) $(ARGS) \
			|| failed="$$failed $$version"; \
		ROUTECTL_TEST_RABBITMQ=$$version ROUTECTL_TEST_ROUNDS=$(ROUNDS) $(BIN)/pytest $(KILLS) $(LOCK) $(MOVES) $(ARGS) \
			|| failed="$$failed $$version"; \
	done; test -z "$$failed" || { echo "error: failed on RabbitMQ$$failed" >&2; exit 1; }
	@$(MAKE) celery ARGS=

celery: ## Celery's own integration tests of tasks and canvas, on workers with each order
	@test -x $(SUITE)/bin/pip || $(PYTHON) -m venv $(SUITE)
	$(SUITE)/bin/pip install --quiet --editable '.[test]' pytest-rerunfailures pytest-timeout
	ROUTECTL_TEST_RABBITMQ=4.3 $(SUITE)/bin/python -m tests.celery_suite $(ARGS)

oldest: ## the tests with Celery workers, and of routing, on the oldest Celery
	@test -x $(OLD)/bin/pip || $(PYTHON) -m venv $(OLD)
	$(OLD)/bin/pip install --quiet --editable '.[test]' 'celery==$(CELERY)'
	$(OLD)/bin/pytest $(SPREAD) tests/workers $(ROUTING) $(ARGS)

pythons: $(STAMP) ## the unit tests on each Python of PYTHONS, which are unpacked from Debian if missing
	@$(BIN)/python -m tests.pythons $(PYTHONS) -- -n $(JOBS) tests/unit $(ARGS)

lint: $(STAMP) ## style
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

# On an installed copy: through an editable install with mapped folders mypy sees every import as `Any`.
types: ## strict types, on an installed copy
	@test -x $(TYPES)/bin/pip || $(PYTHON) -m venv $(TYPES)
	@rm -rf build/lib build/bdist.*
	$(TYPES)/bin/pip install --quiet '.[dev]'
	cd $(TYPES) && bin/mypy --config-file ../../setup.cfg -p routectl.topology -p routectl.routing -p routectl.cli $(ARGS)

bench: $(STAMP) ## the ratios that routectl promises
	$(BIN)/python -m benchmarks $(ARGS)

plot: $(STAMP) ## trace workers with and without an order, and draw docs/orders.svg
	$(BIN)/python -m benchmarks.plot $(ARGS)

docs: $(STAMP) ## regenerate the generated pages of docs/
	$(BIN)/python -m docs.generate $(ARGS)

clean: ## delete everything that these targets created here
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis .bench
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
