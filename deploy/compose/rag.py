"""A small RAG service to watch: it answers real questions, logs them, and is one day given another embedding model.

It writes its index (``chunks``) and its log (``retrieval_log``) into PostgreSQL, and embeds at ``/v1/embeddings`` with
the model ``reference`` (always the one that made the index) and the model ``live`` (whatever it runs now).
``rag.py healthy`` asks a running one; ``rag.py suite`` prints the judged queries of suite.jsonl.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import chain
from zlib import crc32

import numpy as np
import psycopg
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from monitor.canary_texts import CANARY_TEXTS
from monitor.demo.material import Material, load_material
from monitor.demo.traffic import Traffic, Visit
from monitor.records import VectorArray
from monitor.stats.exact_search import exact_top_k

K = 10
PER_HOUR = 12_000.0
SUITE = 100
HOUR = timedelta(hours=1)
Row = tuple[str, datetime, str, str]

_TABLES = """
CREATE EXTENSION IF NOT EXISTS vector;
DROP TABLE IF EXISTS chunks, retrieval_log;
CREATE TABLE chunks (id text PRIMARY KEY, embedding vector(384) NOT NULL);
CREATE TABLE retrieval_log (id text PRIMARY KEY, created_at timestamptz NOT NULL, query text, results jsonb);
CREATE INDEX ON retrieval_log (created_at);
"""


@dataclass
class Service:
    """The service: one index, and the model that queries are embedded with."""

    material: Material
    model: str = "base"
    ready: bool = False
    _answers: list[str] = field(init=False, repr=False)
    _places: dict[str, int] = field(init=False, repr=False)
    _vectors: dict[str, VectorArray] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        self._places = {text: i for i, text in enumerate((*self.material.questions, *CANARY_TEXTS))}
        self._answers = self._search()

    def push(self, model: str) -> None:
        """Embed queries with another model from now on; the stored documents stay as they are."""
        self.model = model
        self._answers = self._search()

    def answer(self, visit: Visit, number: int) -> Row:
        """Return the log's entry of one question."""
        question = self.material.questions[visit.question]
        return (f"q{number:09d}", visit.at.astimezone(UTC), question, self._answers[visit.question])

    def embed(self, name: str, texts: list[str]) -> VectorArray:
        """Return vectors by the model ``reference`` or ``live``; raises `KeyError` for another."""
        model = {"reference": "base", "live": self.model}[name]
        vectors = self._vectors.get(model)
        if vectors is None:
            vectors = np.concatenate([self.material.queries[model], self.material.canaries[model]])
            self._vectors[model] = vectors
        # What nobody has embedded lies where some known text does, so that any text gets an answer.
        found: VectorArray = vectors[[self._places.get(t, crc32(t.encode()) % len(vectors)) for t in texts]]
        return found

    def _search(self) -> list[str]:
        names = self.material.ids
        found, scores = exact_top_k(self.material.documents, self.material.queries[self.model], K, "cosine")
        return [
            json.dumps([{"id": names[d], "score": round(float(s), 6)} for d, s in zip(ids, row, strict=True)])
            for ids, row in zip(found, scores, strict=True)
        ]


