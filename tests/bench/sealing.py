#!/usr/bin/env python3
"""What encryption costs an import: the same messages with and without a project key, several times in turn; prints the ratio.

`SONDER_BIN=… python3 tests/bench/sealing.py [MESSAGES] [ROUNDS]`. One message in ten is an `identify` with personal data, and so is
each order, one in twenty: about as a shop has them. `--all` marks a property of every message.
"""
import json
import os
import pathlib
import random
import statistics
import subprocess
import sys
import tempfile
import time

BINARY = os.environ.get("SONDER_BIN", "sonder")
EVERY = "--all" in sys.argv
NUMBERS = [int(word) for word in sys.argv[1:] if word.isdigit()]
MESSAGES = NUMBERS[0] if NUMBERS else 200_000
ROUNDS = NUMBERS[1] if len(NUMBERS) > 1 else 3
KEY = "encryption:\n  key: {command: \"printf '%064d' 7\"}\n"


def project(folder, sealed):
    files = {
        "sonder.yaml": "name: shop\n" + (KEY if sealed else ""),
        "events/view.yaml": "event: view\nproperties:\n  product: {type: string}\n  price: {type: number, multipleOf: 0.01}\n"
        + ("  visitor: {type: string, pii: technical}\n" if EVERY else "  visitor: {type: string}\n"),
        "events/order.yaml": "event: order\nproperties:\n  total: {type: number, multipleOf: 0.01}\n"
        "  ship_to: {type: string, pii: contact}\n",
        "sources/history.yaml": "source: history\nkind: file\n",
        "identity.yaml": "identifiers: {user_id: {unique: true}, anonymous_id: {}}\n",
        "profile.yaml": "traits:\n  email: {type: string, pii: contact}\n  first_name: {type: string, pii: personal}\n"
        "  city: {type: string}\n",
        "rules/all.sonder": "segment keen { when count(view, last 7d) >= 3 }\ntrait spent = sum(order.total)\n"
        "segment buyers { when did(order) }\n",
    }
    for path, text in files.items():
        place = folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)


def messages(file):
    dice = random.Random(7)
    with file.open("w") as out:
        for number in range(MESSAGES):
            person = dice.randrange(MESSAGES // 10 + 1)
            at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(1_772_323_200 + number))
            message = {"messageId": f"m{number}", "anonymousId": f"a{person}", "timestamp": at,
                       "context": {"library": {"name": "js", "version": "1"}, "page": {"path": "/p", "url": "https://shop.example/p"}}}
            if number % 10 == 0:
                message |= {"type": "identify", "userId": f"u{person}", "traits": {
                    "email": f"somebody.{person}@mail.example", "first_name": f"Name {person}", "city": "Utrecht"}}
            elif number % 20 == 1:
                message |= {"type": "track", "event": "order", "properties": {
                    "total": dice.randrange(10_000) / 100, "ship_to": f"Street {person}, 3511 AB Utrecht"}}
            else:
                message |= {"type": "track", "event": "view", "properties": {
                    "product": f"SKU-{dice.randrange(500)}", "price": 9.95, "visitor": f"v-{person}-{number}"}}
            out.write(json.dumps(message) + "\n")


def once(folder, sealed, file, number):
    data = folder / f"data-{sealed}-{number}"
    shop = folder / f"project-{sealed}"
    project(shop, sealed)
    began = time.monotonic()
    subprocess.run([BINARY, "import", str(file), "--project", str(shop), "--data", str(data), "--source", "history"],
                   check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    took = time.monotonic() - began
    size = sum(it.stat().st_size for it in data.rglob("*") if it.is_file())
    return took, size


def main():
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        file = folder / "messages.ndjson"
        messages(file)
        took = {False: [], True: []}
        size = {}
        for number in range(ROUNDS):
            for sealed in (False, True):
                seconds, size[sealed] = once(folder, sealed, file, number)
                took[sealed].append(seconds)
        plain, sealed = (statistics.median(took[it]) for it in (False, True))
        print(f"{MESSAGES} messages: {MESSAGES / plain:,.0f}/s as they are, {MESSAGES / sealed:,.0f}/s sealed; "
              f"it takes {sealed / plain:.3f} times as long (at most 1.15), and {size[True] / size[False]:.2f} times the room")


main()
