"""What the audit found, and what follows for the budget."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from scipy.optimize import brentq

from monitor.audit.power import HORIZONS, Found
from monitor.audit.watch import Tally
from monitor.stats.e_values import log_e_value
from monitor.stats.intervals import clopper_pearson

LEVELS = (0.05, 0.01)
SLACK = 1.5
"""The budget counts as kept when the rate is surely below this many times what it allows."""
MOST_MUTE = 0.5
"""Share of windows without a word or with bad data from which the audit shows nothing."""
Kept = Literal["yes", "no", "unproven"]


@dataclass(frozen=True, slots=True)
class Rate:
    """How often something happened, with its exact 95% interval."""

    count: int
    of: int
    low: float
    high: float

    @property
    def share(self) -> float:
        """The share itself; 0.0 where nothing was tried."""
        return self.count / self.of if self.of else 0.0


@dataclass(frozen=True, slots=True)
class Level:
    """How often a stream's quiet p-values lie below a level, in history and in the resampled windows."""

    stream: str
    level: float
    history: Rate
    resampled: Rate
    broken: bool
    """Whether history alone shows that it happens too often, with all streams and levels taken together."""


@dataclass(frozen=True, slots=True)
class Replayed:
    """Quiet windows that were judged: how many of each state, the incidents, and who opened them."""

    incidents: Rate
    states: Mapping[str, int]
    fired: Mapping[str, int]
    watches: int
    """Baselines that judged."""
    watches_with_incident: int
    mute: int = 0
    """Windows with too few records for any test of the log."""


@dataclass(frozen=True, slots=True)
class Audit:
    """The whole answer. Rates of incidents are per window."""

    allowed: float
    """False incidents per window that the budget leaves to this collection."""
    log_p_at_once: float
    """The p-value (its logarithm) at which one window alone fires."""
    history: Replayed
    resampled: Replayed | None
    levels: tuple[Level, ...]
    found: tuple[Found, ...]
    untried: Mapping[str, str]
    """Kinds of shift that this collection has no place for, and why."""
    runs: int
    unprovoked: int
    """Runs that found something where nothing was laid in."""
    kept: Kept
    problems: tuple[str, ...]


def rate(count: int, of: int, confidence: float = 0.95) -> Rate:
    """Return a rate with its exact interval."""
    low, high = clopper_pearson(count, of, confidence)
    return Rate(count, of, low, high)


def replayed(tallies: Sequence[Tally]) -> Replayed:
    """Return what several watches saw, taken together."""
    states: dict[str, int] = {}
    fired: dict[str, int] = {}
    for tally in tallies:
        for into, counts in ((states, tally.states), (fired, tally.fired)):
            for key, count in counts.items():
                into[key] = into.get(key, 0) + count
    return Replayed(
        rate(sum(t.incidents for t in tallies), sum(t.windows for t in tallies)),
        states,
        fired,
        len(tallies),
        sum(t.incidents > 0 for t in tallies),
        sum(t.mute for t in tallies),
    )


def levels(history: Sequence[Tally], resampled: Sequence[Tally]) -> tuple[Level, ...]:
    """Return how honest each stream's p-values are; those that stood still (p = 1 for ever) say nothing."""
    own, more = _pool(history), _pool(resampled)
    streams = [key for key, log_p in own.items() if min(log_p) < -1e-6]
    confidence = 1.0 - 0.05 / max(1, len(streams) * len(LEVELS))
    found = []
    for stream in streams:
        for level in LEVELS:
            below = _below(own[stream], level)
            least, _ = clopper_pearson(below, len(own[stream]), confidence)
            others = more.get(stream, [])
            found.append(
                Level(
                    stream,
                    level,
                    rate(below, len(own[stream])),
                    rate(_below(others, level), len(others)),
                    broken=least > level,
                )
            )
    return tuple(found)


