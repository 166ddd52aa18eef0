"""Numbers that are none, at every edge: through the real walk, into a real store, out by metrics, JSON and SQL."""

from __future__ import annotations

import contextlib
import io
import json
import math
import re
import sqlite3
import sys
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

import numpy as np

from benchmarks.torture.report import figure, main
from benchmarks.torture.spoilt import Case, SpoiltIndex, every_case
from monitor.baseline.codec import pack, unpack
from monitor.daemon import take_snapshot
from monitor.errors import DriftmonError
from monitor.judge.evidence import Budget
from monitor.metrics import Exporter
from monitor.pipeline import Collection, History, walk
from monitor.profile import Profile
from monitor.records import Outcome, Record
from monitor.reference import take_baseline
from monitor.store import Store, schema
from monitor.wiring import Deployment, wire
from tests.core_fakes import rag, world

SEED = 7
COMBINATIONS = 1000
"""Windows in which two to four edges are broken at once."""
_THRESHOLD = Budget().log_threshold(world.QUARTER, 15)
_SAMPLE = re.compile(r"^driftmon_\S+ (\S+)")
_NONFINITE = re.compile(r"\b(NaN|-?Infinity|nan|-?inf)\b")


@dataclass
class Seen:
    """What went wrong, with the case that showed it."""

    windows: int = 0
    refused: int = 0
    raised: list[str] = field(default_factory=list)
    exported: list[str] = field(default_factory=list)
    quiet: list[str] = field(default_factory=list)
    unstarted: int = 0
    """Evidence of minus infinity in the store: nothing has been gathered yet."""

    def defects(self) -> Iterator[str]:
        """Yield a line per defect."""
        for kind, cases in (("raised", self.raised), ("exported", self.exported), ("quiet", self.quiet)):
            for case in cases:
                yield f"{kind}: {case}"


@dataclass
class Bench:
    """A store, an exporter and a configuration of one collection, whose windows are walked one after another."""

    folder: Path
    seen: Seen = field(default_factory=Seen)
    number: int = 100

    def __post_init__(self) -> None:
        self.config = self.folder / "driftmon.yaml"
        self.config.write_text(
            f"database: sqlite:///{self.folder}/driftmon.db\n"
            f"collections: {{docs: {{source: {{type: file, path: {self.folder}}}}}}}\n"
        )
        schema.upgrade(f"sqlite:///{self.folder}/driftmon.db")
        self.store = Store.open(f"sqlite:///{self.folder}/driftmon.db")
        self.deployment = _deployment(self.config)
        self.exporter = Exporter(max_age=1e9)
        self.baseline = rag.quiet_baseline().baseline
        self.baseline_id = self.store.save_baseline(
            "docs",
            pack(self.baseline),
            by="torture",
            reason="quiet",
            start=world.span(0).start,
            end=world.span(rag.QUIET).end,
            model="m",
            meta={},
            activate=True,
        )

    def walk(self, cases: Sequence[Case]) -> Outcome | None:
        """Walk the next window with these edges broken, commit it and look at all that goes out."""
        name = " + ".join(case.name for case in cases) or "nothing is broken"
        collection = _service(tuple(rag.ask(self.number)))
        window = world.span(self.number)
        self.number += 1
        self.seen.windows += 1
        try:
            for case in cases:
                collection = case.change(collection)
            outcome = walk(
                window, collection, self.baseline, self.baseline_id, History(), threshold=_THRESHOLD
            )
            self._commit(outcome)
        except DriftmonError:
            self.seen.refused += 1
            return None
        except Exception as error:  # noqa: BLE001 anything else is the defect that is looked for
            self.seen.raised.append(f"{name}: {type(error).__name__}: {str(error)[:200]}")
            return None
        if outcome.verdict.state == "quiet" and not all(case.may_be_quiet for case in cases):
            self.seen.quiet.append(name)
        self.seen.exported += [f"{name}: {where}" for where in self._look(outcome)]
        return outcome

    def _commit(self, outcome: Outcome) -> None:
        length = outcome.window.length
        self.store.plan("docs", length, outcome.window.end, timedelta(0), 1, outcome.window.start)
        claim = self.store.claim(["docs"], "torture", timedelta(hours=1))
        if claim is None or claim.window != outcome.window:
            raise RuntimeError(f"claimed {claim}, not {outcome.window}")
        self.store.commit(claim, outcome)

    def _look(self, outcome: Outcome) -> Iterator[str]:
        yield from _nonfinite_in(outcome)
        snapshot = take_snapshot(self.store, self.deployment, outcome.window.end)
        self.exporter.publish(snapshot)
        text = self.exporter.render()[0].decode()
        for line in text.splitlines():
            if (sample := _SAMPLE.match(line)) and not math.isfinite(float(sample[1])):
                yield f"/metrics: {line}"
            if line.startswith("driftmon_nonfinite_total") and float(line.split()[-1]) > 0:
                self.exporter = Exporter(max_age=1e9)  # counted once per case
                yield "/metrics: had to withhold a number"

    def look_at_status(self) -> Iterator[str]:
        """Yield what `driftmon status --json` shows that is no JSON number."""
        from monitor.cli.main import main as command

        said = io.StringIO()
        arguments = ["driftmon", "status", "-c", str(self.config), "--json"]
        with patch.object(sys, "argv", arguments), contextlib.redirect_stdout(said):
            try:
                command()
            except SystemExit as ended:
                if ended.code:
                    yield f"status --json: exit {ended.code}"
        if _NONFINITE.search(said.getvalue()):
            yield "status --json: a number is not finite"
        json.loads(said.getvalue())

    def look_at_store(self) -> Iterator[str]:
        """Yield every number of the database that is not finite."""
        with contextlib.closing(sqlite3.connect(self.folder / "driftmon.db")) as connection:
            tables = [
                row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
            ]
            for table in tables:
                cursor = connection.execute(f'SELECT * FROM "{table}"')  # noqa: S608 our own tables
                columns = [column[0] for column in cursor.description]
                for row in cursor:
                    yield from self._nonfinite_cells(table, dict(zip(columns, row, strict=True)))

    def _nonfinite_cells(self, table: str, row: dict[str, Any]) -> Iterator[str]:
        for column, value in row.items():
            if isinstance(value, float) and not math.isfinite(value):
                # No evidence yet is a likelihood ratio of zero, whose logarithm this is; see monitor/records/flow.py.
                if (table, column, value) == ("evidence", "log_e", -math.inf):
                    self.seen.unstarted += 1
                else:
                    yield f"{table}.{column} is {value}"
            elif isinstance(value, str) and value[:1] in "{[" and _NONFINITE.search(value):
                yield f"{table}.{column} holds {value[:80]}"
            elif table == "profiles" and column == "data":
                profile = Profile.unpack(value)
                if not all(np.isfinite(array).all() for array in profile.sums.values()):
                    yield f"{table}.{column} holds a sum that is not finite"


