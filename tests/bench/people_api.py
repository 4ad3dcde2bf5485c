#!/usr/bin/env python3
"""How fast a person is found, and how much memory one takes, with half a million of them and the rules of the shop.

Imports made-up shoppers into examples/shop, then asks for random ones by identifier, one after another over kept-alive
connections, while nothing else runs. Server time is what the engine itself measured (`Server-Timing`); the client's time,
with the network stack and Python in it, stands beside it as the baseline of the same run.

    tests/bench/people_api.py [--people N] [--events-each N] [--requests N] [--at-most MIB] [--json]
"""

import argparse
import csv
import http.client
import json
import random
import sys
import time
from urllib.parse import quote, urlsplit

from engine import REPOSITORY, Engine

PROJECT = REPOSITORY / "examples/shop"
ENVIRONMENT = {
    "SHOP_MAIL_TOKEN": "mail-demo-token",
    "SHOP_CRM_SECRET": "whsec_c29uZGVyLXNob3AtZGVtby1zaWduaW5nLWtleQ==",
    "SHOP_SERVER_KEY": "sk_shop_server",
}
MAPPING = """\
source: history
event: event
time: timestamp
identifiers: {user_id: user, email: mail}
properties: {product_id: product, category: category, price: price, total: total}
traits: {country: country}
"""
CATEGORIES = ["sustainable-fashion", "shoes", "coats", "accessories", "home-living"]
WARM_UP = 200


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--people", type=int, default=500_000)
    arguments.add_argument("--events-each", type=int, default=3, help="events of one person; the last is an order")
    arguments.add_argument("--at-most", type=int, metavar="MIB", help="memory that the engine's process may have in the end")
    arguments.add_argument("--requests", type=int, default=20_000)
    arguments.add_argument("--json", action="store_true", help="print one line of figures")
    options = arguments.parse_args()
    log = sys.stderr if options.json else sys.stdout
    say = lambda text: print(text, file=log, flush=True)

    engine = Engine(PROJECT, ENVIRONMENT)
    try:
        data, mapping = engine.data / "people.csv", engine.data / "mapping.yaml"
        mapping.write_text(MAPPING)
        write_people(data, options.people, options.events_each)
        seconds = engine.load(data, mapping)
        events = options.people * options.events_each
        say(f"imported {events:,} events of {options.people:,} people in {seconds:.1f} s: {events / seconds:,.0f} events/s")
        engine.start()
        status = engine.get("/status")
        assert status["people"] == options.people, f"there are {status['people']} people"
        server, client = ask(engine.url, options.people, options.requests)
        # Only now: what loading everybody took is given back within a second or two.
        status = engine.get("/status")
        bytes_each = status["memory"]["people"] / options.people
    finally:
        engine.stop()
    figures = {
        "people": options.people,
        "server_p50_ms": percentile(server, 0.5),
        "server_p99_ms": percentile(server, 0.99),
        "client_p50_ms": percentile(client, 0.5),
        "client_p99_ms": percentile(client, 0.99),
        "bytes_a_person": bytes_each,
        "resident_mib": status["memory"]["resident"] / 2**20,
    }
    say(f"server time: p50 {figures['server_p50_ms']:.3f} ms, p99 {figures['server_p99_ms']:.3f} ms")
    say(f"client time: p50 {figures['client_p50_ms']:.3f} ms, p99 {figures['client_p99_ms']:.3f} ms (Python, one connection)")
    say(f"memory: {bytes_each:,.0f} bytes a person by the fold's estimate; the process has {figures['resident_mib']:,.0f} MiB")
    if options.json:
        print(json.dumps(figures))
    fits = options.at_most is None or figures["resident_mib"] <= options.at_most
    return 0 if fits and figures["server_p99_ms"] < 1 else 1


def write_people(place, people, events_each):
    """Each looks at something, time and again, and orders in the end; the same rows in every run."""
    dice = random.Random(7)
    with open(place, "w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["event", "timestamp", "user", "mail", "product", "category", "price", "total", "country"])
        for number in range(people):
            who = [f"u{number}", f"u{number}@shop.example"]
            for _ in range(events_each - 1):
                price = f"{dice.randrange(500, 20_000) / 100:.2f}"
                look = [f"SKU-{dice.randrange(500)}", dice.choice(CATEGORIES), price, ""]
                rows.writerow(["product_viewed", moment(dice), *who, *look, "NL"])
            total = f"{dice.randrange(500, 50_000) / 100:.2f}"
            rows.writerow(["order_completed", moment(dice), *who, "", "", "", total, "NL"])


def moment(dice):
    return f"2026-{dice.randrange(1, 7):02}-{dice.randrange(1, 29):02}T{dice.randrange(24):02}:{dice.randrange(60):02}:00Z"


def ask(url, people, requests):
    """Asks for random people; gives the server's and the client's milliseconds."""
    dice = random.Random(11)
    connection = http.client.HTTPConnection(urlsplit(url).netloc)
    server, client = [], []
    for number in range(WARM_UP + requests):
        who = f"u{dice.randrange(people)}"
        who = f"user_id:{who}" if number % 2 else f"email:{quote(who.upper())}%40shop.example"
        began = time.perf_counter()
        connection.request("GET", f"/api/v1/people/{who}")
        answer = connection.getresponse()
        body = answer.read()
        took = (time.perf_counter() - began) * 1000
        assert answer.status == 200, body
        if number >= WARM_UP:
            server.append(float(answer.headers["server-timing"].split("dur=")[1]))
            client.append(took)
    return server, client


def percentile(values, part):
    return sorted(values)[min(len(values) - 1, int(len(values) * part))]


if __name__ == "__main__":
    sys.exit(main())
