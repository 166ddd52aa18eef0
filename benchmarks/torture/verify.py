"""Whether the store holds exactly what an undisturbed, serial run over the same windows leaves behind."""

from __future__ import annotations

import json
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import text

from benchmarks.torture.worker import HOUR, NOON, outcome_of, prepare
from monitor.store import Store, schema
from monitor.store.engine import reading

LEASE = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Findings:
    """What is wrong in a store, counted."""

    lost: int
    double: int
    wrong_evidence: int
    wrong_incidents: int
    notifications: int
    """Messages too many or too few of incidents opened and resolved."""

    @property
    def total(self) -> int:
        """All of it together."""
        return self.lost + self.double + self.wrong_evidence + self.wrong_incidents + self.notifications


def serial(folder: Path, collections: int, windows: int) -> Store:
    """Return a store that one worker filled in order and undisturbed."""
    url = f"sqlite:///{folder}/serial.db"
    schema.upgrade(url)
    store = Store.open(url)
    names, _ = prepare(store, collections)
    for number in range(1, windows + 1):
        for name in names:
            store.plan(name, HOUR, NOON + number * HOUR, timedelta(0), 1000, NOON)
            claim = store.claim([name], "serial", LEASE)
            info = store.active_baseline(name)
            if claim is None or info is None:
                raise RuntimeError(f"{name}: window {number} could not be claimed")
            store.commit(claim, outcome_of(claim.window, store.state(name).evidence, info.id))
    return store


def compare(store: Store, expected: Store, collections: int, windows: int) -> Findings:
    """Return what differs between a tortured store and the serial one."""
    wanted = collections * windows
    done = _rows(store, "SELECT collection, start_at FROM windows WHERE state = 'done'")
    every = _rows(store, "SELECT collection, start_at FROM windows")
    counted = _rows(store, "SELECT sum(windows_done) FROM collection_state")[0][0]
    readings = _rows(store, "SELECT count(*) FROM readings")[0][0]
    profiles = _rows(store, "SELECT count(*) FROM profiles")[0][0]
    return Findings(
        lost=wanted - len(set(done)) + max(0, 2 * wanted - readings) + max(0, wanted - profiles),
        double=len(every) - len(set(every)) + max(0, counted - wanted) + max(0, readings - 2 * wanted),
        wrong_evidence=_differences(_evidence(store), _evidence(expected)),
        wrong_incidents=_differences(_incidents(store), _incidents(expected)),
        notifications=_differences(_messages(store), _messages(expected)),
    )


def _differences(found: list[Any], wanted: list[Any]) -> int:
    return abs(len(found) - len(wanted)) + sum(bool(a != b) for a, b in zip(found, wanted, strict=False))


def _evidence(store: Store) -> list[Any]:
    names = [row[0] for row in _rows(store, "SELECT collection FROM collection_state ORDER BY collection")]
    return [(name, e) for name in names for e in sorted(store.state(name).evidence, key=lambda e: e.key)]


def _incidents(store: Store) -> list[Any]:
    columns = "collection, severity, cause, confidence, fired, opened_at, updated_at, resolved_at"
    rows = _rows(store, f"SELECT {columns} FROM incidents ORDER BY collection, opened_at")  # noqa: S608 our own words
    return [tuple(_plain(value) for value in row) for row in rows]


def _messages(store: Store) -> list[Any]:
    rows = _rows(store, "SELECT payload FROM outbox ORDER BY id")
    messages = [json.loads(row[0]) if isinstance(row[0], str) else row[0] for row in rows]
    kept = ("collection", "kind", "severity", "cause", "opened_at", "resolved_at")
    return sorted(tuple(str(message[key]) for key in kept) for message in messages)


def _plain(value: Any) -> str:
    """Return a value as both engines would write it."""
    if isinstance(value, str) and value.startswith("["):
        return str(json.loads(value))
    return str(value).removesuffix("+00:00").removesuffix(".000000")


def _rows(store: Store, query: str) -> list[Any]:
    with reading(store.engine) as connection:
        return list(connection.execute(text(query)).all())


def check(url: str, folder: Path, collections: int, windows: int) -> Findings:
    """Compare the store at ``url`` with a serial run in ``folder``."""
    with closing(serial(folder, collections, windows)) as expected, closing(Store.open(url)) as store:
        return compare(store, expected, collections, windows)