@dataclass
class Log:
    """The traffic hour by hour, and the table that it is written to."""

    service: Service
    database: str
    per_hour: float = PER_HOUR
    _number: int = 0

    def fill(self, history: timedelta, now: datetime) -> Iterator[Visit]:
        """Lay down index and history; return the visits that are still to come."""
        traffic = Traffic(self.service.material, np.random.default_rng(1), per_hour=self.per_hour)
        traffic.ask(np.arange(len(self.service.material.ids)))
        visits = self._visits(traffic, (now - history).replace(minute=0, second=0, microsecond=0))
        with psycopg.connect(self.database) as connection, connection.cursor() as cursor:
            cursor.execute(_TABLES)
            with cursor.copy("COPY chunks FROM STDIN") as copy:
                for name, vector in zip(
                    self.service.material.ids, self.service.material.documents, strict=True
                ):
                    copy.write_row((name, json.dumps([round(float(x), 7) for x in vector])))
            cursor.execute("CREATE INDEX ON chunks USING hnsw (embedding vector_cosine_ops)")
            with cursor.copy("COPY retrieval_log FROM STDIN") as copy:
                for visit in visits:
                    if visit.at > now:
                        return chain([visit], visits)
                    copy.write_row(self._row(visit))
        return visits

    def follow(self, visits: Iterator[Visit]) -> None:
        """Write each visit when its time has come; does not end."""
        pending: list[Visit] = []
        while True:
            now = datetime.now(UTC)
            while not pending or pending[-1].at <= now:
                pending.append(next(visits))
            due, pending = pending[:-1], pending[-1:]
            if due:
                with psycopg.connect(self.database) as connection:
                    connection.cursor().executemany(
                        "INSERT INTO retrieval_log VALUES (%s, %s, %s, %s)", [self._row(v) for v in due]
                    )
            time.sleep(1)

    def _row(self, visit: Visit) -> Row:
        self._number += 1
        return self.service.answer(visit, self._number)

    def _visits(self, traffic: Traffic, start: datetime) -> Iterator[Visit]:
        while True:
            yield from sorted(traffic.hour(start), key=lambda visit: visit.at)
            start += HOUR


def create_app(service: Service) -> Starlette:
    """Return the endpoint for embeddings, and one that says whether the tables are filled."""

    async def embeddings(request: Request) -> Response:
        asked = await request.json()
        try:
            vectors = service.embed(asked["model"], asked["input"])
        except KeyError as error:
            return JSONResponse({"error": {"message": f"unknown here: {error}"}}, 400)
        data = [{"index": i, "embedding": vector.tolist()} for i, vector in enumerate(vectors)]
        return JSONResponse({"object": "list", "model": asked["model"], "data": data})

    async def healthy(_: Request) -> Response:
        return PlainTextResponse("ok\n" if service.ready else "filling\n", 200 if service.ready else 503)

    return Starlette(
        routes=[Route("/v1/embeddings", embeddings, methods=["POST"]), Route("/healthy", healthy)]
    )


def suite(material: Material) -> Iterator[str]:
    """Yield judged queries: a question, and the document that it was made of."""
    for i in sorted(np.random.default_rng(1).permutation(len(material.ids))[:SUITE].tolist()):
        yield json.dumps({"id": f"s{i}", "text": material.questions[i], "relevant": {material.ids[i]: 1}})


def work(service: Service, log: Log, history: timedelta, push_after: float | None) -> None:
    """Fill, then answer; push the other model once."""
    visits = log.fill(history, datetime.now(UTC))
    service.ready = True
    print("index and history are there", flush=True)
    if push_after is not None:

        def push() -> None:
            service.push("tuned")
            print("model pushed", flush=True)

        pushing = threading.Timer(push_after, push)
        pushing.daemon = True
        pushing.start()
    log.follow(visits)


def main() -> None:
    """Run what the command line names."""
    port = int(os.environ.get("PORT", "8080"))
    if sys.argv[1:] == ["suite"]:
        print("\n".join(suite(load_material())))
        return
    if sys.argv[1:] == ["healthy"]:
        urllib.request.urlopen(f"http://127.0.0.1:{port}/healthy", timeout=4)
        return
    service = Service(load_material())
    database = os.environ["DATABASE_URL"].replace("+psycopg", "")
    after = os.environ.get("PUSH_AFTER", "300")
    history = timedelta(hours=float(os.environ.get("HISTORY_HOURS", "3")))
    arguments = (service, Log(service, database), history, None if after == "never" else float(after))
    threading.Thread(target=work, args=arguments, daemon=True).start()
    uvicorn.run(
        create_app(service),
        host=os.environ.get("HOST", "0.0.0.0"),  # noqa: S104 in a container
        port=port,
        log_level="warning",
    )


if __name__ == "__main__":
    main()
