"""Sums of what users answered back, by label, and of questions that were asked again in other words."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from monitor.baseline.build import WindowData
from monitor.baseline.frozen import Baseline
from monitor.baseline.window_profile import cosine_rows
from monitor.profile import Profile
from monitor.records import Record
from monitor.stats.arrays import FloatArray

LABELS = 16
"""Labels that are followed at most, the most frequent ones: a log may hold any."""
REFORMULATION = "reformulation"
SESSION = "session"
"""The segment that says which questions are one person's."""
_PAIRS = 5000
_RANDOM_SHARE = 0.99


@dataclass(frozen=True, slots=True)
class FeedbackSums:
    """Per label ``[records, values, squared values]``, as ``feedback.label:<name>``; ``feedback.records`` beside it.

    Frozen are the ``labels`` (their names as bytes) and ``similar``, the cosine that 99% of random pairs of the
    baseline's questions stay below. A question of a session whose next one is more similar than that was asked again in
    other words. A session can be followed only where the window is sampled whole: with others, pairs are lost and the
    rate would tell the traffic. ``feedback.sampled`` counts the windows for which it is left out.
    """

    name: ClassVar[str] = "feedback"
    held_out: ClassVar[bool] = False

    def fit(self, baseline: Baseline, window: WindowData) -> Mapping[str, NDArray[Any]] | None:
        """Return the frozen arrays; None where the log carries neither feedback nor sessions."""
        del baseline
        found = Counter(
            label for r in window.sample.records for label in r.feedback if label != REFORMULATION
        )
        labels = sorted(found, key=lambda label: (-found[label], label))[:LABELS]
        sessions = any(SESSION in r.segments for r in window.sample.records)
        if not labels and not sessions:
            return None
        names = "\0".join(sorted(labels)).encode("utf-8", "surrogatepass")
        return {"labels": np.frombuffer(names, dtype=np.uint8), "similar": _similar(window)}

    def tally(
        self, baseline: Baseline, parameters: Mapping[str, NDArray[Any]], window: WindowData
    ) -> Profile:
        """Return the sums of one window."""
        records = window.sample.records
        names = parameters["labels"].tobytes().decode("utf-8", "surrogatepass")
        sums: dict[str, FloatArray] = {}
        for label in names.split("\0") if names else ():
            given = np.array([r.feedback[label] for r in records if label in r.feedback], dtype=np.float64)
            with np.errstate(over="ignore"):
                given = given[given * given < _LARGEST]
            sums[f"feedback.label:{label}"] = np.array([len(given), given.sum(), given @ given])
        counts = {"feedback.records": len(records)}
        if any(SESSION in r.segments for r in records):
            whole = window.sample.seen == len(records) + window.sample.duplicates
            counts["feedback.sampled"] = int(not whole)
            if whole:
                asked, again = _asked_again(window, float(parameters["similar"][0]))
                sums[f"feedback.label:{REFORMULATION}"] = np.array([asked, again, again], dtype=np.float64)
        return Profile(
            baseline.basis, {name: np.array([value], dtype=np.int64) for name, value in counts.items()}, sums
        )


_LARGEST = 1e30
"""Squares of feedback values beyond it are left out: their sum would lose all others."""


def _similar(window: WindowData) -> FloatArray:
    rng = np.random.default_rng(_PAIRS)
    rows = window.vectors
    if len(rows) < 2:
        return np.ones(1)
    left, right = rng.integers(len(rows), size=(2, _PAIRS))
    cosines = cosine_rows(rows[left[left != right]], rows[right[left != right]])
    return np.quantile(cosines, [_RANDOM_SHARE])


def _asked_again(window: WindowData, similar: float) -> tuple[int, int]:
    """Return how many questions of sessions there are, and after how many a similar one of the same session follows."""
    rows = {identifier: row for row, identifier in enumerate(window.ids)}
    sessions: dict[str, list[Record]] = defaultdict(list)
    for record in window.sample.records:
        if SESSION in record.segments and record.id in rows:
            sessions[record.segments[SESSION]].append(record)
    earlier: list[int] = []
    later: list[int] = []
    for asked in sessions.values():
        order = [rows[r.id] for r in sorted(asked, key=lambda r: (r.at, r.id))]
        earlier += order[:-1]
        later += order[1:]
    cosines = cosine_rows(window.vectors[earlier], window.vectors[later]) if earlier else np.zeros(0)
    return sum(map(len, sessions.values())), int(np.count_nonzero(cosines > similar))


def label_sums(profile: Profile, *, absent_is_zero: bool) -> dict[str, FloatArray]:
    """Return ``[n, sum, sum of squares]`` per label; a record without the label counts as 0 if so told."""
    prefix = "feedback.label:"
    found = {
        name.removeprefix(prefix): array for name, array in profile.sums.items() if name.startswith(prefix)
    }
    if absent_is_zero:
        records = float(profile.count("feedback.records"))
        return {
            label: array if label == REFORMULATION else np.array([max(records, array[0]), array[1], array[2]])
            for label, array in found.items()
        }
    return found
