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

# dist/assets with a root file system of Arch's packages, Ghostty included. Needs root and a mirror ($ARCH_MIRROR, or /etc/pacman.d/mirrorlist)
# here; without them podman, docker or buildah. The recipe has been proven with a stand-in for Arch's repositories: vm-assets/README.md.
assets-arch *options:
    #!/bin/sh
    set -eu
    if [ "$(id -u)" = 0 ] && { [ -n "${ARCH_MIRROR:-}" ] || [ -s /etc/pacman.d/mirrorlist ]; }; then
        exec bun build.ts --only assets --distribution arch {{ options }}
    fi
    for engine in podman docker buildah; do command -v $engine >/dev/null && break; done || { echo "needs root and an Arch mirror, or podman, docker or buildah" >&2; exit 2; }
    # pacstrap mounts file systems in the tree that it makes.
    $engine build --cap-add SYS_ADMIN --target arch-assets --output type=local,dest=dist/arch .
    mkdir -p dist/assets && rm -rf dist/assets/x64 && mv dist/arch/x64 dist/assets/x64 && rm -rf dist/arch

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
