# Lockstep: lockstepd (daemon/), lockstep (manager-tui/), and what joins them to
# OpenSSH (contrib/openssh/) and ProFTPD (contrib/proftpd/).
#
#   make               both programs, in build/
#   make check         every test; the last line counts them (TESTS=base: some)
#   make check-asan    the same under AddressSanitizer and UBSan
#   make check-faults  kill, disk and clock faults
#   make check-equality  ten thousand random databases (LOCKSTEP_SCHEMAS)
#   make check-upgrade  the version before and this one in one cluster
#   make check-logins  a rolling restart under logins, with real servers
#   make soak          steady writing for SOAK_MINUTES (60), watched for growth
#   make bench         speed and memory against their targets
#   make fuzz          every fuzz target for FUZZ_SECONDS (60) each
#   make lint          layering, style and static analysis
#   make screens       the manager's screens in README.md, made anew
#   make demo          a cluster of three on this machine
#   make man           the manual pages, in build/man/
#   make install       to DESTDIR and PREFIX (/usr/local)
#   make deb           Debian packages, in build/deb/
#   make check-packages  install, upgrade and purge them in a root of their own
#
# BUILD names the folder for everything that is made; WERROR=1 (or CI=true)
# makes warnings errors; SANITIZE=address,undefined builds with sanitizers;
# V=1 shows the commands.

BUILD ?= build
PREFIX ?= /usr/local
DESTDIR ?=
FUZZ_SECONDS ?= 60
CI ?=
WERROR ?= $(if $(filter true 1,$(CI)),1)
SANITIZE ?=
PYTHON ?= /usr/bin/python3
V ?=
Q = $(if $(V),,@echo "  $1 $@";)

CFLAGS ?= -O2 -g
CPPFLAGS ?=
LDFLAGS ?=

# Libraries --------------------------------------------------------------

PKG_CONFIG ?= pkg-config
PACKAGES := libssh sqlite3 libuv jansson inih libzstd libcrypto
TUI_PACKAGES := ncursesw

NEEDS_LIBRARIES := $(filter-out clean lint,$(or $(MAKECMDGOALS),all))
ifneq ($(NEEDS_LIBRARIES),)
ifneq ($(shell $(PKG_CONFIG) --exists $(PACKAGES) $(TUI_PACKAGES) && echo yes),yes)
$(error libraries are missing: run ./setup, which installs them)
endif
endif

PACKAGE_CFLAGS := $(shell $(PKG_CONFIG) --cflags $(PACKAGES) 2>/dev/null)
PACKAGE_LIBS := $(shell $(PKG_CONFIG) --libs $(PACKAGES) 2>/dev/null)
TUI_CFLAGS := $(filter-out -D_DEFAULT_SOURCE -D_XOPEN_SOURCE=%,\
	$(shell $(PKG_CONFIG) --cflags $(TUI_PACKAGES) 2>/dev/null))
TUI_LIBS := $(shell $(PKG_CONFIG) --libs $(TUI_PACKAGES) 2>/dev/null)

# Flags ------------------------------------------------------------------

WARNINGS := -Wall -Wextra -Wpedantic -Wshadow -Wstrict-prototypes \
	-Wmissing-prototypes -Wconversion -Wno-sign-conversion \
	$(if $(WERROR),-Werror)

ALL_CPPFLAGS = -D_GNU_SOURCE -I. -MMD -MP $(PACKAGE_CFLAGS) $(TUI_CFLAGS) \
	$(if $(SANITIZE),,-D_FORTIFY_SOURCE=2) $(CPPFLAGS)
ALL_CFLAGS = -std=gnu11 $(WARNINGS) -pthread -fPIE -fstack-protector-strong \
	$(SANITIZE_FLAGS) $(CFLAGS)
ALL_LDFLAGS = -pthread -pie -Wl,-z,relro,-z,now -Wl,--as-needed \
	$(SANITIZE_FLAGS) $(LDFLAGS)
SANITIZE_FLAGS = $(if $(SANITIZE),-fsanitize=$(SANITIZE) \
	-fno-sanitize-recover=all -fno-omit-frame-pointer)
