from __future__ import annotations

from pathlib import Path

from monitor.metrics import METRICS, catalogue

ROOT = Path(__file__).parents[2]


def test_names_are_unique_and_carry_the_suffix_of_their_type() -> None:
    names = [info.name for info in METRICS]
    assert len(names) == len(set(names))
    assert all(name.startswith("driftmon_") for name in names)
    assert all(info.name.endswith("_total") for info in METRICS if info.kind == "counter")
    assert all(info.name.endswith("_info") == (info.kind == "info") for info in METRICS)


def test_the_committed_catalogue_is_the_generated_one() -> None:
    assert (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8") == catalogue()


def test_the_catalogue_has_a_row_of_four_cells_for_every_metric() -> None:
    rows = {
        row.split("`")[1]: row.count("|")
        for row in catalogue().splitlines()
        if row.startswith("| `driftmon_")
    }
    assert rows == {info.name: 5 for info in METRICS}
