#!/usr/bin/env bash
# Holds a running engine against its own OpenAPI document with schemathesis: random requests, valid and not, and every
# answer against its schema. Needs Python 3; installs into the cache.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
repository=$(dirname "$(dirname "$here")")
cache=${SONDER_CACHE:-$HOME/.cache/sonder}
binary=${SONDER_BIN:-$cache/target/debug/sonder}
version=4.32.5
venv=$cache/tools/schemathesis-$version

if [ ! -x "$venv/bin/schemathesis" ]; then
  echo "installing schemathesis $version into $venv"
  python3 -m venv "$venv"
  "$venv/bin/pip" install --quiet --disable-pip-version-check "schemathesis==$version"
fi

data=$(mktemp -d)
engine=
finish() {
  if [ -n "$engine" ]; then
    kill "$engine" 2>/dev/null || true
    wait "$engine" 2>/dev/null || true
  fi
  rm -rf "$data"
}
trap finish EXIT

export SHOP_CRM_SECRET=whsec_c29uZGVyLXNob3AtZGVtby1zaWduaW5nLWtleQ== SHOP_SERVER_KEY=sk_shop_server SHOP_MAIL_TOKEN=mail-demo-token
shop=$repository/examples/shop
"$binary" import "$shop/data/ecom.csv.gz" --mapping "$shop/data/ecom.mapping.yaml" --project "$shop" --data "$data" >/dev/null
: >"$data/out"
"$binary" run "$shop" --data "$data" --listen 127.0.0.1:0 >"$data/out" 2>"$data/log" &
engine=$!
for _ in $(seq 300); do
  url=$(sed -n 's/^listening on //p' "$data/out")
  [ -n "$url" ] && break
  sleep 0.1
done
if [ -z "$url" ]; then
  cat "$data/log" >&2
  echo "the engine did not start" >&2
  exit 1
fi

"$venv/bin/schemathesis" --config-file "$here/schemathesis.toml" run "$url/api/v1/openapi.json" --url "$url" \
  --checks all --seed "${SEED:-7}" "$@"
if grep -q 'panicked' "$data/log"; then
  grep 'panicked' "$data/log" >&2
  exit 1
fi
