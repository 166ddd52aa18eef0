"""Asking index and endpoint about documents: is what lies near found, and are texts embedded as they were?"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from monitor import answers
from monitor.baseline.frozen import Baseline
from monitor.baseline.index_look import (
    profile_index_recall,
    profile_reembedded,
    profile_self_search,
    usable_texts,
)
from monitor.baseline.window_profile import has_direction
from monitor.profile import Profile, merge_all
from monitor.protocols import Embedder, Index
from monitor.records import CorpusSample, Ranking

SELF_SEARCHES = 32
"""Sampled documents that the index is asked for by their own vectors where the suite's answers tell too little."""
READ_AGAIN = 32
"""New documents that are embedded again where the index gives their texts."""


def look_at_index(
    index: Index, baseline: Baseline, corpus: CorpusSample, stored: Ranking | None = None
) -> Profile:
    """Return how the index' answers compare with exact search over its sample.

    ``stored`` is the answer to the suite's stored vectors, asked for here where it is not given. Where the sample is
    not the whole corpus, or there is no suite, sampled documents are also looked for by their own vectors.
    """
    parts, suite = [], baseline.suite
    if suite is not None and len(corpus.ids) and corpus.vectors.shape[1] == suite.vectors.shape[1]:
        stored = stored or answers.search(index, suite.vectors, suite.depth)
        parts.append(profile_index_recall(baseline, corpus, stored))
    good = np.flatnonzero(has_direction(corpus.vectors))[:SELF_SEARCHES]
    if len(good) and (suite is None or len(corpus.ids) < corpus.size):
        found = answers.search(index, np.ascontiguousarray(corpus.vectors[good]), baseline.k)
        parts.append(profile_self_search(baseline, tuple(corpus.ids[i] for i in good), found))
    return merge_all(baseline.basis, parts)


def embed_documents_again(
    live: Embedder | None, baseline: Baseline, corpus: CorpusSample, chosen: NDArray[np.bool_]
) -> Profile:
    """Return how many of some chosen documents are not what production makes of their texts, where texts are given."""
    places, texts = usable_texts(corpus, chosen, READ_AGAIN)
    if live is None or not texts:
        return Profile(baseline.basis)
    made = answers.embed(live, texts, "passage")
    return profile_reembedded(baseline, corpus.vectors[places], made)
