from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from monitor.baseline import WindowData
from monitor.baseline.feedback_sums import LABELS, FeedbackSums, label_sums
from monitor.records import Record
from tests.core_fakes import world

SUMS = FeedbackSums()


def window(
    vectors: list[list[float]], sessions: list[str | None], **feedback: list[float | None]
) -> WindowData:
    rows = np.array(vectors, dtype=np.float32)
    records = tuple(
        Record(
            f"r{i}",
            world.START,
            vector=rows[i],
            segments={} if session is None else {"session": session},
            feedback={name: v for name, values in feedback.items() if (v := values[i]) is not None},
        )
        for i, session in enumerate(sessions)
    )
    return WindowData(world.make_sample(records), rows, tuple(r.id for r in records), world.span(0))


def tally(data: WindowData, labels: str = "clicked\0thumbs", similar: float = 0.9) -> dict[str, list[float]]:
    parameters = {"labels": np.frombuffer(labels.encode(), dtype=np.uint8), "similar": np.array([similar])}
    profile = SUMS.tally(world.full_baseline(), parameters, data)
    return {label: array.tolist() for label, array in label_sums(profile, absent_is_zero=False).items()}


A, B = [1.0, 0.0], [0.0, 1.0]


def test_values_are_summed_by_label() -> None:
    data = window([A, A, B], [None] * 3, clicked=[1.0, None, 0.0], thumbs=[-1.0, 2.0, None], other=[1.0] * 3)
    assert tally(data) == {"clicked": [2.0, 1.0, 1.0], "thumbs": [2.0, 1.0, 5.0]}


def test_a_record_without_the_label_may_stand_for_zero() -> None:
    data = window([A, A, B], [None] * 3, clicked=[1.0, None, None])
    parameters = {"labels": np.frombuffer(b"clicked", dtype=np.uint8), "similar": np.array([0.9])}
    profile = SUMS.tally(world.full_baseline(), parameters, data)
    assert label_sums(profile, absent_is_zero=True)["clicked"].tolist() == [3.0, 1.0, 1.0]


def test_a_similar_question_that_follows_in_the_session_is_a_reformulation() -> None:
    sums = tally(window([A, A, B, B, B], ["s", "s", "s", "t", "u"]))
    assert sums["reformulation"] == [
        5.0,
        1.0,
        1.0,
    ]  # the third is another question, the last two other people's


def test_the_order_of_the_session_is_that_of_the_clock() -> None:
    data = window([A, B, A], ["s", "s", "s"])
    late = tuple(replace(r, at=r.at + world.QUARTER) if r.id == "r1" else r for r in data.sample.records)
    assert tally(data)["reformulation"] == [3.0, 0.0, 0.0]
    assert tally(replace(data, sample=world.make_sample(late)))["reformulation"] == [3.0, 1.0, 1.0]


def test_a_sampled_window_and_one_without_sessions_leave_reformulation_out() -> None:
    data = window([A, A], ["s", "s"])
    sampled = replace(data, sample=replace(data.sample, seen=5000))
    parameters = {"labels": np.zeros(0, dtype=np.uint8), "similar": np.array([0.9])}
    profile = SUMS.tally(world.full_baseline(), parameters, sampled)
    assert profile.count("feedback.sampled") == 1
    assert label_sums(profile, absent_is_zero=False) == {}
    assert "reformulation" not in tally(window([A, A], [None, None]))


@pytest.mark.parametrize("value", [1e200, 1e16])
def test_a_value_beyond_reason_does_not_spoil_the_sums(value: float) -> None:
    sums = tally(window([A, A], [None] * 2, clicked=[1.0, value]))
    assert sums["clicked"] == [1.0, 1.0, 1.0]


def test_what_is_frozen() -> None:
    baseline = world.full_baseline()
    parameters = baseline.features["feedback"].parameters
    assert parameters["labels"].tobytes() == b"clicked"
    vectors = world.draw(np.random.default_rng(7), 2000)
    cosines = np.einsum("nd,nd->n", vectors[:1000], vectors[1000:])
    assert float(np.mean(cosines < parameters["similar"][0])) == pytest.approx(0.99, abs=0.01)


def test_nothing_to_follow_is_no_feature_and_labels_are_capped() -> None:
    data = window([A, B], [None, None])
    assert SUMS.fit(world.full_baseline(), data) is None
    labels: dict[str, list[float | None]] = {f"l{i}": [1.0, 0.0] for i in range(40)}
    many = window([A, B], [None, None], **labels)
    fitted = SUMS.fit(world.full_baseline(), many)
    assert fitted is not None
    assert fitted["labels"].tobytes().count(b"\0") == LABELS - 1
