from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from monitor.baseline import Baseline, Dispersion, FittedFeature
from monitor.detectors.feedback import Feedback
from monitor.profile import Profile
from monitor.records import Reading
from tests.core_fakes import world


def tally(labels: Mapping[str, tuple[float, float, float]], records: int = 0, sampled: int = 0) -> Profile:
    return Profile(
        "basis",
        {"feedback.records": np.array([records]), "feedback.sampled": np.array([sampled])},
        {f"feedback.label:{name}": np.array(sums) for name, sums in labels.items()},
    )


def clicks(rate: float, n: int) -> tuple[float, float, float]:
    return (float(n), rate * n, rate * n)


def baseline(labels: Mapping[str, tuple[float, float, float]], records: int = 0) -> Baseline:
    bare = Baseline("docs", "basis", world.D, "cosine", "similarity", 5, 0, 0)
    return replace(bare, features={"feedback": FittedFeature({}, tally(labels, records))})


def measure(now: float, before: float = 0.3, detector: Feedback | None = None, n: int = 1000) -> Reading:
    reference = baseline({"clicked": clicks(before, 20_000)})
    return (detector or Feedback()).measure(reference, tally({"clicked": clicks(now, n)}))


def test_a_fall_of_clicks_is_the_score_test_of_two_proportions() -> None:
    reading = measure(0.25)
    pooled = (0.25 * 1000 + 0.3 * 20_000) / 21_000
    z = 0.05 / math.sqrt(pooled * (1 - pooled) * (1 / 1000 + 1 / 20_000))
    assert reading.log_p == pytest.approx(float(stats.norm.logsf(z)))
    assert reading.value == pytest.approx(0.05 / math.sqrt(pooled * (1 - pooled)))
    assert reading.harmful
    assert reading.detail["worst"] == "clicked"
    assert reading.detail["mean_clicked"] == 0.25
    assert reading.statistic == pytest.approx(z * z)


def test_a_rise_is_no_loss_unless_it_is_named_one() -> None:
    assert (measure(0.35).log_p or 0.0) > math.log(0.9)
    assert measure(0.35).value == 0.0
    assert (measure(0.35, detector=Feedback(rises=("clicked",))).log_p or 0.0) < math.log(1e-3)


def test_the_worst_of_several_labels_pays_for_the_choice() -> None:
    labels = {"clicked": clicks(0.3, 20_000), "thumbs": (20_000.0, 4000.0, 18_000.0)}
    reading = Feedback().measure(
        baseline(labels), tally({"clicked": clicks(0.27, 1000), "thumbs": (1000.0, 200.0, 900.0)})
    )
    assert reading.detail["worst"] == "clicked"
    alone = math.exp(measure(0.27).log_p or 0.0)
    assert math.exp(reading.log_p or 0.0) == pytest.approx(1 - (1 - alone) ** 2)
    assert reading.dof == 2.0


def test_more_questions_asked_again_are_a_loss() -> None:
    reference = baseline({"reformulation": clicks(0.05, 20_000)})
    reading = Feedback().measure(reference, tally({"reformulation": clicks(0.09, 1000)}))
    assert (reading.log_p or 0.0) < math.log(1e-6)
    assert reading.detail["mean_reformulation"] == 0.09


@pytest.mark.parametrize(("sampled", "word"), [(0, "no sessions"), (1, "sampled")])
def test_without_it_it_is_left_out_and_said_so(sampled: int, word: str) -> None:
    reference = baseline({"clicked": clicks(0.3, 20_000)})
    reading = Feedback().measure(reference, tally({"clicked": clicks(0.3, 1000)}, sampled=sampled))
    assert word in str(reading.detail["reformulation"])


def test_a_log_that_writes_clicks_only_where_there_are_some() -> None:
    reference = baseline({"clicked": (6000.0, 6000.0, 6000.0)}, records=20_000)
    now = tally({"clicked": (250.0, 250.0, 250.0)}, records=1000)
    assert Feedback().measure(reference, now).status == "insufficient"  # every click is a click
    counted = Feedback(absent="zero").measure(reference, now)
    assert counted.log_p == pytest.approx(measure(0.25).log_p)


def test_rare_clicks_and_constants_say_nothing() -> None:
    assert measure(0.0, before=0.005).status == "insufficient"
    assert measure(0.0, before=0.02).status == "ok"
    assert measure(1.0, before=1.0).status == "insufficient"


def test_quiet_scatter_raises_the_p_value() -> None:
    reference = baseline({"clicked": clicks(0.3, 20_000)})
    wide = replace(reference, dispersion={"feedback.feedback": Dispersion(3.0, 1.0, 20)})
    now = tally({"clicked": clicks(0.25, 1000)})
    assert (Feedback().measure(wide, now).log_p or 0.0) > (
        Feedback().measure(reference, now).log_p or 0.0
    ) + 2


@pytest.mark.parametrize("options", [{"effect_floor": math.inf}, {"effect_floor": -1.0}, {"least": 1}])
def test_bad_options_are_refused(options: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(options))):
        Feedback(**options)  # type: ignore[arg-type]
