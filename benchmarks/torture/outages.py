"""A database server that is killed, refuses, or falls silent under a running daemon, again and again."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.torture.process import Running, lay_down, wait_for
from benchmarks.torture.report import figure, main
from benchmarks.torture.servers import PostgreSQL, Proxy, postgresql

KINDS = ("kill", "refuse", "swallow")
DOWN = {"kill": 5.0, "refuse": 5.0, "swallow": 35.0}
"""Seconds of an outage by kind; the silent one is longer than any time-out of ours."""
BACK = 60.0


def run(scale: float = 1.0) -> list[dict[str, Any]]:
    """Return the figures of ten outages."""
    times = max(2, round(10 * scale))
    chosen = [KINDS[i % 3] for i in range(times)] if scale >= 1.0 else ["kill", "refuse"][:times]
    with TemporaryDirectory(prefix="driftmon-outages-") as name, postgresql() as server:
        url = server.create("outages")
        proxy = Proxy(server.port)
        folder = Path(name)
        lay_down(folder, {"docs": "", "wiki": ""}, url.replace(f":{server.port}/", f":{proxy.port}/"))
        running = Running(folder)
        dead: list[int] = []
        ended = threading.Event()
        prober = threading.Thread(target=_probe, args=(running, dead, ended))
        try:
            wait_for("the start", lambda: running.status("/-/ready") == 200)
            prober.start()
            waits = [_outage(kind, server, proxy, running) for kind in chosen]
            unsaid = sum(wait < 0 for wait in waits)
        finally:
            ended.set()
            alive = running.process.poll() is None
            running.close()
            proxy.close()
            if prober.ident is not None:
                prober.join(20)
    return [
        figure("the database went away", times, "times"),
        figure("… kinds of it", len(set(chosen)), "kinds"),
        figure("… longest time until the daemon read it again after its return", max(waits), "s", BACK),
        figure("… outages that readiness did not tell", unsaid, "outages", 0),
        figure("… restarts of the process", 0 if alive else 1, "restarts", 0),
        figure("… liveness probes that failed", len(dead), "probes", 0),
    ]


def _outage(kind: str, server: PostgreSQL, proxy: Proxy, running: Running) -> float:
    """Take the database away and bring it back; return the seconds until it was read again, -1 if never missed."""
    if kind == "kill":
        server.kill()
    else:
        proxy.set(kind)
    began = time.monotonic()
    told = False
    while time.monotonic() - began < DOWN[kind] or (not told and time.monotonic() - began < BACK):
        told = told or running.status("/-/ready") == 503
        time.sleep(0.2)
    if kind == "kill":
        server.start()
    proxy.set("pass")
    back, at = time.monotonic(), datetime.now(UTC)
    wait_for("the next snapshot", partial(_read_since, running, at), BACK * 2)
    return time.monotonic() - back if told else -1.0


def _read_since(running: Running, at: datetime) -> bool:
    if running.status("/-/ready") != 200:
        return False
    read = running.get("/api/v1/status").json()["at"]
    return read is not None and datetime.fromisoformat(read) > at


def _probe(running: Running, dead: list[int], ended: threading.Event) -> None:
    while not ended.wait(0.5):
        if (status := running.status("/-/healthy")) != 200 and not ended.is_set():
            dead.append(status)


if __name__ == "__main__":
    main("torture-outages", run)
