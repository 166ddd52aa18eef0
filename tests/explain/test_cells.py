from __future__ import annotations

import numpy as np
import pytest

from monitor.explain.cells import ALPHA, Placed, moved_cells, name_cells


def test_the_cell_that_gained_and_those_that_lost() -> None:
    cells = moved_cells(np.array([60, 20, 20]), np.array([200, 400, 400]))
    assert [c.cell for c in cells] == [0, 1, 2]
    assert [round(c.gain, 2) for c in cells] == [0.4, -0.2, -0.2]
    assert all(c.p_value < 1e-3 for c in cells)


def test_chance_names_no_cell() -> None:
    rng = np.random.default_rng(4)
    shares = rng.dirichlet(np.full(64, 2.0))
    runs = 2000
    named = sum(
        bool(moved_cells(rng.multinomial(1000, shares), rng.multinomial(20_000, shares))) for _ in range(runs)
    )
    # Exact, so never above its level; three standard errors of luck.
    assert named / runs < ALPHA + 3 * (ALPHA / runs) ** 0.5


def test_drift_is_named() -> None:
    rng = np.random.default_rng(5)
    shares = np.full(64, 1 / 64)
    moved = 0.9 * shares
    moved[7] += 0.1
    for _ in range(20):
        cells = moved_cells(rng.multinomial(1000, moved), rng.multinomial(20_000, shares))
        assert cells[0].cell == 7


@pytest.mark.parametrize(("window", "baseline"), [([0, 0], [5, 5]), ([5, 5], [0, 0]), ([9, 0], [9, 0])])
def test_nothing_to_compare_names_nothing(window: list[int], baseline: list[int]) -> None:
    assert moved_cells(np.array(window), np.array(baseline)) == ()


def test_words_and_examples_come_from_the_side_that_has_them() -> None:
    window = Placed((0,) * 6 + (1,) * 2, ("reset my vpn",) * 3 + ("vpn is down",) * 3 + ("book a room",) * 2)
    quiet = Placed((1,) * 8, tuple(f"book room {c} please" for c in "abcdefgh"))
    gained, lost = name_cells(
        moved_cells(np.array([60, 20]), np.array([100, 800])), window, quiet, examples=2
    )
    assert (gained.cell, lost.cell) == (0, 1)
    assert "vpn" in gained.words
    assert "book" in lost.words
    assert gained.examples == ("reset my vpn", "vpn is down")
    assert lost.examples == ("book room a please", "book room b please")


def test_no_text_is_shown_unless_asked_for() -> None:
    window = Placed((0,) * 5, ("a secret question",) * 5)
    (cell, *_) = name_cells(moved_cells(np.array([60, 20]), np.array([100, 800])), window, Placed())
    assert cell.examples == ()
