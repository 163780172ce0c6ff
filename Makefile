# SPDX-License-Identifier: Apache-2.0
# cloudfs: `make help` lists what there is to make.

BUILD   ?= build$(if $(SAN),-san)$(if $(TSAN),-tsan)
PREFIX  ?= /usr/local
LIBDIR  ?= $(PREFIX)/lib
DESTDIR ?=
VERSION := 0.1.0
SOMAJOR := 0
CC      ?= cc
CFLAGS  ?= -O2 -g

# libfuse: what `make deps` built where the system's is old; LIBFUSE=system keeps to the system's.
LIBFUSE ?= newest
FUSEDIR := build/libfuse
FUSELIB := $(if $(filter system,$(LIBFUSE)),,$(wildcard $(FUSEDIR)/lib/libfuse3.a))

# libarchive, libcurl and libcrypto are loaded when they are needed (builder/layer/libarchive.h,
# builder/registry/libcurl.h, builder/chart/crypto.c): their headers are enough.
PKGS    := $(if $(FUSELIB),,fuse3) libcjson libzstd libisal zlib nettle yaml-0.1 libpcre2-8 libcrypt
WARN    := -Wall -Wextra -Wshadow -Wformat=2 -Wmissing-prototypes -Wstrict-prototypes -Wundef -Wvla \
	   -Wno-missing-field-initializers -Werror
comma   := ,
SANFLAGS := $(if $(SAN),-fsanitize=address$(comma)undefined -fno-sanitize-recover=undefined \
	   -fno-omit-frame-pointer)$(if $(TSAN),-fsanitize=thread)
ALLCFLAGS = -std=gnu11 -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -DFUSE_USE_VERSION=314 \
	   -DCF_VERSION=\"$(VERSION)\" -Iinclude -fPIC -pthread $(WARN) $(SANFLAGS) \
	   $(if $(FUSELIB),-isystem $(FUSEDIR)/include/fuse3) \
	   $(shell pkg-config --cflags $(PKGS) 2>/dev/null) $(CFLAGS)
LIBS     = $(shell pkg-config --libs $(PKGS) 2>/dev/null) -lm -pthread

