# librados.so.2, librbd.so.1, the tool logrbd, the headers, and their installation. Included by the top Makefile.
#   make libs [PROFILE=debug|quick|release]   build/lib/{librados.so.2,librbd.so.1} and the .so links, build/bin/logrbd
#   make install [PREFIX=/usr/local] [DESTDIR=] [LIBDIR=...] [INCLUDEDIR=...] [BINDIR=...]     (PROFILE=release unless given)
#   make headers                          include/ from the Rust sources
#   make symbols                          docs/symbols.md from the symbol list

CARGO ?= cargo
PROFILE ?= debug
BUILD ?= build
TARGET ?= $(or $(CARGO_TARGET_DIR),target)
PREFIX ?= /usr/local
# A folder of our own: a program is pointed at it (LD_LIBRARY_PATH, -rpath), and Ceph's files stay as they are.
LIBDIR ?= $(PREFIX)/lib/logrbd
INCLUDEDIR ?= $(PREFIX)/include/logrbd
BINDIR ?= $(PREFIX)/bin

libdir_built := $(BUILD)/lib
cargo_profile = $(if $(filter debug,$(PROFILE)),dev,$(PROFILE))

.PHONY: libs install-libs headers symbols cargo-lib

libs: $(libdir_built)/librbd.so.1 $(libdir_built)/librados.so $(libdir_built)/librbd.so $(BUILD)/bin/logrbd

cargo-lib:
	$(CARGO) build --lib --bin logrbd --profile $(cargo_profile)

# Replaced by rename, so that a running program keeps the file it has mapped.
$(libdir_built)/librados.so.2: cargo-lib
	@mkdir -p $(libdir_built)
	@cmp -s $(TARGET)/$(PROFILE)/liblogrbd.so $@ || \
	  { cp $(TARGET)/$(PROFILE)/liblogrbd.so $@.new && mv -f $@.new $@ && echo "built $@ ($(PROFILE))"; }

$(libdir_built)/librbd.so.1: $(libdir_built)/librados.so.2 src/capi/symbols.tsv mk/librbd.sh
	@mk/librbd.sh src/capi/symbols.tsv $(libdir_built)

$(BUILD)/bin/logrbd: cargo-lib
	@mkdir -p $(BUILD)/bin
	@cmp -s $(TARGET)/$(PROFILE)/logrbd $@ || { cp $(TARGET)/$(PROFILE)/logrbd $@.new && mv -f $@.new $@; }

$(libdir_built)/librados.so: $(libdir_built)/librados.so.2
	@ln -sf librados.so.2 $@

$(libdir_built)/librbd.so: $(libdir_built)/librbd.so.1
	@ln -sf librbd.so.1 $@

headers:
	LOGRBD_BLESS=1 $(CARGO) test -q --test abi headers::

symbols:
	python3 mk/symbols.py docs/symbols.md

install-libs: libs
	mk/install.sh $(BUILD) "$(DESTDIR)" "$(LIBDIR)" "$(INCLUDEDIR)" "$(BINDIR)"
