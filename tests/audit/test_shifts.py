from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from monitor.audit.scene import Scene, make_scene
from monitor.audit.shifts import SHIFTS
from monitor.baseline.frozen import PERSISTENT
from monitor.records import FloatArray
from monitor.stats.vector_pass import assign_cells
from tests.audit.conftest import Quiet

KINDS = {shift.name: shift for shift in SHIFTS}


@pytest.fixture(scope="module")
def scene(quiet: Quiet) -> Scene:
    return quiet.scene


def moved(scene: Scene, kind: str, place: int, size: float, variant: int = 0) -> np.ndarray:
    """Return which rows of a window are others than they were."""
    lay = KINDS[kind].window
    assert lay is not None
    rows = lay(scene, place, size, variant).queries.vectors
    changed: np.ndarray = (rows != scene.rows[scene.own(place)]).any(axis=1)
    return changed


def test_a_new_topic_takes_its_share_and_a_larger_one_holds_the_smaller(scene: Scene) -> None:
    small = np.concatenate([moved(scene, "new_topic", place, 0.1) for place in range(20)])
    large = np.concatenate([moved(scene, "new_topic", place, 0.3) for place in range(20)])
    assert small.mean() == pytest.approx(0.1, abs=3 * math.sqrt(0.09 / 4000))
    assert large.mean() == pytest.approx(0.3, abs=3 * math.sqrt(0.21 / 4000))
    assert not (small & ~large).any()


def test_a_new_topic_lies_as_far_off_as_a_known_one_and_elsewhere(scene: Scene) -> None:
    lay = KINDS["new_topic"].window
    assert lay is not None
    mean = scene.baseline.populations["queries"].mean
    new = lay(scene, 0, 1.0, 3).queries.vectors
    known = scene.rows.astype(np.float64)
    ours = np.linalg.norm(new.mean(axis=0) - mean)
    theirs = [np.linalg.norm(known[scene.cells == c].mean(axis=0) - mean) for c in set(scene.cells.tolist())]
    assert min(theirs) * 0.9 <= ours <= max(theirs) * 1.1
    nearest = np.linalg.norm(known - new.mean(axis=0), axis=1).min()
    assert nearest > 1.5 * np.linalg.norm(new - new.mean(axis=0), axis=1).mean()


def test_a_variant_is_one_topic_in_all_windows_and_another_is_another(scene: Scene) -> None:
    lay = KINDS["new_topic"].window
    assert lay is not None

    def centre(place: int, variant: int) -> FloatArray:
        rows = lay(scene, place, 1.0, variant).queries.vectors
        return np.asarray(rows.mean(axis=0), dtype=np.float64)

    assert np.linalg.norm(centre(0, 1) - centre(5, 1)) < 0.1
    assert np.linalg.norm(centre(0, 1) - centre(0, 2)) > 0.3


def test_reweighting_moves_its_share_between_known_cells_with_the_answers(scene: Scene) -> None:
    lay = KINDS["reweighting"].window
    assert lay is not None
    shares = [moved(scene, "reweighting", place, 0.2).mean() for place in range(20)]
    assert np.mean(shares) == pytest.approx(0.2, abs=0.03)
    raw = lay(scene, 0, 0.5, 0)
    known = {row.tobytes(): record for row, record in zip(scene.rows, scene.records, strict=True)}
    scores = {r.id: r.scores for r in raw.sample.records}
    for identifier, row in zip(raw.queries.ids, raw.queries.vectors, strict=True):
        assert scores[identifier] == known[row.tobytes()].scores
    before = np.bincount(scene.cells[scene.own(0)], minlength=64)
    after = np.bincount(
        assign_cells(raw.queries.vectors, scene.baseline.populations["queries"].centroids, normalise=True),
        minlength=64,
    )
    gained = np.maximum(after - before, 0).sum() / before.sum()
    assert gained == pytest.approx(0.5, abs=0.15)


