"""Tables of kept figures, written between two marks of a page."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from benchmarks.figures import FOLDER, Figure

END = "<!-- end of figures -->"
Table = Callable[[Sequence[Figure]], list[str]]


def plain_table(figures: Sequence[Figure]) -> list[str]:
    """Return one line per figure."""
    return [
        "| | measured | asked | |",
        "|---|---|---|---|",
        *(
            f"| {f.name} | {number(f.value)} {f.unit} | {'' if f.bar is None else asked(f)} | {f.verdict} |"
            for f in figures
        ),
    ]


def write_tables(
    page: Path, begin: str, benchmark: str, parts: Sequence[str], tables: Mapping[str, Table] | None = None
) -> None:
    """Replace what is between ``begin`` and the end mark by the last figures of the benchmark's parts.

    A part without new figures keeps the table that it had. ``tables`` are the parts that are not written one line per
    figure.
    """
    paths = {part: FOLDER / f"{benchmark}-{part}.json" for part in parts}
    found = {part: json.loads(path.read_text()) for part, path in paths.items() if path.exists()}
    head = next(iter(found.values()))["head"] if found else {}
    lines = [
        f"Machine: {head.get('cores'):g} cores, Python {head.get('python')}, numpy {head.get('numpy')}.",
        "",
    ]
    before, _, rest = page.read_text(encoding="utf-8").partition(begin)
    old, _, after = rest.partition(END)
    kept = {section.partition("\n")[0]: section for section in old.split("\n### ")[1:]}
    for part in parts:
        if part in found:
            table = (tables or {}).get(part, plain_table)
            lines += [f"### {part}", "", f"`python -m benchmarks.{benchmark} {part}`", ""]
            lines += [*table([Figure(**values) for values in found[part]["figures"]]), ""]
        elif part in kept:
            lines += [f"### {kept[part].rstrip()}", ""]
    page.write_text(f"{before}{begin}\n\n" + "\n".join(lines) + f"{END}{after}", encoding="utf-8")


def asked(f: Figure) -> str:
    """Return a figure's bar in words."""
    return f"{'at least' if f.higher_is_better else 'at most'} {f.bar:g}"


def number(value: float) -> str:
    """Return a value with three digits, or whole."""
    return f"{value:,.0f}" if value == int(value) else f"{value:,.3g}"
