#!/usr/bin/env bash
# What `sonder plugin new` makes, in each language, builds and passes its own tests. Rust is tried where a wasm toolchain of
# rustup is; the compilers of JavaScript and Python are installed outside the work tree, once.
set -euo pipefail

say() { echo "plugins: $*"; }
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
cache="${SONDER_CACHE:-$HOME/.cache/sonder}/plugins"
sonder="${SONDER_BIN:?the binary to try}"

# ready FOLDER FILE: whether what FILE lists is installed in FOLDER; forgets it otherwise.
ready() { cmp -s "$2" "$1/.ready" || { say "installing the compiler of $(basename "$1") into $1" >&2; rm -rf "$1"; mkdir -p "$1"; return 1; }; }

componentize_js() {
    ready "$cache/js" "$here/template/js/package.json" && return
    cp "$here/template/js/package.json" "$cache/js/"
    (cd "$cache/js" && npm install --no-audit --no-fund --loglevel=error >&2)
    cp "$here/template/js/package.json" "$cache/js/.ready"
}

# For `make bench`: the folder that componentize-js is in, where there is a Node.js to run it.
if [ "${1:-}" = --componentize-js ]; then
    command -v npm >/dev/null || exit 1
    componentize_js
    echo "$cache/js/node_modules/.bin"
    exit 0
fi

folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
cd "$folder"

# try LANGUAGE NAME
try() {
    "$sonder" plugin new "$2" --lang "$1" 2>/dev/null
    SONDER="$sonder" sh "$2/check.sh" >"$folder/out" 2>&1 || { cat "$folder/out"; say "what \`plugin new --lang $1\` makes does not pass"; exit 1; }
    tail -1 "$folder/out"
    grep -q "^$2 0.1.0$" "$folder/out" || { say "it is not called $2"; exit 1; }
    say "what \`plugin new --lang $1\` makes builds and passes"
}

target=wasm32-unknown-unknown
if command -v rustup >/dev/null && [ -d "$(rustc --print sysroot)/lib/rustlib/$target/lib" ]; then
    CARGO_TARGET_DIR="$cache/template" try rust hello-world
else
    say "rustup has no $target here, so the template in Rust is not built"
fi

componentize_js
PATH="$cache/js/node_modules/.bin:$PATH" try js hello-script

if ! ready "$cache/python" "$here/template/python/requirements.txt"; then
    python3 -m venv "$cache/python"
    "$cache/python/bin/pip" install --quiet --disable-pip-version-check -r "$here/template/python/requirements.txt"
    cp "$here/template/python/requirements.txt" "$cache/python/.ready"
fi
PATH="$cache/python/bin:$PATH" try python hello-snake
