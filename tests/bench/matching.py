#!/usr/bin/env python3
"""What a run of matching costs whoever sends events meanwhile: intake over HTTP without one (the baseline) and beside one.

    tests/bench/matching.py [--people N] [--seconds N]
"""

import argparse
import json
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from pathlib import Path

from engine import BINARY, CACHE, REPOSITORY, Engine

PROFILE = """\
traits:
  first_name: {type: string}
  last_name: {type: string}
  birth: {type: string}
  postcode: {type: string}
"""
PROBABILISTIC = """\
probabilistic:
  compare: {first_name: name, last_name: name, birth: date, postcode: postcode}
  link_at: 0.99
  review_at: 0.9
"""
SYLLABLES = "ka ri mo len vas to bel shu per din gra wil an os fe ju".split()


def project(folder):
    shutil.copytree(REPOSITORY / "tests/bench/project", folder)
    (folder / "profile.yaml").write_text(PROFILE)
    identity = folder / "identity.yaml"
    identity.write_text(identity.read_text() + PROBABILISTIC)
    return folder


def write_people(place, count):
    """Made-up people, a tenth of whom are there a second time with a slip in their name."""
    dice = random.Random(11)
    names = ["".join(dice.choices(SYLLABLES, k=3)) for _ in range(4_000)]
    with open(place, "w") as file:

        def write(number, traits):
            message = {"type": "identify", "userId": f"m{number}", "messageId": f"m{number}", "traits": traits}
            file.write(json.dumps(message | {"timestamp": "2026-01-01T00:00:00Z"}) + "\n")

        for number in range(count * 10 // 11):
            born = f"{dice.randrange(1940, 2008)}-{dice.randrange(1, 13):02}-{dice.randrange(1, 29):02}"
            traits = {
                "first_name": dice.choice(names[:800]),
                "last_name": dice.choice(names),
                "birth": born,
                "postcode": str(dice.randrange(1_000, 9_999)),
            }
            write(number, traits)
            if number % 10 == 0:
                slip = dice.randrange(1, len(traits["last_name"]))
                again = traits["last_name"][:slip] + traits["last_name"][slip + 1 :]
                write(f"-{number}", traits | {"last_name": again})


def load(engine, seconds):
    command = [BINARY.parent / "load", engine.url.removeprefix("http://"), "--seconds", str(seconds)]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)


class Matching(threading.Thread):
    """Matches people again and again until it is told to end; whoever is linked by then stays linked."""

    def __init__(self, engine):
        super().__init__()
        self.engine, self.is_over, self.took = engine, threading.Event(), []

    def run(self):
        while not self.is_over.is_set():
            began = time.monotonic()
            request = urllib.request.Request(
                f"{self.engine.url}/api/v1/matching/runs", b"{}", {"Content-Type": "application/json"}
            )
            urllib.request.urlopen(request).close()
            while self.engine.get("/matching").get("running_since"):
                time.sleep(0.1)
            self.took.append(time.monotonic() - began)


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--people", type=int, default=100_000)
    arguments.add_argument("--seconds", type=int, default=10)
    asked = arguments.parse_args()
    CACHE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE) as folder:
        folder = Path(folder)
        engine = Engine(project(folder / "project"))
        people = folder / "people.ndjson"
        write_people(people, asked.people)
        command = [BINARY, "import", people, "--source", "server", "--project", engine.project, "--data", engine.data]
        subprocess.run(command, check=True, stdout=sys.stderr)
        try:
            engine.start()
            alone = load(engine, asked.seconds)
            matching = Matching(engine)
            matching.start()
            beside = load(engine, asked.seconds)
            matching.is_over.set()
            matching.join()
            runs = engine.get("/matching")["runs"]
        finally:
            engine.stop()
    share = beside["events_per_s"] / alone["events_per_s"]
    print(
        f"{asked.people:,} people matched in {min(matching.took):.1f} s ({sum(run['linked'] for run in runs):,} pairs linked): "
        f"{beside['events_per_s']:,.0f} events/s beside it, {alone['events_per_s']:,.0f} alone ({share:.0%}); "
        f"p99 {beside['p99_ms']:.0f} ms beside it, {alone['p99_ms']:.0f} ms alone"
    )


if __name__ == "__main__":
    main()
