#!/usr/bin/env bash
# Bundles the extension and packs it into a `.vsix`, outside the work tree; prints where it is. Its tools are installed once,
# at exact versions; after that it needs no network.
set -euo pipefail

here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
home="${SONDER_CACHE:-$HOME/.cache/sonder}/vscode"
wanted="$(cat "$here/package.json" "$here/package-lock.json" | sha256sum | cut -d' ' -f1)"

for tool in node npm; do
  if ! command -v "$tool" >/dev/null; then
    echo "vscode: \`$tool\` is missing; install Node.js 20 or later" >&2
    exit 1
  fi
done

mkdir -p "$home"
if [[ "$(cat "$home/.ready" 2>/dev/null || true)" != "$wanted" ]]; then
  echo "vscode: installing the tools into $home" >&2
  rm -f "$home/.ready"
  cp "$here/package.json" "$here/package-lock.json" "$home/"
  (cd "$home" && npm ci --no-audit --no-fund --ignore-scripts --loglevel=error >&2)
  echo "$wanted" > "$home/.ready"
fi

rm -rf "$home/dist" "$home/src" "$home/syntaxes" "$home"/*.vsix
cp -r "$here/." "$home/"
cp "$here/../../../LICENSE" "$home/LICENSE"
cd "$home"
npm run --silent bundle -- --log-level=warning
npm run --silent package >/dev/null
echo "$home"/*.vsix
