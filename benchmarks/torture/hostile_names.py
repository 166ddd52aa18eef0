"""Names of tables, schemas and columns that are SQL, code or nonsense: refused, or found as what they really are."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import SecretStr

from benchmarks.torture.mutations import NOW, START
from monitor.errors import DriftmonError
from monitor.indexes.pgvector import PgvectorIndex
from monitor.sources.sql import SqlSource

NAMES = (
    "", " ", "\0", "a\0b", "\ud800", "x" * 10_000, "x" * 64, "é" * 40, '"', "'", "`", "[", "]", '""', '";',
    "--", "/*", "*/", "logs; DROP TABLE logs;--", 'x"; DROP TABLE logs;--', "x'; DROP TABLE logs;--",
    "logs -- ", "logs /*", "logs'", 'logs"', "logs UNION SELECT password FROM users", "(SELECT 1)",
    "logs) OR 1=1 --", "1; SELECT pg_sleep(3)", "pg_sleep(3)", "logs WHERE pg_sleep(3) IS NULL",
    '"; SELECT pg_sleep(3); --', "logs, pg_sleep(3)", "generate_series(1,1000000000)", "lοgs", "ｌｏｇｓ",
    "logs\u200b", "logs\u202e", "l\u0301ogs", "LOGS", "Logs", "logs ", " logs", "logs\n", "lo\tgs", "%",
    "%s", "%(x)s", "%%", "100%", "{}", "{0}", "{x}", "{__class__}", "${HOME}", "$1", ":x", "?", "@x", "\\",
    "\\'", "a.b", "public.logs", '"public"."logs"', "main.logs", "sqlite_master", "pg_authid",
    "pg_catalog.pg_authid", "information_schema.tables", "select", "SELECT", "table", "order", "user",
    "null", "NaN", "true", "0", "-1", "*", "1e999", "COUNT(*)", "current_user", "<script>alert(1)</script>",
    "\x1b[31m", "../../etc/passwd", "🦄", "名", "ß", "x" * 63,
)  # fmt: skip
_SIGNS = "\"'`;-/*()[]{}%$:?@\\.,<>|&^~!=+# \n\tabcXYZ019éß名🦄\u202e\u0301"
SLOW = 2.5


@dataclass
class Names:
    """What came of the names."""

    tried: int = 0
    refused: int = 0
    read: int = 0
    defects: list[str] = field(default_factory=list)

    def attempt(self, what: str, name: str, act: Callable[[], object], *, real: bool) -> None:
        """Use the name; a real one must be found, another one refused, at once and with a plain error."""
        self.tried += 1
        began = time.monotonic()
        shown = f"{what} {name[:60]!r}"
        try:
            act()
        except (DriftmonError, ValueError) as error:
            # ValueError is a plug-in's way to refuse its fields; the configuration tells it as its own error.
            self.refused += 1
            if real:
                self.defects.append(f"{shown}: is there and was refused: {error}")
            if isinstance(error, UnicodeError):
                self.defects.append(f"{shown}: {type(error).__name__}: {error}")
        except Exception as error:  # noqa: BLE001 what else there may be is the question
            self.defects.append(f"{shown}: {type(error).__name__}: {str(error)[:200]}")
        else:
            self.read += 1
            if not real:
                self.defects.append(f"{shown}: is not there and was found")
        if time.monotonic() - began > SLOW:
            self.defects.append(f"{shown}: took {time.monotonic() - began:.1f} s")


def every_name(count: int, step: int = 1) -> Iterator[str]:
    """Yield every ``step``-th of the names above and ``count`` random ones."""
    yield from NAMES[::step]
    rng = np.random.default_rng(5)
    for _ in range(count):
        yield "".join(_SIGNS[i] for i in rng.integers(len(_SIGNS), size=rng.integers(1, 24)))


def _columns(place: str, name: str) -> dict[str, Any]:
    columns: dict[str, Any] = {"id": "id", "at": "at", "text": "text"}
    if place == "label":
        return {**columns, "segments": {name or "x": name}}
    return {**columns, place: name}


def _read(url: str, table: str, schema: str | None = None, columns: dict[str, Any] | None = None) -> None:
    source = SqlSource(
        SecretStr(url), table, schema=schema, columns=columns or _columns("text", "text"), timeout=2
    )
    object.__setattr__(source, "clock", lambda: NOW)
    source.describe()
    [record] = source.read(START, NOW)
    if getattr(record, "id", None) != "the record":
        raise AssertionError(f"read {record}")


def try_sqlite(folder: Path, count: int) -> Names:
    """Use each name where none is of that name, then make a table and a column of it and read them."""
    names = Names()
    path = folder / "names.db"
    url = f"sqlite:///{path}"
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("CREATE TABLE logs (id TEXT, at TEXT, text TEXT, password TEXT)")
        connection.execute(
            "INSERT INTO logs VALUES ('the record', ?, 'how', 'secret')",
            [(START + (NOW - START) / 2).isoformat()],
        )
        # SQLite's own names know no case.
        taken = {"logs", "sqlite_master"}
        for name in every_name(count):
            if name.lower() in taken:
                continue
            names.attempt("SQLite's table", name, partial(_read, url, name), real=False)
            for place in ("id", "at", "text", "label"):
                if name.lower() not in ("id", "at", "text", "password"):
                    names.attempt(
                        f"SQLite's column {place}",
                        name,
                        partial(_read, url, "logs", columns=_columns(place, name)),
                        real=False,
                    )
            names.attempt("SQLite's schema", name, partial(_read, url, "logs", schema=name), real=False)
            if not name:
                continue  # SQLite would take it, the configuration does not
            quoted = '"' + name.replace('"', '""') + '"'
            try:
                connection.execute(f"CREATE TABLE {quoted} (id TEXT, at TEXT, {quoted} TEXT, text TEXT)")
            except (sqlite3.Error, ValueError, UnicodeEncodeError):
                continue  # no such table can be
            connection.execute(f"INSERT INTO {quoted} SELECT id, at, text, text FROM logs")  # noqa: S608
            names.attempt(
                "SQLite's real table",
                name,
                partial(_read, url, name, columns=_columns("text", name)),
                real="%(" not in name,
            )
            connection.execute(f"DROP TABLE {quoted}")
        left = connection.execute("SELECT name, (SELECT count(*) FROM logs) FROM sqlite_master").fetchall()
        if left != [("logs", 1)]:
            names.defects.append(f"the database was changed: {left}")
    return names


def _search(url: str, **names: Any) -> None:
    index = PgvectorIndex(SecretStr(url), **{"table": "chunks", "timeout": 2.0, **names})
    index.describe()
    found = index.search(np.ones((1, 3), np.float32), 1)
    if list(found.ids[0]) != ["the document"] or index.sample(1).ids != ("the document",):
        raise AssertionError(f"found {found.ids}")


def try_postgres(url: str, count: int, step: int = 1) -> Names:
    """Do the same on PostgreSQL, for the log and for the index, with schemas too."""
    import psycopg

    names = Names()
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute("DROP TABLE IF EXISTS logs, chunks; SET client_min_messages = error")
        connection.execute("CREATE TABLE logs (id text, at timestamptz, text text, password text)")
        connection.execute(
            "INSERT INTO logs VALUES ('the record', %s, 'how', 'secret')", [START + (NOW - START) / 2]
        )
        connection.execute("CREATE TABLE chunks (id text, embedding vector(3))")
        connection.execute("INSERT INTO chunks VALUES ('the document', '[1,1,1]')")
        before = _tables(connection)
        for name in every_name(count, step):
            _try_absent(names, url, name)
            _try_present(names, url, name, connection)
        if _tables(connection) != before:
            names.defects.append(f"the database was changed: {_tables(connection)}")
    return names


def _try_absent(names: Names, url: str, name: str) -> None:
    known = ("logs", "chunks", "id", "at", "text", "password", "embedding", "public")
    system = ("pg_authid",)  # there for a superuser, but of other columns
    if name in known:
        return
    names.attempt("the log's table", name, partial(_read, url, name), real=False)
    for place in ("id", "at", "text", "label"):
        names.attempt(
            f"the log's column {place}",
            name,
            partial(_read, url, "logs", columns=_columns(place, name)),
            real=False,
        )
    names.attempt("the index's table", name, partial(_search, url, table=name), real=False)
    for place in ("id_column", "vector_column", "schema"):
        names.attempt(f"the index's {place}", name, partial(_search, url, **{place: name}), real=False)
    if name not in system:
        names.attempt("the log's schema", name, partial(_read, url, "logs", schema=name), real=False)


def _try_present(names: Names, url: str, name: str, connection: Any) -> None:
    import psycopg

    if not name or len(name.encode("utf-8", "replace")) > 63:
        return  # the server would cut it, and it would be another name
    quoted = '"' + name.replace('"', '""') + '"'
    own = name not in ("public", "id", "at", "text", "embedding")
    try:
        connection.execute(f"CREATE SCHEMA {quoted}")
        connection.execute(f"CREATE TABLE {quoted}.{quoted} (id text, at timestamptz, {quoted} text)")
        connection.execute(f"INSERT INTO {quoted}.{quoted} SELECT id, at, text FROM logs")  # noqa: S608
        index = quoted[:-1] + '2"' if len(name.encode()) < 60 else '"chunks2"'
        connection.execute(f"CREATE TABLE {quoted}.{index} ({quoted} text, embedding vector(3))")
        connection.execute(f"INSERT INTO {quoted}.{index} SELECT * FROM chunks")  # noqa: S608
    except (psycopg.Error, UnicodeEncodeError, ValueError):
        return  # no such name can be
    try:
        if own:
            columns = _columns("text", name)
            names.attempt(
                "a real table", name, partial(_read, url, name, schema=name, columns=columns), real=True
            )
            table = index[1:-1].replace('""', '"')
            names.attempt(
                "a real index",
                name,
                partial(_search, url, table=table, schema=name, id_column=name),
                real=True,
            )
    finally:
        connection.execute(f"DROP SCHEMA {quoted} CASCADE")


def _tables(connection: Any) -> list[tuple[Any, ...]]:
    rows: list[tuple[Any, ...]] = connection.execute(
        "SELECT schemaname, tablename, (SELECT count(*) FROM logs), (SELECT count(*) FROM chunks) FROM pg_tables"
        " WHERE schemaname NOT IN ('pg_catalog', 'information_schema') ORDER BY 1, 2"
    ).fetchall()
    return rows
