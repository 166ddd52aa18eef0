"""A full disk under the monitor's own database: told within a tick, over by itself, and the file is whole."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.torture.report import figure, main
from tests.core_fakes.bench import make_bench

SIZE = 4 * 1024 * 1024


class NoSmallDiskError(Exception):
    """No small file system can be had here; the message says why."""


def run(scale: float = 1.0) -> list[dict[str, Any]]:
    """Return the figures of a disk that fills up and is freed again, several times."""
    rounds = max(1, round(5 * scale))
    with small_disk(SIZE) as folder:
        bench = make_bench(folder, "docs", length=timedelta(minutes=15), max_backfill=1000)
        ballast = folder / "ballast"
        told = recovered = 0
        for _ in range(rounds):
            _fill(ballast)
            bench.pass_windows(2)
            bench.tick()
            reason = str(bench.daemon.ready())
            told += "full" in reason or "disk" in reason
            if bench.daemon.alive() is not None:
                raise RuntimeError(f"the daemon thinks it is dead: {bench.daemon.alive()}")
            ballast.unlink()
            bench.tick()
            bench.wait_for_retries()
            bench.tick()
            recovered += bench.daemon.ready() is None and set(bench.states("docs")) == {"done"}
        done = bench.states("docs")["done"]
        bench.store.close()
        with closing(sqlite3.connect(folder / "driftmon.db")) as connection:
            whole = connection.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
            doubled = connection.execute(
                "SELECT count(*) FROM (SELECT 1 FROM windows GROUP BY start_at HAVING count(*) > 1)"
            ).fetchone()[0]
    return [
        figure("disk filled up", rounds, "times"),
        figure("… not told by readiness within one tick", rounds - told, "times", 0),
        figure("… not recovered by itself", rounds - recovered, "times", 0),
        figure("… windows lost or double", abs(2 * rounds - done) + doubled, "windows", 0),
        figure("… integrity_check", whole, "ok", 1, higher_is_better=True),
    ]


@contextmanager
def small_disk(size: int) -> Iterator[Path]:
    """Yield a folder on a file system of that many bytes; raises `NoSmallDiskError`."""
    with TemporaryDirectory(prefix="driftmon-disk-") as name:
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", name],
            check=False,
            capture_output=True,
            text=True,
        )
        if done.returncode:
            raise NoSmallDiskError(f"a small tmpfs cannot be mounted here: {done.stderr.strip()}")
        try:
            yield Path(name)
        finally:
            subprocess.run(["umount", "--lazy", name], check=True)


def _fill(ballast: Path) -> None:
    """Write until nothing more goes in."""
    free = shutil.disk_usage(ballast.parent).free
    with ballast.open("wb", buffering=0) as file:
        try:
            while free > 0:
                free -= file.write(b"\0" * 4096)
        except OSError:
            return


if __name__ == "__main__":
    main("torture-disk", run)
