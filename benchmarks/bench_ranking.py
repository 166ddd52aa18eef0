"""Recall, NDCG and MRR of many queries: CPU seconds from integer codes, and the ratio to pytrec_eval.

What is timed, from codes: rankings ``(n, 100)`` int32 and judgements in compressed rows are given. Matching
them, counting the relevant, sorting the ideal order and the three measures per query are in the time. Turning
ids into codes is not; from string ids there is a figure of its own. pytrec_eval gets its dictionaries ready
made, its evaluator built, and the same three measures; only ``evaluate`` is timed.
"""

from __future__ import annotations

import argparse
import statistics
from functools import partial
from time import process_time
from typing import Any

import numpy as np
import pytrec_eval
from numpy.typing import NDArray

from benchmarks.figures import Figures, alternate, median_ratio, rerun_steady
from monitor.stats.judgements import Judgements, grade_codes
from monitor.stats.ranking import RankingScores, gains, ideal_dcg, measure_rankings, relevant_counts

SEED = 20_250_923
DEPTH = 100
DOCUMENTS = 1_000_000
SECONDS_BAR = 0.15
RATIO_BAR = 15.0
EQUAL_WITHIN = 1e-12


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of the queries and few runs")
    quick = parser.parse_args().quick
    queries, compared, runs = (10_000, 1_000, 3) if quick else (100_000, 10_000, 9)
    figures = Figures("ranking", SEED, runs, quick=quick)
    rng = np.random.default_rng(SEED)
    for most in (9, 1):
        rankings, judged = _draw(rng, queries, most)
        seconds = alternate({"codes": partial(_measure, rankings, judged)}, runs, process_time)["codes"]
        name = f"{queries:,} queries x {DEPTH}, {len(judged.codes):,} judgements: CPU from codes"
        figures.add(name, statistics.median(seconds), "s", SECONDS_BAR * queries / 100_000)
    rankings, judged = _draw(rng, compared, 9)
    _compare(figures, rankings, judged)
    figures.write()


def _draw(rng: np.random.Generator, queries: int, most: int) -> tuple[NDArray[np.int32], Judgements]:
    """Return rankings without repeats and one to ``most`` judged documents a query, half of them found."""
    start = rng.integers(0, DOCUMENTS, (queries, 1))
    stride = rng.integers(1, DOCUMENTS // (2 * DEPTH), (queries, 1))
    rankings = ((start + stride * np.arange(2 * DEPTH)) % DOCUMENTS).astype(np.int32)
    sizes = rng.integers(1, most + 1, queries)
    indptr = np.concatenate(([0], np.cumsum(sizes)))
    owner = np.repeat(np.arange(queries), sizes)
    place = np.argsort(rng.random((queries, 2 * DEPTH)), axis=1)[owner, np.arange(len(owner)) - indptr[owner]]
    grades = rng.integers(0, 4, len(owner)).astype(np.int32)
    return np.ascontiguousarray(rankings[:, :DEPTH]), Judgements(indptr, rankings[owner, place], grades)


def _measure(rankings: NDArray[np.int32], judged: Judgements) -> RankingScores:
    return measure_rankings(grade_codes(rankings, judged), judged.relevant_counts(), judged.ideal_dcg(DEPTH))


def _compare(figures: Figures, rankings: NDArray[np.int32], judged: Judgements) -> None:
    ids = [[str(code) for code in row] for row in rankings.tolist()]
    spans = zip(judged.indptr[:-1], judged.indptr[1:], strict=True)
    relevant = [
        dict(zip(map(str, judged.codes[a:b].tolist()), judged.grades[a:b].tolist(), strict=True))
        for a, b in spans
    ]
    run = {str(i): {d: float(DEPTH - rank) for rank, d in enumerate(row)} for i, row in enumerate(ids)}
    measures = {f"recall.{DEPTH}", f"ndcg_cut.{DEPTH}", "recip_rank"}
    evaluator = pytrec_eval.RelevanceEvaluator({str(i): r for i, r in enumerate(relevant)}, measures)

    def from_ids() -> RankingScores:
        found = gains(ids, relevant, DEPTH)
        return measure_rankings(found, relevant_counts(relevant), ideal_dcg(relevant, DEPTH))

    seconds = alternate(
        {
            "codes": lambda: _measure(rankings, judged),
            "ids": from_ids,
            "pytrec_eval": lambda: evaluator.evaluate(run),
        },
        figures.runs,
        process_time,
    )
    name = f"{len(ids):,} queries x {DEPTH}"
    ratio = median_ratio(seconds["pytrec_eval"], seconds["codes"])
    figures.add(
        f"{name}: times faster than pytrec_eval, from codes", ratio, "x", RATIO_BAR, higher_is_better=True
    )
    ratio = median_ratio(seconds["pytrec_eval"], seconds["ids"])
    figures.add(f"{name}: times faster than pytrec_eval, from string ids", ratio, "x", higher_is_better=True)
    expected = evaluator.evaluate(run)
    gap = max(_gap(scores, expected) for scores in (_measure(rankings, judged), from_ids()))
    figures.add(f"{name}: largest difference from pytrec_eval", gap, "", EQUAL_WITHIN)


def _gap(scores: RankingScores, expected: dict[str, dict[str, Any]]) -> float:
    names = {
        f"recall_{DEPTH}": scores.recall,
        f"ndcg_cut_{DEPTH}": scores.ndcg,
        "recip_rank": scores.reciprocal_rank,
    }
    return max(
        abs(float(values[i]) - float(expected[str(i)][name]))
        for name, values in names.items()
        for i in range(len(values))
    )


if __name__ == "__main__":
    rerun_steady()
    main()
