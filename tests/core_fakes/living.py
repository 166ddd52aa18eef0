"""A monitored service that lives while a test runs: it writes its log, and its embedding endpoint can be pushed."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np

from monitor.canary_texts import CANARY_TEXTS
from monitor.demo.example import write_example
from monitor.demo.material import Material, load_material
from monitor.stats.exact_search import exact_top_k

PER_SECOND = 10
K = 10


@dataclass
class LivingService:
    """Ten questions a second into ``folder``/log.db, and ``url``, an endpoint that embeds as OpenAI's does.

    ``push`` embeds queries by another model from then on, in the log and at the endpoint; the index stays.
    """

    folder: Path
    model: str = "base"
    _material: Material = field(default_factory=load_material, repr=False)
    _rng: np.random.Generator = field(default_factory=lambda: np.random.default_rng(5), repr=False)
    _stop: threading.Event = field(default_factory=threading.Event, repr=False)
    _writing: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def __post_init__(self) -> None:
        # The example's suite and index; the log is our own, with a question every tenth of a second.
        write_example(self.folder, datetime.now(UTC))
        self.log = self.folder / "living.db"
        self._answers = {model: self._answer(model) for model in ("base", "tuned")}
        with closing(sqlite3.connect(self.log)) as connection, connection:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute(
                "CREATE TABLE retrieval_log "
                "(id INTEGER PRIMARY KEY, created_at TEXT, query TEXT, embedding BLOB, results TEXT)"
            )
            connection.execute("CREATE INDEX by_time ON retrieval_log (created_at)")
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self._server.server_port}/v1/embeddings"

    def live_through(self, start: datetime, end: datetime) -> None:
        """Write the log of a span that is over."""
        seconds = int((end - start).total_seconds())
        self._write([start + timedelta(seconds=i / PER_SECOND) for i in range(seconds * PER_SECOND)])

    def start(self, since: datetime) -> None:
        """Serve, and write on from ``since`` as time passes."""
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        threading.Thread(target=self._live, args=(since,), daemon=True).start()

    def push(self, model: str) -> datetime:
        """Embed by another model from now on; return when."""
        self.model = model
        return datetime.now(UTC)

    @contextmanager
    def log_away(self) -> Iterator[None]:
        """Let the log be nowhere to be found; what is asked meanwhile is written afterwards."""
        away = self.log.with_suffix(".away")
        with self._writing:
            self.log.rename(away)
            yield
            away.rename(self.log)

    def end(self) -> None:
        """Write and serve no more."""
        self._stop.set()
        self._server.shutdown()
        self._server.server_close()

    def _live(self, since: datetime) -> None:
        written = since
        while not self._stop.wait(0.2):
            now = datetime.now(UTC)
            times: list[datetime] = []
            while written + timedelta(seconds=1 / PER_SECOND) <= now:
                written += timedelta(seconds=1 / PER_SECOND)
                times.append(written)
            self._write(times)

    def _write(self, times: list[datetime]) -> None:
        questions = self._rng.integers(len(self._material.questions), size=len(times)).tolist()
        vectors, answers = self._material.queries[self.model], self._answers[self.model]
        rows = [
            (
                at.isoformat(timespec="milliseconds"),
                self._material.questions[q],
                vectors[q].astype("<f2").tobytes(),
                answers[q],
            )
            for at, q in zip(times, questions, strict=True)
        ]
        with self._writing, closing(sqlite3.connect(self.log, timeout=30)) as connection, connection:
            connection.executemany(
                "INSERT INTO retrieval_log (created_at, query, embedding, results) VALUES (?, ?, ?, ?)", rows
            )

    def _answer(self, model: str) -> list[str]:
        found, scores = exact_top_k(self._material.documents, self._material.queries[model], K, "cosine")
        ids = self._material.ids
        return [
            json.dumps([{"id": ids[d], "score": float(s)} for d, s in zip(places, values, strict=True)])
            for places, values in zip(found, scores, strict=True)
        ]

    def _embeddings(self, texts: list[str]) -> Iterator[dict[str, Any]]:
        material, model = self._material, self.model
        table = dict(
            zip(
                (*material.questions, *CANARY_TEXTS),
                (*material.queries[model], *material.canaries[model]),
                strict=True,
            )
        )
        for place, text in enumerate(texts):
            vector = table.get(text, material.queries[model][0])
            yield {"index": place, "embedding": vector.astype(float).tolist()}

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        service = self

        class Endpoint(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                answer = json.dumps({"data": list(service._embeddings(body["input"]))}).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002  the name of the library
                pass

        return Endpoint
