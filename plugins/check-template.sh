#!/usr/bin/env bash
# What `sonder plugin new` makes builds and passes its own tests; tried where a wasm toolchain of rustup is.
set -euo pipefail

say() { echo "plugins: $*"; }
target=wasm32-unknown-unknown
sonder="${SONDER_BIN:?the binary to try}"
if ! command -v rustup >/dev/null || [ ! -d "$(rustc --print sysroot)/lib/rustlib/$target/lib" ]; then
    say "rustup has no $target here, so the template of \`plugin new\` is not built"
    exit 0
fi
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"$sonder" plugin new hello-world --lang rust 2>/dev/null
export CARGO_TARGET_DIR="${SONDER_CACHE:-$HOME/.cache/sonder}/plugins/template"
SONDER="$sonder" sh hello-world/check.sh >"$folder/out" 2>&1 || { cat "$folder/out"; say "what \`plugin new\` makes does not pass"; exit 1; }
tail -1 "$folder/out"
say "what \`plugin new\` makes builds and passes"
