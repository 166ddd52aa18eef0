from __future__ import annotations

import math
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.judge.evidence import CALM_WINDOWS, Budget, update_evidence
from monitor.records import Evidence, Reading, Status
from monitor.stats.e_values import accumulate, log_e_value

THRESHOLD = math.log(10_000)


def chart(p: float, *, effect: float = 1.0, status: Status = "ok", name: str = "chart") -> Reading:
    return Reading(
        name, "queries", 0.5, 100, status=status, log_p=math.log(p), effect_floor=0.1, effect=effect
    )


def probe(effect: float, *, status: Status = "ok", name: str = "probe") -> Reading:
    return Reading(name, "canary", effect, 64, status=status, threshold=1e-3)


def after(*readings: Reading, before: tuple[Evidence, ...] = ()) -> tuple[Evidence, ...]:
    for reading in readings:
        before = update_evidence(before, [reading], THRESHOLD)
    return before


def only(evidence: tuple[Evidence, ...]) -> Evidence:
    (state,) = evidence
    return state


def test_evidence_adds_up_until_it_fires() -> None:
    states = [only(after(*[chart(1e-3)] * n)) for n in range(1, 6)]
    expected = -math.inf
    for state in states:
        expected = accumulate(expected, log_e_value(math.log(1e-3)))
        assert state.log_e == pytest.approx(expected)
        assert state.firing == (expected >= THRESHOLD)
    assert [s.firing for s in states] == [False, False, False, True, True]


def test_one_window_is_enough_when_it_is_certain() -> None:
    assert only(after(chart(1e-12))).firing


def test_an_effect_below_its_floor_never_fires_however_certain() -> None:
    assert not only(after(*[chart(1e-12, effect=0.09)] * 20)).firing
    assert only(after(*[chart(1e-12, effect=0.1)])).firing


def test_calm_windows_in_a_row_resolve_and_nothing_is_carried_over() -> None:
    firing = after(chart(1e-12))
    for n in range(1, CALM_WINDOWS):
        firing = after(chart(0.5), before=firing)
        assert only(firing) == replace(only(firing), firing=True, calm=n)
    resolved = only(after(chart(0.5), before=firing))
    assert resolved == Evidence("chart", "queries")


def test_a_window_that_is_not_calm_starts_the_count_anew() -> None:
    state = after(chart(1e-12), *[chart(0.5)] * (CALM_WINDOWS - 1), chart(0.04))
    assert only(state).firing
    assert only(state).calm == 0
    assert only(after(*[chart(0.5)] * (CALM_WINDOWS - 1), before=state)).firing


def test_a_trifle_counts_as_calm() -> None:
    state = after(chart(1e-12), *[chart(1e-12, effect=0.05)] * CALM_WINDOWS)
    assert not only(state).firing


@pytest.mark.parametrize("status", ["insufficient", "invalid"])
def test_a_window_without_a_usable_reading_keeps_the_state(status: Status) -> None:
    for before in (
        after(chart(1e-3)),
        after(chart(1e-12)),
        after(chart(1e-12), chart(0.5)),
        after(probe(1.0)),
    ):
        reading = replace(
            chart(1e-12, status=status) if before[0].detector == "chart" else probe(0.0, status=status)
        )
        assert after(*[reading] * 10, before=before) == before


def test_a_stream_that_was_only_insufficient_is_known_and_empty() -> None:
    assert only(after(chart(0.5, status="insufficient"))) == Evidence("chart", "queries")


def test_a_probe_fires_at_once_and_resolves_after_calm_windows() -> None:
    assert not only(after(probe(0.9e-3))).firing
    state = after(probe(1e-3))
    assert only(state).firing
    state = after(*[probe(0.0)] * (CALM_WINDOWS - 1), before=state)
    assert only(state) == Evidence("probe", "canary", 0.0, firing=True, calm=CALM_WINDOWS - 1)
    assert only(after(probe(1e-2), before=state)).calm == 0
    assert only(after(probe(0.0), before=state)) == Evidence("probe", "canary")


def test_a_reading_that_only_informs_has_no_evidence() -> None:
    churn = Reading("ranking_churn", "suite", 1.0, 40)
    assert update_evidence((), [churn], THRESHOLD) == ()


def test_a_stream_whose_detector_is_gone_leaves_and_one_without_data_stays() -> None:
    before = after(chart(1e-12))
    assert before[0] not in after(probe(0.0), before=before)
    silent = replace(chart(1.0), status="insufficient")
    assert before[0] in after(silent, before=before)


def test_when_the_last_firing_stream_resolves_all_start_anew() -> None:
    state = update_evidence((), [chart(1e-3, name="other"), probe(1.0)], THRESHOLD)
    for _ in range(CALM_WINDOWS):
        assert any(e.log_e > 0 for e in state)
        state = update_evidence(state, [chart(1e-1, name="other"), probe(0.0)], THRESHOLD)
    assert state == (Evidence("other", "queries"), Evidence("probe", "canary"))


def test_while_one_stream_still_fires_the_others_keep_theirs() -> None:
    state = update_evidence((), [chart(1e-12), probe(1.0)], THRESHOLD)
    for _ in range(CALM_WINDOWS):
        state = update_evidence(state, [chart(1e-12), probe(0.0)], THRESHOLD)
    fired = {e.key: e.firing for e in state}
    assert fired == {"chart.queries": True, "probe.canary": False}


@given(
    st.lists(
        st.tuples(
            st.floats(1e-300, 1.0), st.floats(0.0, 1.0), st.sampled_from(["ok", "insufficient", "invalid"])
        ),
        max_size=30,
    )
)
def test_evidence_is_never_nan_and_fires_only_above_the_floor(
    steps: list[tuple[float, float, Status]],
) -> None:
    state: tuple[Evidence, ...] = ()
    for p, effect, status in steps:
        before = state[0].firing if state else False
        state = update_evidence(state, [chart(p, effect=effect, status=status)], THRESHOLD)
        assert not math.isnan(state[0].log_e)
        assert state[0].log_e <= 700.0
        assert 0 <= state[0].calm < CALM_WINDOWS
        if state[0].firing and not before:
            assert effect >= 0.1


def test_the_order_of_readings_does_not_matter() -> None:
    readings = [chart(1e-3, name="b"), chart(1e-2, name="a"), probe(1.0)]
    assert update_evidence((), readings, THRESHOLD) == update_evidence((), readings[::-1], THRESHOLD)
    assert [e.detector for e in update_evidence((), readings, THRESHOLD)] == ["a", "b", "probe"]


def test_the_budget_is_shared_by_streams_and_by_windows() -> None:
    budget = Budget(1.0, timedelta(days=90))
    quarter = timedelta(minutes=15)
    assert math.exp(budget.log_threshold(quarter, 10)) == pytest.approx(10 * 90 * 96)
    assert budget.log_threshold(timedelta(hours=1), 10) < budget.log_threshold(quarter, 10)
    assert Budget(10.0).log_threshold(quarter, 10) < budget.log_threshold(quarter, 10)


@pytest.mark.parametrize(
    ("pages", "per"), [(0.0, 90), (-1.0, 90), (math.nan, 90), (math.inf, 90), (1.0, 0), (1.0, -3)]
)
def test_a_budget_of_nothing_is_refused(pages: float, per: int) -> None:
    with pytest.raises(ValueError, match=r"^(false_pages|per) must be"):
        Budget(pages, timedelta(days=per))
