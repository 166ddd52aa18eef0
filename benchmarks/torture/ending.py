"""SIGTERM while a window is being worked: how long the end takes, and who does the window then."""

from __future__ import annotations

import sqlite3
import sys
from contextlib import closing
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.torture.hanging import black_hole
from benchmarks.torture.process import Running, configuration, lay_down, wait_for
from benchmarks.torture.report import figure, main

HASTY = "from monitor.cli.main import main; from monitor import daemon; daemon.daemon.DRAIN = 2.0; main()"
"""The same command, only that it drains for two seconds: for a run that has no time."""
GRACE = 30.0
"""Seconds after which Kubernetes kills."""


def run(scale: float = 1.0) -> list[dict[str, Any]]:
    """Return the figures of so many ends in the middle of a window."""
    times = max(1, round(5 * scale))
    command = () if scale >= 1.0 else (sys.executable, "-c", HASTY)
    longest, held, undone, codes = 0.0, 0, 0, 0
    with TemporaryDirectory(prefix="driftmon-ending-") as name, black_hole() as port:
        folder = Path(name)
        lay_down(folder, {"docs": ""})
        healthy = configuration(folder, {"docs": ""})
        gone = f"postgresql+psycopg://127.0.0.1:{port}/rag"
        hanging = configuration(
            folder, {"docs": f"source: {{type: sql, url: '{gone}', table: log, timeout: 300}}"}
        )
        for _ in range(times):
            (folder / "driftmon.yaml").write_text(hanging)
            first = Running(folder, *command)
            try:
                wait_for("a window in work", lambda: _running(folder))
                window = _running(folder)
                code, seconds = first.end()
            finally:
                first.close()
            codes += code != 0
            longest = max(longest, seconds)
            held += len(_running(folder))
            (folder / "driftmon.yaml").write_text(healthy)
            second = Running(folder)
            try:
                wait_for("the window by another", partial(_are_done, folder, window))
                undone += len(set(window) - _done(folder))
                codes += second.end()[0] != 0
            finally:
                second.close()
            _undo(folder)
    return [
        figure("SIGTERM in mid-window", times, "times"),
        figure("… longest time until the process was gone", longest, "s", GRACE),
        figure("… exit codes other than 0", codes, "processes", 0),
        figure("… leases left behind", held, "leases", 0),
        figure("… windows not done by the next process", undone, "windows", 0),
    ]


def _are_done(folder: Path, starts: list[str]) -> bool:
    return _done(folder) >= set(starts)


def _running(folder: Path) -> list[str]:
    return _starts(folder, "running")


def _done(folder: Path) -> set[str]:
    return set(_starts(folder, "done"))


def _starts(folder: Path, state: str) -> list[str]:
    with closing(sqlite3.connect(folder / "driftmon.db", timeout=10)) as connection:
        rows = connection.execute("SELECT start_at FROM windows WHERE state = ?", (state,)).fetchall()
    return [row[0] for row in rows]


def _undo(folder: Path) -> None:
    """Give the next round work to do: the newest window once more."""
    with closing(sqlite3.connect(folder / "driftmon.db", timeout=10)) as connection, connection:
        newest = "(SELECT id FROM windows ORDER BY start_at DESC LIMIT 1)"
        connection.execute(f"DELETE FROM readings WHERE window_id = {newest}")  # noqa: S608 no value of anybody
        connection.execute(f"DELETE FROM profiles WHERE window_id = {newest}")  # noqa: S608 likewise
        connection.execute(f"UPDATE windows SET state = 'planned', attempts = 0 WHERE id = {newest}")  # noqa: S608 likewise


if __name__ == "__main__":
    main("torture-ending", run)
