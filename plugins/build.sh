#!/usr/bin/env bash
# Builds the bundled plugins into plugins/dist, and the tests' hostile one into its fixture.
#
# A wasm32 toolchain is needed, and found in this order:
#   1. rustup's, when it has the target (or can download it): `rustup target add wasm32-unknown-unknown`;
#   2. Debian's: `apt-get install --no-install-recommends rustc-web cargo-web rust-web-src`, whose standard library is
#      built on the way, and whose linker is that of any Rust installation.
# plugins/dist/COMPILER says which compiler made what is there; only the same one makes the same bytes.
#
#   plugins/build.sh             builds and replaces plugins/dist
#   plugins/build.sh --into DIR  builds into DIR and touches nothing else
#   plugins/build.sh --bundled   prints the names of the bundled plugins
#   plugins/build.sh --compiler  prints the compiler that would be used, or nothing; installs nothing
set -euo pipefail

here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
target=wasm32-unknown-unknown
# Every folder here with a plugin in it but the tests' own: what goes into dist.
bundled=(webhook email chat support crm push ga4 google-customer-match meta-audiences)
packages=(-p sonder-hostile)
for name in "${bundled[@]}"; do packages+=(-p "sonder-$name"); done
say() { echo "plugins: $*" >&2; }

have_rustup() {
    command -v rustup >/dev/null && [ -d "$(rustc --print sysroot)/lib/rustlib/$target/lib" ]
}
have_debian() {
    [ -x /usr/bin/rustc ] && [ -x /usr/bin/cargo ] && [ -d "$(/usr/bin/rustc --print sysroot)/lib/rustlib/src/rust/library/std" ] && linker >/dev/null
}
# rust-lld: of Debian's own toolchain, of rustup's, or from the PATH.
linker() {
    local found
    for found in "$(/usr/bin/rustc --print sysroot)"/lib/rustlib/*/bin/rust-lld "$(rustc --print sysroot)"/lib/rustlib/*/bin/rust-lld; do
        [ -x "$found" ] && { echo "$found"; return; }
    done
    command -v rust-lld || command -v wasm-ld
}
# The one that made plugins/dist comes first, so that a check compares bytes wherever it can.
choose() {
    toolchain=
    local made_by
    made_by="$(cat "$here/dist/COMPILER" 2>/dev/null || true)"
    if have_debian && [ "$(/usr/bin/rustc --version)" = "$made_by" ]; then toolchain=debian
    elif have_rustup; then toolchain=rustup
    elif have_debian; then toolchain=debian
    fi
}
compiler() {
    case "$toolchain" in
        rustup) rustc --version ;;
        debian) /usr/bin/rustc --version ;;
    esac
}
install() {
    say "no wasm32 toolchain here; trying \`rustup target add $target\`"
    if command -v rustup >/dev/null && rustup target add "$target" >&2; then return; fi
    say "rustup cannot; trying Debian's packages rustc-web, cargo-web, rust-web-src"
    if command -v apt-get >/dev/null; then
        local sudo=
        [ "$(id -u)" = 0 ] || sudo=sudo
        $sudo apt-get install -y --no-install-recommends rustc-web cargo-web rust-web-src >&2 && return
    fi
    say "no way to get one; what is in plugins/dist works without"
    exit 1
}

into=
case "${1:-}" in
    --bundled) printf '%s\n' "${bundled[@]}"; exit 0 ;;
    --compiler) choose; compiler; exit 0 ;;
    --into) into="$(mkdir -p "$2" && cd "$2" && pwd)" ;;
    "") ;;
    *) say "unknown argument \`$1\`"; exit 1 ;;
esac

choose
[ -n "$toolchain" ] || { install; choose; }
[ -n "$toolchain" ] || { say "the toolchain that was installed is not usable"; exit 1; }
say "building with $(compiler) ($toolchain)"

unset CARGO_ENCODED_RUSTFLAGS
cd "$here"
case "$toolchain" in
    rustup) cargo fetch --quiet --locked ;;
    debian) RUSTC=/usr/bin/rustc /usr/bin/cargo fetch --quiet --locked ;;
esac

# Crates are there before their folder is looked for; then paths of this machine stay out of the bytes.
cargo_home="${CARGO_HOME:-$HOME/.cargo}"
work="${SONDER_CACHE:-$HOME/.cache/sonder}/plugins"
export RUSTFLAGS="--remap-path-prefix=$here=/plugins --remap-path-prefix=$work=/target"
for registry in "$cargo_home"/registry/src/*; do
    RUSTFLAGS+=" --remap-path-prefix=$registry=/crates"
done
case "$toolchain" in
    rustup)
        env -u DUCKDB_LIB_DIR CARGO_TARGET_DIR="$work/rustup" cargo build --locked --release --target "$target" "${packages[@]}"
        built="$work/rustup/$target/release" ;;
    debian)
        sources="$(/usr/bin/rustc --print sysroot)/lib/rustlib/src/rust"
        RUSTFLAGS+=" --remap-path-prefix=$sources=/rust --remap-path-prefix=$(realpath "$sources")=/rust"
        CARGO_TARGET_DIR="$work/debian" RUSTC=/usr/bin/rustc RUSTC_BOOTSTRAP=1 CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER="$(linker)" \
            /usr/bin/cargo build --locked --release --target "$target" -Zbuild-std=std,panic_abort -Zbuild-std-features=optimize_for_size "${packages[@]}"
        built="$work/debian/$target/release" ;;
esac

# Core module -> component, with the encoder that is linked into the engine.
engine_target="${CARGO_TARGET_DIR:-$HOME/.cache/sonder/target}"
say "making components"
# The engine's crate holds what is in dist; what is new is not there yet.
for name in "${bundled[@]}"; do [ -e "$here/dist/$name.wasm" ] || : > "$here/dist/$name.wasm"; done
(cd "$here/.." && CARGO_TARGET_DIR="$engine_target" RUSTFLAGS= cargo build --quiet -p sonder-activate --example encode)
encode() {
    "$engine_target/debug/examples/encode" "$built/$1.wasm" "$2"
    say "$(basename "$2"): $(stat -c %s "$2" 2>/dev/null || stat -f %z "$2") bytes"
}

if [ -n "$into" ]; then
    for name in "${bundled[@]}"; do encode "sonder_${name//-/_}" "$into/$name.wasm"; done
    encode sonder_hostile "$into/hostile.wasm"
    exit 0
fi
for name in "${bundled[@]}"; do encode "sonder_${name//-/_}" "$here/dist/$name.wasm"; done
encode sonder_hostile "$here/../engine/activate/tests/fixtures/hostile.wasm"
compiler > "$here/dist/COMPILER"
(cd "$here/dist" && sha256sum "${bundled[@]/%/.wasm}" ../../engine/activate/tests/fixtures/hostile.wasm > SHA256SUMS)
say "plugins/dist is new; commit it"