LIBS = $(PACKAGE_LIBS) -lcrypt -lm

# Sources ----------------------------------------------------------------

LIBRARY_SOURCES := $(wildcard base/*.c admin-proto/*.c ipfilter/*.c sync/*.c)
DAEMON_SOURCES := $(wildcard daemon/*.c)
TUI_SOURCES := $(wildcard manager-tui/*.c)
# What makes users of "config" users of the host (docs/openssh.md): two
# programs, whose main functions are in *_main.c, and what others share.
ACCOUNTS_SOURCES := $(wildcard contrib/accounts/*.c)
OPENSSH_SOURCES := $(filter-out %_main.c,$(wildcard contrib/openssh/*.c))
OPENSSH_MAINS := $(wildcard contrib/openssh/*_main.c)
PROFTPD_SOURCES := $(wildcard contrib/proftpd/*.c)
HOSTKEYS_SOURCES := $(wildcard contrib/hostkeys/*.c)
UNIT_SOURCES := $(wildcard tests/unit/test_*.c)
FUZZ_SOURCES := $(wildcard tests/fuzz/fuzz_*.c)
# Programs and preloaded libraries (preload_*.c) that tests are helped by.
TOOL_SOURCES := $(wildcard tests/bench/*.c tests/faults/*.c \
	tests/scenario/*.c tests/interop/*.c tests/tools/*.c \
	tests/equality/*.c contrib/manual/*.c)
PRELOAD_SOURCES := $(foreach f,$(TOOL_SOURCES),\
	$(if $(filter preload_%,$(notdir $f)),$f))

objects = $(patsubst %.c,$(BUILD)/%.o,$1)
programs = $(patsubst %.c,$(BUILD)/%,$1)

LIBRARY_OBJECTS := $(call objects,$(LIBRARY_SOURCES))
DAEMON_OBJECTS := $(call objects,$(DAEMON_SOURCES))
TUI_OBJECTS := $(call objects,$(TUI_SOURCES))
ACCOUNTS_OBJECTS := $(call objects,$(ACCOUNTS_SOURCES))
OPENSSH_OBJECTS := $(call objects,$(OPENSSH_SOURCES))
PROFTPD_OBJECTS := $(call objects,$(PROFTPD_SOURCES))
HOSTKEYS_OBJECTS := $(call objects,$(HOSTKEYS_SOURCES))
# What tests link: everything but the two main functions, as archives, so
# that a test takes only what it uses.
ARCHIVES := $(BUILD)/liblockstepd.a $(BUILD)/liblockstep.a

UNIT_PROGRAMS := $(call programs,$(UNIT_SOURCES))
FUZZ_PROGRAMS := $(call programs,$(FUZZ_SOURCES))
# The same targets over their corpora, by any compiler.
REPLAY_PROGRAMS := $(patsubst tests/fuzz/fuzz_%.c,\
	$(BUILD)/tests/fuzz/replay_%,$(FUZZ_SOURCES))
TOOL_PROGRAMS := $(call programs,$(filter-out $(PRELOAD_SOURCES),$(TOOL_SOURCES)))
PRELOADS := $(patsubst %.c,$(BUILD)/%.so,$(PRELOAD_SOURCES))

# A program whose main is not there yet is not linked.
PROGRAMS := $(if $(wildcard daemon/main.c),$(BUILD)/lockstepd) \
	$(if $(wildcard manager-tui/main.c),$(BUILD)/lockstep)
OPENSSH_PROGRAMS := $(BUILD)/lockstep-openssh $(BUILD)/lockstep-authorized-keys
PROFTPD_PROGRAM := $(BUILD)/lockstep-proftpd
HOSTKEYS_PROGRAM := $(BUILD)/lockstep-hostkeys

.PHONY: all tests check check-asan check-faults check-equality check-upgrade \
	check-logins soak bench fuzz fuzz-programs lint screens demo man install \
	deb check-packages clean
.DELETE_ON_ERROR:
.SECONDARY:

all: $(PROGRAMS) $(OPENSSH_PROGRAMS) $(PROFTPD_PROGRAM) $(HOSTKEYS_PROGRAM)

tests: all $(UNIT_PROGRAMS) $(TOOL_PROGRAMS) $(PRELOADS) $(REPLAY_PROGRAMS)

# -rdynamic: libssh must find the EVP functions that the daemon defines to
# keep private keys in the engine.
$(BUILD)/lockstepd: $(DAEMON_OBJECTS) $(LIBRARY_OBJECTS)
	$(call Q,LINK) $(CC) $(ALL_LDFLAGS) -rdynamic -o $@ $^ $(LIBS)

$(BUILD)/lockstep: $(TUI_OBJECTS) \
		$(call objects,$(wildcard base/*.c admin-proto/*.c))
	$(call Q,LINK) $(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIBS) $(TUI_LIBS)

$(BUILD)/lockstep-openssh: $(BUILD)/contrib/openssh/openssh_main.o
$(BUILD)/lockstep-authorized-keys: $(BUILD)/contrib/openssh/keys_main.o
# From an archive: lockstep-authorized-keys, which each login starts, goes without
# libcrypto so, whose loading is half of its time.
$(OPENSSH_PROGRAMS): $(BUILD)/libopenssh.a $(BUILD)/liblockstepd.a
	$(call Q,LINK) $(CC) $(ALL_LDFLAGS) -o $@ \
		-Wl,--start-group $^ -Wl,--end-group $(LIBS)

$(PROFTPD_PROGRAM): $(PROFTPD_OBJECTS)
$(HOSTKEYS_PROGRAM): $(HOSTKEYS_OBJECTS)
$(PROFTPD_PROGRAM) $(HOSTKEYS_PROGRAM): $(ACCOUNTS_OBJECTS) \
		$(BUILD)/liblockstepd.a
	$(call Q,LINK) $(CC) $(ALL_LDFLAGS) -o $@ \
		-Wl,--start-group $^ -Wl,--end-group $(LIBS)

$(BUILD)/liblockstepd.a: $(LIBRARY_OBJECTS) \
		$(filter-out %/daemon/main.o,$(DAEMON_OBJECTS))
$(BUILD)/liblockstep.a: $(filter-out %/manager-tui/main.o,$(TUI_OBJECTS))
$(BUILD)/libopenssh.a: $(OPENSSH_OBJECTS) $(ACCOUNTS_OBJECTS)
$(ARCHIVES) $(BUILD)/libopenssh.a:
	@mkdir -p $(@D)
	@rm -f $@
	$(call Q,AR) $(AR) rcs $@ $^

$(BUILD)/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(call Q,CC) $(CC) $(ALL_CPPFLAGS) $(ALL_CFLAGS) -c -o $@ $<

$(UNIT_PROGRAMS): $(BUILD)/%: $(BUILD)/%.o $(ARCHIVES)
	$(call Q,LINK) $(CC) $(ALL_LDFLAGS) -rdynamic -o $@ $< \
		-Wl,--start-group $(ARCHIVES) -Wl,--end-group \
		-lcmocka $(LIBS) $(TUI_LIBS)

$(TOOL_PROGRAMS): $(BUILD)/%: $(BUILD)/%.o $(ARCHIVES)
	$(call Q,LINK) $(CC) $(ALL_LDFLAGS) -o $@ $< \
		-Wl,--start-group $(ARCHIVES) -Wl,--end-group \
		$(LIBS) $(TUI_LIBS)

$(PRELOADS): $(BUILD)/%.so: %.c Makefile
	@mkdir -p $(@D)
	$(call Q,CC) $(CC) -D_GNU_SOURCE -I. -std=gnu11 $(WARNINGS) $(CFLAGS) -fPIC -shared \
		-o $@ $< -ldl

$(FUZZ_PROGRAMS): $(BUILD)/%: $(BUILD)/%.o $(ARCHIVES)
	$(call Q,LINK) $(CC) $(ALL_LDFLAGS) -fsanitize=fuzzer -o $@ $< \
		-Wl,--start-group $(ARCHIVES) -Wl,--end-group \
		$(LIBS) $(TUI_LIBS)

$(REPLAY_PROGRAMS): $(BUILD)/tests/fuzz/replay_%: \
		$(BUILD)/tests/fuzz/fuzz_%.o $(BUILD)/tests/fuzz/replay.o \
		$(ARCHIVES)
	$(call Q,LINK) $(CC) $(ALL_LDFLAGS) -o $@ $(filter %.o,$^) \
		-Wl,--start-group $(ARCHIVES) -Wl,--end-group \
		$(LIBS) $(TUI_LIBS)

# Manual -----------------------------------------------------------------

# What of it lists commands, options and keys is made of the tables by which
# the programs read them.
MAN_SOURCES := docs/lockstep.1 docs/lockstepd.8 docs/lockstepd.conf.5 \
	docs/lockstep-openssh.8 docs/lockstep-authorized-keys.8 \
	docs/lockstep-proftpd.8 docs/lockstep-haproxy.8 docs/lockstep-hostkeys.8
MAN_PAGES := $(patsubst docs/%,$(BUILD)/man/%,$(MAN_SOURCES)) \
	$(BUILD)/man/lockstep-protocol.7

man: $(MAN_PAGES)

$(BUILD)/man/tables.json: $(BUILD)/contrib/manual/tables
	@mkdir -p $(@D)
	$(call Q,MAN) $< > $@

$(BUILD)/man/%: docs/% $(BUILD)/man/tables.json contrib/manual/pages.py
	$(call Q,MAN) $(PYTHON) contrib/manual/pages.py \
		$(BUILD)/man/tables.json $< > $@

$(BUILD)/man/lockstep-protocol.7: docs/protocol.md $(BUILD)/man/tables.json \
		contrib/manual/pages.py
	$(call Q,MAN) $(PYTHON) contrib/manual/pages.py \
		$(BUILD)/man/tables.json $< > $@

# Tests ------------------------------------------------------------------

check: tests
	LOCKSTEP_BUILD=$(abspath $(BUILD)) $(PYTHON) tests/run $(TESTS)

check-asan:
	+ASAN_OPTIONS=$${ASAN_OPTIONS:-detect_leaks=1:abort_on_error=0} \
	UBSAN_OPTIONS=$${UBSAN_OPTIONS:-print_stacktrace=1} \
	$(MAKE) BUILD=build-asan SANITIZE=address,undefined CFLAGS="-O1 -g" check

check-faults: tests
	@if [ -x tests/faults/run ]; then \
		LOCKSTEP_BUILD=$(abspath $(BUILD)) tests/faults/run; \
	else echo "tests/faults/run is missing" >&2; exit 1; fi

check-equality: tests
	LOCKSTEP_BUILD=$(abspath $(BUILD)) tests/equality/run

# The version before is built from this repository's history.
check-upgrade: all
	tests/upgrade/build $(abspath $(BUILD)/before)
	LOCKSTEP_BUILD=$(abspath $(BUILD)) \
	LOCKSTEP_BEFORE=$(abspath $(BUILD)/before/build) tests/upgrade/run

check-logins: tests
	LOCKSTEP_BUILD=$(abspath $(BUILD)) tests/logins/run

soak: tests
	LOCKSTEP_BUILD=$(abspath $(BUILD)) tests/soak/run

bench: tests
	@if [ -x tests/bench/run ]; then \
		LOCKSTEP_BUILD=$(abspath $(BUILD)) tests/bench/run; \
	else echo "tests/bench/run is missing" >&2; exit 1; fi

demo: all
	LOCKSTEP_BUILD=$(abspath $(BUILD)) demo/run $(DEMO_ARGS)

screens: all
	LOCKSTEP_BUILD=$(abspath $(BUILD)) $(PYTHON) tests/curses/capture.py

lint:
	LOCKSTEP_BUILD=$(BUILD) tests/lint/run

fuzz-programs: $(FUZZ_PROGRAMS)

fuzz:
	+$(MAKE) BUILD=build-fuzz CC=clang SANITIZE=address,undefined \
		CFLAGS="-O1 -g -fsanitize=fuzzer-no-link" fuzz-programs
	FUZZ_SECONDS=$(FUZZ_SECONDS) tests/fuzz/run build-fuzz

# Installation -----------------------------------------------------------

# Where zsh looks: the distribution's packages have a folder of their own.
ZSH_FOLDER = $(if $(filter /usr,$(PREFIX)),vendor-completions,site-functions)
SHARE = $(DESTDIR)$(PREFIX)/share
install: all man
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/sbin
	install -m 755 $(BUILD)/lockstep $(DESTDIR)$(PREFIX)/bin/lockstep
	install -m 755 $(BUILD)/lockstepd $(DESTDIR)$(PREFIX)/sbin/lockstepd
	install -m 755 $(BUILD)/lockstep-openssh \
		$(DESTDIR)$(PREFIX)/sbin/lockstep-openssh
	install -m 755 $(BUILD)/lockstep-proftpd \
		$(DESTDIR)$(PREFIX)/sbin/lockstep-proftpd
	install -m 755 $(BUILD)/lockstep-hostkeys \
		$(DESTDIR)$(PREFIX)/sbin/lockstep-hostkeys
	install -m 755 contrib/haproxy/lockstep-haproxy \
		$(DESTDIR)$(PREFIX)/sbin/lockstep-haproxy
	install -d $(DESTDIR)$(PREFIX)/lib/lockstep $(SHARE)/lockstep/openssh \
		$(SHARE)/lockstep/proftpd
	install -m 755 $(BUILD)/lockstep-authorized-keys \
		$(DESTDIR)$(PREFIX)/lib/lockstep/lockstep-authorized-keys
	sed 's|/usr/lib/|$(PREFIX)/lib/|' \
		contrib/openssh/sshd_config.d/lockstep.conf \
		> $(SHARE)/lockstep/openssh/sshd_config
	install -m 644 contrib/openssh/openssh.conf $(SHARE)/lockstep/openssh
	install -m 644 contrib/systemd/lockstep-filter.conf \
		$(SHARE)/lockstep/openssh/filter.conf
	install -m 644 contrib/proftpd/lockstep.conf contrib/proftpd/proftpd.conf \
		$(SHARE)/lockstep/proftpd
	install -d $(SHARE)/lockstep/hostkeys
	install -m 644 contrib/hostkeys/sshd_config \
		contrib/hostkeys/lockstepd.service.conf $(SHARE)/lockstep/hostkeys
	install -d $(SHARE)/bash-completion/completions \
		$(SHARE)/zsh/$(ZSH_FOLDER) $(SHARE)/fish/vendor_completions.d
	install -m 644 contrib/completion/lockstep.bash \
		$(SHARE)/bash-completion/completions/lockstep
	install -m 644 contrib/completion/_lockstep $(SHARE)/zsh/$(ZSH_FOLDER)
	install -m 644 contrib/completion/lockstep.fish \
		$(SHARE)/fish/vendor_completions.d
	for page in $(MAN_PAGES); do \
		folder=$(SHARE)/man/man$${page##*.}; \
		install -d $$folder && install -m 644 $$page $$folder/ || exit 1; \
	done

# From a copy of what is committed or added: debhelper leaves much behind.
deb:
	contrib/deb/build $(abspath $(BUILD)/deb)

check-packages: deb
	contrib/deb/check $(abspath $(BUILD)/deb)

clean:
	rm -rf $(BUILD) build-asan build-fuzz

-include $(patsubst %.o,%.d,$(LIBRARY_OBJECTS) $(DAEMON_OBJECTS) \
	$(TUI_OBJECTS) $(ACCOUNTS_OBJECTS) $(OPENSSH_OBJECTS) \
	$(call objects,$(OPENSSH_MAINS)) $(PROFTPD_OBJECTS) \
	$(HOSTKEYS_OBJECTS)) \
	$(addsuffix .d,$(UNIT_PROGRAMS) $(TOOL_PROGRAMS) \
	$(FUZZ_PROGRAMS) $(BUILD)/tests/fuzz/replay)
