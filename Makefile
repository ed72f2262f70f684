# Doorward's commands. `make help` lists them. Environments are made on first use and touched again only when the
# dependencies, the Python or the folder change, so that every command works offline after its first time.

SHELL := bash
.DEFAULT_GOAL := help

PYTHON ?= python3
CAMERA ?=
ARGS ?=
export PYTHON

# What runs has no TensorFlow; what is tested has all of it.
RUN := .venv/bin
RUN_EXTRAS := demo,video
TEST := .venv-test/bin
TEST_EXTRAS := dev,trainer,demo,video

# $(call timed,NAME,COMMANDS): each recipe line is a shell of its own, whose SECONDS start at 0.
timed = @{ $(2); }; status=$$?; printf '%s took %s s\n' '$(1)' "$$SECONDS"; exit $$status
run_env = .ci/venv .venv $(RUN_EXTRAS)
test_env = .ci/venv .venv-test $(TEST_EXTRAS)
camera_option = $(if $(CAMERA),--camera '$(CAMERA)')

.PHONY: help run test lint format fuzz fuzz-guided crash bench docs clean

help: ## this list
	@sed -n 's/^\([a-z]*\):[^#]*## /make \1\t/p' Makefile | expand -t 16

run: ## the demonstration on shipped pictures; CAMERA=v4l2:/dev/video0 makes it live
	$(call timed,make run,$(run_env) && $(RUN)/doorward demo $(camera_option) $(ARGS))

test: ## everything that a change must pass: ruff, mypy, pytest
	$(call timed,make test,$(test_env) && .ci/check $(TEST) $(ARGS))

lint: ## ruff and mypy alone
	$(call timed,make lint,$(test_env) && .ci/check $(TEST) --lint)

format: ## put the code into form
	@$(test_env) && $(TEST)/ruff format . && $(TEST)/ruff check --fix .

fuzz: ## the property tests, with many more examples than `make test` takes
	$(call timed,make fuzz,$(test_env) && $(TEST)/python -m pytest --hypothesis-profile=fuzz -m hypothesis --timeout=0 $(ARGS))

fuzz-guided: ## coverage-guided fuzzing, ten minutes each of messages, settings and pictures; needs atheris
	$(call timed,make fuzz-guided,$(test_env) && $(TEST)/pip install --quiet atheris && for kind in messages settings pictures; do \
	  $(TEST)/python tests/fuzz/fuzz_$$kind.py build/fuzz/$$kind -max_total_time=$(or $(SECONDS_EACH),600) || exit 1; done)

crash: ## the template store under kill -9 and power cuts, for minutes; as root, or with ARGS='--images 0'
	$(call timed,make crash,$(test_env) && $(TEST)/python -m tests.crash.store_crash $(ARGS))

bench: ## how fast this machine recognizes; ARGS='pairs --data DIR' and the like run the trainer's instead
	$(call timed,make bench,$(test_env) && $(TEST)/$(if $(ARGS),doorward-trainer,doorward) bench $(ARGS))

docs: ## write the pages and the example settings that are made from code again
	@$(test_env) && $(TEST)/python -m edge.settings.text > docs/settings.md
	@$(TEST)/python -m trainer.settings > docs/trainer-settings.md
	@$(TEST)/doorward settings example > deploy/doorward.toml
	@$(TEST)/python -m trainer.settings example > deploy/trainer.toml

clean: ## take away the environments and what the tools left
	rm -rf .venv .venv-test build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
