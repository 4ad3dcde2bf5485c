#!/usr/bin/env bash
# Installs the SDKs that the tests drive, unmodified and at exact versions, outside the work tree. Does nothing when they
# are there already.
set -euo pipefail

here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
home="${SONDER_CACHE:-$HOME/.cache/sonder}/sdk"
wanted="$(cat "$here/package.json" "$here/package-lock.json" "$here/requirements.txt" | sha256sum | cut -d' ' -f1)"

for tool in node npm python3; do
  if ! command -v "$tool" >/dev/null; then
    echo "sdk: \`$tool\` is missing; install Node.js 20 or later and Python 3.9 or later" >&2
    exit 1
  fi
done

if [[ "$(cat "$home/.ready" 2>/dev/null || true)" == "$wanted" ]]; then
  echo "sdk: the SDKs are in $home"
  exit 0
fi

echo "sdk: installing the SDKs into $home"
mkdir -p "$home"
rm -f "$home/.ready"
cp "$here/package.json" "$here/package-lock.json" "$home/"
(cd "$home" && npm install --omit=optional --no-audit --no-fund --ignore-scripts --loglevel=error)
python3 -m venv "$home/venv"
"$home/venv/bin/python" -m pip install --quiet --disable-pip-version-check -r "$here/requirements.txt"
echo "$wanted" > "$home/.ready"
echo "sdk: done"
