"""Generates the generated pages of the documentation: ``python -m handbook.build [FOLDER]``.

The pages are committed and a test regenerates them, as with the rules and the dashboards.
"""

from __future__ import annotations

import sys
from pathlib import Path

from handbook.configuration import configuration
from monitor.metrics import catalogue

PAGES = {"configuration.md": configuration, "metrics.md": catalogue}


def main(folder: Path) -> None:
    """Write every page into ``folder``."""
    for name, page in PAGES.items():
        (folder / name).write_text(page(), encoding="utf-8")
        print(f"wrote {folder / name}")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parents[1] / "docs")
