#!/bin/sh
# Builds greeter.wasm and tries it; what CI runs. `SONDER` is the engine's binary, `sonder` unless it says otherwise.
set -eu
cd "$(dirname "$0")"
cargo build --release --target wasm32-unknown-unknown
"${SONDER:-sonder}" plugin build "${CARGO_TARGET_DIR:-target}/wasm32-unknown-unknown/release/greeter.wasm" --out greeter.wasm
"${SONDER:-sonder}" plugin test greeter.wasm
