# loomta: build, test and install. `make help` tells the targets.
# SPDX-License-Identifier: MIT

LUA_VERSION ?= 5.4
CURL_CONFIG ?= curl-config
PKG_CONFIG ?= pkg-config
CFLAGS ?= -O2 -g
INSTALL ?= install

# Lua's headers: the place LuaRocks names in LUA_INCDIR, else what pkg-config knows. A module never links with liblua:
# the program that loads it brings it.
LUA_PACKAGE = $(if $(filter jit,$(LUA_VERSION)),luajit,lua$(LUA_VERSION))
LUA_CFLAGS = $(if $(LUA_INCDIR),-I$(LUA_INCDIR),$(shell for name in $(LUA_PACKAGE) lua-$(LUA_VERSION) lua; do \
  $(PKG_CONFIG) --cflags-only-I $$name 2>/dev/null && break; done))
CURL_CFLAGS ?= $(if $(CURL_INCDIR),-I$(CURL_INCDIR)) $(shell $(CURL_CONFIG) --cflags 2>/dev/null)
CURL_LIBS ?= $(if $(CURL_LIBDIR),-L$(CURL_LIBDIR)) -lcurl

PREFIX ?= /usr/local
# LuaJIT looks where Lua 5.1 does.
INST_VERSION = $(if $(filter jit,$(LUA_VERSION)),5.1,$(LUA_VERSION))
INST_LIBDIR ?= $(PREFIX)/lib/lua/$(INST_VERSION)
INST_LUADIR ?= $(PREFIX)/share/lua/$(INST_VERSION)
INST_BINDIR ?= $(PREFIX)/bin
INST_MANDIR ?= $(PREFIX)/share/man

