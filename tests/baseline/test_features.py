from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from monitor.baseline import Baseline, WindowData, codec
from monitor.baseline.features import add_features, half, needed, profile_features, without
from monitor.detectors.centroid_distance import CentroidDistance
from monitor.detectors.domain_classifier import DomainClassifier
from monitor.detectors.variance_shift import VarianceShift
from monitor.judge.calibration import calibrate, leave_out
from monitor.profile import Profile, counts_profile, merge_all
from monitor.protocols import Feature
from monitor.wiring import wire_detectors
from tests.core_fakes import world


@dataclass(frozen=True, slots=True)
class Count:
    """A third party's feature: it counts records; fitted on none, it needs ``least`` of them."""

    name: ClassVar[str] = "count"
    held_out: bool = False
    least: int = 0

    def fit(self, baseline: Baseline, window: WindowData) -> Mapping[str, NDArray[Any]] | None:
        records = len(window.sample.records)
        return {"fitted_on": np.array([records])} if records >= self.least else None

    def tally(
        self, baseline: Baseline, parameters: Mapping[str, NDArray[Any]], window: WindowData
    ) -> Profile:
        return counts_profile(baseline.basis, count__records=len(window.sample.records))


def built(*features: Feature) -> tuple[Baseline, Any]:
    return add_features(*world.build(world.quiet_windows()), world.quiet_windows(), features)


def test_the_default_detectors_ask_for_nothing_and_nothing_is_changed() -> None:
    assert needed(wire_detectors({})) == ()
    baseline, held = world.build(world.quiet_windows())
    same, shares = add_features(baseline, held, world.quiet_windows(), ())
    assert same is baseline
    assert shares == held
    assert profile_features(baseline, (), world.quiet_windows()[0]).counts == {}
    assert codec.unpack(codec.pack(baseline)).features == {}


def test_detectors_that_share_a_feature_ask_for_it_once() -> None:
    features = needed([VarianceShift(), CentroidDistance(), DomainClassifier()])
    assert [f.name for f in features] == ["whitening"]
    assert all(isinstance(f, Feature) for f in world.FEATURES)


def test_the_baselines_tally_is_the_sum_of_its_windows() -> None:
    baseline, held = built(Count())
    fitted = baseline.features["count"]
    assert fitted.tally.count("count.records") == 4000
    assert fitted.parameters["fitted_on"].tolist() == [4000]
    assert [h.features["count"].count("count.records") for h in held] == [200] * 20
    assert baseline.basis != world.build(world.quiet_windows())[0].basis
    profile = profile_features(baseline, (Count(),), world.quiet_windows()[0])
    assert (profile.basis, profile.count("count.records")) == (baseline.basis, 200)


def test_a_held_out_feature_is_tallied_on_the_counting_half_only() -> None:
    baseline, held = built(Count(held_out=True))
    counted = sum(len(half(w, counting=True).ids) for w in world.quiet_windows())
    assert 1800 < counted < 2200
    assert baseline.features["count"].tally.count("count.records") == counted
    assert sum(h.features["count"].count("count.records") for h in held) == counted


def test_the_halves_make_the_whole_and_keep_rows_with_their_records() -> None:
    window = world.quiet_windows()[0]
    parts = [half(window, counting=c) for c in (False, True)]
    assert sorted(i for p in parts for i in p.ids) == sorted(window.ids)
    for part in parts:
        assert tuple(r.id for r in part.sample.records) == part.ids
        for record, row in zip(part.sample.records, part.vectors, strict=True):
            assert record.vector is not None
            np.testing.assert_array_equal(record.vector, row)


def test_a_feature_that_cannot_be_fitted_is_left_out() -> None:
    baseline, held = built(Count(least=10_000))
    assert baseline.features == {}
    assert all(h.features == {} for h in held)


def test_features_come_back_from_bytes() -> None:
    baseline = world.full_baseline()
    back = codec.unpack(codec.pack(baseline))
    assert back.features.keys() == {"duplicates", "feedback", "norms", "score_bins", "whitening"}
    for name, fitted in baseline.features.items():
        for left, right in (
            (fitted.parameters, back.features[name].parameters),
            (fitted.tally.counts, back.features[name].tally.counts),
            (fitted.tally.sums, back.features[name].tally.sums),
        ):
            assert left.keys() == right.keys()
            for key in left:
                np.testing.assert_array_equal(left[key], right[key])
    assert back.features["norms"].tally.basis == baseline.basis


def test_leaving_a_window_out_takes_its_tally_out() -> None:
    baseline, held = built(*world.FEATURES)
    rest = leave_out(baseline, held[3])
    others = [h.features["whitening"] for i, h in enumerate(held) if i != 3]
    expected = merge_all(baseline.basis, others)
    np.testing.assert_allclose(
        rest.features["whitening"].tally.sums["whitening.sizes"], expected.sums["whitening.sizes"]
    )
    assert rest.features["whitening"].tally.count("whitening.n") == expected.count("whitening.n")
    assert without(baseline.features, {}) == baseline.features


def test_detectors_with_features_are_calibrated_like_all_others() -> None:
    baseline, held = built(*world.FEATURES)
    profiles = [world.make_profile(baseline, w) for w in world.quiet_windows()]
    fitted = calibrate(baseline, profiles, held, (DomainClassifier(), VarianceShift()))
    factors = [
        fitted.dispersion[f"{name}.queries"].factor for name in ("domain_classifier", "variance_shift")
    ]
    assert all(1.0 <= factor < 1.3 for factor in factors)


def test_other_parameters_make_another_basis() -> None:
    baseline, _ = built(Count())
    windows = world.quiet_windows(10)
    other, _ = add_features(*world.build(windows), windows, (Count(),))
    assert baseline.basis != other.basis
