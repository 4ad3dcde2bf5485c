#!/usr/bin/env bash
# The figures: what the engine does a second, and how that compares with a bare DuckDB appender in the same run.
# `make bench` calls it; it builds with --release first. BENCH_SECONDS (10) is how long each load lasts.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
repository=$(cd "$here/../.." && pwd)
target=${CARGO_TARGET_DIR:-$repository/target}
seconds=${BENCH_SECONDS:-10}
export SONDER_BIN=$target/release/sonder

cd "$repository"
# All at once, so that what they share is built once.
cargo build --release --workspace --bins --benches
bin=$target/release

work=$(mktemp -d)
engine=
finish() {
  if [ -n "$engine" ]; then kill -INT "$engine" 2>/dev/null || true; wait "$engine" 2>/dev/null || true; fi
  rm -rf "$work"
}
trap finish EXIT

heading() { printf '\n== %s\n' "$*"; }

heading "a bare appender and the store, rows a second"
cargo bench -q --workspace --bench append -- 1000000 8192

heading "the fold alone, on one core: speed, a thousand segments, memory, people in journeys"
cargo bench -q --workspace --bench fold

heading "the SQL of rules beside the same written by hand (at most 1.3 times)"
cargo bench -q --workspace --bench rules

heading "import of 1.47 million till receipts, everything on (at least 60,000 events/s)"
python3 "$here/completejourney.py"

heading "collection over HTTP, durable (at least 20,000 events/s in batches, 3,000 requests/s single)"
cp -r "$repository/tests/bench/project" "$work/project"
"$SONDER_BIN" run "$work/project" --data "$work/data" --listen 127.0.0.1:0 >"$work/out" 2>"$work/log" &
engine=$!
until address=$(sed -n 's|^listening on http://||p' "$work/out") && [ -n "$address" ]; do
  kill -0 "$engine" || { cat "$work/log" >&2; exit 1; }
  sleep 0.05
done
echo -n "batches of 100 over 8 connections: "
"$bin/load" "$address" --seconds "$seconds"
echo -n "single events over 32 connections: "
"$bin/load" "$address" --seconds "$seconds" --batch 1 --connections 32
echo -n "half the load (p50 under 15 ms, p99 under 100 ms): "
"$bin/load" "$address" --seconds "$seconds" --rate 10000

heading "recovery after kill -9 (1 M events in under 10 s)"
kill -9 "$engine"; wait "$engine" 2>/dev/null || true; engine=
"$SONDER_BIN" status --data "$work/data" --project "$work/project" --json | python3 -c '
import json, sys
recovery = json.load(sys.stdin)["recovery"]
print("a start: {people} people loaded, {records} events folded again, {millis:.0f} ms".format(**recovery))'
began=$(date +%s.%N)
"$SONDER_BIN" status --data "$work/data" --project "$work/project" --digest >"$work/digest"
middle=$(date +%s.%N)
"$SONDER_BIN" status --data "$work/data" --project "$work/project" --digest --refold >"$work/again"
cmp "$work/digest" "$work/again" && echo "the log, folded again from its beginning, gives the same state"
python3 - "$began" "$middle" "$(date +%s.%N)" "$work/digest" <<'PYTHON'
import json, sys
began, middle, end = map(float, sys.argv[1:4])
events = json.load(open(sys.argv[4]))["seq"]
took = max((end - middle) - (middle - began), 1e-3)
print(f"{events:,} events folded again in {took:.1f} s: {took / events * 1e6:.1f} s a million")
PYTHON

heading "from a request to the plugin's call, at 1,000 events/s (p50 under 30 ms, p99 under 150 ms)"
"$bin/delivery" --seconds "$seconds"

heading "the same for what a journey sends, with fifty journeys (p99 under 100 ms)"
"$bin/delivery" --seconds "$seconds" --journeys 50

heading "plugins: what the sandbox costs (under 10 µs an item), items a second (at least 20,000 in Rust, 5,000 in JavaScript)"
script=()
if componentize=$("$repository/plugins/check-template.sh" --componentize-js); then
  (cd "$work" && "$SONDER_BIN" plugin new bench-script --lang js 2>/dev/null)
  # The receiver is on this machine.
  sed -i.before "s|startsWith('https://')|startsWith('http')|" "$work/bench-script/plugin.js"
  cp "$here/batches.js" "$work/bench-script/batches.js"
  for name in plugin batches; do
    PATH="$componentize:$PATH" "$SONDER_BIN" plugin build "$work/bench-script/$name.js" --out "$work/bench-script/$name.wasm" >&2
  done
  script=(--js "$work/bench-script/plugin.wasm" --js-batches "$work/bench-script/batches.wasm")
fi
cargo bench -q --workspace --bench delivery -- "${script[@]}" 200000

heading "200 destinations: a start with compiled code there (under 2 s), and what they cost while nothing happens"
python3 "$here/destinations.py"

heading "collection while people are matched on the other core (at least 20,000 events/s)"
python3 "$here/matching.py" --seconds "$seconds"

heading "people by identifier, with half a million of them (p99 under 1 ms)"
python3 "$here/people_api.py"

heading "memory, with 100,000 people and 2 million events (under 400 MB)"
python3 "$here/people_api.py" --people 100000 --events-each 20 --at-most 381

heading "a plan over a million events and fifty segments (under 10 s; it is meant to hold for ten million: --events 10000000)"
python3 "$here/plan.py"
