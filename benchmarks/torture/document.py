"""Writes the figures of the last whole torture into docs/reliability.md."""

from __future__ import annotations

from pathlib import Path

from benchmarks.page import write_tables

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reliability.md"
BEGIN = "<!-- figures: make torture-page writes them -->"


def document(parts: tuple[str, ...]) -> None:
    """Replace the tables between the page's marks by the figures that lie in build/figures."""
    write_tables(PAGE, BEGIN, "torture", parts)
