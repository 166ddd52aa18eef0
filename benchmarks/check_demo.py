"""The demo's signatures over several seeds: what must fire, what must stay quiet, what must come back."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

COMMAND = Path(sys.executable).parent / "driftmon"
PSI = {"score_psi.scores", "score_psi.scores_mean", "score_psi.scores_margin"}
POPULATION = {"centroid_distance.queries", "spatial_kl.queries"}


def play(seed: int) -> dict[str, Any]:
    """Return what `driftmon demo --json` prints for a seed."""
    with tempfile.TemporaryDirectory() as folder:
        report = str(Path(folder) / "report.html")
        command = [str(COMMAND), "demo", "--json", "--seed", str(seed), "--report", report]
        result = subprocess.run(command, check=True, capture_output=True, text=True)
    summary: dict[str, Any] = json.loads(result.stdout)
    return summary


def signatures(summary: dict[str, Any]) -> dict[str, bool]:
    """Return which of the expected signatures hold; the expectation stands here and nowhere in the product."""
    acts = {act["act"]: act for act in summary["acts"]}
    fired = {name: set(act["fired"]) for name, act in acts.items()}
    recall = {name: act["recall_at_k"] for name, act in acts.items()}
    push = acts["model_push"]["recall_at_k"]
    return {
        "nothing fires in any quiet stretch": not any(act["fired_in_quiet"] for act in acts.values()),
        "growth: centroid distance and spatial KL fire": fired["growth"] >= POPULATION,
        "growth: neither canary nor score PSI fires": not fired["growth"] & (PSI | {"canary.canary"}),
        "growth: recall@K moves": recall["growth"]["after"] < recall["growth"]["before"],
        "growth: the cause is the corpus": acts["growth"]["cause"].startswith("corpus"),
        "push: all score PSIs fire": fired["model_push"] >= PSI,
        "push: centroid distance and spatial KL stay quiet": not fired["model_push"] & POPULATION,
        "push: recall@K fires": "era_recall.suite" in fired["model_push"],
        "push: the cause is the query model": acts["model_push"]["cause"] == "model_query_side",
        "silent push: the canary fires": "canary.canary" in fired["silent_push"],
        "silent push: the cause is the query model": acts["silent_push"]["cause"] == "model_query_side",
        "adapter: at least 70% of the lost recall@K comes back": (
            recall["adapter"]["after"] - push["after"] >= 0.7 * (push["before"] - push["after"])
        ),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=5)
    seeds = range(1, parser.parse_args().seeds + 1)
    summaries = {seed: play(seed) for seed in seeds}
    held = {seed: signatures(summary) for seed, summary in summaries.items()}
    table = Table(title="Signatures of the demo")
    table.add_column("signature")
    for seed in seeds:
        table.add_column(f"seed {seed}", justify="center")
    for name in held[1]:
        table.add_row(name, *("yes" if held[seed][name] else "NO" for seed in seeds))
    for act in ("growth", "model_push", "silent_push", "adapter"):
        cells = []
        for seed in seeds:
            recall = next(a for a in summaries[seed]["acts"] if a["act"] == act)["recall_at_k"]
            cells.append(f"{recall['before']:.2f} → {recall['after']:.2f}")
        table.add_row(f"recall@10, {act}", *cells)
    Console(width=150).print(table)
    sys.exit(0 if all(all(h.values()) for h in held.values()) else 1)


if __name__ == "__main__":
    main()
