from __future__ import annotations

from dataclasses import replace

import numpy as np

from monitor.audit.scene import exchange, look_at_corpus, make_scene, stand_still
from monitor.baseline.frozen import PERSISTENT
from monitor.judge.runner import measure_all
from tests.audit.conftest import DETECTORS, Quiet


def test_rows_records_and_cells_belong_together(quiet: Quiet) -> None:
    scene = quiet.scene
    assert len(scene.rows) == len(scene.records) == len(scene.cells) == 48 * 200
    for place in (0, 17, 47):
        own = scene.own(place)
        assert tuple(r.id for r in scene.records[own]) == scene.raws[place].queries.ids
        np.testing.assert_array_equal(scene.rows[own], scene.raws[place].queries.vectors)
    assert scene.rows[0].tolist() == np.asarray(scene.records[0].vector).tolist()
    assert scene.score_spread > 0.0
    assert scene.logs_vectors


def test_what_stands_still_moves_no_detector(quiet: Quiet) -> None:
    readings = {r.key: r for r in measure_all(DETECTORS, quiet.baseline, stand_still(quiet.baseline))}
    for key in ("persistent_vectors.corpus", "canary.canary", "ranking_churn.suite"):
        assert readings[key].status == "ok"
        assert abs(readings[key].value) < 1e-6
    for key in ("recall_at_k.suite", "era_recall.suite", "era_recall.index"):
        assert readings[key].log_p == 0.0
        assert readings[key].shift == 0.0
    assert readings["spatial_kl.corpus"].status == "insufficient"  # no new document


def test_a_baseline_of_the_log_alone_has_nothing_that_stands(quiet: Quiet) -> None:
    bare = replace(quiet.baseline, corpus=None, suite=None, canary=None)
    assert stand_still(bare) == replace(stand_still(bare), counts={}, sums={})


def test_chances_and_variants_are_drawn_once(quiet: Quiet) -> None:
    scene, again = quiet.scene, make_scene(quiet.baseline, quiet.scene.raws[:3], 7)
    np.testing.assert_array_equal(scene.chances(1, 2, 9), again.chances(1, 2, 9))
    assert scene.chances(1, 2, 9).tolist() != scene.chances(1, 3, 9).tolist()
    assert scene.throughout(0).random() != scene.throughout(1).random()


def test_an_exchange_takes_all_that_the_other_measured(quiet: Quiet) -> None:
    still = stand_still(quiet.baseline)
    corpus = quiet.baseline.corpus
    assert corpus is not None
    other = exchange(still, look_at_corpus(quiet.baseline, -corpus.vectors))
    assert (still.count("corpus.changed"), other.count("corpus.changed")) == (0, PERSISTENT)
    assert other.count("corpus.kept") == PERSISTENT  # not added to the first look
    assert other.count("suite.replays") == still.count("suite.replays") == 1
