#!/usr/bin/env python3
"""How long an engine with 200 destinations takes to start, and how much of a core they cost while nothing happens; each beside
the same project with none, in the same run.

    tests/bench/destinations.py [--destinations N] [--seconds N]
"""

import argparse
import os
import shutil
import tempfile
import time
from pathlib import Path

from engine import CACHE, REPOSITORY, Engine

# Each kind of plugin that is bundled, by turns.
KINDS = [
    ("webhook", "hooks.example", "{signing_key: bench-secret-1}", "{url: 'https://hooks.example/%d'}"),
    ("email", "api.postmarkapp.com", "{api_key: bench-secret-1}", "{service: postmark, from: shop@shop.example}"),
    ("chat", "hooks.slack.com", "{key: bench-secret-1}", "{url: 'https://hooks.slack.com/services/T%d/{{secret:key}}'}"),
    ("support", "shop.zendesk.com", "{authorization: bench-secret-1}", "{subdomain: shop}"),
    ("crm", "api.hubapi.com", "{access_token: bench-secret-1}", "{}"),
    ("push", "push.example", "{vapid_private_key: bench-secret-1}", "{web: {subject: 'mailto:ops@shop.example'}}"),
    ("ga4", "www.google-analytics.com", "{api_secret: bench-secret-1}", "{measurement_id: G-ABC123, client_id: anonymous_id}"),
    ("meta-audiences", "graph.facebook.com", "{access_token: bench-secret-1}", "{audiences: {vip: '1'}, customer_consent: true}"),
]


def project(folder, count):
    shutil.copytree(REPOSITORY / "tests/bench/project", folder)
    (folder / "destinations").mkdir()
    for n in range(count):
        plugin, host, secrets, config = KINDS[n % len(KINDS)]
        config = config % n if "%d" in config else config
        text = f"destination: d{n}\nplugin: sonder/{plugin}@1\nallow: [{host}]\nsecrets: {secrets}\nconfig: {config}\n"
        (folder / f"destinations/d{n}.yaml").write_text(text)
    return folder


def cpu(process):
    fields = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measure(folder, seconds):
    engine = Engine(folder)
    try:
        cold = engine.start()
        engine.halt()
        warm = engine.start()
        starting = cpu(engine.process.pid)
        time.sleep(1)
        before = cpu(engine.process.pid)
        time.sleep(seconds)
        share = (cpu(engine.process.pid) - before) / seconds
        status = Path(f"/proc/{engine.process.pid}/status").read_text()
        memory = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS"))
    finally:
        engine.stop()
    return cold, warm, starting, share, memory / 1024


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--destinations", type=int, default=200)
    arguments.add_argument("--seconds", type=int, default=10)
    options = arguments.parse_args()
    CACHE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="bench-", dir=CACHE) as work:
        for count in [0, options.destinations]:
            cold, warm, starting, share, memory = measure(project(Path(work) / f"p{count}", count), options.seconds)
            print(
                f"{count:>3} destinations: start {cold:.2f} s, with compiled code {warm:.2f} s ({starting:.2f} s of CPU); "
                f"idle {share * 100:.2f} % of a core, {memory:.0f} MiB"
            )


if __name__ == "__main__":
    main()
