"""An incident looked at closely: the sentences of its newest window, where it moved, and how it went."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any

from monitor.baseline import Baseline
from monitor.baseline.codec import unpack
from monitor.errors import BaselineError
from monitor.explain import MovedCell, moved_cells, tell, tell_events
from monitor.explain.events import KINDS, LOOKED_BACK
from monitor.notifiers.notice import Links
from monitor.profile import Profile
from monitor.records import BaselineInfo, Event, Incident, Window
from monitor.reference import spread_evenly
from monitor.regions import QUIET_WINDOWS, Regions, look_closer
from monitor.segments import with_parent
from monitor.store import Store
from monitor.store.incident_log import PastIncident
from monitor.store.status import PastWindow
from monitor.web.views import incident_view
from monitor.wiring import Deployment

EXAMPLES = 3
KEPT = 32
"""Looks at a log that are remembered: a page that is loaded again reads no log again."""
MOST_WINDOWS = 500
MOST_STEPS = 60
RUNBOOK = "DriftDetected.md"


@dataclass(slots=True)
class Closer:
    """Looks at incidents; remembers the last baseline and what it read from logs."""

    _baseline: tuple[int, Baseline] | None = field(default=None, repr=False)
    _looks: OrderedDict[tuple[int, datetime], Regions] = field(default_factory=OrderedDict, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def look(
        self, past: PastIncident, store: Store, deployment: Deployment, now: datetime, *, texts: bool
    ) -> dict[str, Any]:
        """Return an incident's page in plain values; raises `StoreError`."""
        incident = past.incident
        first = past.first_window or incident.opened_at
        windows = store.history(
            incident.collection, first, incident.updated_at + timedelta(microseconds=1), MOST_WINDOWS
        )
        events = store.events(with_parent(incident.collection), first - LOOKED_BACK, incident.updated_at)
        newest = next((w for w in reversed(windows) if w.verdict.state == "drift"), None)
        view = {
            **incident_view(past),
            "told": None,
            "told_of": None,
            "told_at": None,
            "untold": "The windows of this incident are no longer kept: what decided it cannot be told any more.",
            "moved": [],
            "notes": [],
            "texts": texts,
            "timeline": timeline(past, windows, events, now)[:MOST_STEPS],
            "runbook": _runbook(deployment, incident),
        }
        if newest is None:
            return view
        told = tell(newest.verdict, newest.readings, tell_events(events, first, incident.updated_at))
        view |= {
            "told": asdict(told),
            "told_of": newest.end.isoformat(),
            "told_at": newest.start.strftime("%Y-%m-%dT%H:%M:%SZ"),
        }
        try:
            regions = self._regions(incident.collection, newest, store, deployment, texts=texts)
        except BaselineError as error:
            regions = Regions(notes=(str(error),))
        parts = (("Questions", regions.questions), ("New documents", regions.documents))
        view["moved"] = [
            {"what": what, "cells": [asdict(cell) for cell in cells], "texts": texts}
            for what, cells in parts
            if cells
        ]
        view["notes"] = list(regions.notes)
        return view

    def _regions(
        self, name: str, past: PastWindow, store: Store, deployment: Deployment, *, texts: bool
    ) -> Regions:
        info = next((b for b in store.baselines(name) if b.id == past.baseline_id), None)
        if info is None:
            raise BaselineError("the baseline that judged this window is no longer stored")
        baseline = self._unpacked(info.id, store)
        window = Window(name, past.start, past.end)
        if not texts or name not in deployment.collections:
            return _from_profile(window, info.id, baseline, store)
        with self._lock:
            if (known := self._looks.get((info.id, past.start))) is not None:
                return known
        length = deployment.config.collections[name].window
        quiet = spread_evenly(_windows(info, length), QUIET_WINDOWS)
        regions = look_closer(deployment.collections[name], baseline, window, quiet, EXAMPLES)
        with self._lock:
            self._looks[info.id, past.start] = regions
            while len(self._looks) > KEPT:
                self._looks.popitem(last=False)
        return regions

    def _unpacked(self, identifier: int, store: Store) -> Baseline:
        known = self._baseline
        if known is not None and known[0] == identifier:
            return known[1]
        baseline = unpack(store.baseline_data(identifier))
        self._baseline = identifier, baseline
        return baseline


def timeline(
    past: PastIncident, windows: Sequence[PastWindow], events: Sequence[Event], now: datetime
) -> list[dict[str, Any]]:
    """Return what happened up to now, oldest first: events, windows, what changed, who took it up, its end."""
    incident = past.incident
    steps: list[tuple[datetime, str, str]] = []
    for event in events:
        said = KINDS[event.kind]
        steps.append((event.at, "event", f"{said[0].upper()}{said[1:]}: {event.title}"))
    if past.first_window is not None:
        steps.append((past.first_window, "", "The first window in drift begins"))
    steps.append((incident.opened_at, "warning", "Opened"))
    before: tuple[str, str, frozenset[str]] | None = None
    for window in windows:
        verdict = window.verdict
        if verdict.state != "drift":
            continue
        after = verdict.severity, verdict.cause, frozenset(verdict.fired)
        if before is not None and after != before:
            fired = ", ".join(sorted(after[2]))
            said = f"{verdict.severity}, {verdict.cause.replace('_', ' ')}; fires: {fired}"
            steps.append((window.end, verdict.severity, said))
        before = after
    for moment, said in (
        (past.announced_at, "People are told"),
        (past.acknowledged_at, f"Acknowledged by {past.acknowledged_by or 'somebody'}"),
    ):
        if moment is not None and moment <= now:
            steps.append((moment, "", said))
    if incident.resolved_at is not None:
        steps.append((incident.resolved_at, "quiet", "Resolved"))
    steps.sort(key=lambda step: step[0])
    return [{"at": at.isoformat(), "tone": tone, "said": said} for at, tone, said in steps]


def _from_profile(window: Window, baseline_id: int, baseline: Baseline, store: Store) -> Regions:
    """Return the moved regions by number, from what the store has: no log is read and no text is shown."""
    after = Window(window.collection, window.end, window.end + window.length)
    kept = store.recent_profiles(after, baseline_id, 1)
    if not kept:
        return Regions(notes=("The window's profile is no longer kept at full resolution.",))
    population = baseline.populations.get("queries")
    counts = Profile.unpack(kept[-1].data).counts.get("queries.cells")
    if population is None or counts is None or len(counts) != len(population.cells):
        return Regions()
    cells: tuple[MovedCell, ...] = moved_cells(counts, population.cells)
    return Regions(questions=cells)


def _windows(info: BaselineInfo, length: timedelta) -> list[Window]:
    count = int((info.end - info.start) / length)
    return [
        Window(info.collection, info.start + i * length, info.start + (i + 1) * length) for i in range(count)
    ]


def _runbook(deployment: Deployment, incident: Incident) -> dict[str, str]:
    template = deployment.config.links.runbook
    links = Links(template, "")
    href = links.fill(template, incident=incident.id, collection=incident.collection, cause=incident.cause)
    return {"name": f"docs/runbooks/{RUNBOOK}", "href": href}