def log_p_at_once(threshold: float) -> float:
    """Return the logarithm of the p-value whose e-value alone reaches the threshold.

    Examples
    --------
    >>> round(log_e_value(log_p_at_once(10.0)), 6)
    10.0
    """
    lowest = -700.0
    if log_e_value(lowest) <= threshold:
        return lowest
    if log_e_value(0.0) >= threshold:
        return 0.0
    return float(brentq(lambda log_p: log_e_value(log_p) - threshold, lowest, 0.0))


def conclude(
    allowed: float,
    history: Replayed,
    resampled: Replayed | None,
    problems: Sequence[str],
) -> Kept:
    """Return whether the budget is kept.

    No: there are surely more incidents than it allows, in history or, against more than one baseline, in the resampled
    windows. Yes: surely fewer than ``SLACK`` times as many, and nothing else speaks against it.
    """
    if history.incidents.low > allowed:
        return "no"
    if resampled is None:
        return "unproven"
    if resampled.incidents.low > allowed and resampled.watches_with_incident > 1:
        return "no"
    return "yes" if resampled.incidents.high <= SLACK * allowed and not problems else "unproven"


def find_problems(
    history: Replayed,
    levels: Sequence[Level],
    found: Sequence[Found],
    *,
    at_once: float,
    calibrated: bool,
    resampled: bool,
    unprovoked: int,
    runs: int,
) -> tuple[str, ...]:
    """Return in sentences, with the mend, why these windows cannot keep the budget or cannot show that they do."""
    problems = []
    windows = history.incidents.of
    if history.mute > MOST_MUTE * windows:
        problems.append(
            f"{history.mute} of {windows} windows hold too few records for any test of the questions: what changes "
            "there is found late or never; take longer windows"
        )
    if (invalid := history.states.get("invalid", 0)) > MOST_MUTE * windows:
        problems.append(f"{invalid} of {windows} windows hold bad data; see `driftmon evaluate`")
    if not calibrated:
        problems.append(
            "the baseline is not calibrated: how quiet windows scatter (sessions, hours) is not known and false alarms "
            "are likely; take it from more windows"
        )
    if not resampled:
        problems.append(
            f"{windows} windows are too few to resample a year from; take a longer span (--start, --end)"
        )
    for stream in dict.fromkeys(level.stream for level in levels if level.broken):
        worst = max(
            (x for x in levels if x.stream == stream and x.broken), key=lambda x: x.history.low / x.level
        )
        problems.append(
            f"{stream} does not keep its level: p < {worst.level} in {worst.history.share:.1%} of {worst.history.of} "
            f"quiet windows ({worst.history.low:.1%} to {worst.history.high:.1%}); was the span quiet?"
        )
    if runs and unprovoked > 0.05 * runs:
        problems.append(
            f"{unprovoked} of {runs} runs find an incident where nothing was laid in: the smallest shifts below look "
            "smaller than they are"
        )
    problems.extend(_too_small(found, at_once))
    return tuple(problems)


def _too_small(found: Sequence[Found], at_once: float) -> list[str]:
    """Tell when no shift of the questions, however large, is found: the windows cannot give such p-values."""
    questions = [f for f in found if f.shift.name in ("new_topic", "reweighting")]
    if not questions or any(f.smallest[max(HORIZONS)] is not None for f in questions):
        return []
    least = min(f.least_log_p for f in questions)
    told = f"no shift of the questions is found within {max(HORIZONS)} windows, however large"
    if least <= at_once:
        told += f", though some windows say p < {math.exp(least):.1g}: at some hours too few questions come; take "
        told += "longer windows"
    else:
        told += (
            f": one window alone must say p < {math.exp(at_once):.1g}, and the least that these gave is "
            f"{math.exp(least):.1g}; take longer windows, a larger sample_size, more quiet history, or a larger budget"
        )
    return [told]


def _pool(tallies: Sequence[Tally]) -> dict[str, list[float]]:
    pooled: dict[str, list[float]] = {}
    for tally in tallies:
        for key, log_p in tally.log_p.items():
            pooled.setdefault(key, []).extend(log_p)
    return pooled


def _below(log_p: Sequence[float], level: float) -> int:
    return sum(value < math.log(level) for value in log_p)
