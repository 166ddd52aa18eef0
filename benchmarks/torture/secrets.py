"""Secrets in every place where one can stand, every command, every kind of failure: nothing that goes out shows one."""

from __future__ import annotations

import json
import sqlite3
import sys
import time
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
import numpy as np

from benchmarks.torture.commands import start_command
from benchmarks.torture.postgres_server import start_postgres
from benchmarks.torture.report import figure, main
from benchmarks.torture.secret_forms import PLAIN, found_in, telltale_server
from benchmarks.torture.secret_scenes import Scene, every_scene, make_config
from monitor.demo.example import write_example

SEED = 1
COMMANDS: tuple[tuple[str, ...], ...] = (
    ("check",),
    ("check", "--json"),
    ("db", "upgrade"),
    ("db", "current"),
    ("db", "current", "--json"),
    ("baseline", "build", "docs", "--start", "-3d", "--end", "-1d", "--json"),
    ("baseline", "build", "docs", "--start", "-3d", "--end", "-1d"),
    ("baseline", "list", "--json"),
    ("baseline", "show", "1", "--json"),
    ("baseline", "promote", "1", "--reason", "torture"),
    ("status",),
    ("status", "docs", "--json"),
    ("evaluate", "docs", "--json"),
    ("evaluate", "docs", "--windows", "2"),
)
RUN_SECONDS = 5.0
PAGES = ("/", "/metrics", "/api/v1/status", "/-/ready", "/-/healthy", "/collections/docs", "/nowhere")


@dataclass
class Seen:
    """How much was looked at, and where a secret showed."""

    commands: int = 0
    pages: int = 0
    files: int = 0
    leaks: list[str] = field(default_factory=list)
    defects: list[str] = field(default_factory=list)
    """Commands that ended with a traceback instead of a sentence, and daemons that did not end."""

    def look(self, text: str, name: str) -> None:
        """Look for every secret in what came out."""
        self.leaks += [f"{name}: {found}" for found in found_in(text)]


def play(scene: Scene, folder: Path, seen: Seen, commands: tuple[tuple[str, ...], ...]) -> None:
    """Run the commands on the scene's configuration, the daemon too where it comes up, and look at all they say."""
    (folder / "driftmon.yaml").write_text(scene.config, encoding="utf-8")
    for arguments in commands:
        out = folder / "said.txt"
        start_command(scene, folder, arguments, out).join()
        told, name = _text(out), f"{scene.name}: driftmon {' '.join(arguments)}"
        seen.commands += 1
        seen.look(told, name)
        if "Traceback" in told:
            seen.defects.append(f"{name}: a traceback: {told.strip().splitlines()[-1][:200]}")
    if scene.runs:
        _watch(scene, folder, seen)


def _watch(scene: Scene, folder: Path, seen: Seen) -> None:
    """Run the daemon for some seconds, ask all its pages, with a wrong token too, and end it."""
    log = folder / "daemon.txt"
    process = start_command(scene, folder, ("run",), log)
    began, url = time.monotonic(), ""
    while time.monotonic() - began < RUN_SECONDS and process.is_alive():
        time.sleep(0.2)
        started = [line for line in _text(log).splitlines() if '"started"' in line]
        url = json.loads(started[0])["url"] if started else url
    if url:
        _ask_pages(url, scene.name, seen)
    process.terminate()
    process.join(30)
    if process.is_alive():
        process.kill()
        seen.defects.append(f"{scene.name}: driftmon run did not end")
    seen.commands += 1
    seen.look(_text(log), f"{scene.name}: the daemon's log")


def _ask_pages(url: str, name: str, seen: Seen) -> None:
    for path in PAGES:
        for token in (None, PLAIN["token"], "wrong"):
            headers = {} if token is None else {"Authorization": f"Bearer {token}"}
            try:
                answer = httpx.get(url + path, headers=headers, timeout=5)
            except httpx.HTTPError:
                continue
            seen.pages += 1
            seen.look(f"{answer.headers} {answer.text}", f"{name}: GET {path}")


