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
# The browser in which the tests read the web page and the messages.
TEST_PACKAGES += chromium chromium-driver
SUDO := $(if $(filter 0,$(shell id -u)),,sudo)

.PHONY: help screens-web debian-chromium build stage deb rpm test-packages test-builds epics check msrv package lint demo test test-unit worlds replay chaos pictures doc deny bench valgrind install clean \
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
	@echo 'make screens-web        lay out the Phoebus screens in the web runtime of Diamond Light Source'
	@echo 'make chaos MINUTES=10   run the whole program while everything around it fails (SEED=7 repeats a run)'
	@echo 'make pictures           the pictures of the web page and the messages in docs/img, from a headless Chromium'
	@echo 'make deny               licences, advisories and sources of dependencies (cargo-deny)'
	@echo 'make bench              measure latency, requests, CPU, memory, and a scan of a million files'
	@echo 'make valgrind           the tests of Channel Access under valgrind (about two minutes)'
	@echo 'make install            install beamshare, its records, screens and systemd unit into $(PREFIX)'
	@echo 'make deb, make rpm      packages for Debian and Fedora, in $(TARGET)/debian and $(TARGET)/generate-rpm'

INSTALL_PACKAGES := @packaging/install-packages

debian-build:
	$(INSTALL_PACKAGES) $(BUILD_PACKAGES)

