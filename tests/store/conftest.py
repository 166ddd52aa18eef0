"""Every test of the store runs on both engines, each on a database of its own."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import create_engine, make_url, text

from monitor.records import Cause, Evidence, Outcome, Reading, Sample, Severity, Verdict
from monitor.store import Claim, Store, schema
from monitor.store.engine import insert_row, reading, writing
from monitor.store.models import Base

NAMES = itertools.count(1)
HOUR = timedelta(hours=1)
LEASE = timedelta(minutes=5)
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


def administer(url: str, statement: str) -> None:
    server = make_url(url).set(drivername="postgresql+psycopg")
    engine = create_engine(server, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(statement))
    engine.dispose()


def make_database(server: str, template: str = "template1") -> str:
    name = f"store_{next(NAMES)}"
    administer(server, f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
    administer(server, f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
    url = make_url(server).set(drivername="postgresql+psycopg", database=name)
    return url.render_as_string(hide_password=False)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def empty_url(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A database without any table."""
    if kind == "sqlite":
        yield f"sqlite:///{tmp_path / 'driftmon.db'}"
        return
    server = request.getfixturevalue("postgres_url")
    url = make_database(server)
    yield url
    administer(server, f'DROP DATABASE "{make_url(url).database}" WITH (FORCE)')


@pytest.fixture(scope="session")
def template(postgres_url: str) -> str:
    """A PostgreSQL database with the schema, which is copied faster than migrated."""
    url = make_database(postgres_url)
    schema.upgrade(url)
    return str(make_url(url).database)


@pytest.fixture
def url(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A database with this release's schema."""
    if kind == "sqlite":
        path = f"sqlite:///{tmp_path / 'driftmon.db'}"
        schema.upgrade(path)
        yield path
        return
    server = request.getfixturevalue("postgres_url")
    made = make_database(server, request.getfixturevalue("template"))
    yield made
    administer(server, f'DROP DATABASE "{make_url(made).database}" WITH (FORCE)')


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    opened = Store.open(url)
    yield opened
    opened.close()


@dataclass
class Docs:
    """One collection's windows, an hour each from NOON on, driven by hand."""

    store: Store

    @cached_property
    def baseline(self) -> int:
        return self.save()

    def save(self, collection: str = "docs", *, activate: bool = True) -> int:
        """Keep a baseline."""
        return self.store.save_baseline(
            collection,
            b"frozen",
            by="test",
            reason="quiet week",
            start=NOON - timedelta(days=7),
            end=NOON,
            model="m1",
            meta={"records": 7},
            activate=activate,
        )

    def plan(self, hours: float, collection: str = "docs", max_backfill: int = 1000) -> int:
        """Plan the windows that are whole so many hours after NOON."""
        return self.store.plan(collection, HOUR, NOON + hours * HOUR, timedelta(0), max_backfill, NOON)

    def claim(self, collection: str = "docs", lease: timedelta = LEASE) -> Claim:
        claimed = self.store.claim([collection], "worker", lease)
        assert claimed is not None
        return claimed

    def outcome(self, claim: Claim, **changes: Any) -> Outcome:
        """Make the outcome of a claimed window: quiet, with two streams, unless told otherwise."""
        return replace(outcome_of(claim, changes.pop("baseline_id", None) or self.baseline), **changes)

    def work(self, **changes: Any) -> Claim:
        """Claim and commit the next window."""
        claimed = self.claim()
        self.store.commit(claimed, self.outcome(claimed, **changes))
        return claimed

    @staticmethod
    def drift(
        *fired: str, severity: Severity = "warning", cause: str = "questions", confidence: float = 0.8
    ) -> dict[str, Any]:
        """Return what makes an outcome one of drift."""
        streams = [key.split(".", 1) for key in fired]
        return {
            "verdict": Verdict("drift", severity, (Cause(cause, confidence, fired),), fired),
            "evidence": tuple(Evidence(d, s, 20.0, firing=True) for d, s in streams),
        }

    def query(self, statement: str, **values: Any) -> list[Any]:
        """Return a statement's rows, or the values of its only column."""
        with reading(self.store.engine) as connection:
            rows = connection.execute(text(statement), values).all()
        return [row[0] if len(row) == 1 else tuple(row) for row in rows]

    def add(self, table: type[Base], values: dict[str, Any]) -> None:
        """Keep a row behind the store's back, its values in the types of the columns."""
        with writing(self.store.engine) as connection:
            insert_row(connection, table, values)

    def change(self, statement: str, **values: Any) -> None:
        """Change something behind the store's back."""
        with writing(self.store.engine) as connection:
            connection.execute(text(statement), values)


@pytest.fixture
def docs(store: Store) -> Docs:
    return Docs(store)


def outcome_of(claim: Claim, baseline: int) -> Outcome:
    return Outcome(
        window=claim.window,
        baseline_id=baseline,
        readings=(
            Reading(
                "centroid_distance", "queries", 0.25, 400, log_p=-0.5, effect_floor=0.02, detail={"dof": 12.5}
            ),
            Reading("canary", "canary", 0.0, 64, threshold=1e-4, harmful=True),
        ),
        verdict=Verdict("quiet"),
        sample=Sample((), seen=900),
        profile=b"profile",
        evidence=(Evidence("canary", "canary"), Evidence("centroid_distance", "queries", 1.5)),
        corpus_seen=np.array([1, 2**63 + 5, 2**64 - 1], dtype=np.uint64),
        duration=0.5,
    )
