#!/usr/bin/env bash
# Licences, bans and sources of all dependencies (deny.toml). Installs cargo-deny once, outside the work tree.
# The advisory database lives in a git repository: `make audit` reads it where the network allows.
set -euo pipefail
cd "$(dirname "$0")/../.."
version=0.20.2
tools=${SONDER_CACHE:-$HOME/.cache/sonder}/tools
if ! "$tools/bin/cargo-deny" --version 2>/dev/null | grep -qF "$version"; then
  echo "deny: installing cargo-deny $version into $tools (once)"
  cargo install --quiet --locked "cargo-deny@$version" --no-default-features --profile dev --root "$tools" \
    --target-dir "$tools/build"
  rm -rf "$tools/build"
fi
"$tools/bin/cargo-deny" --log-level warn check bans licenses sources
