#!/usr/bin/env bash
# Checks every example project, and that people enter and leave its segments when they should: `tests/events.ndjson` is what
# happens, `tests/entries.ndjson` every entry and exit with its exact moment and cause. The SQL evaluator must agree. Scenarios, where
# a project has some, are played.
#
#   tests/examples/run.sh [--accept] [EXAMPLE ...]
set -euo pipefail
repository=$(cd "$(dirname "$0")/../.." && pwd)
binary=${SONDER_BIN:-$repository/target/debug/sonder}
at=2026-06-01T00:00:00Z
accept=
if [ "${1:-}" = --accept ]; then accept=1; shift; fi
cd "$repository/examples"
[ $# -gt 0 ] || set -- $(for project in */sonder.yaml; do dirname "$project"; done)

failed=0
for example in "$@"; do
  echo "example: $example"
  "$binary" check "$example"
  if ls "$example"/tests/*.yaml >/dev/null 2>&1; then "$binary" test "$example" || failed=1; fi
  events=$example/tests/events.ndjson entries=$example/tests/entries.ndjson
  trace=$("$binary" eval "$example" --events "$events" --at "$at" --trace)
  if [ -n "$accept" ]; then
    printf '%s\n' "$trace" >"$entries"
  elif ! diff -u "$entries" - <<<"$trace"; then
    echo "example: $example: other entries and exits than in $entries" >&2
    failed=1
  fi
  # Every segment of a project is entered and left by somebody: a rule that never applies shows nothing.
  while read -r segment; do
    for change in entered left; do
      if ! grep -q "\"segment\":\"$segment\",\"change\":\"$change\"" "$entries"; then
        echo "example: $example: nobody has $change \`$segment\`" >&2
        failed=1
      fi
    done
  done < <(sed -n 's/^segment \([a-z0-9_]*\).*/\1/p' "$example"/rules/*.sonder)
  for moment in 2026-01-05T12:00:00Z 2026-01-06T09:00:00Z "$at"; do
    for engine in incremental sql; do
      "$binary" eval "$example" --events "$events" --at "$moment" --engine "$engine" >"${TMPDIR:-/tmp}/sonder-$$-$engine"
    done
    if ! diff -u "${TMPDIR:-/tmp}/sonder-$$-incremental" "${TMPDIR:-/tmp}/sonder-$$-sql"; then
      echo "example: $example: the two evaluators differ at $moment" >&2
      failed=1
    fi
  done
done
rm -f "${TMPDIR:-/tmp}/sonder-$$-incremental" "${TMPDIR:-/tmp}/sonder-$$-sql"
exit "$failed"
