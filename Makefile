# Each target installs what it needs and is missing; `make` lists them.

PREFIX ?= /usr/local
ARGS ?=
CARGO ?= cargo
TARGET := $(or $(CARGO_TARGET_DIR),target)
VENV := .venv
export BEAMSHARE_PYTHON := $(CURDIR)/$(VENV)/bin/python

# To build: libca (EPICS Channel Access), OpenSSL for libssh2. With EPICS_BASE set, that libca is linked instead.
BUILD_PACKAGES := gcc pkg-config libca-dev libcom-dev libssl-dev
# For the demo's soft IOC, and beside it for the tests' real peers.
DEMO_PACKAGES := python3 python3-venv
TEST_PACKAGES := openssh-server openssh-client openssl strace procps
# For PyQt5, in which the tests open the screens without a display.
TEST_PACKAGES += libgl1 libglib2.0-0 libfontconfig1 libdbus-1-3 fonts-dejavu-core
SUDO := $(if $(filter 0,$(shell id -u)),,sudo)

.PHONY: help build check msrv package lint demo test test-unit worlds replay doc deny bench valgrind install clean \
  debian-build debian-demo debian-test debian-valgrind rust nextest python

help:
	@echo 'make demo               run everything on this machine: soft IOC, Globus simulator, mail in files'
	@echo 'make demo ARGS=--once   the same, with a check of the result, and exit'
	@echo 'make lint               formatting and clippy'
	@echo 'make msrv, package      the Globus client with its oldest compiler; the crates as crates.io gets them'
	@echo 'make test-unit          unit tests only: no IOC, no servers'
	@echo 'make test               lint, documentation, and all tests against real parts'
	@echo 'make worlds             search all small worlds of tagging runs for a wrong decision'
	@echo 'make replay SCENARIOS=1000   replay random schedules of tagging runs on the C IOC'
	@echo 'make deny               licences, advisories and sources of dependencies (cargo-deny)'
	@echo 'make bench              measure latency, requests, CPU, memory, and a scan of a million files'
	@echo 'make valgrind           the tests of Channel Access under valgrind (about four minutes)'
	@echo 'make install            install beamshare, its records, screens and systemd unit into $(PREFIX)'

# $(call debian,PACKAGES): installs those that are missing.
define debian
@missing=""; for package in $(1); do \
  dpkg-query -W -f='$${Status}' $$package 2>/dev/null | grep -q 'ok installed' || missing="$$missing $$package"; done; \
if [ -n "$$missing" ]; then echo "Installing$$missing"; \
  $(SUDO) apt-get update -qq && DEBIAN_FRONTEND=noninteractive $(SUDO) apt-get install -y -qq --no-install-recommends $$missing >/dev/null; fi
endef

debian-build:
	$(call debian,$(BUILD_PACKAGES))

debian-demo:
	$(call debian,$(BUILD_PACKAGES) $(DEMO_PACKAGES))

debian-test:
	$(call debian,$(BUILD_PACKAGES) $(DEMO_PACKAGES) $(TEST_PACKAGES))

debian-valgrind:
	$(call debian,$(BUILD_PACKAGES) $(DEMO_PACKAGES) $(TEST_PACKAGES) valgrind)

rust:
	@command -v $(CARGO) >/dev/null || { echo 'beamshare needs Rust: see https://rustup.rs'; exit 1; }

nextest: rust
	@$(CARGO) nextest --version >/dev/null 2>&1 || $(CARGO) install --locked cargo-nextest

# EPICS base's own soft IOC, and the official clients that the tests hold us to.
python: $(VENV)/installed
$(VENV)/installed: tests/requirements.txt
	python3 -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check -r tests/requirements.txt
	@touch $@

build: debian-build rust
	$(CARGO) build --release --locked

demo: debian-demo python rust
	$(CARGO) build --release --locked --package beamshare --package globus-simulator
	@$(TARGET)/release/beamshare-demo $(ARGS)

check: debian-build rust
	$(CARGO) check --workspace --all-targets --locked