def _look_at_files(folder: Path, seen: Seen) -> None:
    """Look into everything that driftmon wrote, its database above all."""
    given = {"driftmon.yaml", "token", "secret-url"}
    for path in folder.rglob("*"):
        if path.is_file() and path.name not in given:
            seen.files += 1
            seen.look(_text(path), f"the file {path.name}")


def _look_at_server(server: str, seen: Seen) -> None:
    """Look into every table of the PostgreSQL store."""
    import psycopg

    with psycopg.connect(server.replace("+psycopg", "")) as connection:
        tables = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
        for (table,) in tables:
            seen.files += 1
            rows = connection.execute(f'SELECT t::text FROM "{table}" t').fetchall()  # noqa: S608
            seen.look("\n".join(row[0] for row in rows), f"the table {table}")


def _text(path: Path) -> str:
    return path.read_bytes().decode("utf-8", "replace") if path.exists() else ""


def torture(scale: float, folder: Path) -> Seen:
    """Play every scene (or a share of them) and return what was seen."""
    seen = Seen()
    write_example(folder / "driftmon-example", datetime.now(UTC))
    (folder / "token").write_text(PLAIN["token"])
    (folder / "secret-url").write_text("sqlite:///driftmon-example/log.db?timeout=5")
    with telltale_server() as telltale, start_postgres() as server:
        if server is not None:
            _fill(server, folder)
        play(Scene("first", make_config()), folder, seen, COMMANDS)
        step = max(1, round(1 / min(1.0, scale)))
        for number, scene in enumerate([*every_scene(telltale, server)][::-step]):
            # A configuration that is refused is refused by every command alike: some of them tell.
            others = tuple(COMMANDS[(number + shift) % len(COMMANDS)] for shift in (2, 6, 10))
            play(scene, folder, seen, COMMANDS if scene.runs else (("check",), *others))
        _look_at_files(folder, seen)
        if server is not None:
            _look_at_server(server, seen)
    return seen


def _fill(server: str, folder: Path) -> None:
    """Copy the example's log and its documents to the server."""
    import psycopg

    with psycopg.connect(server.replace("+psycopg", ""), autocommit=True) as to, to.cursor() as cursor:
        to.execute(
            "CREATE TABLE retrieval_log (id text, created_at timestamptz, query text, embedding bytea, results jsonb)"
        )
        to.execute("CREATE TABLE chunks (id text, embedding vector)")
        with closing(sqlite3.connect(folder / "driftmon-example" / "log.db")) as log:
            rows = log.execute(
                "SELECT id, created_at, query, embedding, results FROM retrieval_log"
            ).fetchall()
        cursor.executemany("INSERT INTO retrieval_log VALUES (%s, %s, %s, %s, %s)", rows)
        index = np.load(folder / "driftmon-example" / "index.npz")
        documents = [
            (str(i), str(v.astype(float).tolist()))
            for i, v in zip(index["ids"], index["vectors"], strict=True)
        ]
        cursor.executemany("INSERT INTO chunks VALUES (%s, %s)", documents)


def run(scale: float = 1.0) -> list[dict[str, Any]]:
    """Return how much was looked at, and how often a secret was seen."""
    with TemporaryDirectory(prefix="driftmon-secrets-") as folder:
        seen = torture(scale, Path(folder))
    for line in (*seen.leaks, *seen.defects):
        sys.stderr.write(f"{line}\n")
    return [
        figure("commands with secrets in their configuration", seen.commands, "commands"),
        figure("pages, files and tables looked at", seen.pages + seen.files, "pages"),
        figure("secrets seen", len(seen.leaks), "leaks", 0),
        figure("commands that ended with a traceback, or did not end", len(seen.defects), "commands", 0),
    ]


if __name__ == "__main__":
    main("torture-secrets", run, SEED)
