"""An engine for the benchmarks: a process of its own, and its API."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
CACHE = Path(os.environ.get("SONDER_CACHE", Path.home() / ".cache/sonder"))
BINARY = Path(os.environ.get("SONDER_BIN", CACHE / "target/debug/sonder"))


class Engine:
    """A running engine on an empty data directory, which is removed when it stops."""

    def __init__(self, project, environment=None):
        self.project = project
        CACHE.mkdir(parents=True, exist_ok=True)
        self.data = data = Path(tempfile.mkdtemp(prefix="bench-", dir=CACHE))
        self.log = open(data / "engine.log", "w")
        command = [BINARY, "run", project, "--data", data, "--listen", "127.0.0.1:0"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=self.log, text=True, env=os.environ | (environment or {}))
        for line in self.process.stdout:
            if "listening on http://" in line:
                self.url = "http://" + line.split("http://", 1)[1].split()[0]
                return
        sys.exit(f"the engine did not start:\n{(data / 'engine.log').read_text()[-4000:]}")

    def load(self, data_file, mapping):
        """Imports the file; gives the seconds until the last event was folded."""
        began = time.monotonic()
        subprocess.run([BINARY, "import", data_file, "--mapping", mapping, "--url", self.url], check=True, stdout=sys.stderr)
        while self.get("/status")["lag"]["unfolded"] > 0:
            time.sleep(0.05)
        return time.monotonic() - began

    def get(self, path):
        with urllib.request.urlopen(f"{self.url}/api/v1{path}") as answer:
            return json.load(answer)

    def query(self, sql):
        body = json.dumps({"sql": sql}).encode()
        request = urllib.request.Request(f"{self.url}/api/v1/query", body, {"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request) as answer:
                return json.load(answer)["rows"]
        except urllib.error.HTTPError as error:
            sys.exit(f"{sql}\n{error.read().decode()}")

    def members(self, segment):
        """All members of a segment, page after page."""
        after = ""
        while after is not None:
            page = self.get(f"/segments/{segment}/members?limit=1000{after}")
            yield from (member["person"] for member in page["members"])
            after = f"&after={page['next']}" if page["next"] else None

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(60)
            except subprocess.TimeoutExpired:
                self.process.kill()
        self.log.close()
        shutil.rmtree(self.data, ignore_errors=True)
