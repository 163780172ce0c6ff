# SPDX-License-Identifier: Apache-2.0
# The targets that test, measure and check the house; included by the Makefile.

FUZZ_SECONDS ?= 30
# A build of many files from here uses all cores, unless the caller already said how many.
FAST = $(if $(findstring -j,$(MAKEFLAGS)),,-j$(shell nproc 2>/dev/null || echo 2))
SUBMAKE = $(MAKE) --no-print-directory

check: deps ## all tests, and lint; installs what is missing first
	@$(SUBMAKE) $(FAST) -s all unit-programs
	@$(SUBMAKE) check-unit
	@$(SUBMAKE) $(FAST) -s SAN=1 BUILD=$(if $(SAN),$(BUILD),$(BUILD)-san) check-fuzz
	@$(SUBMAKE) check-integration
	@$(SUBMAKE) lint

.PHONY: unit-programs fuzz-programs fuzz-run
unit-programs: $(UNIT:%=$(BUILD)/tests/unit/%)
fuzz-programs: $(FUZZ:%=$(BUILD)/tests/fuzz/%)

check-unit: $(UNIT:%=$(BUILD)/tests/unit/%) ## the unit tests (T=name for one, in full)
	@$(if $(T),$(BUILD)/tests/unit/test_$(T),sh tests/lib/run-unit.sh $(UNIT:%=$(BUILD)/tests/unit/%))

$(BUILD)/tests/unit/%: $(BUILD)/tests/unit/%.o $(BUILD)/libcloudfs.a
	$(CC) $(SANFLAGS) -o $@ $^ $(LDFLAGS) $(LIBS) -lcmocka

# Some tests reach what is nobody's but its folder's.
$(BUILD)/tests/unit/%.o: ALLCFLAGS += -Itests/lib
$(BUILD)/tests/unit/test_mount.o: ALLCFLAGS += -Ifs/mount
$(BUILD)/tests/unit/test_kubefile.o: ALLCFLAGS += -Ibuilder/kubefile
$(BUILD)/tests/unit/test_rebase.o: ALLCFLAGS += -Ibuilder/rebase
$(BUILD)/tests/unit/test_registry.o: ALLCFLAGS += -Ibuilder/registry
$(BUILD)/tests/unit/test_yaml_quick.o: ALLCFLAGS += -Ibuilder/yaml
$(BUILD)/tests/fuzz/%.o: ALLCFLAGS += -Ibuilder/layer -Ibuilder/registry -Ibuilder/chart -Ibuilder/rebase

# LIBFUZZER=1 (with clang): a fuzzer. Otherwise a program that replays a corpus.
$(BUILD)/tests/fuzz/%: $(BUILD)/tests/fuzz/%.o $(if $(LIBFUZZER),,$(BUILD)/tests/fuzz/replay_main.o) \
		$(BUILD)/libcloudfs.a
	$(CC) $(SANFLAGS) $(if $(LIBFUZZER),-fsanitize=fuzzer) -o $@ $^ $(LDFLAGS) $(LIBS)

