"""The audit itself: quiet history replayed, a year of it resampled, and shifts laid into it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import count

import numpy as np

from monitor.audit.blocks import DAY, make_blocks
from monitor.audit.findings import (
    Audit,
    conclude,
    find_problems,
    levels,
    log_p_at_once,
    replayed,
)
from monitor.audit.history import Progress, QuietWindow, recount
from monitor.audit.power import Found, Run, count_unprovoked, find_smallest, prepare_runs
from monitor.audit.scene import Scene, make_scene, stand_still
from monitor.audit.shifts import SHIFTS
from monitor.audit.watch import Tally, Watch
from monitor.baseline.crossfit import with_unseen_form
from monitor.baseline.frozen import Baseline
from monitor.errors import BaselineError
from monitor.judge.spans import Past, Span
from monitor.profile import Profile, merge
from monitor.protocols import Detector

LEAST_WINDOWS = 16
"""Fewer quiet windows say too little of how they scatter to make a year of them."""
WATCHES = 12
"""Baselines that are drawn anew, each to judge its part of the year."""
YEAR = timedelta(days=365)
MOST_RESAMPLED = 10_000
"""Windows of the resampled replay, whatever their length: a year of hours, a quarter of quarter-hours."""
_SIZES = 12
"""Sizes that are tried of a kind of shift, about; for the progress alone."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What the judge works under: detectors, threshold, and the false incidents per window that the budget allows."""

    detectors: Sequence[Detector]
    threshold: float
    allowed: float
    spans: Sequence[Span] = ()


def examine(
    baseline: Baseline,
    span: tuple[datetime, datetime],
    history: Sequence[QuietWindow],
    terms: Terms,
    *,
    runs: int,
    seed: int,
    progress: Progress = lambda *_: None,
) -> Audit:
    """Return the audit of a baseline over quiet windows, in order.

    Parameters
    ----------
    span : pair of datetime
        The time of the baseline: what lies within is judged by what lies outside its own day, what came before or after
        by the baseline as it is.
    runs : int
        How often each size of a shift is laid in.

    Raises
    ------
    BaselineError
        When no window of the history has a usable question.
    """
    if not any(w.held.n for w in history):
        raise BaselineError(
            f"collection {baseline.collection!r}: none of the {len(history)} windows has a usable query; is that part "
            "of the log still there? Name another span with --start and --end"
        )
    still = stand_still(baseline)
    own = _replay(baseline, span, history, still, terms, progress)
    enough = sum(w.held.n > 0 for w in history) >= LEAST_WINDOWS
    watches = _draw_watches(baseline, history, terms, seed, progress) if enough else ()
    year = _replay_year(watches, history, still, seed, progress)
    scene = make_scene(baseline, [w.raw for w in history if w.raw is not None], seed)
    prepared = _prepare(
        watches or (Watch(baseline, terms.detectors, terms.threshold, terms.spans),),
        history,
        still,
        runs,
        seed,
    )
    quiet = [Past(w.window, w.profile) for w in history if w.raw is not None]
    found, untried = _lay_shifts(scene, quiet, prepared, progress)
    unprovoked = count_unprovoked(scene, quiet, prepared)
    before, again = replayed(own), replayed(year) if year else None
    honest = levels(own, year)
    at_once = log_p_at_once(terms.threshold)
    problems = find_problems(
        before,
        honest,
        found,
        at_once=at_once,
        calibrated=any(d.windows for d in baseline.dispersion.values()),
        resampled=again is not None,
        unprovoked=unprovoked,
        runs=runs,
    )
    return Audit(
        allowed=terms.allowed,
        log_p_at_once=at_once,
        history=before,
        resampled=again,
        levels=honest,
        found=found,
        untried=untried,
        runs=runs,
        unprovoked=unprovoked,
        kept=conclude(terms.allowed, before, again, problems),
        problems=problems,
    )


