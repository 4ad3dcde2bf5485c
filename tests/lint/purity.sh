#!/usr/bin/env bash
# `dsl` and `core` are pure: no I/O, no clock, no chance, no async runtime. Builds both for wasm32 where that target is
# there; everywhere it reads their dependency trees and their sources.
set -euo pipefail
cd "$(dirname "$0")/../.."
fail=0

# (getrandom comes with the hash tables inside jsonschema, whose order nobody sees.)
banned='tokio|hyper|axum|duckdb|libduckdb-sys|wasmtime|reqwest|notify|rand|mio|rustls|tempfile'
for crate in sonder-dsl sonder-core sonder-matching; do
  if found=$(cargo tree --package "$crate" --edges normal --prefix none --format '{p}' | awk '{print $1}' | sort -u | grep -xE "$banned"); then
    echo "purity: $crate depends on: $(echo "$found" | tr '\n' ' ')" >&2
    fail=1
  fi
done

pattern='SystemTime|Instant::now|std::(fs|process|thread|env)\b|std::net::(Tcp|Udp|ToSocket)|Timestamp::now|Zoned::now|thread_rng|println!|eprintln!'
if found=$(grep -rnE "$pattern" dsl/src engine/core/src --include='*.rs' --exclude='tests.rs' | grep -vE '^[^:]+:[0-9]+:\s*//'); then
  echo "purity: clock, I/O or chance in a pure crate:" >&2
  echo "$found" >&2
  fail=1
fi

if rustc --print target-libdir --target wasm32-unknown-unknown 2>/dev/null | xargs -r test -d; then
  cargo check --quiet --package sonder-dsl --package sonder-core --target wasm32-unknown-unknown
  echo "purity: dsl and core build for wasm32"
else
  echo "purity: no wasm32 target here; dependency trees and sources were checked instead"
fi
exit $fail
