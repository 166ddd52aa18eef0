"""Writes the figures of the last whole torture into docs/reliability.md."""

from __future__ import annotations

import json
from pathlib import Path

from benchmarks.figures import FOLDER, Figure

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reliability.md"
BEGIN, END = "<!-- figures: make torture-page writes them -->", "<!-- end of figures -->"


def document(parts: tuple[str, ...]) -> None:
    """Replace the tables between the page's marks by the figures that lie in build/figures."""
    found = {part: json.loads(path.read_text()) for part in parts if (path := _path(part)).exists()}
    head = next(iter(found.values()))["head"] if found else {}
    lines = [
        f"Machine: {head.get('cores'):g} cores, Python {head.get('python')}, numpy {head.get('numpy')}.",
        "",
    ]
    for part, content in found.items():
        lines += [
            f"### {part}",
            "",
            f"`python -m benchmarks.torture {part}`",
            "",
            "| | measured | asked | |",
            "|---|---|---|---|",
        ]
        lines += [_row(Figure(**values)) for values in content["figures"]]
        lines.append("")
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    after = rest.partition(END)[2]
    PAGE.write_text(f"{before}{BEGIN}\n\n" + "\n".join(lines) + f"{END}{after}", encoding="utf-8")


def _path(part: str) -> Path:
    return FOLDER / f"torture-{part}.json"


def _row(f: Figure) -> str:
    asked = "" if f.bar is None else f"{'at least' if f.higher_is_better else 'at most'} {f.bar:g}"
    return f"| {f.name} | {_number(f.value)} {f.unit} | {asked} | {f.verdict} |"


def _number(value: float) -> str:
    return f"{value:,.0f}" if value == int(value) else f"{value:,.3g}"
