"""The ledger behind a real PgBouncer in transaction mode: every transaction may run on another connection."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psycopg

from benchmarks.torture.report import figure, main
from benchmarks.torture.servers import USER, PostgreSQL, free_port, postgresql
from benchmarks.torture.verify import check
from benchmarks.torture.worker import Executioner, labour, prepare
from monitor.store import Store, schema

WORKERS = 3
COLLECTIONS = 10
SERVER_CONNECTIONS = 2
"""Fewer than workers: they must share."""


class NoPoolerError(Exception):
    """PgBouncer is not installed."""


def run(scale: float = 1.0) -> list[dict[str, Any]]:
    """Return the figures of three workers that share two connections of the server."""
    windows = max(8, round(60 * scale))
    with (
        TemporaryDirectory(prefix="driftmon-pooler-") as name,
        postgresql() as server,
        pgbouncer(server) as port,
    ):
        server.create("pooled")
        url = server.url("pooled", port)
        upgraded = _together(8, schema.upgrade, url)
        with closing(Store.open(url)) as store:
            names, _ = prepare(store, COLLECTIONS)
        lease = timedelta(seconds=10)
        failed = _together(
            WORKERS, lambda: labour(url, names, windows, lease, f"w{os.getpid()}", Executioner(None, 0))
        )
        findings = check(url, Path(name), COLLECTIONS, windows)
    return [
        figure("behind PgBouncer: `db upgrade` of 8 at once that failed", upgraded, "processes", 0),
        figure(
            f"{WORKERS} workers on {SERVER_CONNECTIONS} connections: windows",
            COLLECTIONS * windows,
            "windows",
        ),
        figure("… workers that failed", failed, "workers", 0),
        figure("… windows lost, double, or with wrong evidence", findings.total, "windows", 0),
    ]


def _together(count: int, action: Any, *arguments: Any) -> int:
    """Run the action in so many forks of this process; return how many failed."""
    pids = []
    for _ in range(count):
        pid = os.fork()
        if not pid:
            code = 1
            try:
                action(*arguments)
                code = 0
            finally:
                os._exit(code)
        pids.append(pid)
    return sum(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) != 0 for pid in pids)


@contextmanager
def pgbouncer(server: PostgreSQL) -> Iterator[int]:
    """Yield the port of a PgBouncer in front of the server; raises `NoPoolerError`."""
    program = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")
    if program is None:
        raise NoPoolerError("pgbouncer (Debian package pgbouncer) is not installed")
    port = free_port()
    settings = server.folder / "pgbouncer.ini"
    settings.write_text(
        f"""
[databases]
* = host=127.0.0.1 port={server.port} user=postgres
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = {SERVER_CONNECTIONS}
max_client_conn = 100
"""
    )
    user = USER if os.geteuid() == 0 else None
    process = subprocess.Popen(
        [program, str(settings)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, user=user
    )
    try:
        _wait(server.url("postgres", port))
        yield port
    finally:
        process.terminate()
        process.wait(20)


def _wait(url: str) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        with suppress(psycopg.OperationalError), psycopg.connect(url.replace("+psycopg", "")) as connection:
            connection.execute("SELECT 1")
            return
        time.sleep(0.1)
    raise TimeoutError("PgBouncer did not start within 20 s")


if __name__ == "__main__":
    main("torture-pooler", run)