# The corpus of fuzz_x is tests/fuzz/corpus/x.
check-fuzz: fuzz-programs ## replay the corpus of each fuzz target, and mutations of it
	@set -e; for t in $(FUZZ); do \
	   $(BUILD)/tests/fuzz/$$t tests/fuzz/corpus/$${t#fuzz_}; done

fuzz: ## run each fuzz target for FUZZ_SECONDS (default 30), with clang's libFuzzer
	@if command -v clang >/dev/null; then \
	   $(SUBMAKE) $(FAST) -s BUILD=build-fuzz CC=clang WARN= LIBFUZZER=1 SANFLAGS='-fsanitize=address,undefined,fuzzer-no-link -fno-sanitize-recover=undefined -fno-omit-frame-pointer' fuzz-programs && \
	   $(SUBMAKE) BUILD=build-fuzz fuzz-run; \
	else echo "fuzz: skipped, there is no clang here"; fi

# New inputs are kept in build-fuzz/corpus; what is worth keeping is added to tests/fuzz/corpus by hand.
fuzz-run:
	@set -e; for t in $(FUZZ); do echo "fuzz: $$t, $(FUZZ_SECONDS) s"; \
	   mkdir -p $(BUILD)/corpus/$$t tests/fuzz/corpus/$${t#fuzz_}; \
	   $(BUILD)/tests/fuzz/$$t -max_total_time=$(FUZZ_SECONDS) -timeout=20 -rss_limit_mb=1024 \
	      -artifact_prefix=$(BUILD)/$$t- -print_final_stats=0 -verbosity=0 \
	      $(BUILD)/corpus/$$t tests/fuzz/corpus/$${t#fuzz_}; done

# The POSIX suite is a program for itself, and never built with sanitizers: the daemon is.
POSIX   := $(patsubst %.c,$(BUILD)/%.o,$(wildcard tests/posix/*.c))
$(POSIX): tests/posix/posix.h
$(POSIX): SANFLAGS =
$(BUILD)/tests/posix/posix: $(POSIX)
	$(CC) -o $@ $^ $(LDFLAGS)

check-integration: all $(BUILD)/tests/posix/posix ## the integration scripts (T="names" for some)
	@T="$(T)" sh tests/lib/run-integration.sh $(BUILD)

# A daemon that a sanitizer ends is a test that fails; what it said is in the build's folder.
SAN_TESTS = model stress crash-load commit-writer mount mount-semantics mount-freeze mount-user commit-live
check-san: ## the model and mount tests with the daemon under ASan and UBSan, and under TSan (long)
	@set -e; for kind in SAN TSAN; do \
	   $(SUBMAKE) $(FAST) -s $$kind=1 all; \
	   $(SUBMAKE) $$kind=1 san-run; done

.PHONY: check-san san-run
SAN_LOG = $(abspath $(BUILD))/sanitizer
san-run:
	@rm -f $(SAN_LOG).*
	@ASAN_OPTIONS=log_path=$(SAN_LOG) UBSAN_OPTIONS=print_stacktrace=1:log_path=$(SAN_LOG) \
	   TSAN_OPTIONS=halt_on_error=1:log_path=$(SAN_LOG) TEST_TIMEOUT=1800 \
	   $(SUBMAKE) check-integration T="$(or $(T),$(SAN_TESTS))" || { cat $(SAN_LOG).* 2>/dev/null; exit 1; }
	@! cat $(SAN_LOG).* 2>/dev/null

lint: lib cli ## the rules of the house: one-way folders, headers, format, sizes, licences
	@CC="$(CC)" CFLAGS="$(ALLCFLAGS)" sh tests/lib/lint.sh $(BUILD)

demo: deps ## the main job on a sample CloudRootfs, printed as a tutorial
	@$(SUBMAKE) $(FAST) -s all
	@CLOUDFS=$(abspath $(BUILD))/cloudfs bash tests/demo/demo.sh

bench: deps ## measure cloudfs beside its peers into docs/benchmarks.md (ROWS="names" for some)
	@$(SUBMAKE) $(FAST) -s all
	@sh tests/lib/install-deps.sh podman time openssl
	@CLOUDFS=$(abspath $(BUILD))/cloudfs bash tests/bench/run.sh --doc docs/benchmarks.md $(ROWS)
	@$(if $(ROWS),,$(SUBMAKE) bench-build)
	@$(if $(ROWS),,$(SUBMAKE) bench-mount)

bench-build: deps ## only builds beside buildah bud, into docs/benchmarks.md
	@$(SUBMAKE) $(FAST) -s all
	@CLOUDFS=$(abspath $(BUILD))/cloudfs python3 tests/bench/rows_build.py --doc docs/benchmarks.md

bench-mount: deps ## only the mounted filesystem beside overlayfs and fuse-overlayfs (QUICK=1: minutes)
	@$(SUBMAKE) $(FAST) -s all
	@sh tests/lib/install-deps.sh fuse-overlayfs
	@CLOUDFS=$(abspath $(BUILD))/cloudfs bash tests/bench/mount.sh $(if $(QUICK),--quick,--doc docs/benchmarks.md) $(ROWS)
