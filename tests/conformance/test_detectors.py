"""Every detector of the entry-point group against the same checks, in every form that it can be configured to."""

from __future__ import annotations

import math
from dataclasses import FrozenInstanceError, fields, replace
from functools import cache
from importlib.metadata import entry_points
from typing import Any, Literal, get_args, get_origin, get_type_hints

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.baseline import Baseline, codec
from monitor.baseline.index_look import profile_index_recall
from monitor.baseline.window_profile import (
    profile_canaries,
    profile_corpus,
    profile_suite,
)
from monitor.judge.evidence import Budget, update_evidence
from monitor.judge.runner import measure_all
from monitor.profile import Profile, merge, merge_all, zero
from monitor.protocols import Detector
from monitor.records import SIGNALS, Reading
from tests.core_fakes import world

POINTS = {point.name: point for point in entry_points(group="monitor.detectors")}


def forms(kind: Any) -> list[Any]:
    """The detector with its defaults, and once for each other value of a field that is a choice."""
    hints = get_type_hints(kind)
    choices = [
        (f.name, get_args(hints[f.name])) for f in fields(kind) if get_origin(hints[f.name]) is Literal
    ]
    return [kind(), *(kind(**{field: value}) for field, values in choices for value in values[1:])]


DETECTORS = [detector for name in sorted(POINTS) for detector in forms(POINTS[name].load())]
every = pytest.mark.parametrize("detector", DETECTORS, ids=lambda d: f"{d.name}.{d.signal}")


@cache
def quiet_profile() -> Profile:
    """All of the baseline's own records, and every probe as it stood when the baseline was taken."""
    baseline = world.full_baseline()
    assert baseline.suite is not None
    assert baseline.canary is not None
    assert baseline.corpus is not None
    corpus = world.make_corpus()
    index = world.FakeIndex(corpus.ids, corpus.vectors)
    answers = index.search(baseline.suite.vectors, baseline.suite.depth)
    return merge_all(
        baseline.basis,
        [
            *(world.make_profile(baseline, w) for w in world.quiet_windows()),
            profile_corpus(baseline, corpus, baseline.corpus.hashes)[0],
            profile_suite(baseline, answers, answers),
            profile_index_recall(baseline, corpus, answers),
            profile_canaries(baseline, baseline.canary.vectors),
        ],
    )


def numbers(reading: Reading) -> list[float]:
    given = (reading.log_p, reading.statistic, reading.dof, reading.effect, reading.threshold)
    details = [d for d in reading.detail.values() if not isinstance(d, str)]
    return [reading.value, reading.effect_floor, *(g for g in given if g is not None), *details]


def assert_sound(reading: Reading, detector: Detector) -> None:
    assert (reading.detector, reading.signal) == (detector.name, detector.signal)
    assert reading.status in ("ok", "insufficient", "invalid")
    assert all(math.isfinite(x) for x in numbers(reading)), reading
    assert reading.n >= 0
    assert reading.shift >= 0.0
    if reading.status == "insufficient":
        assert reading.value == 0.0
        assert reading.log_p is None
    if reading.log_p is not None:
        assert reading.log_p <= 0.0
        assert reading.threshold is None, "a stream is judged by evidence or by its threshold, not by both"
    assert all(isinstance(d, float | str) for d in reading.detail.values())


def test_every_detector_is_registered_under_its_own_name() -> None:
    assert {d.name for d in DETECTORS} == set(POINTS)


@every
def test_it_is_a_frozen_value_that_is_its_configuration(detector: Any) -> None:
    assert detector.signal in SIGNALS
    assert not hasattr(detector, "__dict__")
    assert hash(detector) == hash(replace(detector))
    for field in fields(detector):
        with pytest.raises(FrozenInstanceError):
            setattr(detector, field.name, getattr(detector, field.name))
    assert isinstance(detector, Detector)


@every
def test_nothing_seen_is_insufficient(detector: Detector) -> None:
    baseline = world.full_baseline()
    reading = detector.measure(baseline, zero(baseline.basis))
    assert_sound(reading, detector)
    assert reading.status == "insufficient"


@every
def test_a_baseline_without_the_part_that_it_needs_is_insufficient(detector: Detector) -> None:
    bare = Baseline("docs", "bare", world.D, "cosine", "similarity", 5, 0, 0)
    reading = detector.measure(bare, replace(quiet_profile(), basis="bare"))
    assert_sound(reading, detector)
    if detector.name != "data_quality":  # it holds the log against absolute limits
        assert reading.status == "insufficient"


@every
def test_three_records_are_no_finding(detector: Detector) -> None:
    baseline = world.full_baseline()
    profile = world.make_profile(baseline, world.make_window(np.random.default_rng(0), 3, "few", new=1.0))
    reading = detector.measure(baseline, profile)
    assert_sound(reading, detector)
    assert reading.log_p is None
    # So few where there were many is what the shape of a log is about.
    speaks = {"data_quality", "log_shape"}
    assert reading.status == ("ok" if detector.name in speaks else "insufficient")


@every
def test_it_is_quiet_on_the_baseline_itself(detector: Detector) -> None:
    baseline = world.full_baseline()
    reading = detector.measure(baseline, quiet_profile())
    assert_sound(reading, detector)
    if detector.signal == "corpus" and detector.name not in ("persistent_vectors", "corpus_turnover"):
        assert reading.status == "insufficient"  # no document is new
        return
    if detector.name == "reported_scores":
        assert reading.status == "insufficient"  # these hits are no documents of the index
        return
    assert reading.status == "ok"
    assert reading.log_p is None or reading.log_p > math.log(0.01)
    assert reading.log_p is None or reading.shift < max(reading.effect_floor, 1e-9)
    threshold = Budget().log_threshold(world.QUARTER, 15)
    assert not any(e.firing for e in update_evidence((), [reading], threshold))


@every
def test_the_same_input_gives_the_same_reading_and_is_left_as_it_was(detector: Detector) -> None:
    baseline, profile = world.full_baseline(), quiet_profile()
    before = (codec.pack(baseline), profile.pack())
    first = detector.measure(baseline, profile)
    again = detector.measure(codec.unpack(before[0]), Profile.unpack(before[1]))
    assert first == again
    assert (codec.pack(baseline), profile.pack()) == before


def add_wholes(scalars: dict[str, int], draw: st.DrawFn) -> None:
    """What is a part of something has as much of that, or more."""
    for part, whole in PARTS.items():
        if part in scalars:
            scalars[whole] = scalars[part] + draw(st.integers(0, 500))


