"""The causes of drift as an engineer on call meets them: whose they are, what they mean, what to do first."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Cause:
    """A cause's name, the group of those who can mend it, what it says, and the next step."""

    name: str
    group: str
    says: str
    step: str


CAUSES = (
    Cause(
        "model_query_side",
        "model",
        "the model that embeds queries changed, and the stored documents did not",
        "Look for a deployment of the embedding endpoint and roll it back, or finish the migration by embedding the "
        "corpus anew. Recall loss and moved canaries are consequences of it.",
    ),
    Cause(
        "model_reembedded",
        "model",
        "nearly all stored vectors changed",
        "Was a re-index planned? If so, build a new baseline when it is through; if not, find out who wrote.",
    ),
    Cause(
        "model_mixed_index",
        "model",
        "a part of the index speaks another model than the rest",
        "Find the re-index that stopped half-way, or the ingestion that embeds with another model, and finish or undo "
        "it: distances across the two mean nothing.",
    ),
    Cause(
        "index_degraded",
        "index",
        "the index misses neighbours, or a part of its documents is gone",
        "Look at index parameters, the last rebuild, quantisation and missing shards.",
    ),
    Cause(
        "empty_results",
        "index",
        "more queries come back with nothing",
        "Look at filters, permissions and the availability of the index, then at ingestion.",
    ),
    Cause(
        "chunking",
        "corpus",
        "the same sources are cut into other documents",
        "Compare the splitter's settings with those of the last ingestion, and judge the suite against the new pieces.",
    ),
    Cause(
        "ingest_dead",
        "corpus",
        "new documents no longer arrive",
        "Look at the ingestion job: its last run, its schedule, its credentials and its source.",
    ),
    Cause(
        "corpus_shift",
        "corpus",
        "new documents are unlike the old ones",
        "Find the source that they come from: a new one, a broken parser, another language.",
    ),
    Cause(
        "corpus_growth",
        "corpus",
        "many documents are new, and the old ones are still found",
        "Usually planned: extend the reference suite and build a new baseline.",
    ),
    Cause(
        "questions",
        "questions",
        "users ask other things",
        "Look for a launch, an outage elsewhere or a crawler; see which regions of questions grew.",
    ),
    Cause(
        "score_scale",
        "scores",
        "scores are made otherwise, while questions, endpoint and documents stand",
        "Look for a change of metric, re-ranker or score scaling; thresholds on scores in the service are off.",
    ),
    Cause(
        "logging",
        "log",
        "the log carries something else than before",
        "Ask the service that writes the log what it deployed; until it is mended, drift can go unseen.",
    ),
)
"""Every cause that the judge names, except what it cannot explain."""

UNKNOWN = Cause(
    "unknown",
    "unknown",
    "no rule explains what moved",
    "Begin with the readings that fired and what was deployed when it began.",
)
