#!/usr/bin/env bash
# Fetches the prebuilt libduckdb that the npm package of DuckDB's own Node bindings carries (json, parquet and icu are
# linked in), checks it, and puts it where the build and the binary's rpath look for it.
# Usage: fetch-duckdb.sh VERSION PLATFORM FOLDER
set -euo pipefail
version=$1 platform=$2 folder=$3
package="@duckdb/node-bindings-$platform@$version"

# Checksums of the libraries we have tested; another platform is taken on npm's own integrity check.
declare -A known=([1.5.5-r.5:linux-x64]=fc23f12e376c47be520f75221288281906e7942e8fd6f6ce4849198ba60d0405)

if ! command -v npm >/dev/null; then
  if command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]; then
    echo "duckdb: npm is missing, installing it with apt-get"
    apt-get update -qq && apt-get install -y -qq --no-install-recommends npm >/dev/null
  else
    cat >&2 <<HELP
duckdb: npm is missing, so the prebuilt library can't be fetched. One of these helps:
  - install Node.js with npm and run make again
  - put libduckdb ${version%%-*} into a folder and run: DUCKDB_LIB_DIR=FOLDER make …
  - run a plain \`cargo build\`: it downloads the library itself (.cargo/config.toml)
HELP
    exit 1
  fi
fi

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
echo "duckdb: fetching $package"
(cd "$scratch" && npm pack --silent "$package" >/dev/null && tar xzf ./*.tgz)
library=$(find "$scratch/package" -name 'libduckdb.*' | head -n 1)
[ -n "$library" ] || { echo "duckdb: $package holds no libduckdb" >&2; exit 1; }

expected=${known["$version:$platform"]:-}
if [ -n "$expected" ] && ! echo "$expected  $library" | sha256sum --check --quiet; then
  echo "duckdb: the checksum of $(basename "$library") is not the one of the library we tested" >&2
  exit 1
fi
mkdir -p "$folder"
cp "$library" "$folder/"
touch "$folder/.ready"
echo "duckdb: $folder/$(basename "$library")"