# A variant (a sanitizer, coverage) gets objects of its own, and so does each Lua.
VARIANT ?=
BUILD := build/$(LUA_VERSION)$(if $(VARIANT),-$(VARIANT))
CORE := $(BUILD)/loomta/core.so
SOURCES := $(wildcard src/*.c)
OBJECTS := $(SOURCES:src/%.c=$(BUILD)/%.o)

# Ours, apart from the user's CFLAGS. WARNINGS=-Werror is for those who develop loomta.
OWN_CFLAGS = -std=c11 -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -fPIC -fvisibility=hidden -pthread $(LUA_CFLAGS) $(CURL_CFLAGS)
WARNINGS ?=
ALL_WARNINGS = -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes $(WARNINGS)
# nodelete: the module's code must outlive the Lua state that loaded it, threads and exit handlers may still run it.
ifeq ($(shell uname -s),Darwin)
MODULE_LDFLAGS = -bundle -undefined dynamic_lookup
else
MODULE_LDFLAGS = -shared -Wl,-z,nodelete -Wl,-z,relro -Wl,-z,now
endif

# Tests run on the Lua they were built for, against the tree itself. busted is Lua 5.1's on Debian and works on all.
LUA ?= $(if $(filter jit,$(LUA_VERSION)),luajit,lua$(LUA_VERSION))
SPECS ?= spec
# A program that runs the interpreter, e.g. valgrind.
LAUNCH ?=
BUSTED_FLAGS ?=
DEBIAN_LUA := /usr/share/lua/5.1/?.lua;/usr/share/lua/5.1/?/init.lua
# (env -u: a versioned variable, such as `luarocks path` sets, would win over the plain one.)
RUN_ENV = env $(foreach v,5_2 5_3 5_4,-u LUA_PATH_$(v) -u LUA_CPATH_$(v) -u LUA_INIT_$(v)) LUA_PATH='./?.lua;./lua/?.lua;./lua/?/init.lua;;$(DEBIAN_LUA)' LUA_CPATH='$(BUILD)/?.so;;' \
  LUA_INIT= LOOMTA_SPEC_LUA='$(LUA)' LOOMTA_SANDBOX_BIN='$(SANDBOX)'

SANDBOX := build/sandbox/loomta-sandbox
SANDBOX_SOURCES := $(wildcard sandbox/*.c)
SANDBOX_PACKAGES := libmicrohttpd jansson nettle

LUA_FILES := $(wildcard lua/loomta/*.lua)
CLI_FILES := $(wildcard lua/loomta/cli/*.lua)
QUEUE_FILES := $(wildcard lua/loomta/queue/*.lua)

.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.PHONY: help all sandbox install test specs jobs nginx-core bench bench-uploads bench-jobs bench-sweep bench-instructions demo examples lint format sanitize memcheck matrix gc-stress faults soak bulk soak-queue bench-queue reference coverage threads helgrind fuzz torture rock interop clean deb deb-check static platforms docs

help:  ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

all: $(CORE)  ## build the C module for LUA_VERSION (5.1 5.2 5.3 5.4 jit)

$(CORE): $(OBJECTS)
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) -pthread $(MODULE_LDFLAGS) $(LDFLAGS) -o $@ $^ $(CURL_LIBS)

# Before the first compilation, since a compiler names files and not packages.
$(BUILD)/needs: scripts/needs
	@mkdir -p $(@D)
	@CC='$(CC)' FLAGS='$(OWN_CFLAGS) $(CPPFLAGS) $(CFLAGS)' LIBS='$(strip $(LDFLAGS) $(CURL_LIBS))' scripts/needs $(LUA_VERSION)
	@touch $@

$(OBJECTS): | $(BUILD)/needs

$(BUILD)/%.o: src/%.c Makefile
	@mkdir -p $(@D)
	$(CC) $(OWN_CFLAGS) $(ALL_WARNINGS) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

-include $(OBJECTS:.o=.d)

sandbox: $(SANDBOX)  ## build the local emulator of the Loomta API

$(SANDBOX): $(SANDBOX_SOURCES) $(wildcard sandbox/*.h)
	@mkdir -p $(@D)
	$(CC) -std=c11 $(ALL_WARNINGS) $(CFLAGS) $(SANDBOX_SOURCES) $(LDFLAGS) \
	  $$($(PKG_CONFIG) --cflags --libs $(SANDBOX_PACKAGES)) -pthread -o $@

static: $(BUILD)/libloomta_core.a  ## the C module as an archive, for programs that link it in: examples/embed

$(BUILD)/libloomta_core.a: $(OBJECTS)
	$(AR) rcs $@ $^

$(BUILD)/embed: examples/embed/host.c $(BUILD)/libloomta_core.a
	$(CC) -std=c11 $(LUA_CFLAGS) $(CFLAGS) $^ $(LDFLAGS) $(shell $(PKG_CONFIG) --libs $(LUA_PACKAGE)) $(CURL_LIBS) -pthread -o $@

# An interpreter with the variant's sanitizer in it.
$(BUILD)/host: spec/support/host.c
	@mkdir -p $(@D)
	$(CC) -std=c11 -D_GNU_SOURCE $(LUA_CFLAGS) $(CFLAGS) $< $(shell $(PKG_CONFIG) --libs $(LUA_PACKAGE)) -o $@

# (The command runs on the Lua that it is installed for.)
install: $(CORE)  ## install library, command and man page (LuaRocks sets where the first two go)
	$(INSTALL) -d '$(DESTDIR)$(INST_LIBDIR)/loomta' '$(DESTDIR)$(INST_LUADIR)/loomta/cli' '$(DESTDIR)$(INST_LUADIR)/loomta/queue' '$(DESTDIR)$(INST_BINDIR)' \
	  '$(DESTDIR)$(INST_MANDIR)/man1'
	$(INSTALL) -m 755 $(CORE) '$(DESTDIR)$(INST_LIBDIR)/loomta/core.so'
	$(INSTALL) -m 644 $(LUA_FILES) '$(DESTDIR)$(INST_LUADIR)/loomta'
	$(INSTALL) -m 644 $(CLI_FILES) '$(DESTDIR)$(INST_LUADIR)/loomta/cli'
	$(INSTALL) -m 644 $(QUEUE_FILES) '$(DESTDIR)$(INST_LUADIR)/loomta/queue'
	sed '1s|.*|#!/usr/bin/env $(LUA)|' bin/loomta-upload >'$(DESTDIR)$(INST_BINDIR)/loomta-upload'
	chmod 755 '$(DESTDIR)$(INST_BINDIR)/loomta-upload'
	$(INSTALL) -m 644 docs/loomta-upload.1 '$(DESTDIR)$(INST_MANDIR)/man1'

test:  ## install what is missing, build, and run every spec
	@scripts/setup test
	@$(MAKE) --no-print-directory -s all nginx-core sandbox
	@$(MAKE) --no-print-directory specs

# nginx's LuaJIT loads what was built for Lua 5.1.
nginx-core:
	@$(MAKE) --no-print-directory -s LUA_VERSION=5.1 all

# What holds for calls that block holds for jobs: the same specs, but for those about blocking calls alone.
JOB_SPECS ?= $(foreach name,upload retry expect reconcile answer timeouts trust process,spec/$(name)_spec.lua)

jobs: all sandbox  ## the specs, with every upload started as a job
	@$(MAKE) --no-print-directory specs BUSTED_FLAGS='--helper=spec/support/as_jobs.lua --exclude-tags=blocking,nginx,$(EXCLUDE)' SPECS='$(JOB_SPECS)'

# What specs need of the system and Lua does not have.
$(BUILD)/spec/process.so: spec/support/process.c
	@mkdir -p $(@D)
	$(CC) $(OWN_CFLAGS) -fvisibility=default -Isrc $(CFLAGS) $(MODULE_LDFLAGS) $< -o $@

specs: $(BUILD)/spec/process.so  # the specs alone, on what is built; SPECS=spec/media_spec.lua for one
	@$(RUN_ENV) $(LAUNCH) $(LUA) scripts/busted.lua $(BUSTED_FLAGS) $(SPECS)

demo:  ## install what is missing, build, and watch real files being uploaded to the sandbox
	@scripts/setup demo
	@$(MAKE) --no-print-directory -s all sandbox
	@$(RUN_ENV) scripts/demo

build/bench/%: bench/%.c
	@mkdir -p $(@D)
	$(CC) -std=c11 -D_GNU_SOURCE $(ALL_WARNINGS) $(CFLAGS) $< $(LDFLAGS) -pthread -lssl -lcrypto -o $@

bench: bench-uploads bench-jobs  ## how fast all of it is, in under ten minutes; BENCH_FLAGS=--json

bench-uploads: all build/bench/sink build/bench/limit build/bench/measure  ## against the limit and other programs; BENCH_FLAGS=--json, or names of parts
	@$(RUN_ENV) $(LUA) bench/uploads.lua $(BENCH_FLAGS)

bench-jobs: all nginx-core build/bench/sink build/bench/probe  ## what jobs cost; BENCH_FLAGS=--json, or names of parts
	@$(RUN_ENV) $(LUA) bench/jobs.lua $(BENCH_FLAGS)

bench-sweep: all build/bench/sink build/bench/limit build/bench/measure  ## over sizes and concurrency; draws bench/*.svg
	@$(RUN_ENV) $(LUA) bench/sweep.lua

bench-queue: all sandbox  ## one queue and 1, 2, 4, 8 workers on a path of 50 ms; what an entry costs Redis
	@$(RUN_ENV) $(LUA) bench/queue.lua

bench-instructions: all build/bench/sink  ## counts the instructions of a small upload against bench/budget.txt
	@$(RUN_ENV) $(LUA) bench/instructions.lua $(BENCH_FLAGS)

examples: all nginx-core sandbox $(BUILD)/embed  ## run every example against the sandbox
	@$(RUN_ENV) LOOMTA_EMBED='$(BUILD)/embed' scripts/examples
	@$(RUN_ENV) scripts/examples-nginx

lint:  ## luacheck, cppcheck, clang-tidy, clang-format, and the rules of this code base
	@scripts/lint

format:  ## lay out the C code
	clang-format -i src/*.c src/*.h sandbox/*.c sandbox/*.h bench/*.c examples/embed/*.c

sanitize:  ## the specs under AddressSanitizer and UndefinedBehaviorSanitizer
	@scripts/sanitize

memcheck:  ## the specs of the C core under valgrind
	@scripts/memcheck

matrix:  ## the specs on Lua 5.1, 5.2, 5.3, 5.4 and LuaJIT
	@scripts/matrix

# Those that make and drop what C holds; the others only compute, for hours under such a collector.
GC_SPECS ?= spec/upload_spec.lua spec/uploads_spec.lua spec/retry_spec.lua spec/expect_spec.lua spec/process_spec.lua

gc-stress: all sandbox  ## the specs under a collector that never rests
	@$(MAKE) --no-print-directory specs BUSTED_FLAGS='--helper=spec/support/gc_stress.lua --exclude-tags=slow,timing' \
	  SPECS='$(GC_SPECS)'

faults: all sandbox  ## the fault matrix, printed as a table
	@$(MAKE) --no-print-directory -s specs SPECS=spec/faults_spec.lua
	@cat build/fault-matrix.txt

soak: all sandbox  ## 50,000 uploads with random faults; SOAK_UPLOADS=1000 for fewer
	@$(RUN_ENV) $(LUA) scripts/soak.lua

bulk: all sandbox  ## 20,000 files with a journal and faults, in one go and killed half-way; BULK_FILES=2000 for fewer
	@$(RUN_ENV) $(LUA) scripts/bulk.lua

soak-queue: all sandbox  ## 20,000 files in one queue, workers killed and started at random; SOAK_FILES=1000 for fewer
	@$(RUN_ENV) $(LUA) scripts/soak_queue.lua

reference:  ## writes docs/reference.md from the annotations
	@$(LUA) scripts/reference.lua

docs:  ## the documentation as a site, in build/site
	@scripts/setup docs
	@$(LUA) scripts/docs.lua build/docs
	@mkdocs build --strict --quiet
	@! grep -rnoE '<(script|link|img)[^>]*(src|href)="(https?:)?//[^"]*' build/site --include='*.html' # all of it is here

coverage:  ## which lines of src and lua the specs run, in build/coverage
	@scripts/coverage

threads:  ## several Lua states on several threads under ThreadSanitizer
	@scripts/threads

helgrind:  ## and under Helgrind
	@scripts/helgrind

rock: sandbox  ## LuaRocks: make, pack and install the rock for each Lua, and upload from there
	@scripts/rock

deb:  ## Debian packages of library and command, in build/deb
	@scripts/deb

deb-check: sandbox  ## build them, install them here, upload with each Lua, and purge them (as root)
	@scripts/deb check

platforms:  ## other compilers, C libraries, processors and libcurls, as far as they are here: docs/platforms.md
	@scripts/platforms $(PLATFORMS)

fuzz:  ## a short run of each fuzzer; FUZZ_SECONDS=3600 for a long one
	@scripts/fuzz

torture:  ## fail every allocation and every libcurl call in turn
	@scripts/torture

interop:  ## have another parser (busboy, from npm) read our uploads
	@scripts/interop

clean:  ## remove what was built
	rm -rf build