# The Globus client with the oldest compiler that it supports.
MSRV = $(shell sed -n 's/^rust-version = "\(.*\)"/\1/p' crates/globus-transfer-client/Cargo.toml)
msrv: debian-build
	cargo +$(MSRV) check --package globus-transfer-client --locked

# The crates as crates.io would get them, in the order of their dependencies; nothing is uploaded.
package: debian-build rust
	$(CARGO) package --package globus-transfer-client --locked
	$(CARGO) package --package globus-simulator --locked
	$(CARGO) package --package channel-access --locked

lint: debian-build rust
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets --locked -- -D warnings

# The libraries' and the program's own tests; those with an IOC or servers are in tests/ and crates/*/tests/.
test-unit: debian-build nextest
	$(CARGO) nextest run --workspace --lib --bins --locked $(ARGS)

# The whole search; `make test` contains the part that takes seconds.
worlds: debian-build rust
	BEAMSHARE_WORLDS=all $(CARGO) test --release --locked --lib decision::worlds -- --nocapture

# By cargo test, since nextest ends a test after four minutes and repeats a failed one.
SCENARIOS ?= 1000
replay: debian-test python rust
	REPLAY_SCENARIOS=$(SCENARIOS) $(CARGO) test --locked --test service replay:: -- --nocapture

doc: debian-build rust
	RUSTDOCFLAGS='-D warnings' $(CARGO) doc --workspace --no-deps --locked

deny: rust
	@$(CARGO) deny --version >/dev/null 2>&1 || $(CARGO) install --locked cargo-deny
	$(CARGO) deny check

test: debian-test python nextest lint doc
	$(CARGO) test --workspace --doc --locked
	$(CARGO) nextest run --workspace --locked $(ARGS)

bench: debian-test python rust
	$(CARGO) bench --locked --bench costs $(ARGS)
	$(CARGO) bench --locked --bench sync

# Each test is a process of its own, so valgrind is the runner of them all. 99: it has found a read or write out of bounds.
valgrind: debian-valgrind python nextest
	CARGO_TARGET_$(shell rustc -vV | sed -n 's/^host: //p' | tr 'a-z-' 'A-Z_')_RUNNER='valgrind --quiet --error-exitcode=99' \
	  $(CARGO) nextest run --package channel-access --locked --no-fail-fast $(ARGS)

install: build
	$(SUDO) install -D -m 755 $(TARGET)/release/beamshare $(DESTDIR)$(PREFIX)/bin/beamshare
	$(SUDO) install -D -m 644 -t $(DESTDIR)$(PREFIX)/share/beamshare/db db/*
	$(SUDO) install -D -m 644 -t $(DESTDIR)$(PREFIX)/share/beamshare/medm medm/*
	$(SUDO) install -D -m 644 -t $(DESTDIR)$(PREFIX)/share/beamshare/pydm screens/pydm/*
	$(SUDO) install -D -m 644 -t $(DESTDIR)$(PREFIX)/share/beamshare/phoebus screens/phoebus/*
	$(SUDO) install -D -m 644 -t $(DESTDIR)$(PREFIX)/share/doc/beamshare README.md CHANGELOG.md SECURITY.md LICENSE
	$(SUDO) install -D -m 644 -t $(DESTDIR)$(PREFIX)/share/doc/beamshare/docs docs/*.md
	sed 's#/usr/local#$(PREFIX)#' config/beamshare.service | \
	  $(SUDO) install -D -m 644 /dev/stdin $(DESTDIR)$(PREFIX)/lib/systemd/system/beamshare.service
ifeq ($(DESTDIR),)
	@id -u beamshare >/dev/null 2>&1 || \
	  $(SUDO) useradd --system --user-group --home-dir /var/lib/beamshare --shell /usr/sbin/nologin beamshare
	$(SUDO) install -d -m 750 -o beamshare -g beamshare /var/lib/beamshare
endif
	@echo 'Next: beamshare init /etc/beamshare, edit /etc/beamshare/beamshare.toml, beamshare check'

clean:
	$(CARGO) clean
	rm -rf $(VENV)
