from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from monitor.mitigation.drift_adapter import fit_affine, fit_orthogonal, unit_rows
from monitor.records import VectorArray
from tests.core_fakes import world


def old_vectors(n: int = 400) -> VectorArray:
    return world.draw(np.random.default_rng(0), n)


def error(mapped: Any, old: Any) -> float:
    return float(np.abs(np.asarray(mapped, dtype=np.float64) - unit_rows(old)).max())


@pytest.mark.parametrize("fit", [fit_orthogonal, fit_affine])
def test_a_turned_space_is_turned_back(fit: Any) -> None:
    old = old_vectors()
    new = old @ world.random_turn()
    adapter = fit(new[:200], old[:200])
    assert error(adapter.apply(new[200:]), old[200:]) < 1e-3
    assert adapter.pairs == 200


def test_an_orthogonal_map_keeps_all_distances() -> None:
    old = old_vectors()
    adapter = fit_orthogonal(old @ world.random_turn(), old)
    np.testing.assert_allclose(adapter.matrix.T @ adapter.matrix, np.eye(world.D), atol=1e-9)
    assert not adapter.offset.any()


def test_an_affine_map_undoes_what_a_turn_cannot() -> None:
    old = old_vectors()
    stretched = (old * np.linspace(0.2, 2.0, world.D) + 0.3).astype(np.float32)
    turned, mended = fit_orthogonal(stretched, old), fit_affine(stretched, old)
    assert error(mended.apply(stretched), old) < 0.5 * error(turned.apply(stretched), old)


@pytest.mark.parametrize("fit", [fit_orthogonal, fit_affine])
@pytest.mark.parametrize("wider", [True, False])
def test_models_of_different_dimensions_are_joined(fit: Any, wider: bool) -> None:
    old = old_vectors()
    matrix = np.random.default_rng(1).normal(size=(world.D, 32 if wider else 16))
    adapter = fit(old @ matrix, old)
    mapped = adapter.apply(old @ matrix)
    assert mapped.shape == old.shape
    cosines = np.sum(mapped * old, axis=1)
    assert cosines.mean() > (0.9 if wider else 0.5)


@pytest.mark.parametrize("fit", [fit_orthogonal, fit_affine])
def test_mapped_vectors_are_unit_float32_and_nothing_is_nan(fit: Any) -> None:
    old = old_vectors()
    adapter = fit(old, old)
    mapped = adapter.apply(np.concatenate([old[:5] * 7.0, np.zeros((1, world.D), dtype=np.float32)]))
    assert mapped.dtype == np.float32
    assert np.isfinite(mapped).all()
    np.testing.assert_allclose(np.linalg.norm(mapped[:5], axis=1), 1.0, atol=1e-6)


@pytest.mark.parametrize("fit", [fit_orthogonal, fit_affine])
def test_what_is_not_paired_is_refused(fit: Any) -> None:
    old = old_vectors(10)
    with pytest.raises(ValueError, match="9 new and 10 old"):
        fit(old[:9], old)
    with pytest.raises(ValueError, match="at least two"):
        fit(old[:1], old[:1])
    broken = old.copy()
    broken[3, 0] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        fit(broken, old)
    broken[3, 0] = np.inf
    with pytest.raises(ValueError, match="Inf"):
        fit(old, broken)


@pytest.mark.parametrize("ridge", [0.0, -1.0])
def test_a_ridge_of_nothing_is_refused(ridge: float) -> None:
    with pytest.raises(ValueError, match="ridge"):
        fit_affine(old_vectors(10), old_vectors(10), ridge)
