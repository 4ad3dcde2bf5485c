#!/bin/sh
# Builds greeter.wasm and tries it; what CI runs. `SONDER` is the engine's binary, `sonder` unless it says otherwise.
set -eu
cd "$(dirname "$0")"
if [ ! -d node_modules ] && ! command -v componentize-js >/dev/null; then
    echo "installing componentize-js from npm"
    npm install --no-audit --no-fund --loglevel=error
fi
"${SONDER:-sonder}" plugin build plugin.js --out greeter.wasm
"${SONDER:-sonder}" plugin test greeter.wasm
