from __future__ import annotations

from datetime import UTC, datetime, timedelta

from monitor.demo.scenario import Act, Moment, Story
from monitor.demo.summary import fired_in, summarise
from monitor.records import Cause, Reading, Verdict, Window

START = datetime(2026, 3, 2, tzinfo=UTC)
HOUR = timedelta(hours=1)
QUIET = Verdict("quiet")
PUSH = Cause("model_query_side", 0.9, ("canary.canary",))


def moment(hour: int, recall: float, verdict: Verdict = QUIET, *, corpus: str = "insufficient") -> Moment:
    readings = (
        Reading("recall_at_k", "suite", recall, 250, log_p=-1.0),
        Reading("canary", "canary", 0.1 * hour, 64, threshold=1e-3),
        Reading("spatial_kl", "corpus", 0.3, 40, log_p=-2.0, status=corpus),  # type: ignore[arg-type]
    )
    window = Window("docs", START + hour * HOUR, START + (hour + 1) * HOUR)
    return Moment("a stretch", window, readings, (), verdict)


def drift(*fired: str, causes: tuple[Cause, ...] = (PUSH,)) -> Verdict:
    return Verdict("drift", "critical", causes, fired)


def story(after: tuple[Moment, ...], quiet: tuple[Moment, ...] = (moment(0, 0.6),)) -> Story:
    return Story(seed=3, k=10, threshold=9.0, acts=[Act("model_push", "A push", quiet, after, quiet)])


def test_an_act_tells_before_and_after() -> None:
    (act,) = summarise(story((moment(1, 0.5), moment(2, 0.1, drift("canary.canary"), corpus="ok"))))["acts"]
    assert act["recall_at_k"] == {"k": 10, "before": 0.6, "after": 0.1}
    assert act["readings"]["canary.canary"] == {"before": 0.0, "after": 0.2, "p_value": None}
    assert act["readings"]["spatial_kl.corpus"]["before"] is None  # it had nothing to look at then
    assert act["readings"]["spatial_kl.corpus"]["after"] == 0.3
    assert (act["fired"], act["firing_at_end"]) == (["canary.canary"], ["canary.canary"])
    assert (act["cause"], act["severity"], act["windows_to_detect"]) == ("model_query_side", "critical", 2)
    assert act["fired_in_quiet"] == []


def test_what_fired_and_resolved_is_still_told() -> None:
    after = (moment(1, 0.5, drift("b.x", "a.x")), moment(2, 0.6))
    (act,) = summarise(story(after))["acts"]
    assert (act["fired"], act["firing_at_end"], act["windows_to_detect"]) == (["a.x", "b.x"], [], 1)
    assert act["cause"] == "model_query_side"  # of the last window that named one


def test_an_act_in_which_nothing_fires() -> None:
    (act,) = summarise(story((moment(1, 0.6),)))["acts"]
    assert (act["fired"], act["cause"], act["causes"], act["windows_to_detect"]) == ([], "none", [], None)


def test_a_false_alarm_is_not_hidden() -> None:
    quiet = (moment(0, 0.6, drift("canary.canary")), moment(1, 0.6))
    summary = summarise(story((moment(2, 0.6),), quiet))
    assert summary["acts"][0]["fired_in_quiet"] == ["canary.canary"]
    assert (summary["seed"], summary["adapter"]) == (3, None)
    assert fired_in(quiet) == ["canary.canary"]
