#!/usr/bin/env bash
# Checks that plugins/dist is what its checksums say, and, where a wasm toolchain is, that the sources make the same.
#
# Bytes are compared when this machine has the very compiler that plugins/dist/COMPILER names; with another one the
# sources are still built, so that they are known to build. Without a toolchain nothing is installed.
set -euo pipefail

here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
say() { echo "plugins: $*"; }

(cd "$here/dist" && sha256sum --quiet --check SHA256SUMS)
for name in $("$here/build.sh" --bundled); do
    grep -q " $name.wasm$" "$here/dist/SHA256SUMS" || { say "dist has no $name.wasm: run plugins/build.sh and commit the result"; exit 1; }
done
say "what is in dist has the checksums in dist/SHA256SUMS"

compiler="$("$here/build.sh" --compiler)"
if [ -z "$compiler" ]; then
    say "no wasm toolchain here, so nothing is rebuilt (\`make plugins\` installs one)"
    exit 0
fi

fresh="$(mktemp -d)"
trap 'rm -rf "$fresh"' EXIT
"$here/build.sh" --into "$fresh"
made_by="$(cat "$here/dist/COMPILER")"
if [ "$compiler" != "$made_by" ]; then
    say "dist was made by \`$made_by\`, this is \`$compiler\`: the sources build, bytes are not compared"
    exit 0
fi
same=yes
bundled="$("$here/build.sh" --bundled)"
for built in $(printf 'dist/%s.wasm ' $bundled) ../engine/activate/tests/fixtures/hostile.wasm; do
    cmp "$here/$built" "$fresh/$(basename "$built")" || same=no
done
[ "$same" = yes ] || { say "the sources make something else: run plugins/build.sh and commit the result"; exit 1; }
say "the sources make the same bytes"
