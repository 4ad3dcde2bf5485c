#!/usr/bin/env python3
"""How long a plan takes over a long log, with fifty segments of which one, five or all differ.

Imports made-up events, then runs `sonder plan` against the engine. The baseline of the same run is what the log's own tables take
to be grouped by person once, as SQL.

    tests/bench/plan.py [--events N] [--at-most SECONDS]
"""

import argparse
import csv
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from engine import BINARY, CACHE, REPOSITORY, Engine

MAPPING = """\
source: server
event: event
time: timestamp
identifiers: {user_id: user}
properties: {product: product, n: n, total: total}
"""
# A tenth of the events are orders; somebody has a hundred events.
EVENTS_EACH = 100
BASELINE = """SELECT count(*), sum(events) FROM (
    SELECT user_id, count(*) AS events, max(occurred_at) FROM ev_view GROUP BY user_id)"""


def rules(changed):
    """Fifty segments of five shapes; the first `changed` of them ask for something else."""
    shapes = [
        "count(view, last {days}d) >= {k} and not did(order, last {days}d)",
        "count(view, per product, last {days}d) >= {k}",
        "sum(order.total, last {days}d) > {money}",
        "count(order) >= {k}",
        "did(view where n > {n}, last {days}d)",
    ]
    lines = []
    for number in range(50):
        more = 1 if number < changed else 0
        shape = shapes[number % len(shapes)].format(
            days=1 + number, k=2 + number // 10 + more, money=100 + 10 * number + 50 * more, n=number + 20 * more
        )
        lines.append(f"segment s{number} {{ when {shape} }}\n")
    return "".join(lines)


def project(folder, changed):
    shutil.copytree(REPOSITORY / "tests/bench/project", folder)
    (folder / "rules/r.sonder").write_text(rules(changed))
    return folder


def write_events(place, count):
    dice, end = random.Random(7), int(time.time())
    people = count // EVENTS_EACH
    with open(place, "w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["event", "timestamp", "user", "product", "n", "total"])
        for number in range(count):
            # In the order of time, over the last ninety days: windows reach into it.
            at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(end - (count - number) * 90 * 86_400 // count))
            who = f"u{dice.randrange(people)}"
            if number % 10:
                rows.writerow(["view", at, who, f"p{dice.randrange(2_000)}", dice.randrange(100), ""])
            else:
                rows.writerow(["order", at, who, "", "", f"{dice.randrange(500, 20_000) / 100:.2f}"])


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--events", type=int, default=1_000_000)
    arguments.add_argument("--at-most", type=float, metavar="SECONDS", default=10)
    options = arguments.parse_args()
    CACHE.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="bench-plan-", dir=CACHE))
    engine = Engine(project(folder / "now", 0))
    worst = 0
    try:
        events, mapping = folder / "events.csv", folder / "mapping.yaml"
        mapping.write_text(MAPPING)
        write_events(events, options.events)
        took = engine.load(events, mapping)
        print(f"imported {options.events:,} events in {took:.1f} s: {options.events / took:,.0f} events/s", flush=True)
        events.unlink()
        engine.start()
        began = time.monotonic()
        grouped = engine.query(BASELINE)
        baseline = time.monotonic() - began
        print(f"the baseline, all views grouped by person: {baseline:.2f} s ({grouped[0][0]:,} people)", flush=True)
        for changed in [1, 5, 50]:
            changed_folder = project(folder / f"next-{changed}", changed)
            began = time.monotonic()
            command = [BINARY, "plan", changed_folder, "--url", engine.url]
            plan = subprocess.run(command, capture_output=True, text=True, env=os.environ)
            took = time.monotonic() - began
            if plan.returncode != 2 or plan.stdout.count(" people -> ") != changed:
                sys.exit(f"the plan ended with {plan.returncode}:\n{plan.stdout[-2000:]}\n{plan.stderr[-2000:]}")
            worst = max(worst, took)
            print(f"a plan with {changed:>2} of 50 segments changed: {took:.2f} s, {took / baseline:.1f} times the baseline", flush=True)
    finally:
        engine.stop()
        shutil.rmtree(folder, ignore_errors=True)
    return 0 if worst <= options.at_most else 1


if __name__ == "__main__":
    sys.exit(main())
