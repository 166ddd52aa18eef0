from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from monitor.config import Config
from monitor.errors import ConfigError
from monitor.judge.evidence import Budget
from monitor.pipeline import Collection
from monitor.records import Record
from monitor.segments import MOST_SEGMENTS, segment_name
from monitor.slicing import WITH_PARENT, frozen_in, slice_collection
from monitor.sources.sliced import SegmentSource
from monitor.wiring import Deployment, count_streams, slice_up, wire, wire_detectors
from tests.core_fakes import rag, world

MOST: dict[str, Any] = {"by": "tenant", "most": 3, "rest": True}


def config_of(segments: Any, **source: Any) -> Config:
    collection = {"source": {"type": "file", "path": "log.jsonl", **source}, "segments": segments}
    return Config.model_validate(
        {"collections": {"docs": collection, "wiki": {**collection, "segments": []}}}
    )


def deployment_of(segments: Any) -> Deployment:
    return wire(config_of(segments), Path())


def test_a_segment_watches_its_slice_and_the_parent_the_rest() -> None:
    config = config_of({"by": "tenant", "values": ["acme"]})
    records = (
        Record("1", world.START, text="a", segments={"tenant": "acme"}),
        Record("2", world.START, text="b"),
    )
    whole = rag.Service(records).collection(detectors=wire_detectors({}))
    family = slice_collection("docs", whole, config.collections["docs"], {})
    assert list(family) == ["docs", "docs/tenant=acme"]
    segment = family["docs/tenant=acme"]
    assert segment.name == "docs/tenant=acme"
    assert (segment.index, segment.suite, segment.canaries, segment.live_embedder) == (None, (), (), None)
    assert segment.embedder is whole.embedder
    signals = {d.signal for d in segment.detectors}
    assert {"queries", "scores"} <= signals
    assert not signals & WITH_PARENT
    assert {d.signal for d in whole.detectors} & WITH_PARENT
    end = world.START + timedelta(minutes=15)
    assert [r.id for r in segment.source.read(world.START, end) if isinstance(r, Record)] == ["1"]
    assert len(list(family["docs"].source.read(world.START, end))) == 2
    assert replace(family["docs"], source=whole.source) == whole


def test_the_budget_is_shared_by_the_streams_of_segments_too() -> None:
    alone = deployment_of([])
    sliced = deployment_of({"by": "tenant", "values": ["acme", "globex"]})
    assert sliced.families() == ["docs", "docs/tenant=acme", "docs/tenant=globex", "wiki"]
    streams = sum(count_streams(c.detectors, c.spans) for c in sliced.collections.values())
    assert streams == 4 * count_streams(alone.collections["docs"].detectors, alone.collections["docs"].spans)
    expected = Budget(1.0, timedelta(days=90)).log_threshold(timedelta(minutes=15), streams)
    assert set(sliced.thresholds.values()) == {expected}
    assert expected > alone.thresholds["docs"]
    settings = sliced.config.collections["docs/tenant=acme"]
    assert settings.window == sliced.config.collections["docs"].window
    assert (settings.segments, settings.canaries) == ((), False)


def test_the_most_frequent_are_unknown_before_a_baseline_has_frozen_them() -> None:
    deployment = deployment_of(MOST)
    assert deployment.families() == ["docs", "wiki"]
    frozen = slice_up(deployment, {"docs": {"tenant": ("acme", "globex")}})
    assert frozen.families()[:4] == [
        "docs",
        "docs/tenant=_rest",
        "docs/tenant=acme",
        "docs/tenant=globex",
    ]
    # Sliced again by other names: what was there is gone, and no slice is made of a slice.
    again = slice_up(frozen, {"docs": {"tenant": ("initech",)}})
    assert again.families() == ["docs", "docs/tenant=_rest", "docs/tenant=initech", "wiki"]
    source = again.collections["docs"].source
    assert isinstance(source, SegmentSource)
    assert not isinstance(source.log.source, SegmentSource)
    assert slice_up(again, {}).families() == ["docs", "wiki"]
    assert slice_up(again, {}).thresholds == deployment.thresholds


def test_what_a_store_says_is_capped_and_cleaned() -> None:
    names = [[f"t{i}", i] for i in range(MOST_SEGMENTS + 10)]
    assert len(frozen_in({"segments": {"tenant": names}})["tenant"]) == MOST_SEGMENTS
    assert frozen_in({}) == frozen_in({"segments": None}) == {}
    hashed = segment_name("a b")
    frozen = {"docs": {"tenant": ("text of a user", hashed, "c", "d", "e")}}
    families = slice_up(deployment_of(MOST), frozen).families()
    # Three are allowed; of those what cannot be a name is left out.
    assert families == ["docs", f"docs/tenant={hashed}", "docs/tenant=_rest", "docs/tenant=c", "wiki"]


@pytest.mark.parametrize(
    ("columns", "segments", "said"),
    [
        (
            {"id": "id", "at": "t"},
            {"by": "tenant", "values": ["a"]},
            r"^collections\.docs\.segments\.by: 'tenant' is not .*\.columns\.segments: \{tenant: <its column>\}",
        ),
        (
            {"id": "id", "segments": {"tenent": "t", "language": "l"}},
            [{"by": "language", "most": 2}, {"by": "tenant", "most": 2}],
            r"^collections\.docs\.segments\.1\.by: 'tenant' is no label of .*, which has tenent, language; add",
        ),
    ],
)
def test_a_label_that_is_not_read_is_refused(columns: Any, segments: Any, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        wire(config_of(segments, columns=columns), Path())


def test_labels_in_one_column_are_known_to_the_log_alone() -> None:
    wire(config_of(MOST, columns={"id": "id", "segments": "labels"}), Path())
    wire(config_of(MOST), Path())


def test_a_collection_without_segments_is_left_alone() -> None:
    deployment = deployment_of([])
    source = deployment.collections["docs"].source
    assert not isinstance(source, SegmentSource)
    assert isinstance(deployment.collections["docs"], Collection)
