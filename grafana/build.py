"""Generates the dashboards: ``python -m grafana.build [FOLDER]`` at the root of the repository.

The JSON is committed and a test regenerates it: a change is made here and reviewed as a difference there.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from grafana_foundation_sdk.cog.encoder import JSONEncoder

from grafana.collection import collection_dashboard
from grafana.daemon import daemon_dashboard
from grafana.detector import detector_dashboard
from grafana.overview import overview_dashboard

DASHBOARDS = {
    "driftmon-overview.json": overview_dashboard,
    "driftmon-collection.json": collection_dashboard,
    "driftmon-detector.json": detector_dashboard,
    "driftmon-daemon.json": daemon_dashboard,
}


def render(name: str) -> str:
    """Return the text of one dashboard file."""
    return json.dumps(DASHBOARDS[name]().build(), cls=JSONEncoder, indent=2, sort_keys=True) + "\n"


def main(folder: Path) -> None:
    """Write every dashboard into ``folder``."""
    for name in DASHBOARDS:
        (folder / name).write_text(render(name), encoding="utf-8")
        print(f"wrote {folder / name}")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "dashboards")
