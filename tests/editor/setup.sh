#!/usr/bin/env bash
# Installs what the editor tests drive, unmodified and at exact versions, outside the work tree. Does nothing when it is there
# already.
set -euo pipefail

here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
home="${SONDER_CACHE:-$HOME/.cache/sonder}/editor"
wanted="$(cat "$here/package.json" "$here/package-lock.json" | sha256sum | cut -d' ' -f1)"

for tool in node npm; do
  if ! command -v "$tool" >/dev/null; then
    echo "editor: \`$tool\` is missing; install Node.js 20 or later" >&2
    exit 1
  fi
done

if [[ "$(cat "$home/.ready" 2>/dev/null || true)" == "$wanted" ]]; then
  echo "editor: the packages are in $home"
  exit 0
fi

echo "editor: installing the packages into $home"
mkdir -p "$home"
rm -f "$home/.ready"
cp "$here/package.json" "$here/package-lock.json" "$home/"
(cd "$home" && npm ci --omit=optional --no-audit --no-fund --ignore-scripts --loglevel=error)
echo "$wanted" > "$home/.ready"
echo "editor: done"
