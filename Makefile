# SPDX-License-Identifier: Apache-2.0
# pypod: `make help` says what there is.

PREFIX ?= /usr/local
PYTHON := /usr/bin/python3
ROOT := $(filter 0,$(shell id -u))
# Where other users can read: the tests run as users that cannot enter root's home.
STATE := $(or $(PYPOD_TEST_STATE),$(if $(ROOT),/var/lib/pypod-test,$(CURDIR)/build))
DEMO := $(if $(ROOT),/var/lib/pypod-demo,$(CURDIR)/build/demo)
VENV := $(STATE)/venv

BUILD_PACKAGES = gcc make libc6-dev musl-tools libseccomp-dev python3 python3-venv
RUN_PACKAGES = uidmap libseccomp2 passt
TEST_PACKAGES = $(BUILD_PACKAGES) $(RUN_PACKAGES) binutils busybox-static docker-registry \
	apache2-utils openssl pipx skopeo strace runc podman catatonit
TEST_PACKAGES += zsh fish mandoc
TEST_PACKAGES += systemd
TEST_PACKAGES += slirp4netns iproute2
TEST_PACKAGES += gpg gpg-agent gpgconf gpgv
# Most of their time is waiting for a fuzzer: they run beside the others.
FUZZERS = tests/unit/test_helpers.py tests/unit/test_tar_reader.py

help: ## print this
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | expand -t 16

demo: ## install what is missing, build, run the embedded image as an ordinary user
	@libexec/setup/apt.sh $(BUILD_PACKAGES) $(RUN_PACKAGES)
	@$(MAKE) --no-print-directory helpers
	@$(PYTHON) libexec/setup/install.py $(DEMO)
	@$(PYTHON) libexec/setup/demo.py $(DEMO)/bin/pypod

helpers:
	@$(MAKE) --no-print-directory -s -C libexec PYTHON=$(PYTHON)

install: helpers ## install below PREFIX (default /usr/local): bin/pypod and lib/pypod
	$(PYTHON) libexec/setup/install.py $(PREFIX)

uninstall: ## remove what `make install PREFIX=` put there
	$(PYTHON) libexec/setup/install.py --remove $(PREFIX)

test-setup:
	@libexec/setup/apt.sh $(TEST_PACKAGES)
	@mkdir -p $(STATE)
	@$(PYTHON) libexec/setup/install.py --test-venv $(VENV)

test: test-setup ## everything but test-long and test-systemd: check, then as three users
	@FUZZ_SECONDS=60 $(MAKE) --no-print-directory check
	@$(PYTHON) tests/run all

accept: test-setup ## the acceptance rows about images, as three users; then the table of rows
	@$(PYTHON) -B -m tests.accept --run

test-long: test-setup ## tests that take many minutes, and podman on the tests that it shares
	@$(PYTHON) tests/run all --long
	@$(PYTHON) tests/run --as podman

test-systemd: test-setup helpers ## tests on a machine that systemd boots (needs root and the testbed)
	@$(PYTHON) tests/systemd/outside.py

check: $(VENV)/pypod-dependencies helpers ## lint, types, unit tests, layers, start-up, helpers, short fuzz
	@$(VENV)/bin/ruff check --quiet .
	@$(VENV)/bin/mypy --cache-dir=build/mypy
	@listed=$$($(PYTHON) -B -m tests.options) || { echo "$$listed"; exit 1; }
	@$(VENV)/bin/python -B -m pytest -q $(FUZZERS) & fuzz=$$!; \
	$(VENV)/bin/python -B -m pytest -q -n auto tests/unit $(FUZZERS:%=--ignore=%); others=$$?; wait $$fuzz && exit $$others

$(VENV)/pypod-dependencies:
	@$(MAKE) --no-print-directory test-setup

generated: ## write completions/ and man/ anew from the option table and man/prose
	@$(PYTHON) libexec/setup/generated.py

bench: test-setup ## compare with podman: ratios and the table of stages
	@$(PYTHON) tests/run bench

clean: ## remove what was built; containers, images and installations stay
	rm -rf build libexec/build pypod/_libexec .mypy_cache .ruff_cache .pytest_cache *.egg-info
	find pypod tests libexec -name __pycache__ -prune -exec rm -rf {} +

.PHONY: help demo helpers install uninstall test-setup test accept test-long test-systemd check generated bench clean
