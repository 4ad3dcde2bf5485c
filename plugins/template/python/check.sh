#!/bin/sh
# Builds greeter.wasm and tries it; what CI runs. `SONDER` is the engine's binary, `sonder` unless it says otherwise.
set -eu
cd "$(dirname "$0")"
if [ ! -d .venv ] && ! command -v componentize-py >/dev/null; then
    echo "installing componentize-py from PyPI"
    python3 -m venv .venv
    .venv/bin/pip install --quiet --disable-pip-version-check -r requirements.txt
fi
"${SONDER:-sonder}" plugin build plugin.py --out greeter.wasm
"${SONDER:-sonder}" plugin test greeter.wasm
