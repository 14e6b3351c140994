# Development tasks. `npm start` and `npm test` need nothing but Node; these need Bun (`node_modules/.bin/bun` will do).
# `just` itself: `node_modules/.bin/just`.

export PATH := justfile_directory() / "node_modules/.bin" + ":" + env("PATH")

# List the tasks.
default:
    @just --list

# Linter, types, direction of imports, unit tests: seconds.
check:
    biome check
    tsc
    bun test --timeout=60000 test/unit

# Correct what the linter can correct, and the layout of the code.
fmt:
    biome check --write

# Boot real machines and look at them from outside.
test-vm *filter:
    bun test/run.ts vm {{ filter }}

# Hand devices of an emulated host to machines inside it (half an hour).
test-vfio *filter:
    bun test/run.ts vfio {{ filter }}

# Feed the launcher spoilt input for as long as you like: so many seconds for each property (CI tries each a few hundred times).
fuzz seconds="600" *filter:
    FUZZ_SECONDS={{ seconds }} bun test test/unit/fuzz {{ filter }}

# Measure starts against the bare kernel, a stock Debian and what is promised (20 minutes; `--quick`, `--peers`).
bench *options:
    bun test/bench/start.ts {{ options }}

# dist/virtualghost for this machine.
build *options:
    bun build.ts {{ options }}

# dist/driver-pack-KERNEL.erofs: drivers and firmware for a passed-through graphics card (docs/gpu-drivers.md).
driver-pack *options:
    bun build.ts --only driver-pack {{ options }}

# Every platform's binary.
dist:
    bun build.ts --target linux-x64
    bun build.ts --only binary --target linux-arm64
    bun build.ts --only binary --target darwin-x64
    bun build.ts --only binary --target darwin-arm64
    bun build.ts --only binary --target windows-x64

# What the build made here. The cache of build steps outside the repository stays.
clean:
    rm -rf dist
