"""Quiet history as the audit holds it: a profile and counts of every window, the questions themselves of a few."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from monitor.audit.blocks import make_blocks
from monitor.baseline import Baseline, WindowData
from monitor.baseline.build import count_half
from monitor.baseline.counts import WindowCounts, fill
from monitor.baseline.crossfit import cross_forms
from monitor.baseline.rhythm import find_rhythm
from monitor.baseline.window_profile import profile_log, profile_queries
from monitor.judge.calibration import calibrate
from monitor.judge.spans import Span
from monitor.pipeline import Collection, QueryVectors, query_vectors, sample_log
from monitor.profile import Profile, merge
from monitor.protocols import Detector
from monitor.records import Sample, Window
from monitor.stats.shift_form import ShiftForm

MOST_VECTORS = 64_000
"""At most so many questions are read: as many as a baseline reads, and an embedder may have to make each vector."""
KEPT_VECTORS = 16_000
"""The questions of so many are held for shifts to be laid into (25 MB at 384 dimensions)."""

Progress = Callable[[str, int, int], None]
"""Called with what is being done, how much of it is done, and how much there is."""


@dataclass(frozen=True, slots=True)
class Raw:
    """One window's records and query vectors: what a shift is laid into."""

    sample: Sample
    queries: QueryVectors

    def profile(self, baseline: Baseline) -> Profile:
        """Return the profile of the log and the questions, as the pipeline takes it."""
        queries = self.queries
        return merge(
            profile_log(baseline, self.sample),
            profile_queries(
                baseline, queries.vectors, missing=queries.missing, wrong_dimension=queries.wrong_dimension
            ),
        )


@dataclass(frozen=True, slots=True)
class QuietWindow:
    """A window of quiet history: its profile, what it would give to a baseline, and perhaps its questions."""

    window: Window
    profile: Profile
    held: WindowCounts
    raw: Raw | None = None
    form: ShiftForm | None = None
    """The form that the other half of history gives: one that has not seen this window."""


def read_history(
    collection: Collection,
    baseline: Baseline,
    windows: Sequence[Window],
    *,
    seed: int,
    progress: Progress = lambda *_: None,
) -> tuple[QuietWindow, ...]:
    """Return the windows' history, in order, measured on the baseline's cells and bins.

    Where there are more questions than ``MOST_VECTORS``, whole blocks of hours are drawn: what follows each other in
    the log still does in the replay.

    Raises
    ------
    EdgeError
        When the log or the embedder fails.
    """
    rng = np.random.default_rng([seed, 0])
    most, kept = (max(1, limit // collection.sample_size) for limit in (MOST_VECTORS, KEPT_VECTORS))
    chosen = [windows[i] for i in _some_blocks(windows, most, rng)]
    raw = set(_some_blocks(chosen, kept, rng))
    history: list[QuietWindow] = []
    read: list[WindowData] = []
    for done, window in enumerate(chosen):
        progress("reading quiet windows", done, len(chosen))
        quiet, data = _read(collection, baseline, window, keep=done in raw)
        history.append(quiet)
        if len(data.vectors):
            # Their vectors are held until all are read; texts and answers, as much again, are not wanted any more.
            read.append(replace(data, sample=Sample((), 0)))
    progress("reading quiet windows", len(chosen), len(chosen))
    forms = cross_forms(read, normalise=baseline.normalise)
    return tuple(replace(quiet, form=forms.get(quiet.window)) for quiet in history)


def recount(
    baseline: Baseline,
    parts: Sequence[QuietWindow],
    detectors: Sequence[Detector],
    spans: Sequence[Span] = (),
    *,
    unseen: bool = True,
) -> Baseline:
    """Return the baseline as if ``parts`` alone had been its windows: counted on them and calibrated on them.

    Cells, score bins and the spread stay those of ``baseline``: all windows must be measured alike. ``unseen`` has them
    calibrated by forms that have not seen them, as `baseline build` does; who goes on to judge windows by the
    baseline's own form, which has seen all of them, wants their scatter under that one.
    """
    # A window without a question is left out, as `baseline build` does; one drawn twice counts twice.
    parts = sorted((p for p in parts if p.held.n), key=lambda p: p.window)
    if not parts:
        return baseline
    held = [p.held for p in parts]
    # Drawn windows come twice: a twin foretells its like, and a rhythm would be seen where there is none.
    rhythm = None if baseline.rhythm is None else find_rhythm(held)
    counted = replace(fill(baseline, held), dispersion={}, rhythm=rhythm)
    forms = {p.window: p.form for p in parts if unseen and p.form is not None}
    return calibrate(counted, [p.profile for p in parts], held, detectors, spans, forms)


def _read(
    collection: Collection, baseline: Baseline, window: Window, *, keep: bool
) -> tuple[QuietWindow, WindowData]:
    sample = sample_log(collection.source, window.start, window.end, collection.sample_size)
    raw = Raw(sample, query_vectors(sample, collection.embedder, baseline.dimension))
    data = WindowData(sample, raw.queries.vectors, raw.queries.ids, window)
    return QuietWindow(window, raw.profile(baseline), count_half(baseline, data), raw if keep else None), data


def _some_blocks(windows: Sequence[Window], most: int, rng: np.random.Generator) -> list[int]:
    """Return the places of at most ``most`` windows: whole blocks by chance, as even over the day as they come."""
    if len(windows) <= most:
        return list(range(len(windows)))
    slots = [[slot[i] for i in rng.permutation(len(slot))] for slot in make_blocks(windows).slots]
    chosen: list[int] = []
    while len(chosen) < most:
        for slot in slots:
            if slot:
                chosen.extend(slot.pop())
    return sorted(chosen[:most])