def _deployment(config: Path) -> Deployment:
    from monitor.config import load_config

    return wire(load_config(config), config.parent)


def _nonfinite_in(outcome: Outcome) -> Iterator[str]:
    for reading in outcome.readings:
        text = json.dumps(asdict(reading))
        if _NONFINITE.search(text):
            yield f"reading {text}"
    for evidence in outcome.evidence or ():
        if math.isnan(evidence.log_e) or evidence.log_e == math.inf:
            yield f"evidence of {evidence.key} is {evidence.log_e}"


def _combinations(cases: Sequence[Case], count: int) -> Iterator[list[Case]]:
    rng = np.random.default_rng(SEED)
    for _ in range(count):
        chosen = [cases[i] for i in rng.choice(len(cases), size=rng.integers(2, 5), replace=False)]
        # Two changes of one edge would replace each other, and a log with vectors asks no reference embedder.
        by_edge = {case.name.partition(":")[0].split()[0]: case for case in chosen}
        if any(case.name.startswith("log") for case in chosen):
            by_edge.pop("reference", None)
        yield list(by_edge.values())


def _baselines(cases: Sequence[Case], seen: Seen) -> None:
    """Take a baseline through each broken edge: it is refused, or it is sound and a quiet window stays so."""
    for case in cases:
        service = _service(rag.quiet_log())
        try:
            taken = take_baseline(case.change(service), rag.windows(rag.QUIET))
            frozen = unpack(pack(taken.baseline))
            window = world.span(100)
            outcome = walk(window, _service(tuple(rag.ask(100))), frozen, 1, History(), threshold=_THRESHOLD)
        except DriftmonError:
            seen.refused += 1
        except Exception as error:  # noqa: BLE001 anything else is the defect that is looked for
            seen.raised.append(f"baseline, {case.name}: {type(error).__name__}: {str(error)[:200]}")
        else:
            seen.exported += [f"baseline, {case.name}: {where}" for where in _nonfinite_in(outcome)]


def _service(log: tuple[Record, ...]) -> Collection:
    return rag.Service(log).collection(index=SpoiltIndex(rag.documents()))


def torture(scale: float, folder: Path) -> Seen:
    """Walk every case and a number of combinations; return what was seen."""
    warnings.simplefilter("error")  # a number that goes astray says so first
    bench = Bench(folder)
    cases = list(every_case())
    step = max(1, round(1 / min(1.0, scale)))
    for position, case in enumerate(cases[::step]):
        bench.walk([case])
        if position % 25 == 0:
            bench.seen.exported += bench.look_at_status()
    for position, chosen in enumerate(_combinations(cases, max(5, int(COMBINATIONS * scale)))):
        bench.walk(chosen)
        if position % 25 == 0:
            bench.seen.exported += bench.look_at_status()
    after = bench.walk([])
    if after is None or after.verdict.state != "quiet":
        bench.seen.exported.append(f"a sound window after all of them is {after and after.verdict}")
    bench.seen.exported += bench.look_at_store()
    bench.store.close()
    _baselines(cases[:: 2 * step], bench.seen)
    return bench.seen


def run(scale: float = 1.0) -> list[dict[str, Any]]:
    """Return how many windows with broken edges were walked, and what came of them."""
    with TemporaryDirectory(prefix="driftmon-edges-") as folder, warnings.catch_warnings():
        seen = torture(scale, Path(folder))
    for defect in seen.defects():
        sys.stderr.write(f"{defect}\n")
    return [
        figure("windows with broken edges", seen.windows, "windows"),
        figure("… refused with a plain error", seen.refused, "windows"),
        figure("… raised anything else", len(seen.raised), "windows", 0),
        figure("… NaN or Inf exported (metrics, JSON, SQL)", len(seen.exported), "numbers", 0),
        figure("… quiet though their data is bad", len(seen.quiet), "windows", 0),
        figure("evidence of minus infinity in SQL: nothing gathered yet", seen.unstarted, "rows"),
    ]


if __name__ == "__main__":
    main("torture-edges", run, SEED)
