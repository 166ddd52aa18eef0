"""A real daemon's process on a small real deployment, its log as it comes, and its HTTP answers."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx

from monitor.demo.example import write_example

COMMAND = str(Path(sys.executable).parent / "driftmon")
SOURCE = """\
source: {{type: sql, url: "{log}", table: retrieval_log, vector_dtype: float16,
             columns: {{id: id, at: created_at, text: query, vector: embedding, hits: results}}}}"""


def configuration(folder: Path, collections: dict[str, str], database: str = "sqlite:///driftmon.db") -> str:
    """Return a driftmon.yaml that watches the example's log under several names, each with lines of its own."""
    lines = [
        f"database: {database}",
        "web: {listen: 127.0.0.1:0, requests_per_second: 1000}",
        "log: {format: json}",
        "workers: 2",
        "collections:",
    ]
    source = SOURCE.format(log=f"sqlite:///{folder}/driftmon-example/log.db")
    for name, more in collections.items():
        own = more if "source:" in more else f"{source}\n    {more}"
        lines += [
            f"  {name}:",
            "    window: 1h",
            "    lateness: 0s",
            "    sample_size: 200",
            f"    {own}".rstrip(),
        ]
    return "\n".join(lines) + "\n"


def lay_down(folder: Path, collections: dict[str, str], database: str = "sqlite:///driftmon.db") -> None:
    """Write the example and its configuration, the schema, and a baseline for each collection."""
    folder.mkdir(parents=True, exist_ok=True)
    write_example(folder / "driftmon-example", datetime.now(UTC))
    (folder / "driftmon.yaml").write_text(configuration(folder, collections, database))
    call(folder, "db", "upgrade")
    for name in collections:
        call(folder, "baseline", "build", name, "--start", "-3d", "--end", "-1d")


def call(folder: Path, *arguments: str) -> str:
    """Run one driftmon command to its end and return what it printed."""
    done = subprocess.run(
        [COMMAND, *arguments], cwd=folder, check=False, capture_output=True, text=True, timeout=120
    )
    if done.returncode:
        raise RuntimeError(
            f"driftmon {' '.join(arguments)} ended with {done.returncode}: {done.stderr[-2000:]}"
        )
    return done.stdout


class Running:
    """`driftmon run` in a folder; ``lines`` grows with its log."""

    def __init__(self, folder: Path, *command: str) -> None:
        self.started = time.monotonic()
        self.process = subprocess.Popen(
            [*(command or (COMMAND,)), "run"],
            cwd=folder,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
        self.lines: list[tuple[float, str]] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        for line in self.process.stderr or ():
            self.lines.append((time.monotonic() - self.started, line))

    def events(self, name: str, collection: str | None = None) -> list[tuple[float, dict[str, Any]]]:
        """Return the log's events of that name with the seconds since the start."""
        found = [(at, json.loads(line)) for at, line in list(self.lines) if line.startswith("{")]
        return [
            (at, event)
            for at, event in found
            if event["event"] == name and collection in (None, event.get("collection"))
        ]

    @property
    def url(self) -> str:
        """Where it serves; waits for the start."""
        return str(wait_for("the start", lambda: self.events("started"))[0][1]["url"])

    def get(self, path: str, timeout: float = 10.0) -> httpx.Response:
        """Ask the daemon."""
        return httpx.get(self.url + path, timeout=timeout)

    def status(self, path: str) -> int:
        """Return the status of an answer, 0 where none came."""
        try:
            return self.get(path).status_code
        except httpx.HTTPError:
            return 0

    def end(self, number: int = signal.SIGTERM, wait: float = 60.0) -> tuple[int, float]:
        """Send a signal; return the exit code and the seconds until the end."""
        began = time.monotonic()
        self.process.send_signal(number)
        code = self.process.wait(wait)
        self._reader.join(5)
        return code, time.monotonic() - began

    def close(self) -> None:
        """End it whatever it does."""
        self.process.kill()
        self.process.wait(10)
        self._reader.join(5)
        if self.process.stderr is not None:
            self.process.stderr.close()


def wait_for(what: str, seen: Callable[[], Any], seconds: float = 60.0) -> Any:
    """Return what ``seen`` finds as soon as it is true; raises TimeoutError."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := seen():
            return found
        time.sleep(0.05)
    raise TimeoutError(f"{what}: not within {seconds:g} s")


def copy(folder: Path, to: Path) -> Path:
    """Return a copy of a laid-down deployment whose configuration points at the copy."""
    shutil.copytree(folder, to)
    path = to / "driftmon.yaml"
    path.write_text(path.read_text().replace(str(folder), str(to)))
    return to
