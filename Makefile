.DEFAULT_GOAL := help
.PHONY: help setup build check demo qemu bench install clean

include mk/libs.mk

help:
	@echo "make demo      boots a guest on a log-structured image, kills it, shows what is left (sets itself up)"
	@echo "make check     format, clippy, all tests (sets itself up)"
	@echo "make build     the two libraries and the tool logrbd, in $(BUILD)/    PROFILE=debug (default), quick or release"
	@echo "make install   libraries, headers and logrbd    PREFIX=/usr/local DESTDIR= LIBDIR= INCLUDEDIR= BINDIR="
	@echo "make qemu      only the QEMU tests                      TESTS='kill snapshot' SEED=1"
	@echo "make bench     speed beside Ceph's libraries on a real cluster   ROWS='4k rados' BENCH='--quick --osds 4'"
	@echo "make setup     only the Debian packages that demo and check need"
	@echo "make clean     removes build/ and target/"

setup:
	@mk/setup.sh check

build: libs

check:
	@mk/check.sh

demo:
	@mk/setup.sh demo
	@$(MAKE) -s libs
	@qemu/demo

qemu: libs
	@mk/setup.sh check
	@qemu/run $(TESTS)

# Not a debug build, which would be measured otherwise.
bench:
	@mk/setup.sh check
	@$(MAKE) -s libs PROFILE=release BUILD=$(BUILD)/release
	@benches/cluster --lib $(BUILD)/release/lib $(BENCH) $(ROWS)

install:
	@$(MAKE) -s install-libs PROFILE=$(if $(filter command environment,$(firstword $(origin PROFILE))),$(PROFILE),release)

clean:
	rm -rf build
	$(CARGO) clean
