from __future__ import annotations

from dataclasses import fields, is_dataclass, replace
from typing import Any

import numpy as np
import pytest

from monitor.baseline import Baseline, Dispersion, codec
from monitor.errors import BaselineError
from monitor.stats import blob
from tests.core_fakes import world


def assert_equal(left: Any, right: Any, where: str = "baseline") -> None:
    """Equality of nested dataclasses, mappings and arrays, with types and shapes."""
    assert type(left) is type(right), where
    if is_dataclass(left):
        for field in fields(left):
            assert_equal(getattr(left, field.name), getattr(right, field.name), f"{where}.{field.name}")
    elif isinstance(left, dict):
        assert left.keys() == right.keys(), where
        for key in left:
            assert_equal(left[key], right[key], f"{where}[{key}]")
    elif isinstance(left, np.ndarray):
        assert left.dtype == right.dtype, where
        np.testing.assert_array_equal(left, right, err_msg=where)
    elif isinstance(left, tuple):
        assert len(left) == len(right), where
        for i, (a, b) in enumerate(zip(left, right, strict=True)):
            assert_equal(a, b, f"{where}[{i}]")
    else:
        assert left == right, where


def dispersed() -> Baseline:
    return replace(
        world.full_baseline(), dispersion={"score_psi.scores": Dispersion(1.75, 0.5, 40), "x.y": Dispersion()}
    )


@pytest.mark.parametrize("parts", ["all", "log only"])
def test_a_baseline_comes_back_as_it_was(parts: str) -> None:
    baseline = dispersed() if parts == "all" else world.build(world.quiet_windows(4, 80))[0]
    assert_equal(codec.unpack(codec.pack(baseline)), baseline)


def test_packing_twice_gives_the_same_bytes() -> None:
    packed = codec.pack(dispersed())
    assert codec.pack(codec.unpack(packed)) == packed


def test_a_ranking_that_ended_early_survives() -> None:
    suite = world.full_baseline().suite
    assert suite is not None
    short = replace(suite, depth_scores=np.full(len(suite.query_ids), -np.inf))
    back = codec.unpack(codec.pack(replace(world.full_baseline(), suite=short)))
    assert back.suite is not None
    assert np.all(np.isneginf(back.suite.depth_scores))


def rewritten(change: str) -> bytes:
    values, arrays = blob.unpack(codec.pack(dispersed()))
    if change == "format":
        values["format"] = 99
    elif change == "no head":
        del values["head"]
    elif change == "foreign head":
        values["head"]["temperature"] = 1
    elif change == "no array":
        del arrays["queries.mean"]
    elif change == "dispersion":
        values["dispersion"] = {"x.y": [1, 2, 3, 4, 5]}
    elif change == "populations":
        values["populations"] = ["queries"]
    return blob.pack(values, arrays)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"not a baseline",
        codec.pack(world.full_baseline())[:-20],
        codec.pack(world.full_baseline())[:4],
        blob.pack({}, {}),
        *(
            rewritten(change)
            for change in ("format", "no head", "foreign head", "no array", "dispersion", "populations")
        ),
    ],
    ids=lambda data: f"{len(data)} bytes",
)
def test_what_cannot_be_read_is_said_with_the_mend(data: bytes) -> None:
    with pytest.raises(BaselineError, match="driftmon baseline build"):
        codec.unpack(data)


def test_another_format_is_named() -> None:
    with pytest.raises(BaselineError, match=r"format 99, this release reads 1"):
        codec.unpack(rewritten("format"))


def test_a_baseline_of_the_release_before_is_read_and_knows_less() -> None:
    values, arrays = blob.unpack(codec.pack(world.full_baseline()))
    del values["ordinary"], arrays["corpus.sources"]
    for name in ("source_overlap", "nearness", "tightness"):
        del values["corpus"][name]
    old = codec.unpack(blob.pack(values, arrays))
    assert old.ordinary == {}
    assert old.corpus is not None
    assert (len(old.corpus.sources), old.corpus.nearness, old.corpus.tightness) == (0, -1.0, 1.0)
