# Each target does all of its own set-up: Debian's packages by apt, Python's into .venv. `make help` lists them.

PYTHON ?= python3
RUN_PACKAGES := gcc libmilter-dev libpython3-dev python3-venv
TEST_PACKAGES := bind9 bind9-dnsutils chromium db-util dbconfig-no-thanks iproute2 knot-resolver libmail-spf-perl \
    libnsl2 libwrap0 m4 man-db mandoc miltertest nsd opendkim opendmarc openssl pdns-recursor postfix postgrey \
    prometheus redis-server rspamd spamass-milter spamassassin spamc spamd systemd tayga unbound zstd
CONTRIB_PACKAGES := bash-completion buildah debootstrap docker-compose fail2ban fish logcheck logcheck-database nftables \
    nix-bin python3-systemd python3-yaml swaks systemd-journal-remote zsh
BENCH_PACKAGES := iproute2 nsd postfix redis-server socat
SOAK_PACKAGES := iproute2 nsd unbound
BENCH_PEERS := opendmarc pflogsumm postgrey pyspf-milter rspamd
DEB_PACKAGES := build-essential debhelper dh-python git pybuild-plugin-pyproject python3-hatchling
CHROOT_PACKAGES := debian-archive-keyring debootstrap systemd-container
DEMO_PACKAGES := iproute2 nsd postfix tayga unbound
export PATH := $(CURDIR)/.venv/bin:$(PATH)
unexport PYTHONPATH
# Tests start milter64 a thousand times: what Python has compiled is to be kept.
unexport PYTHONDONTWRITEBYTECODE
# In these other versions of Python's libraries have no part. LEFT_OUT= names those that a run is to leave out.
WITHOUT_LIBRARIES := bench contrib docs neighbours package pages setup test_demo.py test_house.py
# Most tests wait for their servers most of the time. Those of a file stay together, and share what they have started.
SIDE_BY_SIDE := --numprocesses 6 --dist loadfile
# What fails beside others is run once more by itself: on a busy machine a server may take longer than a test allows.
tests = $(1)/bin/python -m pytest --cache-clear $(SIDE_BY_SIDE) $(2) $(LEFT_OUT:%=--ignore tests/%) || \
	$(1)/bin/python -m pytest --last-failed --last-failed-no-failures none $(2) $(LEFT_OUT:%=--ignore tests/%)

.PHONY: help venv run demo deb dist lint test test-slow test-oldest test-trixie test-all fuzz soak bench bench-worst clean

## this list, which plain `make` prints too
help:
	@awk '/^## / { said = substr($$0, 4); next } \
		said { sub(/:.*/, ""); printf "make %-12s %s\n", $$0, said; said = "" }' Makefile

# What they need, and a stamp of each that it is there

.venv/.done: pyproject.toml
	@tests/setup/apt $(RUN_PACKAGES)
	$(PYTHON) -m venv .venv
	.venv/bin/pip install --quiet --disable-pip-version-check --editable .
	@touch $@

.venv/.dev: .venv/.done
	.venv/bin/pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

.venv/.test: .venv/.dev Makefile
	@tests/setup/apt $(TEST_PACKAGES) $(CONTRIB_PACKAGES)
	@touch $@

# Debian's Sendmail can't be installed beside Postfix.
build/sendmail/.done: tests/setup/sendmail
	@tests/setup/sendmail build/sendmail
	@touch $@

build/oldest/.done: pyproject.toml tests/setup/oldest.txt .venv/.done
	$(PYTHON) -m venv build/oldest
	build/oldest/bin/pip install --quiet --disable-pip-version-check --constraint tests/setup/oldest.txt \
		--editable '.[dev]'
	@touch $@

build/.deb: Makefile
	@tests/setup/apt $(DEB_PACKAGES)
	@mkdir -p build && touch $@

.venv/.demo: .venv/.done Makefile
	@tests/setup/apt $(DEMO_PACKAGES)
	@touch $@

.venv/.chroot: .venv/.dev build/.deb Makefile
	@tests/setup/apt $(CHROOT_PACKAGES)
	@touch $@

.venv/.bench: .venv/.dev Makefile
	@tests/setup/apt $(BENCH_PACKAGES)
	@tests/setup/apt $(BENCH_PEERS) || for peer in $(BENCH_PEERS); do \
		tests/setup/apt $$peer || echo "$$peer can't be installed, and is not measured"; \
	done
	@touch $@

.venv/.soak: .venv/.done Makefile
	@tests/setup/apt $(SOAK_PACKAGES)
	@touch $@

# The targets, each in a line for `make help`

## milter64 alone, into .venv; PYTHON= another python3
venv: .venv/.done
	@echo "milter64 is in .venv/bin"

## serves on the embedded defaults, on inet:8864@localhost
run: .venv/.done
	.venv/bin/milter64 run

## real mails through a real translator, for the eyes; needs root
demo: .venv/.demo
	.venv/bin/python tests/demo.py

## the Debian package, into dist/, of what is committed
deb: build/.deb
	packaging/build-deb dist
	@ls dist/*.deb

## the sdist and the wheel, into dist/, for pip
dist: .venv/.dev
	rm -f dist/milter64-*
	.venv/bin/python -m build --outdir dist .
	.venv/bin/twine check --strict dist/milter64-*

## ruff, all its rules, and mypy, strict
lint: .venv/.dev
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy

## lint, and the tests that are quick; as root, as all below
test: .venv/.test build/sendmail/.done lint
	$(call tests,.venv,$(if $(MARKS),-m '$(MARKS)'))

## the others: whole Debian systems, images, many servers
test-slow: .venv/.test build/sendmail/.done .venv/.chroot
	$(call tests,.venv,-m 'long or slow')

## those that a library has a part in, on Debian 12's
test-oldest: LEFT_OUT = $(WITHOUT_LIBRARIES)
test-oldest: build/oldest/.done .venv/.test build/sendmail/.done
	export PATH=$(CURDIR)/build/oldest/bin:$$PATH; $(call tests,build/oldest,-m 'not slow and not trixie')

## all but the slow ones in a clean Debian 13
test-trixie: .venv/.test .venv/.chroot
	.venv/bin/python -m pytest -m trixie tests/setup

## all four; TESTED=1 where `make test` has just passed
test-all: $(if $(TESTED),,test) test-slow test-oldest test-trixie

## 100,000 mutated sessions, zones and fields; CASES=, SEED=
fuzz: .venv/.dev
	cd tests && ../.venv/bin/python -m fuzz.fuzz

## a day in an hour, with faults; MESSAGES=, MINUTES=, SEED=
soak: .venv/.soak
	cd tests && ../.venv/bin/python -m soak.soak

## how fast it is, beside its peers; ROUNDS=, LOADS=, GROWTH=1
bench: .venv/.bench
	cd tests && if [ -n "$(GROWTH)" ]; then ../.venv/bin/python -m bench.growth; fi
	cd tests && if [ -z "$(GROWTH)" ] && [ "$(LOADS)" != reading ]; then ../.venv/bin/python -m bench.bench; fi
	cd tests && if [ -z "$(GROWTH)$(filter-out reading,$(LOADS))" ]; then ../.venv/bin/python -m bench.reading && ../.venv/bin/python -m bench.beside; fi

## what a stranger can order at its worst, in CPU time
bench-worst: .venv/.done
	cd tests && ../.venv/bin/python -m bench.worst

## removes what the others have made in this folder
clean:
	rm -rf .venv build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis
