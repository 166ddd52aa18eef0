"""Rows that went wrong inside Parquet files and SQL tables, whose types let some through and others not."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import SecretStr

from benchmarks.torture.accounts import Account
from benchmarks.torture.mutations import NOW, START, TIMES, WINDOWS, as_row, good_record, spoil_row
from monitor.errors import DriftmonError
from monitor.protocols import LogSource
from monitor.records import Record
from monitor.sources.file import FileSource
from monitor.sources.sql import SqlSource

Row = dict[str, Any]
NAMES = ("id", "at", "text", "vector", "model", "hits", "scores", "segments", "feedback")


def _mixed_rows(
    rng: np.random.Generator, count: int, name: str, *, time: bool
) -> tuple[list[tuple[Row, bool]], dict[str, Record]]:
    """Return rows and whether each is a good one; the first is good."""
    good: dict[str, Record] = {}
    rows: list[tuple[Row, bool]] = []
    for number in range(count):
        if number % 4 == 0:
            record = good_record(rng, number, name)
            good[record.id] = record
            rows.append((as_row(record), True))
        rows.append((spoil_row(rng, as_row(good_record(rng, number, "evil")), time=time), False))
    return rows, good


# Parquet


def fuzz_parquet(rng: np.random.Generator, count: int, folder: Path, account: Account) -> None:
    """Write a file whose columns have types of their own, then break files themselves."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows, good = _mixed_rows(rng, count, f"good{rng.integers(1 << 40)}", time=True)
    choices = {name: kinds[rng.integers(len(kinds))] for name, kinds in _arrow_types(pa).items()}
    columns = {
        name: pa.array(
            [_arrow_value(rng, row.get(name), kind, sound=sound, name=name) for row, sound in rows], kind
        )
        for name, kind in choices.items()
    }
    if choices["text"] == pa.large_string():
        columns["text"] = _not_utf8(
            pa, columns["text"], [i for i, (_, sound) in enumerate(rows) if not sound][::7]
        )
    path = folder / "log.parquet"
    pq.write_table(pa.table(columns), path, row_group_size=int(rng.choice([50, 400, 1 << 20])))
    kinds = ", ".join(f"{name} {kind}" for name, kind in choices.items())
    account.add(FileSource(str(path), timezone="UTC"), len(rows), good, f"Parquet of {kinds}")
    for _ in range(10):
        kind = _odd_arrays(pa)[rng.integers(len(_odd_arrays(pa)))]
        name = str(rng.choice(NAMES))
        table = pa.table({**{n: columns[n].slice(0, 3) for n in columns}, name: kind})
        pq.write_table(table, path)
        _read_all(FileSource(str(path), timezone="UTC"), account, f"Parquet with {name} of {kind.type}")
    path.unlink()


def _arrow_types(pa: Any) -> dict[str, list[Any]]:
    text, json_text = pa.string(), pa.large_string()
    return {
        "id": [text, pa.large_string(), pa.dictionary(pa.int32(), text)],
        "at": [pa.timestamp("us", "UTC"), pa.timestamp("us", "+02:00"), text],
        "text": [text, pa.large_string()],
        "vector": [
            pa.list_(pa.float32()),
            pa.list_(pa.float32(), 6),
            pa.list_(pa.float64()),
            pa.large_list(pa.float32()),
            pa.binary(),
            json_text,
        ],
        "model": [text, pa.dictionary(pa.int8(), text)],
        "hits": [pa.list_(text), pa.list_(pa.struct({"id": text, "score": pa.float64()})), json_text],
        "scores": [pa.list_(pa.float64()), json_text],
        "segments": [pa.struct({"tenant": text}), json_text],
        "feedback": [pa.struct({"clicked": pa.float64()}), json_text],
    }


def _arrow_value(  # noqa: PLR0911 - a case for each type
    rng: np.random.Generator, value: Any, kind: Any, *, sound: bool, name: str
) -> Any:
    """Return ``value`` as the column's type can hold it, or something wrong that it can hold."""
    import pyarrow as pa

    if name == "at" and pa.types.is_timestamp(kind):
        if sound or (isinstance(value, str) and value.startswith("2026-03-02T") and "99" not in value):
            return datetime.fromisoformat(value).replace(tzinfo=UTC)
        return [None, 0, -(2**62), 2**62, 253402300800 * 10**6, -62135596801 * 10**6][rng.integers(6)]
    if pa.types.is_large_string(kind) and name not in ("id", "text"):
        return None if value is None else _text(value)
    if pa.types.is_binary(kind):
        good = isinstance(value, list) and _is_numbers(value)
        return np.asarray(value, dtype="<f4").tobytes() if good else _text(value).encode("utf-8", "replace")
    if pa.types.is_struct(kind):
        return value if _fits(pa, value, kind) else [None, {}][rng.integers(2)]
    if name == "hits" and pa.types.is_list(kind) and pa.types.is_struct(kind.value_type):
        hits = [{"id": h, "score": None} for h in value] if isinstance(value, list) else value
        return (
            hits
            if _fits(pa, hits, kind)
            else [None, [], [None], [{"id": None, "score": 1.0}]][rng.integers(4)]
        )
    if _fits(pa, value, kind):
        return value
    if pa.types.is_fixed_size_list(kind):
        return [None, [np.nan] * 6, [None] * 6, [np.inf, 0, 0, 0, 0, 0]][rng.integers(4)]
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return [None, [], [None]][rng.integers(3)]
    return [None, "", "\0"][rng.integers(3)]


def _fits(pa: Any, value: Any, kind: Any) -> bool:
    if pa.types.is_nested(kind) and not isinstance(value, dict if pa.types.is_struct(kind) else list):
        return value is None
    try:
        pa.array([value], kind if not pa.types.is_dictionary(kind) else kind.value_type)
    except (pa.ArrowException, TypeError, ValueError, OverflowError):
        return False
    return True


def _is_numbers(value: list[Any]) -> bool:
    return all(isinstance(x, float) and abs(x) < 1e38 for x in value)


def _text(value: Any) -> str:
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else json.dumps(value)


def _not_utf8(pa: Any, column: Any, places: Sequence[int]) -> Any:
    """Return a column of texts of which some are no UTF-8: Arrow does not look."""
    wrong = set(places)
    content = [
        b"\xff\xfe broken" if i in wrong else None if text is None else text.encode()
        for i, text in enumerate(column.to_pylist())
    ]
    return pa.array(content, pa.large_binary()).view(pa.large_string())


def _odd_arrays(pa: Any) -> list[Any]:
    """Return three values each of types that nobody expects in a log."""
    return [
        pa.nulls(3),
        pa.array([True, False, None]),
        pa.array([1, 2**64 - 1, None], pa.uint64()),
        pa.array([1, 2, 3], pa.decimal128(38, 2)),
        pa.array([0, -(2**31), 2**31 - 1], pa.int32()).cast(pa.date32()),
        pa.array([0, 2**50, -(2**50)], pa.int64()).view(pa.date64()),
        pa.array([0, 1, None], pa.int64()).view(pa.time64("ns")),
        pa.array([0, 2**62, -(2**62)], pa.int64()).view(pa.duration("ns")),
        pa.array([2**50, -(2**50), None], pa.int64()).view(pa.timestamp("s")),
        pa.array([2**62, -(2**62), 1], pa.int64()).view(pa.timestamp("ns", "UTC")),
        pa.array([1, 2, 3], pa.int64()).view(pa.timestamp("us", "Nowhere/Land")),
        pa.array([b"\xff", b"", None], pa.large_binary()),
        pa.array([b"abcd", b"efgh", None], pa.binary(4)),
        pa.array([[[1.0], []], None, [[np.nan]]], pa.list_(pa.list_(pa.float32()))),
        pa.array([[{"a": 1}], [], None], pa.list_(pa.struct({"a": pa.int8()}))),
        pa.array([[("a", "b")], [], None], pa.map_(pa.string(), pa.string())),
        pa.array([{"id": "a", "score": None}, None, {"id": None, "score": np.nan}]),
        pa.array([1.0, np.nan, np.inf], pa.float16()),
        pa.array([[1.0, np.nan], None, []], pa.list_(pa.float16())),
        pa.array([[1, None], None, []], pa.list_(pa.int64())),
        pa.array([1.5, np.nan, np.inf], pa.float64()),
    ]


def _read_all(source: LogSource, account: Account, name: str) -> None:
    object.__setattr__(source, "clock", lambda: NOW)
    try:
        for start, end in (WINDOWS[2], (WINDOWS[0][0], WINDOWS[-1][1])):
            for _entry in source.read(start, end):
                pass
    except DriftmonError:
        account.columns_refused += 1
    except Exception as error:  # noqa: BLE001 the sources' promise is what is tested
        account.crashes.append(f"{name}: {type(error).__name__}: {str(error)[:300]}")


# SQLite


def fuzz_sqlite(rng: np.random.Generator, count: int, folder: Path, account: Account) -> None:
    """Fill a table whose columns take anything, and a second one whose times are wrong."""
    path = folder / "log.db"
    rows, good = _mixed_rows(rng, count, f"good{rng.integers(1 << 40)}", time=False)
    declared = ("", "TEXT", "INTEGER", "REAL", "BLOB", "NUMERIC", "TIMESTAMP", "JSON", "BOOLEAN")
    # A declared type converts what it can: good ids and numbers stay as they are in any but these.
    free = {name: "TEXT" if name == "at" else str(rng.choice(["", "TEXT", "BLOB"])) for name in NAMES}
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"CREATE TABLE log ({', '.join(f'{n} {kind}' for n, kind in free.items())})")
        for row, sound in rows:
            _insert(
                connection, "log", [_sqlite_value(rng, row.get(n), sound=sound or n == "at") for n in NAMES]
            )
        kinds = {name: str(rng.choice(declared)) for name in NAMES}
        connection.execute(f"CREATE TABLE wild ({', '.join(f'{n} {kind}' for n, kind in kinds.items())})")
        for row, _ in rows[: min(500, len(rows))]:
            wild = {**row, "at": TIMES[rng.integers(len(TIMES))]}
            _insert(connection, "wild", [_sqlite_value(rng, wild.get(n), sound=False) for n in NAMES])
        connection.commit()
    url = SecretStr(f"sqlite:///{path}")
    account.add(
        SqlSource(url, "log", batch_size=int(rng.choice([1, 7, 1000]))), len(rows), good, f"SQLite of {free}"
    )
    _read_all(SqlSource(url, "wild"), account, f"SQLite of {kinds} with wild times")
    path.unlink()


def _insert(connection: sqlite3.Connection, table: str, values: list[Any]) -> None:
    # Bytes that are marked so become a text that is no UTF-8.
    places = ", ".join("CAST(? AS TEXT)" if isinstance(v, bytearray) else "?" for v in values)
    given = [bytes(v) if isinstance(v, bytearray) else v for v in values]
    connection.execute(f"INSERT INTO {table} VALUES ({places})", given)  # noqa: S608 - our own tables


def _sqlite_value(rng: np.random.Generator, value: Any, *, sound: bool) -> Any:
    if not sound and rng.random() < 0.05:
        odd = (b"\xff\xfe", bytearray(b"\xff\xfe\xed\xa0\x80"), 9e999, -9e999, 2**63 - 1, "", b"", b"\0" * 24)
        return odd[rng.integers(len(odd))]
    if value is None or isinstance(value, bool | float):
        return value
    if isinstance(value, int):
        return value if abs(value) < 2**63 else str(value)
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else json.dumps(value)


# PostgreSQL

_TABLES: tuple[dict[str, str], ...] = (
    dict(
        zip(
            NAMES,
            ("text", "timestamptz", "text", "float8[]", "text", "jsonb", "float8[]", "jsonb", "jsonb"),
            strict=True,
        )
    ),
    dict(
        zip(
            NAMES,
            ("text", "timestamp", "text", "real[]", "text", "text[]", "jsonb", "json", "json"),
            strict=True,
        )
    ),
    dict(zip(NAMES, ("text", "text", "text", "jsonb", "text", "json", "json", "text", "text"), strict=True)),
    dict(
        zip(
            NAMES,
            ("varchar(40)", "timestamptz", "text", "vector", "text", "jsonb", "text", "jsonb", "jsonb"),
            strict=True,
        )
    ),
    dict(
        zip(
            NAMES,
            ("text", "timestamptz", "text", "bytea", "text", "text[]", "float8[]", "jsonb", "jsonb"),
            strict=True,
        )
    ),
)
_ODD = (
    ("timestamptz", ("infinity", "-infinity", "4713-01-01 BC", "294000-01-01", None)),
    ("date", ("infinity", "-infinity", "4713-01-01 BC", "9999-12-31", "99999-01-01")),
    ("interval", ("100000 years", "-100000 years", "1 mon", "3000000 days", None)),
    ("time", ("24:00:00", "00:00:00", None)),
    ("numeric", ("NaN", "Infinity", "1e5000", "-0", "1e-5000")),
    ("float8", ("NaN", "Infinity", "-Infinity", "5e-324", "1.7e308")),
    ("bytea", (r"\xff00", r"\x", None)),
    ("inet", ("::1/128", "10.0.0.0/8", None)),
    ("int4range", ("[1,5)", "empty", None)),
    ("daterange", ("[-infinity,infinity]", "(,)", "[2026-01-01,99999-01-01)")),
    ("point", ("(1,2)", "(NaN,Infinity)", None)),
    ("money", ("12.34", "-92233720368547758.08", None)),
    ("xml", ("<a/>", "<a>&lt;script&gt;</a>", None)),
    ("bit(3)", ("101", None)),
    ("tsvector", ("a fat cat", None)),
    ("uuid", ("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", None)),
    ("text[]", ("{a,NULL}", "{{a,b},{c,d}}", "{}", "[2:3]={x,y}")),
    ("timestamptz[]", ("{infinity,NULL}", "{}")),
    ("json", ('"\\u0000"', '"\\ud800"', "1e999", "9" * 5000, '{"a":1,"a":2}', "[" * 3000 + "]" * 3000)),
    ("jsonb", ("9" * 5000, "1e400", '"\\u00e9"', "[" * 3000 + "]" * 3000, "null")),
    ("vector", ("[1,2,3]", "[0]", None)),
)  # fmt: skip


