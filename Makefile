# make run          the milter on its embedded default, inet:8864@localhost
# make test         lint, and every test but the marker `slow`; needs root and network namespaces
# make test-slow    the tests with that marker: clean Debian systems, images, long silences
# make test-oldest  the tests of `make test` once more, on Debian 12's versions of the Python libraries
# make test-all     all three
# make deb          the Debian package, into dist/, from what is committed
# make demo         the real path for the eyes: translator, Postfix, DNS and milter in network namespaces
# make bench        how fast it is, beside milters that do nothing and beside its peers; ROUNDS=3 for a quick look,
#                   LOADS=hot for one load
# make bench-worst  what a stranger can order at its worst, in CPU time per session
# make fuzz         100,000 mutations of sessions, zones and header fields; CASES and SEED choose others
# make soak         a day in an hour: 1,000,000 messages, faults of all kinds meanwhile; MESSAGES, MINUTES and SEED choose
#                   others, such as MESSAGES=20000 MINUTES=2; needs root
#
# Each does all of its own set-up: Debian's packages by apt, Python's into .venv.

PYTHON ?= python3
RUN_PACKAGES := gcc libmilter-dev python3-dev python3-venv
TEST_PACKAGES := bind9 bind9-dnsutils dbconfig-no-thanks iproute2 knot-resolver libnsl2 libwrap0 m4 man-db mandoc \
    miltertest nsd opendkim opendmarc openssl pdns-recursor postfix prometheus systemd tayga unbound
CONTRIB_PACKAGES := buildah debootstrap docker-compose fail2ban logcheck logcheck-database nftables nix-bin \
    python3-systemd python3-yaml swaks systemd-journal-remote
BENCH_PACKAGES := iproute2 nsd postfix socat
SOAK_PACKAGES := iproute2 nsd unbound
BENCH_PEERS := opendmarc postgrey pyspf-milter redis-server rspamd
DEB_PACKAGES := build-essential debhelper dh-python dpkg-dev pybuild-plugin-pyproject python3-hatchling
CHROOT_PACKAGES := debian-archive-keyring debootstrap lintian systemd-container
DEMO_PACKAGES := iproute2 nsd postfix tayga unbound
export PATH := $(CURDIR)/.venv/bin:$(PATH)
unexport PYTHONPATH
# Most tests wait for their servers most of the time. Those of a file stay together, and share what they have started.
SIDE_BY_SIDE := --numprocesses 6 --dist loadfile

.PHONY: venv run lint test test-slow test-oldest test-all deb demo bench bench-worst fuzz soak clean

venv: .venv/.done

.venv/.done: pyproject.toml
	@tests/setup/apt $(RUN_PACKAGES)
	$(PYTHON) -m venv .venv
	.venv/bin/pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

.venv/.test: .venv/.done Makefile
	@tests/setup/apt $(TEST_PACKAGES) $(CONTRIB_PACKAGES)
	@touch $@

# Debian's Sendmail can't be installed beside Postfix.
build/sendmail/.done: tests/setup/sendmail
	@tests/setup/sendmail build/sendmail
	@touch $@

build/oldest/.done: pyproject.toml tests/setup/oldest.txt .venv/.done
	$(PYTHON) -m venv build/oldest
	build/oldest/bin/pip install --quiet --disable-pip-version-check --constraint tests/setup/oldest.txt --editable '.[dev]'
	@touch $@

build/.deb: Makefile
	@tests/setup/apt $(DEB_PACKAGES)
	@mkdir -p build && touch $@

.venv/.demo: .venv/.done Makefile
	@tests/setup/apt $(DEMO_PACKAGES)
	@touch $@

.venv/.chroot: .venv/.done build/.deb Makefile
	@tests/setup/apt $(CHROOT_PACKAGES)
	@touch $@

.venv/.bench: .venv/.done Makefile
	@tests/setup/apt $(BENCH_PACKAGES)
	@tests/setup/apt $(BENCH_PEERS) || for peer in $(BENCH_PEERS); do \
		tests/setup/apt $$peer || echo "$$peer can't be installed, and is not measured"; \
	done
	@touch $@

.venv/.soak: .venv/.done Makefile
	@tests/setup/apt $(SOAK_PACKAGES)
	@touch $@

run: .venv/.done
	.venv/bin/milter64 run

lint: .venv/.done
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy

test: .venv/.test build/sendmail/.done lint
	.venv/bin/python -m pytest $(SIDE_BY_SIDE)

test-oldest: build/oldest/.done .venv/.test build/sendmail/.done
	PATH=$(CURDIR)/build/oldest/bin:$$PATH build/oldest/bin/python -m pytest $(SIDE_BY_SIDE)

test-all: test test-slow test-oldest

test-slow: .venv/.test .venv/.chroot
	.venv/bin/python -m pytest $(SIDE_BY_SIDE) -m slow

deb: build/.deb
	packaging/build-deb dist

demo: .venv/.demo
	.venv/bin/python tests/demo.py

bench: .venv/.bench
	cd tests && ../.venv/bin/python -m bench.bench

fuzz: .venv/.done
	cd tests && ../.venv/bin/python -m fuzz.fuzz

soak: .venv/.soak
	cd tests && ../.venv/bin/python -m soak.soak

bench-worst: .venv/.done
	cd tests && ../.venv/bin/python -m bench.worst

clean:
	rm -rf .venv build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis
