"""What the judgement of a window costs beside the pass that profiles it: all default detectors, evidence and cause."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from benchmarks.detection.ours import Given
from benchmarks.detection.pool import EPOCH
from benchmarks.figures import alternate
from benchmarks.torture.report import figure
from monitor.baseline import Baseline, Dispersion
from monitor.baseline.rhythm import match_hours
from monitor.baseline.window_profile import profile_log, profile_queries
from monitor.canary_texts import CANARY_TEXTS
from monitor.config import CollectionConfig
from monitor.judge.evidence import Budget, update_evidence
from monitor.judge.runner import measure_all
from monitor.judge.spans import Past, longest, measure_spans
from monitor.judge.verdict import judge
from monitor.pipeline import Collection, profile_window
from monitor.profile import Profile, merge
from monitor.records import Evidence, JudgedQuery, Reading, Record, VectorArray, Verdict, Window
from monitor.reference import take_baseline
from monitor.reservoir import draw_sample
from monitor.stats.vector_pass import summarise_vectors
from monitor.wiring import count_streams, wire_detectors, wire_spans
from tests.core_fakes.world import QUARTER, FakeIndex, unit

N, D = 10_000, 768
DOCUMENTS, SUITE, K = 3000, 200, 10
RUNS = 15
MOST = 2.0
DETECTORS = wire_detectors({})
SPANS = wire_spans(DETECTORS, CollectionConfig(source={}).spans)
THRESHOLD = Budget().log_threshold(QUARTER, count_streams(DETECTORS, SPANS))
WINDOW = Window("cost", EPOCH, EPOCH + QUARTER)
"""A window in which every span is due."""


class Endpoint:
    """Embeds a text as a fixed random direction; ``moved`` adds that share of another one."""

    def __init__(self, d: int, moved: float = 0.0) -> None:
        self.d, self.moved = d, moved

    def embed(self, texts: Sequence[str], kind: str = "query") -> VectorArray:
        """Return ``(len(texts), d)``."""
        del kind
        rows = np.stack([self._direction(text) + self.moved * self._direction(f"{text}!") for text in texts])
        return unit(rows)

    def describe(self) -> str:
        """Say what it is."""
        return f"{self.d} dimensions"

    def _direction(self, text: str) -> VectorArray:
        return np.random.default_rng(list(text.encode())).standard_normal(self.d, dtype=np.float32)


def run(pools: Sequence[str], *, quick: bool = False, workers: int | None = None) -> list[dict[str, Any]]:
    """Return the figures of a quiet window and of one in which everything fires, so that every rule is asked."""
    del pools, workers  # a matter of sizes, not of what the vectors mean
    n, d, runs = (500, 64, 2) if quick else (N, D, RUNS)
    collection = _collection(n, d, seed=1)
    baseline = take_baseline(collection, [WINDOW]).baseline
    # One window calibrates nothing, and spans want to be calibrated.
    baseline = replace(baseline, dispersion={span.key: Dispersion(windows=20) for span in SPANS})
    figures = []
    for name, window in (("quiet", _collection(n, d, seed=2)), ("drift", _collection(n, d, seed=3, new=0.5))):
        figures += _compare(f"{name}, {n:,} x {d}", window, baseline, runs, barred=not quick)
    return figures


def _compare(
    name: str, collection: Collection, baseline: Baseline, runs: int, *, barred: bool
) -> list[dict[str, Any]]:
    sample = draw_sample(collection.source.read(EPOCH, EPOCH + QUARTER), collection.sample_size)
    vectors = np.stack([r.vector for r in sample.records if r.vector is not None])
    centroids = baseline.populations["queries"].centroids
    profile, _ = profile_window(WINDOW, collection, baseline, sample, None)
    evidence = update_evidence((), measure_all(DETECTORS, baseline, profile), THRESHOLD)
    readings, verdict = judgement(baseline, profile, evidence)
    cases: dict[str, Callable[[], object]] = {
        "pass": lambda: summarise_vectors(vectors, centroids, normalise=True),
        "profile": lambda: merge(profile_log(baseline, sample), profile_queries(baseline, vectors)),
        "judgement": lambda: judgement(baseline, profile, evidence),
    }
    cpu = {case: min(times) for case, times in alternate(cases, runs, time.process_time).items()}
    ok = sum(r.status == "ok" for r in readings)
    told = f"{verdict.state}, {len(verdict.fired)} streams fire, {len(verdict.causes)} causes"
    ratio = cpu["judgement"] / cpu["pass"]
    return [
        figure(f"{name}: streams that measured, of {len(DETECTORS) + len(SPANS)} ({told})", ok, "streams"),
        figure(f"{name}: pass over the vectors, CPU", cpu["pass"] * 1e3, "ms"),
        figure(f"{name}: profile of the log, scores included, CPU", cpu["profile"] * 1e3, "ms"),
        figure(f"{name}: judgement, CPU", cpu["judgement"] * 1e3, "ms"),
        figure(f"{name}: judgement over the pass", ratio, "x", MOST if barred else None),
        figure(f"{name}: pass and judgement over the pass", 1.0 + ratio, "x"),
    ]


def judgement(
    baseline: Baseline, profile: Profile, before: Sequence[Evidence]
) -> tuple[tuple[Reading, ...], Verdict]:
    """Return readings and verdict: what `pipeline.walk` does with a profile where every span is due."""
    readings = measure_all(DETECTORS, match_hours(baseline, [(WINDOW, 1.0)]), profile)
    earlier = [WINDOW.start - i * QUARTER for i in range(1, longest(SPANS))]
    past = [Past(Window("cost", start, start + QUARTER), profile) for start in earlier]
    readings += measure_spans(SPANS, baseline, WINDOW, profile, past)
    return readings, judge(readings, update_evidence(before, readings, THRESHOLD))


def _collection(n: int, d: int, seed: int, new: float = 0.0) -> Collection:
    """Return a collection whose log holds one window of ``n`` questions; ``new`` is how far everything has moved."""
    rng = np.random.default_rng([7, seed])
    centres = np.random.default_rng(7).standard_normal((41, d), dtype=np.float32)
    labels = np.where(rng.random(n) < new, 40, rng.integers(40, size=n))
    noise = rng.standard_normal((n, d), dtype=np.float32)
    vectors = unit(centres[labels] + noise)
    scores = np.sort(rng.normal(0.6 - 0.2 * new, 0.05, size=(n, K)), axis=1)[:, ::-1]
    hits = tuple(f"d{i}" for i in range(K))
    records = [
        Record(f"{seed}-{i}", EPOCH, vector=v, hits=hits, scores=tuple(s))
        for i, (v, s) in enumerate(zip(vectors, scores.tolist(), strict=True))
    ]
    live = Endpoint(d, moved=new)
    return Collection(
        "cost",
        Given(records),
        DETECTORS,
        live_embedder=live,
        index=_index(d, live, new),
        suite=[JudgedQuery(f"q{i}", f"document {i}", {f"document {i}": 1}) for i in range(_size(d, SUITE))],
        canaries=CANARY_TEXTS,
        k=K,
        sample_size=n,
    )


def _index(d: int, live: Endpoint, new: float) -> FakeIndex:
    count = _size(d, DOCUMENTS)
    names = [f"document {i}" for i in range(round(count * (1.0 + new)))]
    return FakeIndex(names, live.embed(names, "passage"))


def _size(d: int, whole: int) -> int:
    return whole if d == D else whole // 10
