"""A store with a past: thousands of windows of twenty streams, written in one go, for pages to show."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import insert, update

from monitor.config import Config
from monitor.daemon import take_snapshot
from monitor.daemon.desk import StoreDesk
from monitor.metrics import Exporter
from monitor.pipeline import Collection
from monitor.records import Event
from monitor.store import Store, schema
from monitor.store.engine import writing
from monitor.store.models import (
    CollectionRow,
    EvidenceRow,
    IncidentRow,
    ReadingRow,
    StreamRow,
    WindowRow,
)
from monitor.web import Limits, Server, TokenFile, create_app, serve, summarize
from monitor.wiring import Deployment
from tests.core_fakes.bench import Traffic

NAME = "support-docs"
SEGMENT = "support-docs/tenant=acme"
QUARTER = timedelta(minutes=15)
NOW = datetime(2026, 3, 20, 12, tzinfo=UTC)
TOKEN = "correct-horse-battery"  # noqa: S105 - of a test
STREAMS = 20
HOSTILE = "<script>alert('x')</script>\"><img src=x onerror=alert(1)>"
DRIFTING = 12
"""The newest windows, in drift."""


def fill(url: str, windows: int = 200, title: str = "bge 1.5 to bge 2") -> None:
    """Write the past of a collection and of its segment; the newest windows are in drift, an incident is open."""
    schema.upgrade(url)
    store = Store.open(url)
    for name in (NAME, SEGMENT):
        for reason in ("quiet week", title):
            store.save_baseline(
                name,
                b"frozen",
                by="test",
                reason=reason,
                start=NOW - timedelta(days=7),
                end=NOW - timedelta(days=2),
                model="bge-small",
                meta={"records": 4000},
                activate=reason == "quiet week",
            )
        _write(store, name, windows)
    onset = NOW - DRIFTING * QUARTER
    store.add_event(Event("push", onset - timedelta(minutes=12), "model_push", title, NAME, recorded_by="ci"))
    grace = {"planned": True, "grace_until": onset - timedelta(minutes=30)}
    planned = Event("plan", onset - timedelta(hours=1), "reindex", title, **grace, recorded_by="ci")  # type: ignore[arg-type]
    store.add_event(planned)
    store.add_silence(NAME, "", NOW - QUARTER, NOW + timedelta(hours=1), "test", title)
    store.close()


def _write(store: Store, name: str, windows: int) -> None:
    rng = np.random.default_rng(7)
    verdict = {"causes": [{"name": "model_query_side", "confidence": 0.98, "because": ["detector_0.canary"]}]}
    drift = {"verdict_state": "drift", "severity": "critical", "cause": "model_query_side"}
    quiet = {"verdict_state": "quiet", "severity": "none", "cause": "none", "verdict": None}
    with writing(store.engine) as connection:
        streams = []
        for i in range(STREAMS):
            values = {
                "collection": name,
                "detector": f"detector_{i}",
                "signal": "canary" if i == 0 else "queries",
            }
            key = connection.execute(
                insert(StreamRow).values(effect_floor=0.02, **values)
            ).inserted_primary_key
            assert key is not None
            streams.append(int(key[0]))
            connection.execute(
                insert(EvidenceRow).values(
                    stream_id=key[0],
                    window_start=NOW - QUARTER,
                    log_e=3.0 if i else 900.0,
                    firing=i == 0,
                    calm=0,
                )
            )
        first = NOW - windows * QUARTER
        rows: list[dict[str, Any]] = []
        for i in range(windows):
            start = first + i * QUARTER
            late = i >= windows - DRIFTING
            told = drift | {"verdict": verdict | {"fired": ["detector_0.canary"]}} if late else quiet
            common = {"collection": name, "state": "done", "planned_at": start, "baseline_id": 1}
            rows.append(common | told | {"start_at": start, "end_at": start + QUARTER})
        connection.execute(insert(WindowRow), rows)
        found = connection.execute(
            WindowRow.__table__.select().where(WindowRow.collection == name).order_by(WindowRow.start_at)
        )
        ids = [row.id for row in found]
        measured = rng.gamma(2.0, 0.01, (windows, STREAMS))
        measured[-DRIFTING:, 0] += 0.4
        log_p = -rng.exponential(1.0, (windows, STREAMS))
        connection.execute(
            insert(ReadingRow),
            [
                {
                    "window_id": w,
                    "stream_id": s,
                    "n": 400,
                    "value": float(measured[i, j]),
                    "log_p": float(log_p[i, j]),
                }
                for i, w in enumerate(ids)
                for j, s in enumerate(streams)
            ],
        )
        opened = NOW - (DRIFTING - 1) * QUARTER
        incident: dict[str, Any] = {"collection": name, "opened_at": opened, "updated_at": NOW}
        incident |= {"severity": "critical", "cause": "model_query_side", "confidence": 0.98}
        incident |= {"announced_at": opened, "fired": ["detector_0.canary"]}
        connection.execute(insert(IncidentRow).values(**incident, opened_window=ids[-DRIFTING]))
        mine = CollectionRow.collection == name
        connection.execute(update(CollectionRow).where(mine).values(windows_done=windows))


def deployment() -> Deployment:
    """The collection and its segment, whose log nobody reads."""
    config = Config.model_validate({"collections": {NAME: {"source": {"type": "sql"}}}})
    section = config.collections[NAME]
    config = config.model_copy(update={"collections": {NAME: section, SEGMENT: section}})
    collections = {name: Collection(name, Traffic(name), ()) for name in (NAME, SEGMENT)}
    return Deployment(config, collections, dict.fromkeys(collections, 10.0))


def make_desk(store: Store) -> StoreDesk:
    wired = deployment()
    return StoreDesk(lambda: store, lambda: wired, lambda: NOW)


@contextmanager
def serving(url: str, token: Path | None = None) -> Iterator[Server]:
    """Serve the pages over a store."""
    store = Store.open(url)
    snapshot = take_snapshot(store, deployment(), NOW)
    exporter = Exporter()
    exporter.publish(snapshot)
    limits = Limits(requests_per_second=1000, burst=10_000, wrong_tokens_per_second=1000)
    app = create_app(
        metrics=exporter.render,
        alive=lambda: None,
        ready=lambda: None,
        status=lambda: summarize(snapshot),
        token=None if token is None else TokenFile(token),
        limits=limits,
        desk=make_desk(store),
    )
    server = serve(app, "127.0.0.1", 0, limits=limits)
    try:
        yield server
    finally:
        server.stop()
        store.close()
