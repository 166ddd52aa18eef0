"""The ledger against a model of it: any order of planning, claiming, failing, stalling and committing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from sqlalchemy import text

from monitor.errors import LeaseLostError
from monitor.records import Evidence, Outcome, Sample, Verdict
from monitor.store import Claim, Store
from monitor.store.engine import reading, writing

HOUR = timedelta(hours=1)
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
NAMES = ("a", "b")


class Ledger(RuleBasedStateMachine):
    """Two collections on a database in memory; ``held`` are the claims that the ledger must honour."""

    def __init__(self) -> None:
        super().__init__()
        self.store = Store.open("sqlite://")
        self.now = NOON
        self.held: dict[str, Claim] = {}
        self.stale: list[Claim] = []
        self.done: dict[str, list[datetime]] = {name: [] for name in NAMES}
        self.parked: dict[str, set[datetime]] = {name: set() for name in NAMES}
        self.baselines = {
            name: self.store.save_baseline(
                name, b"", by="t", reason="", start=NOON, end=NOON, model="", meta={}, activate=True
            )
            for name in NAMES
        }

    @rule(hours=st.floats(-1.0, 3.0))
    def let_time_pass(self, hours: float) -> None:
        self.now = max(NOON, self.now + hours * HOUR)
        for name in NAMES:
            self.store.plan(name, HOUR, self.now, timedelta(0), 1000, NOON)

    @rule()
    def claim(self) -> None:
        claim = self.store.claim(NAMES, "w", HOUR, crash_limit=1000)
        if claim is not None:
            name = claim.window.collection
            assert name not in self.held
            finished = len(self.done[name]) + len(self.parked[name])
            assert claim.window.start == NOON + finished * HOUR
            self.held[name] = claim

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def commit(self, data: st.DataObject) -> None:
        claim = self.held.pop(data.draw(st.sampled_from(sorted(self.held))))
        self.store.commit(claim, self.outcome(claim))
        self.done[claim.window.collection].append(claim.window.start)
        self.stale.append(claim)

    @precondition(lambda self: self.held)
    @rule(data=st.data(), park=st.booleans())
    def fail(self, data: st.DataObject, park: bool) -> None:
        claim = self.held.pop(data.draw(st.sampled_from(sorted(self.held))))
        self.store.fail(claim, "broken", 1 if park else 1000, timedelta(0))
        if park:
            self.parked[claim.window.collection].add(claim.window.start)
        self.stale.append(claim)

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def release(self, data: st.DataObject) -> None:
        claim = self.held.pop(data.draw(st.sampled_from(sorted(self.held))))
        self.store.release(claim)
        self.stale.append(claim)

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def stall_past_the_lease(self, data: st.DataObject) -> None:
        claim = self.held.pop(data.draw(st.sampled_from(sorted(self.held))))
        with writing(self.store.engine) as connection:
            past = text("UPDATE windows SET lease_until = '2000-01-01 00:00:00.000000' WHERE id = :id")
            connection.execute(past, {"id": claim.window_id})
        again = self.store.claim([claim.window.collection], "heir", HOUR, crash_limit=1000)
        assert again is not None
        assert again.window == claim.window
        self.held[claim.window.collection] = again
        self.stale.append(claim)

    @precondition(lambda self: self.stale)
    @rule(data=st.data())
    def come_back_late(self, data: st.DataObject) -> None:
        claim = data.draw(st.sampled_from(self.stale))
        with pytest.raises(LeaseLostError):
            self.store.commit(claim, self.outcome(claim))

    @invariant()
    def every_window_is_where_the_model_has_it(self) -> None:
        with reading(self.store.engine) as connection:
            rows = connection.execute(
                text("SELECT collection, state, count(*) FROM windows GROUP BY 1, 2")
            ).all()
        counts = {(collection, state): number for collection, state, number in rows}
        for name in NAMES:
            assert counts.get((name, "done"), 0) == len(self.done[name])
            assert counts.get((name, "parked"), 0) == len(self.parked[name])
            assert counts.get((name, "running"), 0) == (name in self.held)
            assert self.done[name] == sorted(set(self.done[name]))
            assert [e.log_e for e in self.store.state(name).evidence] == [len(self.done[name])] * bool(
                self.done[name]
            )

    def outcome(self, claim: Claim) -> Outcome:
        """Add one to the evidence: a window done twice or out of turn would show."""
        name = claim.window.collection
        evidence = self.store.state(name).evidence
        more = Evidence("canary", "canary", 1.0 + (evidence[0].log_e if evidence else 0.0))
        quiet, sample = Verdict("quiet"), Sample((), seen=0)
        return Outcome(claim.window, self.baselines[name], (), quiet, sample, b"", (more,), None)

    def teardown(self) -> None:
        self.store.close()


TestLedger = Ledger.TestCase
TestLedger.settings = settings(max_examples=20, stateful_step_count=30, deadline=None)