def fuzz_postgres(rng: np.random.Generator, count: int, url: str, account: Account) -> None:
    """Fill tables of arrays, documents and times, then a column of every odd type in every place."""
    import psycopg

    rows, good = _mixed_rows(rng, count, f"good{rng.integers(1 << 40)}", time=False)
    kinds = _TABLES[rng.integers(len(_TABLES))]
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute("SET synchronous_commit = off; SET client_min_messages = error")
        connection.execute("DROP TABLE IF EXISTS log")
        connection.execute(f"CREATE TABLE log ({', '.join(f'{n} {kind}' for n, kind in kinds.items())})")
        statement = f"INSERT INTO log VALUES ({', '.join(f'%s::{kind}' for kind in kinds.values())})"  # noqa: S608
        kept = 0
        for row, sound in rows:
            values = [_postgres_value(rng, row.get(n), kinds[n], sound=sound) for n in NAMES]
            kept += _try(connection, statement, values, sound=sound)
        # No window ends there, and a row without a time is in none.
        for time in ("infinity", "-infinity", None):
            if kinds["at"].startswith("timestamp"):
                connection.execute("INSERT INTO log (id, at) VALUES ('no time', %s)", [time])
        source = SqlSource(SecretStr(url), "log", batch_size=int(rng.choice([1, 7, 1000])))
        account.add(source, kept, good, f"PostgreSQL of {kinds}")
        _odd_columns(connection, url, account)


def _odd_columns(connection: Any, url: str, account: Account) -> None:
    sound = as_row(good_record(np.random.default_rng(3), 1, "neighbour"))
    for kind, values in _ODD:
        for name in NAMES:
            connection.execute("DROP TABLE IF EXISTS odd")
            types = {**_TABLES[0], name: kind}
            connection.execute(f"CREATE TABLE odd ({', '.join(f'{n} {t}' for n, t in types.items())})")
            for value in values:
                row = {
                    **{n: _postgres_value(None, sound[n], types[n], sound=True) for n in NAMES if n != name},
                    name: value,
                }
                row["at"] = (START + (NOW - START) / 8).isoformat() if name != "at" else value
                statement = f"INSERT INTO odd VALUES ({', '.join(f'%s::{t}' for t in types.values())})"  # noqa: S608
                _try(connection, statement, [row[n] for n in NAMES], sound=False)
            _read_all(SqlSource(SecretStr(url), "odd"), account, f"PostgreSQL with {name} of {kind}")
            labels: dict[str, str | Mapping[str, str]] = {
                "id": "id",
                "at": "at",
                "segments": {"x": name},
                "feedback": {"y": name},
            }
            if name not in ("id", "at"):
                _read_all(SqlSource(SecretStr(url), "odd", columns=labels), account, f"a label of {kind}")


def _try(connection: Any, statement: str, values: list[Any], *, sound: bool) -> bool:
    """Insert a row unless the server refuses it; a good one it must take."""
    import psycopg

    try:
        connection.execute(statement, values)
    except (psycopg.Error, UnicodeEncodeError, ValueError):
        if sound:
            raise
        return False
    return True


def _postgres_value(rng: np.random.Generator | None, value: Any, kind: str, *, sound: bool) -> Any:
    """Return ``value`` as text that the type may take."""
    if value is None:
        return None
    if not sound and rng is not None and kind.endswith("[]") and rng.random() < 0.3:
        odd = ("{}", "{NULL}", "{{1,2},{3,4}}", "{NaN,Infinity}", "{1,NULL}", "[0:1]={1,2}")
        return odd[rng.integers(len(odd))]
    if kind.startswith("json"):
        return json.dumps(value)
    if kind.endswith("[]"):
        return list(value) if isinstance(value, list) else "{}"
    if kind == "bytea":
        good = isinstance(value, list) and _is_numbers(value)
        return np.asarray(value, dtype="<f4").tobytes() if good else repr(value).encode()
    return value if isinstance(value, str) else json.dumps(value)
