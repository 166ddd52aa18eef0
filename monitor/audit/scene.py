"""The ground that shifts are laid into: real windows, before an index, a suite and canaries that stand still."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from monitor.audit.history import Raw
from monitor.baseline.frozen import Baseline
from monitor.baseline.window_profile import profile_canaries, profile_corpus, profile_suite
from monitor.profile import Profile, merge_all
from monitor.records import CorpusSample, FloatArray, IntArray, Ranking, Record, VectorArray
from monitor.stats.vector_pass import assign_cells


@dataclass(frozen=True, slots=True)
class Scene:
    """Some windows with their questions, and what stands still beside them.

    ``rows`` ``(n, d)`` are the query vectors of all windows one after the other, ``records`` and ``cells`` ``(n,)`` (-1
    without a direction) what belongs to each; ``first`` says where a window's rows begin.
    """

    baseline: Baseline
    raws: tuple[Raw, ...]
    first: tuple[int, ...]
    rows: VectorArray
    records: tuple[Record, ...]
    cells: IntArray
    score_spread: float
    """Standard deviation of the best scores; 0.0 without scores."""
    still: Profile
    seed: int

    def chances(self, variant: int, place: int, n: int) -> FloatArray:
        """Return ``n`` uniform draws that belong to a window: the same for every size of a shift."""
        return self.inside(variant, place).random(n)

    def inside(self, variant: int, place: int, use: int = 0) -> np.random.Generator:
        """Return a generator of what differs from window to window."""
        return np.random.default_rng([self.seed, 1, variant, place, use])

    def throughout(self, variant: int) -> np.random.Generator:
        """Return the generator of what is the same in all windows of a variant."""
        return np.random.default_rng([self.seed, 2, variant])

    def own(self, place: int) -> slice:
        """Return where the rows of a window are."""
        return slice(self.first[place], self.first[place] + len(self.raws[place].queries.ids))

    @property
    def logs_vectors(self) -> bool:
        """Whether the log carries vectors, so that a change of the live model shows in them."""
        return any(record.vector is not None for record in self.records)

    def with_vectors(self, place: int, rows: VectorArray) -> Raw:
        """Return a window with other query vectors."""
        raw = self.raws[place]
        return replace(raw, queries=replace(raw.queries, vectors=rows))

    def with_records(self, place: int, change: Callable[[Record, int], Record]) -> Raw:
        """Return a window with each record changed; ``change`` is given its number as well."""
        raw = self.raws[place]
        records = tuple(change(record, i) for i, record in enumerate(raw.sample.records))
        return replace(raw, sample=replace(raw.sample, records=records))


def make_scene(baseline: Baseline, raws: Sequence[Raw], seed: int) -> Scene:
    """Return the scene of some windows."""
    rows = np.concatenate([raw.queries.vectors for raw in raws])
    best = [r.scores[0] for raw in raws for r in raw.sample.records if r.scores]
    finite = np.array([score for score in best if np.isfinite(score)])
    by_id = [{record.id: record for record in raw.sample.records} for raw in raws]
    sizes = [len(raw.queries.ids) for raw in raws]
    return Scene(
        baseline=baseline,
        raws=tuple(raws),
        first=tuple(int(x) for x in np.cumsum([0, *sizes[:-1]])),
        rows=rows,
        records=tuple(known[i] for known, raw in zip(by_id, raws, strict=True) for i in raw.queries.ids),
        cells=assign_cells(rows, baseline.populations["queries"].centroids, normalise=baseline.normalise),
        score_spread=float(finite.std()) if len(finite) else 0.0,
        still=stand_still(baseline),
        seed=seed,
    )


def stand_still(baseline: Baseline) -> Profile:
    """Return what a look at an index, a suite and canaries sees that are as they were when the baseline was taken.

    No log tells what the index held last week, so that nothing of it is replayed.
    """
    parts = [look_at_corpus(baseline), ask_suite(baseline)]
    if baseline.canary is not None:
        parts.append(profile_canaries(baseline, baseline.canary.vectors))
    return merge_all(baseline.basis, parts)


def look_at_corpus(baseline: Baseline, vectors: VectorArray | None = None) -> Profile:
    """Return the profile of the baseline's own documents, or of these with other vectors."""
    known = baseline.corpus
    if known is None:
        return Profile(baseline.basis)
    sample = CorpusSample(known.ids, known.vectors if vectors is None else vectors, known.size)
    return profile_corpus(baseline, sample, known.hashes)[0]


def ask_suite(baseline: Baseline, lost: frozenset[str] = frozenset()) -> Profile:
    """Return the profile of the baseline's own rankings, or of these without some documents."""
    suite = baseline.suite
    if suite is None:
        return Profile(baseline.basis)
    ids = [[i for i in ranking if i not in lost] for ranking in suite.rankings]
    # Scores only tell newcomers, and there are none.
    ranking = Ranking(ids, np.zeros((len(ids), suite.depth), dtype=np.float32))
    return profile_suite(baseline, ranking, ranking)


def exchange(still: Profile, other: Profile) -> Profile:
    """Return ``still`` with everything that ``other`` measured taken from there."""
    return Profile(still.basis, {**still.counts, **other.counts}, {**still.sums, **other.sums})
