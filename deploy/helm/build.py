"""Generates what the chart takes from elsewhere: ``python -m deploy.helm.build`` at the root of the repository.

The values' schema comes from the configuration's models, the rules from ``deploy/prometheus``, the dashboards from
``grafana/dashboards``. All of it is committed, and a test compares it with what would be generated now.
"""

from __future__ import annotations

import json
from pathlib import Path

from deploy.helm.schema import values_schema

_ROOT = Path(__file__).parents[2]
CHART = Path(__file__).parent / "driftmon"
RULES = _ROOT / "deploy" / "prometheus" / "driftmon.prometheusrule.yaml"
DASHBOARDS = _ROOT / "grafana" / "dashboards"


def generated() -> dict[str, str]:
    """Return the text of every generated file, by its path in the chart."""
    files = {
        "values.schema.json": json.dumps(values_schema(), indent=2) + "\n",
        f"files/{RULES.name}": RULES.read_text(encoding="utf-8"),
    }
    for dashboard in sorted(DASHBOARDS.glob("*.json")):
        files[f"files/dashboards/{dashboard.name}"] = dashboard.read_text(encoding="utf-8")
    return files


def main() -> None:
    """Write every file, and take away dashboards that are no more."""
    files = generated()
    for old in (CHART / "files" / "dashboards").glob("*.json"):
        if f"files/dashboards/{old.name}" not in files:
            old.unlink()
    for name, content in files.items():
        path = CHART / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
        print(f"wrote {path.relative_to(_ROOT)}")


if __name__ == "__main__":
    main()
