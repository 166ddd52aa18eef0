"""The product's own judgement, window after window: the one place where the audit goes the pipeline's way."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from monitor.baseline.frozen import Baseline
from monitor.baseline.rhythm import match_hours
from monitor.judge.evidence import update_evidence
from monitor.judge.runner import measure_all
from monitor.judge.spans import Past, Span, due_spans, measure_spans
from monitor.judge.verdict import judge
from monitor.profile import Profile
from monitor.protocols import Detector
from monitor.records import Evidence, Reading, Verdict

_BESIDE_THE_LOG = frozenset({"corpus", "suite", "index", "canary"})
REMEMBERED = 1000
"""Windows whose readings a watch remembers."""


@dataclass(frozen=True, slots=True)
class State:
    """Where a watch stands after a window: its evidence, what it said, whether an incident is open, and the past.

    Resampled windows come in any order; ``past`` holds them as if they had followed each other in time.
    """

    evidence: tuple[Evidence, ...] = ()
    readings: tuple[Reading, ...] = ()
    verdict: Verdict = field(default_factory=lambda: Verdict("quiet"))
    open: bool = False
    opened: bool = False
    """Whether this window opened the incident."""
    past: tuple[Past, ...] = ()


@dataclass(frozen=True, slots=True)
class Watch:
    """A baseline, the detectors and the threshold at which evidence fires: judges profiles as `pipeline.walk` does."""

    baseline: Baseline
    detectors: Sequence[Detector]
    threshold: float
    spans: Sequence[Span] = ()
    _measured: dict[int, tuple[Profile, tuple[Reading, ...]]] = field(default_factory=dict, repr=False)

    def judge(self, before: State, seen: Past) -> State:
        """Return the state after one more window."""
        now = seen.window
        if before.past:
            start = before.past[-1].window.end
            now = replace(now, start=start, end=start + now.length)
        readings = self._measure(seen)
        if spans := due_spans(self.spans, self.baseline, now):
            readings += measure_spans(spans, self.baseline, now, seen.profile, before.past)
        idle = {s.key for s in self.spans if not s.due(now)}
        evidence = update_evidence(before.evidence, readings, self.threshold, idle)
        verdict = judge(readings, evidence)
        drift = verdict.state == "drift"
        # Only a quiet window resolves, as in the store: one with too few records says nothing.
        still_open = drift or (before.open and verdict.state != "quiet")
        kept = max((s.windows for s in self.spans), default=2) - 1
        past = (*before.past, Past(now, seen.profile))[-kept:]
        return State(evidence, readings, verdict, still_open, drift and not before.open, past)

    def _measure(self, seen: Past) -> tuple[Reading, ...]:
        """Return a window's own readings; a resampled window comes again and again."""
        profile = seen.profile
        known = self._measured.get(id(profile))
        if known is None:  # the profile is kept, so that no other can have its id
            known = (
                profile,
                measure_all(self.detectors, match_hours(self.baseline, [(seen.window, 1.0)]), profile),
            )
            if len(self._measured) >= REMEMBERED:
                self._measured.clear()
            self._measured[id(profile)] = known
        return known[1]

    def follow(self, windows: Iterable[Past], state: State | None = None) -> State:
        """Return the state after windows that only lead up to something."""
        state = state or State()
        for seen in windows:
            state = self.judge(state, seen)
        return state


@dataclass(slots=True)
class Tally:
    """What was seen while windows were judged: states, incidents and the p-values of every stream."""

    windows: int = 0
    incidents: int = 0
    mute: int = 0
    """Windows in which no test of the log spoke: they hold too few records."""
    states: Counter[str] = field(default_factory=Counter)
    fired: Counter[str] = field(default_factory=Counter)
    """Streams that fired when an incident opened."""
    log_p: dict[str, list[float]] = field(default_factory=dict)

    def note(self, state: State) -> None:
        """Count one window."""
        self.windows += 1
        self.states[state.verdict.state] += 1
        if state.opened:
            self.incidents += 1
            self.fired.update(state.verdict.fired)
        spoke = [(r, r.log_p) for r in state.readings if r.status == "ok" and r.log_p is not None]
        self.mute += all(reading.signal in _BESIDE_THE_LOG for reading, _ in spoke)
        for reading, log_p in spoke:
            self.log_p.setdefault(reading.key, []).append(log_p)

    def replay(self, watch: Watch, windows: Iterable[Past]) -> None:
        """Judge windows in order, from nothing."""
        state = State()
        for seen in windows:
            state = watch.judge(state, seen)
            self.note(state)
