#!/usr/bin/env bash
# The demo: the engine on examples/shop, a third party's e-commerce log, live shoppers through a real SDK, a CRM that
# listens. On a terminal it shows what happens until Ctrl-C; elsewhere it plays 20 seconds and checks that all numbers
# add up. `run.sh --help` lists the options.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${SONDER_CACHE:-$HOME/.cache/sonder}
sdk=$cache/demo/sdk

if ! command -v node >/dev/null || ! command -v npm >/dev/null; then
  echo "the demo plays its shoppers with a real SDK for Node: install Node 20 or later (with npm), and try again" >&2
  exit 1
fi
if [ "$(node -p 'process.versions.node.split(".")[0]')" -lt 20 ]; then
  echo "the demo needs Node 20 or later, and this is $(node --version)" >&2
  exit 1
fi

# The SDK, in the exact versions of package-lock.json, outside the work tree; once.
if ! cmp -s "$here/package-lock.json" "$sdk/.installed"; then
  echo "installing @segment/analytics-node into $sdk"
  rm -rf "$sdk"
  mkdir -p "$sdk"
  cp "$here/package.json" "$here/package-lock.json" "$sdk/"
  if ! npm ci --prefix "$sdk" --ignore-scripts --no-audit --no-fund --loglevel=error >"$sdk/install.log" 2>&1; then
    cat "$sdk/install.log" >&2
    echo "npm could not install the SDK; is there a network?" >&2
    exit 1
  fi
  cp "$here/package-lock.json" "$sdk/.installed"
fi

export SONDER_BIN=${SONDER_BIN:-$cache/target/debug/sonder} SONDER_CACHE=$cache
if [ ! -x "$SONDER_BIN" ]; then
  echo "there is no binary at $SONDER_BIN: type \`make build\`, or set SONDER_BIN" >&2
  exit 1
fi
exec node "$here/demo.mjs" "$@"
