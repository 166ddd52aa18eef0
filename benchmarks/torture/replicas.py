"""Three real daemons over one PostgreSQL: every window once, one message per incident."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psycopg

from benchmarks.torture.process import Running, configuration, lay_down, wait_for
from benchmarks.torture.report import figure, main
from benchmarks.torture.servers import PostgreSQL, postgresql

REPLICAS = 3
WINDOWS_EACH = 23


def run(scale: float = 1.0) -> list[dict[str, Any]]:
    """Return the figures of three replicas that share a thousand windows."""
    count = max(2, round(44 * scale))
    names = [f"c{i:02}" for i in range(count)]
    with TemporaryDirectory(prefix="driftmon-replicas-") as name, postgresql() as server:
        url = server.create("replicas")
        folder = Path(name)
        lay_down(folder, dict.fromkeys(names, ""), url)
        _shift(folder)
        running = [Running(_place(folder, number, names, url)) for number in range(REPLICAS)]
        try:
            wanted = count * WINDOWS_EACH
            wait_for("all windows", partial(_is_done, server, wanted), 300)
            codes = [each.end()[0] for each in running]
        finally:
            for each in running:
                each.close()
        worked = [
            (event["collection"], event["window"])
            for each in running
            for _, event in each.events("window done")
        ]
        shares = [len(each.events("window done")) for each in running]
        done = _count(server, "SELECT count(*) FROM windows WHERE state = 'done'")
        incidents = _count(server, "SELECT count(*) FROM incidents WHERE announced_at IS NOT NULL")
        opened = _count(server, "SELECT count(*) FROM outbox WHERE kind = 'opened'")
        twice = _count(
            server,
            "SELECT count(*) FROM (SELECT incident_id FROM outbox WHERE kind = 'opened'"
            " GROUP BY incident_id HAVING count(*) > 1) AS twice",
        )
    return [
        figure(f"{REPLICAS} replicas: windows done", done, "windows", wanted, higher_is_better=True),
        figure("… windows worked twice", len(worked) - len(set(worked)), "windows", 0),
        figure("… results beside one each", abs(len(worked) - done), "windows", 0),
        figure("… of them by the replica that did the fewest", min(shares), "windows"),
        figure("… incidents that people were told about", incidents, "incidents"),
        figure("… messages of an opening beside one each", abs(opened - incidents) + twice, "messages", 0),
        figure("… exit codes other than 0", sum(code != 0 for code in codes), "processes", 0),
    ]


def _place(folder: Path, number: int, names: list[str], url: str) -> Path:
    """Return a folder of the replica's own; log, index and database are shared."""
    place = folder / f"replica-{number}"
    place.mkdir()
    text = configuration(folder, dict.fromkeys(names, ""), url)
    (place / "driftmon.yaml").write_text(text)
    return place


def _shift(folder: Path) -> None:
    """Let the last hours of the log drift: every question of them is asked at another place of the space."""
    log = folder / "driftmon-example" / "log.db"
    shutil.copy(log, log.with_suffix(".quiet"))
    with closing(sqlite3.connect(log)) as connection, connection:
        newest = datetime.fromisoformat(
            connection.execute("SELECT max(created_at) FROM retrieval_log").fetchone()[0]
        )
        since = (newest - timedelta(hours=12)).isoformat(" ")
        vector = connection.execute("SELECT embedding FROM retrieval_log LIMIT 1").fetchone()[0]
        connection.execute("UPDATE retrieval_log SET embedding = ? WHERE created_at >= ?", (vector, since))


def _is_done(server: PostgreSQL, wanted: int) -> bool:
    return _count(server, "SELECT count(*) FROM windows WHERE state = 'done'") >= wanted


def _count(server: PostgreSQL, query: str) -> int:
    with psycopg.connect(f"postgresql://postgres@127.0.0.1:{server.port}/replicas") as connection:
        row = connection.execute(query.encode()).fetchone()
    return int(row[0]) if row else 0


if __name__ == "__main__":
    main("torture-replicas", run)
