"""200,000 log entries that went wrong, among good ones of known number: nothing breaks or is lost, all is counted."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from benchmarks.torture.accounts import Account
from benchmarks.torture.broken_files import KINDS
from benchmarks.torture.fuzz_tables import fuzz_parquet, fuzz_postgres, fuzz_sqlite
from benchmarks.torture.mutations import as_row, good_record, spoil_line, spoil_row
from benchmarks.torture.postgres_server import start_postgres
from benchmarks.torture.report import figure, main
from monitor.records import Record
from monitor.sources.file import FileSource

SEED = 11
LINES, PARQUET_ROWS, SQLITE_ROWS, POSTGRES_ROWS = 125_000, 40_000, 25_000, 15_000
BROKEN_FILES = 5_000
"""Of each kind."""
AT_ONCE = 5_000
"""Fuzzed entries per file or table."""
LONGEST = 4 << 20


def fuzz_lines(rng: np.random.Generator, count: int, folder: Path, account: Account) -> None:
    """Write files of broken lines among good ones, and read each twice: the second time by what was learnt."""
    for number, size in enumerate(_parts(count)):
        lines, good = _mixed_lines(rng, size, f"good{number}")
        if number % 6 == 0:
            lines.insert(len(lines) // 2, b'{"id": "long", "text": "' + b"x" * (10 << 20) + b'"}')
            lines.insert(len(lines) // 2, b" " * LONGEST + b"{}")
        path = folder / f"log{number}.jsonl{'.gz' if number % 3 == 2 else ''}"
        ending = (b"\n", b"\r\n", b"\n\n \n")[number % 3]
        content = (b"\xef\xbb\xbf" if number % 4 == 1 else b"") + ending.join(lines)
        path.write_bytes(gzip.compress(content, 1) if path.suffix == ".gz" else content)
        account.add(FileSource(str(path), timezone="UTC"), len(lines), good, path.name)
        path.unlink()


def _mixed_lines(rng: np.random.Generator, count: int, name: str) -> tuple[list[bytes], dict[str, Record]]:
    good: dict[str, Record] = {}
    # The first has a time: what stands before any time would be reported in every window.
    lines: list[bytes] = []
    for number in range(count):
        record = good_record(rng, number, "evil")
        line = json.dumps(as_row(record), ensure_ascii=bool(rng.random() < 0.5)).encode()
        lines.append(spoil_line(rng, line) if rng.random() < 0.6 else _line(spoil_row(rng, as_row(record))))
        if number % 4 == 0:
            record = good_record(rng, number, name)
            good[record.id] = record
            lines.append(json.dumps(as_row(record), ensure_ascii=bool(rng.random() < 0.5)).encode())
    lines.insert(0, lines.pop(1))
    return lines, good


def _line(row: dict[str, Any]) -> bytes:
    return json.dumps(row).encode()


def fuzz_files(rng: np.random.Generator, count: int, account: Account) -> None:
    """Break compressed files and Parquet themselves: in a process of its own, since a library may end it."""
    for kind in KINDS:
        arguments = (kind, str(rng.integers(1 << 30)), str(count))
        module = "benchmarks.torture.broken_files"
        child = subprocess.run(
            [sys.executable, "-m", module, *arguments], capture_output=True, text=True, check=False
        )
        if child.returncode:
            account.crashes.append(
                f"broken {kind}: the process ended with {child.returncode}: {child.stderr[-500:]}"
            )
            continue
        told = json.loads(child.stdout)
        account.refused += told["refused"]
        account.read += told["read"]
        account.crashes += [f"broken {kind}: {error}" for error in told["raised"]]


def _parts(count: int) -> list[int]:
    return [AT_ONCE] * (count // AT_ONCE) + ([count % AT_ONCE] if count % AT_ONCE else [])


def torture(scale: float, folder: Path, postgres: str | None) -> dict[str, Account]:
    """Fuzz every kind of source; return what was counted by kind."""
    rng = np.random.default_rng(SEED)
    accounts: dict[str, Account] = {}

    def part(name: str, fuzz: Callable[..., None], count: int, *more: Any) -> None:
        accounts[name] = Account()
        for size in (
            _parts(max(50, int(count * scale))) if fuzz is not fuzz_lines else [max(50, int(count * scale))]
        ):
            fuzz(rng, size, *more, accounts[name])

    part("JSON lines", fuzz_lines, LINES, folder)
    part("broken files", fuzz_files, BROKEN_FILES)
    part("Parquet", fuzz_parquet, PARQUET_ROWS, folder)
    part("SQLite", fuzz_sqlite, SQLITE_ROWS, folder)
    if postgres is not None:
        part("PostgreSQL", fuzz_postgres, POSTGRES_ROWS, postgres)
    return accounts


def run(scale: float = 1.0) -> list[dict[str, Any]]:
    """Return how many entries were read, and what became of them."""
    with (
        TemporaryDirectory(prefix="driftmon-fuzz-") as folder,
        start_postgres() as postgres,
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("error")
        accounts = torture(scale, Path(folder), postgres)
    figures = []
    for kind, account in accounts.items():
        for defect in (*account.crashes, *account.defects):
            sys.stderr.write(f"{kind}: {defect[:1000]}\n")
        sys.stderr.write(f"{kind}: {dict(account.rejected)} {dict(account.flaws)}\n")
        if account.entries:
            figures.append(figure(f"{kind}: fuzzed entries", account.entries - account.good, "entries"))
    total = list(accounts.values())
    return [
        *figures,
        figure(
            "fuzzed entries in all",
            sum(a.entries - a.good for a in total),
            "entries",
            200_000 * min(1.0, scale),
            higher_is_better=True,
        ),
        figure("good records among them", sum(a.good for a in total), "records"),
        figure("… lost", sum(a.lost for a in total), "records", 0),
        figure(
            "… not bit for bit, twice or in the wrong window", sum(a.changed for a in total), "records", 0
        ),
        figure("crashes", sum(len(a.crashes) for a in total), "crashes", 0),
        figure(
            "entries neither a record nor rejected, or both", sum(a.unaccounted for a in total), "entries", 0
        ),
        figure("entries rejected, with their reason", sum(a.rejected.total() for a in total), "entries"),
        figure("odd columns refused with a plain error", sum(a.columns_refused for a in total), "reads"),
        figure("broken files", sum(a.refused + a.read for a in total), "files"),
        figure("… refused with a plain error", sum(a.refused for a in total), "files"),
    ]


if __name__ == "__main__":
    main("torture-fuzz", run, SEED)