@st.composite
def profiles(draw: st.DrawFn) -> Profile:
    """Any profile that a pipeline could have measured, from nothing at all to a great many records."""
    baseline = world.full_baseline()
    assert baseline.suite is not None
    assert baseline.canary is not None
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    profile = zero(baseline.basis)
    for signal in ("queries", "corpus"):
        n = draw(st.sampled_from([0, 1, 7, 29, 30, 31, 200, 10**4, 10**12]))
        if not n:
            continue
        k = len(baseline.populations[signal].cells)
        cells = np.zeros(k, dtype=np.int64)
        used = draw(st.integers(1, k))
        cells[rng.choice(k, used, replace=False)] = rng.multinomial(n, rng.dirichlet(np.full(used, 0.3)))
        direction = rng.normal(size=world.D) if draw(st.booleans()) else np.zeros(world.D)
        total = n * draw(st.floats(0.0, 1.0)) * direction / max(1e-12, float(np.linalg.norm(direction)))
        counts = {f"{signal}.n": np.array([n]), f"{signal}.cells": cells}
        profile = merge(profile, Profile(baseline.basis, counts, {f"{signal}.total": total}))
    scalars = {name: draw(st.integers(0, 10**6)) for name in draw(st.sets(st.sampled_from(SCALARS)))}
    if "corpus.changed" in scalars:  # of the documents that were found again
        scalars["corpus.kept"] = scalars["corpus.changed"] + draw(st.integers(0, 500))
    add_wholes(scalars, draw)
    counts = {name: np.array([value], dtype=np.int64) for name, value in scalars.items()}
    for name, edges in baseline.score_edges.items():
        if draw(st.booleans()):
            counts[f"scores.{name}"] = rng.integers(0, draw(st.sampled_from([1, 3, 1000])), len(edges) + 1)
    sums: dict[str, Any] = {}
    for fitted in baseline.features.values():
        if draw(st.booleans()):
            most = draw(st.sampled_from([1, 3, 1000]))
            counts |= {
                name: rng.integers(0, most, array.shape) for name, array in fitted.tally.counts.items()
            }
            scale = draw(st.sampled_from([0.0, 1e-6, 1.0, 1e6]))
            sums |= {
                name: scale * rng.random(array.shape) * array for name, array in fitted.tally.sums.items()
            }
    q, c = len(baseline.suite.query_ids), len(baseline.canary.vectors)
    for signal in ("suite", "index"):
        if replays := draw(st.integers(0, 3)):
            counts[f"{signal}.replays"] = np.array([replays])
            for name in ("recall", "ndcg", "reciprocal_rank", "era_recall", "jaccard", "rbo"):
                sums[f"{signal}.{name}"] = replays * rng.random(q).round(draw(st.integers(0, 3)))
    if replays := draw(st.integers(0, 3)):
        counts["canary.replays"] = np.array([replays])
        sums["canary.distance"] = (
            replays * 2.0 * rng.random(c) * draw(st.sampled_from([0.0, 1e-6, 1e-3, 1.0]))
        )
    return merge(profile, Profile(baseline.basis, counts, sums))


PARTS = {
    "index.found": "index.asked",
    "scores.disagree": "scores.compared",
    "scores.missing": "scores.answers",
    "corpus.new_far": "corpus.new_looked",
    "corpus.disagree": "corpus.reembedded",
    "records.no_text": "records.sampled",
    "records.rejected": "records.entries",
    "records.duplicates": "records.seen",
}
"""Counts that are a part of others."""
SCALARS = (
    *(f"records.{name}" for name in ("seen", "sampled", "duplicates", "rejected", "entries", "windows")),
    *(f"records.{name}" for name in ("no_text", "no_vector")),
    *(f"ingest.{name}" for name in ("looked", "silent", "longest", "gaps", "watched")),
    *(f"index.{name}" for name in ("asked", "found", "covered")),
    *(f"scores.{name}" for name in ("compared", "disagree")),
    *(f"corpus.{name}" for name in ("new_looked", "new_far", "new_tight", "new_sourced", "new_known")),
    *(f"corpus.{name}" for name in ("reembedded", "disagree")),
    *(f"queries.{name}" for name in ("nonfinite", "zero", "missing", "wrong_dimension")),
    *(f"scores.{name}" for name in ("answers", "empty", "missing")),
    *(f"corpus.{name}" for name in ("size", "looked", "sampled", "new", "gone", "kept", "changed")),
)


@settings(max_examples=150)
@given(profile=profiles())
def test_whatever_was_measured_no_reading_is_nan(profile: Profile) -> None:
    baseline = world.full_baseline()
    before = profile.pack()
    for detector in DETECTORS:
        reading = detector.measure(baseline, profile)
        assert_sound(reading, detector)
        # What passes the runner unharmed has no number that is not finite.
        assert measure_all([detector], baseline, profile)[0].status == reading.status
    assert profile.pack() == before


def bad_values(kind: type[Any]) -> list[dict[str, Any]]:
    """Values that no field of a number may take."""
    hints = get_type_hints(kind)
    numeric = [f.name for f in fields(kind) if hints[f.name] in (float, int)]
    return [
        {name: value} for name in numeric for value in ((-1, 0) if hints[name] is int else (-1.0, math.nan))
    ]


@pytest.mark.parametrize(
    ("name", "options"),
    [(name, options) for name in sorted(POINTS) for options in bad_values(POINTS[name].load())],
    ids=str,
)
def test_a_bad_value_is_refused_by_name(name: str, options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(options))):
        POINTS[name].load()(**options)
