"""What a cluster gives to pods, for real processes here: rendered manifests, a database's port, a log in it."""

from __future__ import annotations

import socket
import sqlite3
import threading
from contextlib import closing, suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml

from tests.deploy.conftest import CHART, RELEASE, Manifest, helm, of_kind


def rendered(folder: Path, values: dict[str, Any]) -> tuple[Manifest, ...]:
    file = folder / "values.yaml"
    file.write_text(yaml.safe_dump(values))
    result = helm("template", RELEASE, str(CHART), "-f", str(file))
    assert result.returncode == 0, result.stderr
    return tuple(each for each in yaml.safe_load_all(result.stdout) if each)


def config_maps(manifests: tuple[Manifest, ...]) -> dict[str, dict[str, str]]:
    return {m["metadata"]["name"]: m["data"] for m in of_kind(manifests, "ConfigMap")}


@dataclass
class Proxy:
    """A TCP port before the server's socket, which lies where only its owner and root may go."""

    path: str
    listener: socket.socket = field(default_factory=lambda: socket.create_server(("127.0.0.1", 0)))

    def __post_init__(self) -> None:
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.listener.getsockname()[1]}"

    def _accept(self) -> None:
        while True:
            try:
                client = self.listener.accept()[0]
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, socket.socket(socket.AF_UNIX) as server:
            server.connect(self.path)
            back = threading.Thread(target=self._pump, args=(server, client), daemon=True)
            back.start()
            self._pump(client, server)
            back.join()

    @staticmethod
    def _pump(one: socket.socket, other: socket.socket) -> None:
        with suppress(OSError):
            while data := one.recv(65536):
                other.sendall(data)
        for each in (one, other):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


def fill(database: str, example: Path) -> None:
    """Copy the example's log into PostgreSQL."""
    import psycopg

    with closing(sqlite3.connect(example / "log.db")) as log:
        rows = log.execute("SELECT id, created_at, query, embedding, results FROM retrieval_log").fetchall()
    with psycopg.connect(database) as connection, connection.cursor() as cursor:
        cursor.execute(
            "CREATE TABLE retrieval_log "
            "(id text PRIMARY KEY, created_at timestamptz, query text, embedding bytea, results text)"
        )
        with cursor.copy("COPY retrieval_log FROM STDIN (FORMAT BINARY)") as copy:
            copy.set_types(["text", "timestamptz", "text", "bytea", "text"])
            for id_, at, *rest in rows:
                copy.write_row((id_, datetime.fromisoformat(at), *rest))
