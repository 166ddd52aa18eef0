"""What a window's readings say together: the questions that naming a cause asks of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from monitor.records import Reading

REEMBEDDED = 0.95
"""Changed share of stored vectors from which the whole corpus was embedded anew."""
GROWTH = 0.02
"""Share of new documents from which growth may crowd old ones out of an answer."""
GROWTH_ASKED = 0.1
"""Share of new documents from which other questions may be questions about them."""
TURNED_OVER = 0.1
"""Share of ids that are gone, and of ids that are new, from which texts may have been cut anew."""
TURNED_OVER_WHOLE = 0.5
"""The same where ids name no source to tell it by."""
SOURCES_KEPT = 0.5
"""Least share of the new ids that belong to old sources where texts were cut anew."""
CHANGED_IN_PLACE = 0.5
"""Changed share of the documents that kept their id from which they may have been cut anew under the same ids."""
COMMON_STEP = 0.1
"""Squared mean step of changed vectors over their spread from which another model took it, not another cut."""
ELSEWHERE = 0.5
"""Divergence in nats of the new documents' places from which they are about something else."""
ALIKE = 0.12
"""Step of the new documents' mean, in units of their spread, from which they are not called like the old ones.

Measured on two corpora under two models: the same topics gave at most 0.08, topics held out at least 0.16.
"""
LOST = 0.1
"""Share of documents that are gone from which an index has lost a part."""
CANARY = "canary.canary"
STORED = "persistent_vectors.corpus"
FOREIGN = "foreign_vectors.corpus"
TURNOVER = "corpus_turnover.corpus"
INGEST = "ingest_gap.corpus"
LOG = "log_shape.queries"
QUALITY = "data_quality.queries"
ANN = "index_recall.index"
REPORTED = "reported_scores.scores"
REPLAY = "era_recall.index"
QUERY_CHARTS = ("centroid_distance.queries", "spatial_kl.queries")
CORPUS_CHARTS = ("centroid_distance.corpus", "spatial_kl.corpus")
SCORE_CHARTS = ("score_psi.scores", "score_psi.scores_mean", "score_psi.scores_margin")
RECALL = ("era_recall.suite", REPLAY)


@dataclass(frozen=True, slots=True)
class Findings:
    """What fired in a window, and the readings to look things up in."""

    fired: tuple[str, ...]
    readings: Mapping[str, Reading]

    def any(self, *keys: str) -> tuple[str, ...]:
        """Return those of ``keys`` that fired."""
        return tuple(k for k in keys if k in self.fired)

    def measured(self, key: str) -> bool:
        """Return whether a usable reading of ``key`` is there."""
        reading = self.readings.get(key)
        return reading is not None and reading.status == "ok"

    def stands(self, key: str) -> bool:
        """Return whether ``key`` was measured and did not fire: a control that holds."""
        return self.measured(key) and key not in self.fired

    def value(self, key: str) -> float:
        """Return a reading's value, 0.0 where it was not measured."""
        reading = self.readings.get(key)
        return reading.value if reading is not None and reading.status == "ok" else 0.0

    def detail(self, key: str, name: str, otherwise: float = 0.0) -> float:
        """Return a number of a reading's detail, ``otherwise`` where it is missing."""
        reading = self.readings.get(key)
        number = reading.detail.get(name, otherwise) if reading is not None else otherwise
        return float(number) if isinstance(number, int | float) else otherwise

    @property
    def new(self) -> float:
        """Share of the index' sample that is new since the baseline."""
        return self.detail(TURNOVER, "new_share", self.detail(STORED, "new_share"))

    @property
    def gone(self) -> float:
        """Share of the baseline's sample that is gone."""
        return self.detail(TURNOVER, "gone_share", self.detail(STORED, "gone_share"))

    @property
    def newcomers_alike(self) -> bool:
        """Whether new documents were tested in this window, and nothing set them apart from the old ones.

        They are tested once, so that a shift may be plain in its window and its stream not fire. The size of the step
        decides: pieces of one text lie together, so that the p-values of a grown corpus are small as well.
        """
        return self.measured(CORPUS_CHARTS[0]) and self.readings[CORPUS_CHARTS[0]].shift < ALIKE

    @property
    def strange(self) -> bool:
        """Whether new documents lie as no document of the baseline does, and their texts are not known.

        Far from every region, or more alike than any region's: of a new kind, of one template, or of another model.
        """
        place = self.readings.get(FOREIGN)
        by_place = place is not None and place.detail.get("told_by") == "place"
        return by_place and (FOREIGN in self.fired or self.detail(FOREIGN, "tight") > 0)

    @property
    def cut_anew(self) -> float:
        """How sure it is that the same sources were cut into other documents; 0.0 where it is not.

        Ids turned over while their sources stayed, or, where ids name none, most of them turned over and the new lie
        where the old ones lay.
        """
        if self.cut_in_place:
            return 0.8
        turned = min(self.new, self.gone)
        kept = self.detail(TURNOVER, "sources_kept", -1.0)
        if kept >= 0.0:
            return 0.95 if turned >= TURNED_OVER and kept >= SOURCES_KEPT else 0.0
        # Pieces of another length lie a little elsewhere; another corpus lies wholly elsewhere.
        alike = not (self.any(FOREIGN) and not self.strange) and self.value("spatial_kl.corpus") < ELSEWHERE
        return 0.7 if turned >= TURNED_OVER_WHOLE and alike and not self.value(STORED) >= REEMBEDDED else 0.0

    @property
    def cut_in_place(self) -> bool:
        """Whether the same sources were cut into other documents under ids of the same scheme.

        Documents that kept their id are others, each in its own way, and their number changed; the endpoint stands.
        """
        kept = self.detail(TURNOVER, "sources_kept", -1.0)
        return (
            self.value(STORED) >= CHANGED_IN_PLACE
            and self.detail(STORED, "common_step", 1.0) < COMMON_STEP
            and max(self.new, self.gone) >= TURNED_OVER
            and self.detail(TURNOVER, "sources") > 0
            and (kept >= SOURCES_KEPT or self.new < TURNED_OVER)
            and self.stands(CANARY)
        )