def folds(windows: Sequence[QuietWindow]) -> list[list[QuietWindow]]:
    """Return the windows in parts that are judged by the others: days, or quarters of a span that is under two days.

    What is left out is a day and not a window: neighbours share sessions, and the rest keeps its mix of hours.
    """
    if not windows:
        return []
    first, last = windows[0].window.start, windows[-1].window.end
    days = round((last - first) / DAY)  # a span of two days may lack the hours that are no whole window
    part = (last - first) / min(days, 7) if days >= 2 else (last - first) / 4
    parts: dict[int, list[QuietWindow]] = {}
    for window in windows:
        parts.setdefault((window.window.start - first) // part, []).append(window)
    return list(parts.values())


def _replay(
    baseline: Baseline,
    span: tuple[datetime, datetime],
    history: Sequence[QuietWindow],
    still: Profile,
    terms: Terms,
    progress: Progress,
) -> list[Tally]:
    inside = [w for w in history if span[0] <= w.window.start < span[1]]
    outside = [w for w in history if not span[0] <= w.window.start < span[1]]
    judged: list[tuple[Baseline, list[QuietWindow]]] = []
    for fold in folds(inside):
        left_out = {w.window for w in fold}
        rest = [w for w in inside if w.window not in left_out]
        if not any(w.held.n for w in rest):
            continue  # the only window there is would be judged by itself
        recounted = recount(baseline, rest, terms.detectors, terms.spans)
        forms = {w.window: w.form for w in fold if w.form is not None}
        judged.append((with_unseen_form(recounted, forms, [*forms]), fold))
    if outside:
        judged.append((baseline, outside))
    tallies = []
    for done, (reference, windows) in enumerate(judged):
        progress("replaying history", done, len(judged))
        tally = Tally()
        watch = Watch(reference, terms.detectors, terms.threshold, terms.spans)
        tally.replay(watch, (Past(w.window, merge(w.profile, still)) for w in windows))
        tallies.append(tally)
    progress("replaying history", len(judged), len(judged))
    return tallies


def _draw_watches(
    baseline: Baseline, history: Sequence[QuietWindow], terms: Terms, seed: int, progress: Progress
) -> tuple[Watch, ...]:
    """Return watches whose baselines are drawn from history as well: what they judge is new to them.

    A resampled window and a resampled baseline are independent draws from the same history, as next month's windows
    and this month's baseline are from the same traffic.
    """
    blocks = make_blocks([w.window for w in history], least=2)
    watches = []
    for number in range(WATCHES):
        progress("taking baselines", number, WATCHES)
        rng = np.random.default_rng([seed, 5, number])
        drawn = [history[i] for i in blocks.draw(rng, baseline.windows)]
        # A drawn window is one that the baseline's form has seen, and so are those that it will judge.
        recounted = recount(baseline, drawn, terms.detectors, terms.spans, unseen=False)
        watches.append(Watch(recounted, terms.detectors, terms.threshold, terms.spans))
    progress("taking baselines", WATCHES, WATCHES)
    return tuple(watches)


def _replay_year(
    watches: Sequence[Watch], history: Sequence[QuietWindow], still: Profile, seed: int, progress: Progress
) -> list[Tally]:
    if not watches:
        return []
    windows = min(MOST_RESAMPLED, YEAR // history[0].window.length)
    each = -(-windows // len(watches))
    blocks = make_blocks([w.window for w in history], least=2)
    profiles = [Past(w.window, merge(w.profile, still)) for w in history]
    tallies = []
    for number, watch in enumerate(watches):
        progress("replaying a resampled year", number, len(watches))
        rng = np.random.default_rng([seed, 6, number])
        tally = Tally()
        tally.replay(watch, (profiles[i] for i in blocks.draw(rng, each)))
        tallies.append(tally)
    progress("replaying a resampled year", len(watches), len(watches))
    return tallies


def _prepare(
    watches: Sequence[Watch], history: Sequence[QuietWindow], still: Profile, runs: int, seed: int
) -> tuple[Run, ...]:
    profiles = [Past(w.window, merge(w.profile, still)) for w in history]
    blocks = make_blocks([w.window for w in history], least=2)
    raw_blocks = make_blocks([w.window for w in history if w.raw is not None])
    return prepare_runs(watches, profiles, blocks, raw_blocks, runs, seed)


def _lay_shifts(
    scene: Scene, quiet: Sequence[Past], runs: Sequence[Run], progress: Progress
) -> tuple[tuple[Found, ...], dict[str, str]]:
    untried = {s.name: why for s in SHIFTS if (why := s.lacks(scene)) is not None}
    tried = [s for s in SHIFTS if s.name not in untried]
    steps = _SIZES * len(tried)
    found = []
    for done, shift in enumerate(tried):
        first = _SIZES * done
        sizes = count(1)

        def tick(first: int = first, sizes: Iterator[int] = sizes) -> None:
            progress("laying in shifts", first + min(next(sizes), _SIZES), steps)

        progress("laying in shifts", first, steps)
        found.append(find_smallest(scene, quiet, shift, runs, tick))
    progress("laying in shifts", steps, steps)
    return tuple(found), untried