@pytest.mark.parametrize("angle", [1.0, 30.0, 90.0])
def test_a_rotation_turns_every_vector_by_its_angle(scene: Scene, angle: float) -> None:
    lay, look = KINDS["rotation"].window, KINDS["rotation"].beside
    assert lay is not None
    assert look is not None
    before = scene.rows[scene.own(2)]
    after = lay(scene, 2, angle, 1).queries.vectors
    np.testing.assert_allclose(np.einsum("ij,ij->i", before, after), math.cos(math.radians(angle)), atol=1e-5)
    distance = look(scene, angle, 1).sums["canary.distance"]
    np.testing.assert_allclose(distance, 1 - math.cos(math.radians(angle)), atol=1e-5)


def test_a_rotation_leaves_texts_that_the_reference_model_places(quiet: Quiet) -> None:
    raws = [
        replace(
            w.raw,
            sample=replace(
                w.raw.sample, records=tuple(replace(r, vector=None) for r in w.raw.sample.records)
            ),
        )
        for w in quiet.windows[:2]
        if w.raw is not None
    ]
    scene = make_scene(quiet.baseline, raws, 1)
    assert not moved(scene, "rotation", 0, 45.0).any()
    assert KINDS["rotation"].lacks(scene) is None  # the canaries are left
    blind = make_scene(replace(quiet.baseline, canary=None), raws, 1)
    assert "no canaries" in (KINDS["rotation"].lacks(blind) or "")


def test_scores_lose_so_many_deviations_of_the_best(scene: Scene) -> None:
    lay = KINDS["scores"].window
    assert lay is not None
    best = [r.scores[0] for r in scene.records if r.scores]
    for record, after in zip(scene.raws[1].sample.records, lay(scene, 1, 0.5, 0).sample.records, strict=True):
        assert record.scores
        assert after.scores
        np.testing.assert_allclose(np.subtract(record.scores, after.scores), 0.5 * np.std(best), rtol=1e-9)
    upside_down = replace(scene, baseline=replace(scene.baseline, direction="distance"))
    worse = lay(upside_down, 1, 0.5, 0).sample.records[0]
    assert worse.scores
    assert worse.scores[0] > (scene.raws[1].sample.records[0].scores or (9.0,))[0]


def test_a_share_of_answers_is_empty(scene: Scene) -> None:
    lay = KINDS["empty_answers"].window
    assert lay is not None
    records = [r for place in range(20) for r in lay(scene, place, 0.2, 0).sample.records]
    empty = [r for r in records if not r.hits]
    assert len(empty) / len(records) == pytest.approx(0.2, abs=3 * math.sqrt(0.16 / 4000))
    assert all(r.scores is None for r in empty)


def test_a_share_of_stored_vectors_is_changed(scene: Scene) -> None:
    look = KINDS["changed_vectors"].beside
    assert look is not None
    shares = [look(scene, 0.1, variant).count("corpus.changed") / PERSISTENT for variant in range(40)]
    assert np.mean(shares) == pytest.approx(0.1, abs=0.015)
    assert (
        look(scene, 1.0, 0).count("corpus.changed") == look(scene, 1.0, 0).count("corpus.kept") == PERSISTENT
    )
    assert scene.still.count("corpus.changed") == scene.still.count("corpus.gone") == 0


def test_lost_documents_are_missing_from_all_answers(scene: Scene) -> None:
    look = KINDS["lost_documents"].beside
    assert look is not None
    for signal in ("suite", "index"):
        before = scene.still.sums[f"{signal}.era_recall"]
        some = look(scene, 0.3, 0).sums[f"{signal}.era_recall"]
        assert (some <= before).all()
        assert before.mean() - some.mean() == pytest.approx(0.3, abs=0.2)
        assert look(scene, 1.0, 0).sums[f"{signal}.era_recall"].max() == 0.0


def test_what_a_collection_lacks_is_said(quiet: Quiet) -> None:
    bare = replace(quiet.baseline, corpus=None, suite=None, canary=None, score_edges={})
    scene = make_scene(bare, [w.raw for w in quiet.windows[:2] if w.raw is not None], 1)
    lacking = {s.name for s in SHIFTS if s.lacks(scene) is not None}
    assert lacking == {"scores", "changed_vectors", "lost_documents"}


def test_a_size_is_told_in_words() -> None:
    assert KINDS["new_topic"].tell(0.05) == "5% of the questions on a new topic"
    assert KINDS["rotation"].tell(0.5) == "0.5° of turn in the vectors of the live model"
