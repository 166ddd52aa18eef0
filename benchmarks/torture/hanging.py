"""Edges that take a connection and never answer: how long they hold their window, and whom else."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.torture.process import Running, configuration, lay_down, wait_for
from benchmarks.torture.report import figure, main

LONGEST = 30.0
MEMORY = "index: {type: memory, path: driftmon-example/index.npz}"


def run(scale: float = 1.0) -> list[dict[str, Any]]:
    """Return the figures of a daemon with two hanging collections, one slow disk and two healthy ones."""
    timeout = 30.0 if scale >= 1.0 else 3.0
    with TemporaryDirectory(prefix="driftmon-hanging-") as name, black_hole() as port:
        folder = Path(name)
        healthy = ["m-healthy", "z-healthy"]
        collections = {"a-index": MEMORY, "b-log": "", **dict.fromkeys(healthy, "")}
        lay_down(folder, collections)
        bound = "" if scale >= 1.0 else f", timeout: {timeout}"
        gone = f"postgresql+psycopg://127.0.0.1:{port}/rag"
        hanging = {
            **collections,
            "a-index": f"index: {{type: pgvector, url: '{gone}', table: chunks{bound}}}",
            "b-log": f"source: {{type: sql, url: '{gone}', table: retrieval_log{bound}}}",
        }
        (folder / "driftmon.yaml").write_text(configuration(folder, hanging))
        running = Running(folder)
        try:
            return _watch(running, healthy)
        finally:
            running.close()


def _watch(running: Running, healthy: list[str]) -> list[dict[str, Any]]:
    begun = wait_for("the start", lambda: running.events("started"))[0][0]
    for name in healthy:
        wait_for(name, partial(_has_done, running, name), LONGEST * 2)
    on_time = max(running.events("window done", name)[22][0] for name in healthy) - begun
    found = [
        figure("23 windows of each healthy collection beside them, done after", on_time, "s", LONGEST / 2)
    ]
    for name in ("a-index", "b-log"):
        failed = wait_for(name, partial(running.events, "window failed", name), LONGEST * 2)
        found.append(figure(f"{name} hangs: its window ended after", failed[0][1]["seconds"], "s", LONGEST))
    alive = running.status("/-/healthy") == running.status("/-/ready") == 200
    found.append(figure("… and the daemon is alive and ready", alive, "yes", 1, higher_is_better=True))
    return found


def _has_done(running: Running, name: str) -> bool:
    return len(running.events("window done", name)) >= 23


@contextmanager
def black_hole() -> Iterator[int]:
    """Yield the port of a server that takes connections and never says a word."""
    taken: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def accept() -> None:
            while True:
                try:
                    taken.append(server.accept()[0])
                except OSError:
                    return

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield int(server.getsockname()[1])
        server.shutdown(socket.SHUT_RDWR)
        thread.join(5)
    for connection in taken:
        connection.close()


if __name__ == "__main__":
    main("torture-hanging", run)
