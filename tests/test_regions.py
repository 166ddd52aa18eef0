from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import numpy as np
import pytest

from monitor.errors import EdgeError
from monitor.pipeline import Collection
from monitor.records import CorpusSample, Record, Rejection, Window
from monitor.reference import take_baseline
from monitor.regions import look_closer
from monitor.stats.sampling import bottom_k
from tests.core_fakes.world import START, FakeEmbedder, FakeIndex, centres, draw, span, unit

TOPICS = ("invoice", "holiday", "laptop", "parking")


@dataclass(frozen=True)
class Questions:
    """Two hundred questions a window; from window 20 on, a third of them are about something new."""

    texts: bool = True

    def read(self, start: datetime, end: datetime) -> Iterator[Record | Rejection]:
        rng = np.random.default_rng(int(start.timestamp()))
        late = start >= span(20).start
        for i in range(200):
            topic = "vpn" if late and rng.random() < 0.33 else str(rng.choice(TOPICS))
            text = f"{topic} question {rng.integers(1000)}"
            vector = FakeEmbedder().embed([text])[0]
            yield Record(f"{start:%d%H%M}-{i}", start, text if self.texts else None, vector)

    def describe(self) -> str:
        return "questions"


class Gone:
    def read(self, start: datetime, end: datetime) -> Iterator[Record | Rejection]:
        if start < end:
            raise EdgeError("the log is away")
        yield from ()

    def describe(self) -> str:
        return "gone"


def _index(fresh: int) -> FakeIndex:
    rng = np.random.default_rng(2)
    ids = [f"old-{i}" for i in range(300)] + [f"new-{i}" for i in range(fresh)]
    topics = unit(centres()[9] + rng.normal(scale=0.05, size=(max(fresh, 1), centres().shape[1])))[:fresh]
    vectors = np.concatenate([draw(rng, 300), topics])
    order = bottom_k(ids, len(ids))
    return FakeIndex([ids[i] for i in order], vectors[order])


@pytest.fixture(scope="module")
def taken() -> tuple[Collection, Any]:
    collection = Collection("docs", Questions(), (), index=_index(0), sample_size=200, corpus_sample=1000)
    return collection, take_baseline(collection, [span(i) for i in range(20)]).baseline


def test_the_region_that_gained_is_named_by_its_words(taken: tuple[Collection, Any]) -> None:
    collection, baseline = taken
    regions = look_closer(collection, baseline, span(20), [span(0), span(5)], examples=2)
    gained = [c for c in regions.questions if c.gain > 0]
    assert gained
    assert all(c.words[0] == "vpn" for c in gained)
    assert all(e.startswith("vpn") for c in gained for e in c.examples)
    assert 0.15 < sum(c.gain for c in gained) < 0.4  # old questions left some of these regions
    assert regions.notes == ()


def test_a_quiet_window_names_none(taken: tuple[Collection, Any]) -> None:
    collection, baseline = taken
    regions = look_closer(collection, baseline, span(3), [span(0)])
    assert regions.questions == ()
    assert "no single region" in regions.notes[0]


def test_without_texts_there_are_numbers(taken: tuple[Collection, Any]) -> None:
    collection, baseline = taken
    regions = look_closer(replace(collection, source=Questions(texts=False)), baseline, span(20))
    assert regions.questions
    assert all(c.words == () for c in regions.questions)
    assert "source.columns.text" in regions.notes[0]


def test_new_documents_are_told_by_id(taken: tuple[Collection, Any]) -> None:
    collection, baseline = taken
    regions = look_closer(replace(collection, index=_index(60)), baseline, span(3))
    assert regions.documents
    assert all(e.startswith("new-") for c in regions.documents for e in c.examples)
    assert look_closer(replace(collection, index=None), baseline, span(3)).documents == ()


def test_an_edge_that_fails_costs_its_part_only(taken: tuple[Collection, Any]) -> None:
    collection, baseline = taken
    regions = look_closer(replace(collection, source=Gone(), index=_index(60)), baseline, span(20))
    assert regions.questions == ()
    assert regions.documents
    assert regions.notes == ("the questions cannot be looked at: the log is away",)


def test_a_log_that_was_pruned(taken: tuple[Collection, Any]) -> None:
    class Empty:
        def read(self, start: datetime, end: datetime) -> Iterator[Record | Rejection]:
            return iter(())

        def describe(self) -> str:
            return "empty"

    collection, baseline = taken
    regions = look_closer(replace(collection, source=Empty()), baseline, Window("docs", START, span(0).end))
    assert "no longer has a usable question" in regions.notes[0]


def test_an_index_of_another_dimension(taken: tuple[Collection, Any]) -> None:
    class Wide:
        def sample(self, n: int) -> CorpusSample:
            return CorpusSample(("x",), np.ones((1, 7), dtype=np.float32), 1)

    collection, baseline = taken
    regions = look_closer(replace(collection, index=Wide()), baseline, span(3))  # type: ignore[arg-type]
    assert regions.documents == ()
