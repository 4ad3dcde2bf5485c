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
    """A data directory of its own, removed in the end, and the engine that runs on it."""

    def __init__(self, project, environment=None):
        self.project = project
        self.environment = os.environ | (environment or {})
        CACHE.mkdir(parents=True, exist_ok=True)
        self.data = Path(tempfile.mkdtemp(prefix="bench-", dir=CACHE))
        self.process = None

    def load(self, data_file, mapping):
        """Imports a file straight into the data directory, before the engine starts; gives the seconds it took."""
        began = time.monotonic()
        command = [BINARY, "import", data_file, "--mapping", mapping, "--project", self.project, "--data", self.data]
        subprocess.run(command, check=True, stdout=sys.stderr, env=self.environment)
        return time.monotonic() - began

    def start(self):
        """Starts the engine; gives the seconds until it listened."""
        began = time.monotonic()
        log = self.data / "engine.log"
        command = [BINARY, "run", self.project, "--data", self.data, "--listen", "127.0.0.1:0"]
        with open(log, "w") as stderr:
            self.process = subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=stderr, text=True, env=self.environment
            )
        for line in self.process.stdout:
            if "listening on http://" in line:
                self.url = "http://" + line.split("http://", 1)[1].split()[0]
                return time.monotonic() - began
        sys.exit(f"the engine did not start:\n{log.read_text()[-4000:]}")

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
        """Ends the engine, and removes its data."""
        self.halt()
        shutil.rmtree(self.data, ignore_errors=True)

    def halt(self):
        """Ends the engine in good order; its data stays."""
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(60)
            except subprocess.TimeoutExpired:
                self.process.kill()
