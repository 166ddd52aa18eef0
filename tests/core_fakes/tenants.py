"""A log of three tenants in SQLite: one of them, with a twentieth of the traffic, asks about other things later."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np

from tests.core_fakes import world

SHARES = {"acme": 0.6, "globex": 0.35, "initech": 0.05}
PER_WINDOW = 800
QUIET = 16
DRIFTED = 6
"""Windows after the quiet ones, in which ``initech`` asks about what others asked about all along."""


def write_log(path: Path, *, per_window: int = PER_WINDOW, windows: int = QUIET + DRIFTED) -> None:
    """Write the table ``log``: the tenant in a column, tenant and language in another one as JSON."""
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(
            "CREATE TABLE log (id TEXT PRIMARY KEY, at TEXT, vector BLOB, hits TEXT, tenant TEXT, labels TEXT)"
        )
        connection.execute("CREATE INDEX log_at ON log (at)")
        for number in range(windows):
            connection.executemany("INSERT INTO log VALUES (?, ?, ?, ?, ?, ?)", _rows(number, per_window))


def _rows(number: int, per_window: int) -> Iterator[tuple[Any, ...]]:
    rng = np.random.default_rng([21, number])
    tenants = rng.choice(list(SHARES), p=list(SHARES.values()), size=per_window)
    topics = rng.integers(world.TOPICS, size=per_window)
    small = tenants == "initech"
    # Its own half of the topics, and the other half later: nothing that the service as a whole had not seen.
    half = world.TOPICS // 2
    topics[small] = rng.integers(half, size=int(small.sum())) + (half if number >= QUIET else 0)
    vectors = world.unit(world.centres()[topics] + rng.normal(scale=0.12, size=(per_window, world.D)))
    start = world.span(number).start
    for i, record in enumerate(world.make_records(rng, vectors, f"w{number}")):
        hits = [{"id": h, "score": s} for h, s in zip(record.hits, record.scores or (), strict=True)]
        labels = {"tenant": str(tenants[i]), "language": "en" if i % 3 else "de"}
        moment = (start + timedelta(milliseconds=i)).isoformat()
        yield (
            record.id,
            moment,
            vectors[i].tobytes(),
            json.dumps(hits),
            str(tenants[i]),
            json.dumps(labels),
        )


def configuration(folder: Path, segments: Any, columns: Any = "tenant") -> dict[str, Any]:
    """Return a configuration that watches the log; ``columns`` is how the labels are read."""
    labels = {"tenant": "tenant"} if columns == "tenant" else columns
    return {
        "database": f"sqlite:///{folder}/driftmon.db",
        "web": {"listen": "127.0.0.1:0"},
        "collections": {
            "docs": {
                "window": "15m",
                "lateness": "0s",
                "source": {
                    "type": "sql",
                    "url": f"sqlite:///{folder}/log.db",
                    "table": "log",
                    "columns": {
                        "id": "id",
                        "at": "at",
                        "vector": "vector",
                        "hits": "hits",
                        "segments": labels,
                    },
                },
                "segments": segments,
            }
        },
    }