# EPICS's Channel Access library: that of EPICS_BASE, the system's, or else the one of PyPI's epicscorelibs.
epics: debian-build
ifeq ($(EPICS_BASE),)
	@case "$$(cc -print-file-name=libca.so)" in /*) ;; *) $(MAKE) --no-print-directory $(VENV)/epics ;; esac
endif
$(VENV)/epics:
	python3 -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check $$(grep ^epicscorelibs tests/requirements.txt)
	@touch $@

debian-demo:
	$(INSTALL_PACKAGES) $(BUILD_PACKAGES) $(DEMO_PACKAGES)

debian-test:
	$(INSTALL_PACKAGES) $(BUILD_PACKAGES) $(DEMO_PACKAGES) $(TEST_PACKAGES)

debian-valgrind:
	$(INSTALL_PACKAGES) $(BUILD_PACKAGES) $(DEMO_PACKAGES) $(TEST_PACKAGES) valgrind

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

build: epics rust
	$(CARGO) build --release --locked --package beamshare --bin beamshare $(if $(FEATURES),--features $(FEATURES))

# Without optimization, which would take as long again to compile.
demo: debian-demo epics python rust
	$(CARGO) build --locked --package beamshare --package globus-simulator --bins
	@$(TARGET)/debug/beamshare-demo $(ARGS)

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

# By cargo test, since nextest ends a test after four minutes.
SCENARIOS ?= 1000
replay: debian-test python rust
	REPLAY_SCENARIOS=$(SCENARIOS) $(CARGO) test --locked --test service replay:: -- --nocapture

# `make test` contains about a minute of it.
MINUTES ?= 10
SEED ?= $(shell date +%s)
chaos: debian-test python rust
	CHAOS_MINUTES=$(MINUTES) CHAOS_SEED=$(SEED) $(CARGO) test --locked --test chaos -- --nocapture

# The pictures of the web page and the messages in docs/img, as the tests see them.
pictures: debian-test python nextest
	BEAMSHARE_PICTURES=1 $(CARGO) nextest run --locked --test service --test mail the_page_follows the_messages_can_be_read

doc: debian-build rust
	RUSTDOCFLAGS='-D warnings' $(CARGO) doc --workspace --no-deps --locked

deny: rust
	@$(CARGO) deny --version >/dev/null 2>&1 || $(CARGO) install --locked cargo-deny
	$(CARGO) deny check

test: debian-test python nextest lint doc
	$(CARGO) test --workspace --doc --locked
	$(CARGO) nextest run --workspace --locked $(ARGS)

# The Phoebus screens in Diamond's web runtime, in headless Chromium. Not part of `make test`, since it fetches 370 MB.
WEB := tests/screens/web
screens-web: debian-chromium $(WEB)/node_modules/installed
	node $(WEB)/layout.mjs $(ARGS)

debian-chromium:
	$(INSTALL_PACKAGES) chromium

$(WEB)/node_modules/installed: $(WEB)/package-lock.json
	@command -v npm >/dev/null || { $(SUDO) apt-get update -qq && $(SUDO) apt-get install -y -qq --no-install-recommends npm; }
	cd $(WEB) && npm ci --no-audit --no-fund --ignore-scripts
	@touch $@

bench: debian-test python rust
	$(CARGO) bench --locked --bench costs $(ARGS)
	$(CARGO) bench --locked --bench sync

# Each test is a process of its own, so valgrind is the runner of them all. 99: it has found a read or write out of bounds.
valgrind: debian-valgrind python nextest
	UNDER_VALGRIND=1 \
	  CARGO_TARGET_$(shell rustc -vV | sed -n 's/^host: //p' | tr 'a-z-' 'A-Z_')_RUNNER='valgrind --quiet --error-exitcode=99' \
	  $(CARGO) nextest run --profile valgrind --package channel-access --locked --no-fail-fast $(ARGS)

# What is generated for an installation: manual pages, completions, and the units with its paths.
STAGE := target/package
stage: build
	@rm -rf $(STAGE) && mkdir -p $(STAGE)
	@$(TARGET)/release/beamshare man $(STAGE)/man >/dev/null && gzip -9n $(STAGE)/man/*.1
	@for shell in bash zsh fish; do $(TARGET)/release/beamshare completions $$shell >$(STAGE)/beamshare.$$shell; done
	@sed 's#/usr/local#$(PREFIX)#' config/beamshare.service >$(STAGE)/beamshare.service
	@sed -e 's#/usr/local#$(PREFIX)#' -e 's#/beamshare.toml#/%i.toml#' -e '/^# Several beamlines/,/^# beamshare@/d' \
	  -e 's#^Description=.*#Description=beamshare for beamline %i#' config/beamshare.service >$(STAGE)/beamshare@.service

# DESTDIR collects the files for a package; without it, the account of the service is made as well.
ROOT := $(DESTDIR)$(PREFIX)
INSTALL_FILES = $(if $(DESTDIR),,$(SUDO)) install -D -m 644
install: stage
	$(if $(DESTDIR),,$(SUDO)) install -D -m 755 $(TARGET)/release/beamshare $(ROOT)/bin/beamshare
	$(INSTALL_FILES) -t $(ROOT)/share/beamshare/db db/*
	$(INSTALL_FILES) -t $(ROOT)/share/beamshare/medm medm/*
	$(INSTALL_FILES) -t $(ROOT)/share/beamshare/pydm screens/pydm/*
	$(INSTALL_FILES) -t $(ROOT)/share/beamshare/phoebus screens/phoebus/*
	$(INSTALL_FILES) -t $(ROOT)/share/beamshare/prometheus packaging/prometheus/*
	$(INSTALL_FILES) -t $(ROOT)/share/beamshare/grafana packaging/grafana/*
	$(INSTALL_FILES) -t $(ROOT)/share/doc/beamshare README.md CHANGELOG.md SECURITY.md LICENSE
	$(INSTALL_FILES) -t $(ROOT)/share/doc/beamshare/docs docs/*.md
	$(INSTALL_FILES) -t $(ROOT)/share/man/man1 $(STAGE)/man/*
	$(INSTALL_FILES) $(STAGE)/beamshare.bash $(ROOT)/share/bash-completion/completions/beamshare
	$(INSTALL_FILES) $(STAGE)/beamshare.zsh $(ROOT)/share/zsh/site-functions/_beamshare
	$(INSTALL_FILES) $(STAGE)/beamshare.fish $(ROOT)/share/fish/vendor_completions.d/beamshare.fish
	$(INSTALL_FILES) -t $(ROOT)/lib/systemd/system $(STAGE)/beamshare.service $(STAGE)/beamshare@.service
	@# A libca of the build folder goes with the program.
	@for library in $$(ldd $(TARGET)/release/beamshare | awk '$$3 ~ "^$(CURDIR)/" {print $$3}'); do \
	  $(INSTALL_FILES) -t $(ROOT)/lib/beamshare $$library; done
ifeq ($(DESTDIR),)
	@id -u beamshare >/dev/null 2>&1 || \
	  $(SUDO) useradd --system --user-group --home-dir /var/lib/beamshare --shell /usr/sbin/nologin beamshare
	$(SUDO) install -d -m 750 -o beamshare -g beamshare /var/lib/beamshare
	$(SUDO) install -d -m 750 -o root -g beamshare /etc/beamshare
endif
	@echo 'Next: beamshare init /etc/beamshare, edit /etc/beamshare/beamshare.toml, beamshare check'

deb: PREFIX := /usr
deb: stage
	@$(CARGO) deb --version >/dev/null 2>&1 || $(CARGO) install --locked cargo-deb
	$(CARGO) deb --no-build --locked

rpm: PREFIX := /usr
rpm: stage
	@$(CARGO) generate-rpm --version >/dev/null 2>&1 || $(CARGO) install --locked cargo-generate-rpm
	$(CARGO) generate-rpm --target-dir $(TARGET)

# In a fresh Debian root made by debootstrap (as root): install, upgrade, remove. Not part of `make test`.
test-packages: deb rpm
	$(INSTALL_PACKAGES) debootstrap
	packaging/test-deb $$(ls -t $(TARGET)/debian/beamshare_*.deb | head -1)

# Builds on a system without apt, with an EPICS_BASE, and with PyPI's EPICS. Not part of `make test`.
test-builds: epics rust python
	packaging/test-builds

clean:
	$(CARGO) clean
	rm -rf $(VENV)