LIBSRC  := $(wildcard fs/*/*.c builder/*/*.c)
CLISRC  := $(wildcard cli/*.c)
LIBOBJ  := $(LIBSRC:%.c=$(BUILD)/%.o)
CLIOBJ  := $(CLISRC:%.c=$(BUILD)/%.o)
UNIT    := $(patsubst tests/unit/%.c,%,$(wildcard tests/unit/test_*.c))
FUZZ    := $(patsubst tests/fuzz/%.c,%,$(wildcard tests/fuzz/fuzz_*.c))

.DEFAULT_GOAL := all
.PHONY: all deps lib cli check check-unit check-fuzz check-integration demo bench bench-build bench-mount lint \
	fuzz install clean distclean help format

##@ Building
all: lib cli ## build libcloudfs and the cloudfs command
lib: $(BUILD)/libcloudfs.a $(BUILD)/libcloudfs.so.$(SOMAJOR)
cli: $(if $(CLISRC),$(BUILD)/cloudfs)

deps: ## install what is missing to build and test, with the distribution's package manager
	@sh tests/lib/install-deps.sh $(if $(filter system,$(LIBFUSE)),,meson ninja-build)
	@$(if $(filter system,$(LIBFUSE)),,sh tests/lib/build-libfuse.sh $(FUSEDIR))

$(BUILD)/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(CC) $(ALLCFLAGS) -MMD -MP -c -o $@ $<

# What knows libfuse is made again when it is another one.
$(filter $(BUILD)/fs/fuse/%,$(LIBOBJ)) $(BUILD)/libcloudfs.a $(BUILD)/libcloudfs.so.$(SOMAJOR): $(BUILD)/libfuse.used
.PHONY: always
$(BUILD)/libfuse.used: always
	@mkdir -p $(@D)
	@echo "$(or $(FUSELIB),system)" | cmp -s - $@ || echo "$(or $(FUSELIB),system)" >$@

# Whoever links with it needs no libfuse of ours besides: its objects are in it.
$(BUILD)/libcloudfs.a: $(LIBOBJ)
	@rm -rf $@ $(BUILD)/libfuse.objects && mkdir -p $(BUILD)/libfuse.objects
	$(if $(FUSELIB),cd $(BUILD)/libfuse.objects && ar x $(abspath $(FUSELIB)))
	ar rcs $@ $(LIBOBJ) $(if $(FUSELIB),$(BUILD)/libfuse.objects/*.o)

$(BUILD)/libcloudfs.so.$(SOMAJOR): $(LIBOBJ) $(wildcard fs/libcloudfs.map)
	$(CC) $(SANFLAGS) -shared -Wl,-soname,libcloudfs.so.$(SOMAJOR) \
	   $(if $(wildcard fs/libcloudfs.map),-Wl$(comma)--version-script=fs/libcloudfs.map) \
	   -o $@ $(LIBOBJ) $(FUSELIB) $(LDFLAGS) $(LIBS)

$(BUILD)/cloudfs: $(CLIOBJ) $(BUILD)/libcloudfs.a
	$(CC) $(SANFLAGS) -o $@ $^ $(LDFLAGS) $(LIBS)

##@ Installing
INSTALL  ?= install
BINDIR   ?= $(PREFIX)/bin
SBINDIR  ?= $(PREFIX)/sbin
MANDIR   ?= $(PREFIX)/share/man
BASHCOMP ?= $(PREFIX)/share/bash-completion/completions
ZSHCOMP  ?= $(PREFIX)/share/zsh/site-functions
FISHCOMP ?= $(PREFIX)/share/fish/vendor_completions.d
INCDIR   ?= $(PREFIX)/include
MANPAGES := $(wildcard docs/man/*.[1-8])

# $(call place,mode,files,directory): nothing where there are no files.
place = $(if $(strip $(2)),$(INSTALL) -d $(DESTDIR)$(3) && $(INSTALL) -m $(1) $(2) $(DESTDIR)$(3)/)

install: all $(BUILD)/cloudfs.pc ## install to DESTDIR/PREFIX (default /usr/local)
	$(call place,755,$(if $(CLISRC),$(BUILD)/cloudfs),$(BINDIR))
	$(if $(CLISRC),$(INSTALL) -d $(DESTDIR)$(SBINDIR) && ln -sf $(BINDIR)/cloudfs $(DESTDIR)$(SBINDIR)/mount.fuse.cloudfs && \
	   ln -sf $(BINDIR)/cloudfs $(DESTDIR)$(SBINDIR)/umount.fuse.cloudfs)
	$(call place,644,$(BUILD)/libcloudfs.a,$(LIBDIR))
	$(call place,755,$(BUILD)/libcloudfs.so.$(SOMAJOR),$(LIBDIR))
	mv -f $(DESTDIR)$(LIBDIR)/libcloudfs.so.$(SOMAJOR) $(DESTDIR)$(LIBDIR)/libcloudfs.so.$(VERSION)
	ln -sf libcloudfs.so.$(VERSION) $(DESTDIR)$(LIBDIR)/libcloudfs.so.$(SOMAJOR)
	ln -sf libcloudfs.so.$(SOMAJOR) $(DESTDIR)$(LIBDIR)/libcloudfs.so
	$(call place,644,$(BUILD)/cloudfs.pc,$(LIBDIR)/pkgconfig)
	$(call place,644,$(wildcard include/cloudfs/*.h),$(INCDIR)/cloudfs)
	$(foreach s,1 2 3 4 5 6 7 8,$(if $(filter %.$s,$(MANPAGES)),$(call place,644,$(filter %.$s,$(MANPAGES)),$(MANDIR)/man$s) &&)) true
	$(call place,644,$(wildcard cli/completion/cloudfs),$(BASHCOMP))
	$(call place,644,$(wildcard cli/completion/_cloudfs),$(ZSHCOMP))
	$(call place,644,$(wildcard cli/completion/cloudfs.fish),$(FISHCOMP))

.PHONY: $(BUILD)/cloudfs.pc
$(BUILD)/cloudfs.pc: # depends on variables, so it is always made again
	@mkdir -p $(@D)
	@printf '%s\n' 'prefix=$(PREFIX)' 'libdir=$(LIBDIR)' 'includedir=$(INCDIR)' '' 'Name: cloudfs' \
	   'Description: stores, mounts and commits cloud images' 'Version: $(VERSION)' \
	   'Requires.private: $(PKGS)' 'Libs: -L$${libdir} -lcloudfs' 'Libs.private: -pthread' \
	   'Cflags: -I$${includedir}' > $@

##@ Testing
include tests/tests.mk


##@ Housekeeping
format: ## rewrite all sources in the house's format
	clang-format -i $$(git ls-files '*.c' '*.h')
clean: ## remove what was built from our sources
	rm -rf build-san build-tsan build-fuzz
	[ ! -d build ] || find build -mindepth 1 -maxdepth 1 ! -path $(FUSEDIR) -exec rm -rf {} +
distclean: ## the same, and the libfuse that `make deps` built
	rm -rf build build-san build-tsan build-fuzz
help: ## this list
	@awk '/^##@/ {printf "\n%s\n", substr($$0,5)} /^[a-z-]+:.*##/ {split($$0,a,":.*## "); printf "  %-18s %s\n", a[1], a[2]}' \
	   $(MAKEFILE_LIST)

-include $(LIBOBJ:.o=.d) $(CLIOBJ:.o=.d) $(UNIT:%=$(BUILD)/tests/unit/%.d) $(FUZZ:%=$(BUILD)/tests/fuzz/%.d)
.SECONDARY:
