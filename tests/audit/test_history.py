from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pytest

from monitor.audit import history, read_history
from monitor.audit.history import recount
from monitor.baseline import WindowData
from monitor.baseline.crossfit import cross_forms
from monitor.judge.calibration import leave_out
from monitor.records import Window
from monitor.stats.shift_form import ShiftForm
from tests.audit.conftest import DETECTORS, Quiet
from tests.core_fakes import rag


def test_counted_on_all_windows_it_is_the_baseline(quiet: Quiet) -> None:
    again = recount(quiet.baseline, quiet.windows, DETECTORS)
    assert again.empty_answers == quiet.baseline.empty_answers
    assert (again.records, again.windows) == (quiet.baseline.records, quiet.baseline.windows)
    assert again.dispersion == quiet.baseline.dispersion
    for name, counts in quiet.baseline.score_counts.items():
        np.testing.assert_array_equal(again.score_counts[name], counts)
    ours, theirs = again.populations["queries"], quiet.baseline.populations["queries"]
    np.testing.assert_array_equal(ours.cells, theirs.cells)
    np.testing.assert_allclose(ours.mean, theirs.mean, rtol=1e-12)


def test_counted_on_the_others_it_is_what_calibration_leaves(quiet: Quiet) -> None:
    others = recount(quiet.baseline, quiet.windows[1:], DETECTORS)
    left = leave_out(quiet.baseline, quiet.held[0])
    np.testing.assert_array_equal(others.populations["queries"].cells, left.populations["queries"].cells)
    np.testing.assert_allclose(
        others.populations["queries"].mean, left.populations["queries"].mean, rtol=1e-9
    )
    assert others.basis == quiet.baseline.basis
    assert others.dispersion != quiet.baseline.dispersion  # calibrated on its own windows


def test_windows_are_read_as_the_baseline_read_them() -> None:
    collection = rag.Service(rag.quiet_log()).collection()
    baseline = rag.quiet_baseline().baseline
    read = read_history(collection, baseline, rag.windows(rag.QUIET), seed=1)
    again = recount(baseline, read, collection.detectors)
    np.testing.assert_array_equal(again.populations["queries"].cells, baseline.populations["queries"].cells)
    assert again.dispersion == pytest.approx(baseline.dispersion)


def test_only_so_much_is_read_and_held(monkeypatch: pytest.MonkeyPatch) -> None:
    collection = rag.Service(rag.quiet_log()).collection()
    monkeypatch.setattr(history, "MOST_VECTORS", 16 * collection.sample_size)
    monkeypatch.setattr(history, "KEPT_VECTORS", 8 * collection.sample_size)
    told: list[tuple[int, int]] = []
    windows = rag.windows(rag.QUIET)  # quarters of an hour: blocks of sixteen
    read = read_history(
        collection,
        rag.quiet_baseline().baseline,
        windows,
        seed=1,
        progress=lambda _, done, of: told.append((done, of)),
    )
    assert len(read) == 16
    assert [w.window for w in read] == sorted(w.window for w in read)
    assert sum(w.raw is not None for w in read) == 8
    assert told[-1] == (16, 16)


def test_forms_are_fitted_without_holding_the_records(monkeypatch: pytest.MonkeyPatch) -> None:
    fitted: list[WindowData] = []

    def look(windows: Sequence[WindowData], *, normalise: bool) -> Mapping[Window, ShiftForm]:
        fitted.extend(windows)
        return cross_forms(windows, normalise=normalise)

    monkeypatch.setattr(history, "cross_forms", look)
    collection = rag.Service(rag.quiet_log()).collection()
    read_history(collection, rag.quiet_baseline().baseline, rag.windows(8), seed=1)
    assert [len(window.ids) > 0 for window in fitted] == [True] * 8
    assert all(not window.sample.records for window in fitted)


def test_a_window_without_records_stays_in_the_row() -> None:
    collection = rag.Service(rag.quiet_log()).collection()
    (empty,) = read_history(collection, rag.quiet_baseline().baseline, rag.windows(1, first=500), seed=1)
    assert empty.held.n == 0
    assert empty.profile.count("records.seen") == 0
    full = replace(collection, source=rag.Service().collection().source)
    assert recount(rag.quiet_baseline().baseline, [empty], full.detectors) is rag.quiet_baseline().baseline
