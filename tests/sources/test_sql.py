from __future__ import annotations

import gc
import json
import sqlite3
import sys
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import sqlalchemy as sa
from pydantic import SecretStr, TypeAdapter

from monitor.errors import ConfigError, EdgeError, EdgeTimeoutError
from monitor.protocols import LogSource
from monitor.sources.sql import SqlSource
from monitor.sources.sql_connection import open_session
from tests.core_fakes.backends import stopped

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from monitor.records import Record, Rejection

    Split = Callable[[Any], tuple[list[Record], list[Rejection]]]
    Span = tuple[datetime, datetime]

COLUMNS = {
    "id": "id",
    "at": "created_at",
    "text": "query",
    "vector": "embedding",
    "model": "model_name",
    "hits": "results",
    "scores": "scores",
    "segments": {"tenant": "tenant_id"},
    "feedback": {"clicked": "clicked"},
}


def _source(url: str, **options: Any) -> SqlSource:
    return TypeAdapter(SqlSource).validate_python(
        {"url": url, "table": "retrieval_log", "columns": COLUMNS, **options}
    )


def _check(records: list[Record]) -> None:
    assert [r.id for r in records] == [f"q{i}" for i in range(15)]
    third = records[3]
    assert (third.text, third.model) == ("question 3", "model-a")
    assert (third.hits, third.scores) == (("d3", "d7"), (0.75, 0.25))
    assert (third.segments, third.feedback) == ({"tenant": "acme"}, {"clicked": 1.0})
    assert third.vector is not None
    assert third.vector.tolist() == [3.0, 0.5, -1.25]
    assert third.at.tzinfo is UTC


# --- SQLite


TIME_FORMS = {
    "text with T": lambda at: at.isoformat(timespec="milliseconds"),
    "text with blank": lambda at: at.strftime("%Y-%m-%d %H:%M:%S"),
    "text with Z": lambda at: at.strftime("%Y-%m-%dT%H:%M:%SZ"),
    "text elsewhere": lambda at: (at.replace(tzinfo=None) - timedelta(hours=12)).isoformat() + "-12:00",
    "seconds": lambda at: at.timestamp(),
    "milliseconds": lambda at: int(at.timestamp() * 1000),
}


def _write_sqlite(path: Path, rows: list[dict[str, Any]], form: Callable[[datetime], Any]) -> str:
    with sqlite3.connect(path) as connection:
        connection.execute(
            "CREATE TABLE retrieval_log (id TEXT, created_at TIMESTAMP, query TEXT, embedding BLOB, "
            "model_name TEXT, results TEXT, scores TEXT, tenant_id TEXT, clicked INTEGER)"
        )
        for row in rows:
            connection.execute(
                "INSERT INTO retrieval_log VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    row["id"],
                    form(row["at"]),
                    row["text"],
                    np.array(row["vector"], dtype="<f4").tobytes(),
                    row["model"],
                    json.dumps(row["hits"]),
                    json.dumps(row["scores"]),
                    row["tenant"],
                    row["clicked"],
                ),
            )
    connection.close()
    return f"sqlite:///{path}"


@pytest.fixture
def sqlite_path(tmp_path: Path, log_rows: list[dict[str, Any]]) -> Path:
    _write_sqlite(tmp_path / "log.db", log_rows, TIME_FORMS["text with blank"])
    return tmp_path / "log.db"


@pytest.fixture
def sqlite_url(sqlite_path: Path) -> str:
    return f"sqlite:///{sqlite_path}"


def _execute(path: Path, *statements: str) -> None:
    with sqlite3.connect(path) as connection:
        for statement in statements:
            connection.execute(statement)
    connection.close()


# A TEXT column turns numbers into texts, which are no ISO times.
@pytest.mark.parametrize(
    ("form", "declared"),
    [
        (form, declared)
        for form in TIME_FORMS
        for declared in ("TIMESTAMP", "TEXT", "INTEGER", "")
        if declared != "TEXT" or form.startswith("text")
    ],
)
def test_sqlite_finds_a_window_whatever_form_times_have(
    tmp_path: Path, log_rows: list[dict[str, Any]], window: Span, split: Split, form: str, declared: str
) -> None:
    path = tmp_path / "log.db"
    url = _write_sqlite(path, log_rows, TIME_FORMS[form])
    _execute(
        path,
        "ALTER TABLE retrieval_log RENAME TO old",
        f"CREATE TABLE retrieval_log (id, created_at {declared}, query, embedding, model_name, results, scores, "
        "tenant_id, clicked)",
        "INSERT INTO retrieval_log SELECT * FROM old",
    )
    records, rejections = split(_source(url).read(*window))
    assert rejections == []
    _check(records)


def test_naive_times_have_the_zone_of_the_source(sqlite_url: str, window: Span, split: Split) -> None:
    start, end = (moment - timedelta(hours=1) for moment in window)
    assert len(split(_source(sqlite_url, timezone="Europe/Berlin").read(start, end))[0]) == 15
    assert len(split(_source(sqlite_url, timezone="Europe/Berlin").read(*window))[0]) == 0


def test_a_view_is_read_like_a_table(sqlite_path: Path, sqlite_url: str, window: Span, split: Split) -> None:
    _execute(sqlite_path, "CREATE VIEW recent AS SELECT * FROM retrieval_log WHERE clicked = 1")
    source = _source(sqlite_url, table="recent")
    assert len(split(source.read(*window))[0]) == 7
    assert source.describe().startswith(
        "sqlite view recent: 9 columns, newest record 2026-03-02T00:19:00+00:00"
    )


def test_without_a_mapping_the_fields_own_names_are_taken(
    sqlite_path: Path, sqlite_url: str, window: Span, split: Split
) -> None:
    _execute(
        sqlite_path,
        "CREATE VIEW plain AS SELECT id, created_at AS at, query AS text, results AS hits, clicked FROM retrieval_log",
    )
    source = _source(sqlite_url, table="plain", columns={})
    records, rejections = split(source.read(*window))
    assert len(records) == 15
    assert rejections == []
    assert source.describe().endswith("mapped id, at, text, hits")


def test_a_bad_row_is_rejected_and_shown_by_its_id(
    sqlite_path: Path, sqlite_url: str, window: Span, split: Split
) -> None:
    _execute(
        sqlite_path,
        "UPDATE retrieval_log SET results = 'not json' WHERE id = 'q1'",
        "UPDATE retrieval_log SET query = CAST(x'ff' AS TEXT) WHERE id = 'q2'",
        "UPDATE retrieval_log SET created_at = '2026-03-02 noonish' WHERE id = 'q3'",
        "UPDATE retrieval_log SET scores = '[1]' WHERE id = 'q4'",
    )
    records, rejections = split(_source(sqlite_url).read(*window))
    assert {r.reason: r.where for r in rejections} == {
        "bad_hits": "retrieval_log id='q1'",
        "bad_text": "retrieval_log id='q2'",
        "bad_time": "retrieval_log id='q3'",
        "bad_scores": "retrieval_log id='q4'",
    }
    assert len(records) == 12


HOSTILE = [
    'a"b',
    "x'; DROP TABLE t; --",
    "select",
    "größe 数",
    "a.b",
    "%s",
    ":p",
    "[brackets]",
    "`tick`",
    "a\\b",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_that_exist_are_just_names(
    tmp_path: Path, log_rows: list[dict[str, Any]], window: Span, split: Split, name: str
) -> None:
    path = tmp_path / "log.db"
    url = _write_sqlite(path, log_rows, TIME_FORMS["text with T"])
    quoted = '"' + name.replace('"', '""') + '"'
    statement = f"CREATE TABLE {quoted} AS SELECT id, created_at AS {quoted} FROM retrieval_log"  # noqa: S608
    _execute(path, statement)
    source = _source(url, table=name, columns={"id": "id", "at": name})
    assert len(split(source.read(*window))[0]) == 15
    assert name in source.describe()


@pytest.mark.parametrize("name", [*HOSTILE, "created_att"])
def test_names_that_do_not_exist_never_reach_sql(sqlite_url: str, window: Span, name: str) -> None:
    with pytest.raises(ConfigError, match=r"source\.table: there is no table"):
        next(_source(sqlite_url, table=name).read(*window))
    with pytest.raises(ConfigError, match=r"source\.columns\.feedback\.up") as caught:
        next(_source(sqlite_url, columns={**COLUMNS, "feedback": {"up": name}}).read(*window))
    assert repr(name) in str(caught.value)


def test_a_mistyped_column_is_told_with_close_matches_and_what_there_is(sqlite_url: str) -> None:
    with pytest.raises(ConfigError) as caught:
        _source(sqlite_url, columns={**COLUMNS, "text": "qurey"}).describe()
    assert str(caught.value) == (
        "source.columns.text: table 'retrieval_log' has no column 'qurey'; did you mean 'query'? there is "
        "id, created_at, query, embedding, model_name, results, scores, tenant_id, clicked"
    )
    with pytest.raises(ConfigError, match=r"source\.table: .*did you mean 'retrieval_log'"):
        _source(sqlite_url, table="retrieval_logs").describe()
    with pytest.raises(ConfigError, match=r"source\.schema: there is no schema 'man'; did you mean 'main'"):
        _source(sqlite_url, schema="man").describe()


def test_a_database_file_that_is_missing_is_not_created(tmp_path: Path) -> None:
    path = tmp_path / "missing.db"
    with pytest.raises(EdgeError, match=r"there is no such file; correct source\.url"):
        _source(f"sqlite:///{path}").describe()
    assert not path.exists()


def test_a_database_file_that_goes_away_is_not_created_anew(sqlite_path: Path, sqlite_url: str) -> None:
    source = _source(sqlite_url)
    source.describe()
    sqlite_path.unlink()
    with pytest.raises(EdgeError, match="there is no such file"):
        source.describe()
    assert not sqlite_path.exists()


def test_an_empty_log_is_described(sqlite_path: Path, sqlite_url: str) -> None:
    _execute(sqlite_path, "DELETE FROM retrieval_log")
    assert "no record yet" in _source(sqlite_url).describe()


def test_sqlite_is_opened_for_reading_alone(sqlite_url: str) -> None:
    for write in ("DELETE FROM retrieval_log", "DROP TABLE retrieval_log", "CREATE TABLE t (x)"):
        with (
            pytest.raises(EdgeError, match="readonly"),
            open_session(SecretStr(sqlite_url), 5) as session,
        ):
            session.connection.execute(sa.text(write))
    assert "newest record" in _source(sqlite_url).describe()


ENDLESS = (
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i AS id, 1772409600 AS at FROM n"
)


def test_sqlite_is_stopped_when_time_is_up(sqlite_path: Path, sqlite_url: str, window: Span) -> None:
    _execute(sqlite_path, f"CREATE VIEW endless AS {ENDLESS} WHERE i < 0")
    began = time.monotonic()
    with pytest.raises(EdgeTimeoutError, match=r"no answer within 0\.3 s .*raise source\.timeout"):
        next(_source(sqlite_url, table="endless", columns={}, timeout=0.3).read(*window))
    assert time.monotonic() - began < 5


def test_rows_are_fetched_as_they_are_asked_for(sqlite_path: Path, sqlite_url: str, window: Span) -> None:
    # A view without end: whoever reads it whole before yielding never yields.
    _execute(sqlite_path, f"CREATE VIEW endless AS {ENDLESS}")
    entries = _source(sqlite_url, table="endless", columns={}, batch_size=10).read(*window)
    assert [entry.id for entry in islice(entries, 25) if hasattr(entry, "id")] == [
        str(i) for i in range(1, 26)
    ]
    _close(entries)


def _close(entries: Iterator[Any]) -> None:
    entries.close()  # type: ignore[attr-defined]  # a generator


# --- PostgreSQL


@pytest.fixture
def postgres_log(postgres_database: str, log_rows: list[dict[str, Any]]) -> Iterator[sa.Engine]:
    engine = sa.create_engine(postgres_database, poolclass=sa.NullPool)
    with engine.begin() as connection:
        connection.execute(
            sa.text(
                "CREATE TABLE retrieval_log (id text, created_at timestamptz, query text, embedding vector(3), "
                "model_name text, results text[], scores float8[], tenant_id text, clicked boolean)"
            )
        )
        connection.execute(
            sa.text(
                "INSERT INTO retrieval_log VALUES (:id, :at, :text, CAST(:vector AS vector), :model, :hits, "
                ":scores, :tenant, :clicked = 1)"
            ),
            [{**row, "vector": json.dumps(row["vector"])} for row in log_rows],
        )
    yield engine
    engine.dispose()


def _url(engine: sa.Engine) -> str:
    return engine.url.render_as_string(hide_password=False)


def test_postgres_arrays_vectors_and_timestamps(postgres_log: sa.Engine, window: Span, split: Split) -> None:
    source = _source(_url(postgres_log), batch_size=4)
    records, rejections = split(source.read(*window))
    assert rejections == []
    _check(records)
    assert source.describe() == (
        "postgresql table retrieval_log: 9 columns, newest record 2026-03-02T00:19:00+00:00, "
        "mapped id, at, text, vector, model, hits, scores, segments, feedback"
    )


TYPES = {
    "hits as jsonb": "results TYPE jsonb USING to_jsonb(results)",
    "hits as json": "results TYPE json USING to_json(results)",
    "hits as text": "results TYPE text USING to_jsonb(results)::text",
    "scores as jsonb": "scores TYPE jsonb USING to_jsonb(scores)",
    "scores as numeric": "scores TYPE numeric[] USING scores::numeric[]",
    "vector as halfvec": "embedding TYPE halfvec(3)",
    "vector as array": "embedding TYPE real[] USING embedding::real[]",
    "vector as text": "embedding TYPE text",
    "id as varchar": "id TYPE varchar(9)",
    "time without zone": "created_at TYPE timestamp USING created_at AT TIME ZONE 'UTC'",
    "time in seconds": "created_at TYPE double precision USING extract(epoch FROM created_at)",
    "time in whole seconds": "created_at TYPE integer USING extract(epoch FROM created_at)",
    "time in milliseconds": "created_at TYPE bigint USING 1000 * extract(epoch FROM created_at)",
    "time as text": "created_at TYPE text",
    "time as ISO text": "created_at TYPE text USING to_json(created_at) #>> '{}'",
}


@pytest.mark.parametrize("change", TYPES)
def test_postgres_columns_of_other_types(
    postgres_log: sa.Engine, window: Span, split: Split, change: str
) -> None:
    with postgres_log.begin() as connection:
        connection.execute(sa.text("SET timezone = 'Asia/Kolkata'"))
        connection.execute(sa.text(f"ALTER TABLE retrieval_log ALTER COLUMN {TYPES[change]}"))
    records, rejections = split(_source(_url(postgres_log)).read(*window))
    assert rejections == []
    _check(records)


def test_postgres_json_that_python_refuses_costs_its_row_only(
    postgres_log: sa.Engine, window: Span, split: Split
) -> None:
    with postgres_log.begin() as connection:
        connection.execute(sa.text("ALTER TABLE retrieval_log DROP COLUMN results, ADD COLUMN results jsonb"))
        connection.execute(sa.text("UPDATE retrieval_log SET results = '[\"d1\"]'"))
        change = sa.text("UPDATE retrieval_log SET results = CAST(:hits AS jsonb) WHERE id = :id")
        connection.execute(change, {"id": "q1", "hits": f"[{'9' * 5000}]"})
        connection.execute(change, {"id": "q2", "hits": "[" * 3000 + "]" * 3000})
    columns = {"id": "id", "at": "created_at", "hits": "results"}
    records, rejections = split(_source(_url(postgres_log), columns=columns).read(*window))
    assert [r.reason for r in rejections] == ["bad_hits", "bad_hits"]
    assert len(records) == 13


def test_postgres_hits_as_objects_with_scores(postgres_log: sa.Engine, window: Span, split: Split) -> None:
    with postgres_log.begin() as connection:
        connection.execute(sa.text("ALTER TABLE retrieval_log DROP COLUMN results, ADD COLUMN results jsonb"))
        connection.execute(
            sa.text(
                """UPDATE retrieval_log SET results = '[{"doc_id": 7, "sim": 0.5}, {"doc_id": 8, "sim": 0.25}]'"""
            )
        )
    columns = {"id": "id", "at": "created_at", "hits": "results"}
    records, _ = split(_source(_url(postgres_log), columns=columns, hit_score="sim").read(*window))
    assert {(r.hits, r.scores) for r in records} == {(("7", "8"), (0.5, 0.25))}


def test_postgres_naive_hour_that_comes_twice_is_in_one_window(postgres_log: sa.Engine, split: Split) -> None:
    # Berlin, 25 October 2026: 02:50 comes at 00:50 UTC and again at 01:50 UTC, and the window that begins at
    # 00:45 UTC ends, by the wall clock, before it begins.
    with postgres_log.begin() as connection:
        connection.execute(sa.text("ALTER TABLE retrieval_log ALTER COLUMN created_at TYPE timestamp"))
        connection.execute(sa.text("DELETE FROM retrieval_log WHERE id <> 'q0'"))
        connection.execute(sa.text("UPDATE retrieval_log SET created_at = '2026-10-25 02:50:00'"))
    source = _source(_url(postgres_log), timezone="Europe/Berlin")
    midnight = datetime(2026, 10, 25, tzinfo=UTC)
    quarters = [midnight + timedelta(minutes=15 * i) for i in range(-8, 16)]
    counts = [len(split(source.read(start, start + timedelta(minutes=15)))[0]) for start in quarters]
    assert sum(counts) == 1


def test_postgres_column_that_holds_no_time(postgres_log: sa.Engine) -> None:
    columns = {"id": "id", "at": "clicked"}
    with pytest.raises(
        ConfigError, match=r"source\.columns\.at: column 'clicked' is of type BOOLEAN; name one"
    ):
        _source(_url(postgres_log), columns=columns).describe()


@pytest.mark.parametrize("name", HOSTILE)
def test_postgres_hostile_names_that_exist_are_just_names(
    postgres_log: sa.Engine, window: Span, split: Split, name: str
) -> None:
    quoted = '"' + name.replace('"', '""').replace("%", "%%") + '"'
    view = f"CREATE VIEW {quoted}.{quoted} AS SELECT id, created_at AS {quoted} FROM retrieval_log"  # noqa: S608
    with postgres_log.begin() as connection:
        connection.exec_driver_sql(f"CREATE SCHEMA {quoted}")
        connection.exec_driver_sql(view)
    source = _source(_url(postgres_log), schema=name, table=name, columns={"id": "id", "at": name})
    assert len(split(source.read(*window))[0]) == 15
    assert source.describe().startswith(f"postgresql view {name}: 2 columns")


def test_postgres_transaction_is_read_only(postgres_log: sa.Engine) -> None:
    with (
        pytest.raises(EdgeError, match="read-only transaction"),
        open_session(SecretStr(_url(postgres_log)), 5) as session,
    ):
        session.connection.execute(sa.text("DELETE FROM retrieval_log"))
    with postgres_log.connect() as connection:
        assert connection.scalar(sa.text("SELECT count(*) FROM retrieval_log")) == 20


def test_postgres_is_stopped_when_time_is_up(postgres_log: sa.Engine, window: Span) -> None:
    with postgres_log.begin() as connection:
        connection.execute(
            sa.text(
                "CREATE VIEW slow AS SELECT id, created_at AS at, pg_sleep(20)::text AS text FROM retrieval_log"
            )
        )
    source = _source(_url(postgres_log), table="slow", columns={}, timeout=0.4)
    began = time.monotonic()
    with pytest.raises(EdgeTimeoutError, match=r"no answer within 0\.4 s"):
        list(source.read(*window))
    assert time.monotonic() - began < 10


# The driver complains of its cursor, which nobody can close on a connection that is gone.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_postgres_that_stops_answering_is_cut_off(postgres_log: sa.Engine, window: Span) -> None:
    with postgres_log.begin() as connection:
        connection.execute(
            sa.text(
                "CREATE VIEW stuck AS SELECT id, created_at AS at, pg_sleep(20)::text AS text FROM retrieval_log"
            )
        )
    source = _source(_url(postgres_log), table="stuck", columns={}, timeout=1)
    began = time.monotonic()
    with (
        stopped(postgres_log, "FETCH%") as pids,
        pytest.raises(EdgeTimeoutError, match=r"no answer within 1 s"),
    ):
        list(source.read(*window))
    assert pids  # its own time-out could not run
    assert time.monotonic() - began < 15
    gc.collect()


def test_postgres_streams(postgres_log: sa.Engine, window: Span) -> None:
    with postgres_log.begin() as connection:
        connection.execute(
            sa.text(
                "CREATE VIEW long AS SELECT generate_series(1, 100000000) AS id, "
                "timestamptz '2026-03-02 00:00Z' AS at, repeat('x', 1000) AS text"  # 100 GB for whoever takes it whole
            )
        )
    entries = _source(_url(postgres_log), table="long", columns={}, batch_size=100, timeout=20).read(*window)
    assert sum(1 for _ in islice(entries, 250)) == 250
    _close(entries)


def test_postgres_password_is_in_no_error(postgres_log: sa.Engine) -> None:
    url = sa.make_url("postgresql+psycopg://nobody:hunter2secret@127.0.0.1:1/nowhere?connect_timeout=2")
    with pytest.raises(EdgeError) as caught:
        _source(url.render_as_string(hide_password=False)).describe()
    assert "127.0.0.1/nowhere" in str(caught.value)
    error: BaseException | None = caught.value
    while error is not None:
        assert "hunter2secret" not in str(error)
        assert error.__suppress_context__ or error.__context__ is None
        error = error.__cause__


# --- configuration


def test_it_is_a_log_source_and_its_fields_are_its_configuration(sqlite_url: str) -> None:
    source = _source(sqlite_url)
    assert isinstance(source, LogSource)
    assert source == _source(sqlite_url)
    assert not SqlSource.__dataclass_fields__["clock"].init


def test_the_clock_is_asked(
    sqlite_url: str, window: Span, split: Split, set_clock: Callable[[Any, datetime], None]
) -> None:
    source = _source(sqlite_url)
    set_clock(source, window[0])
    records, rejections = split(source.read(*window))
    assert len(records) == 6
    assert {r.reason for r in rejections} == {"future_time"}


def test_the_url_is_in_no_representation() -> None:
    source = _source("postgresql://user:hunter2secret@db.example.com/log")
    assert "hunter2secret" not in repr(source)
    assert "db.example.com" not in repr(source)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"url": "hunter2secret"}, "url: not a database URL; it looks like"),
        ({"table": ""}, "table: must name"),
        ({"timeout": 0}, "timeout: must be above 0"),
        ({"batch_size": 0}, "batch_size: must be from 1"),
        ({"timezone": "Mars"}, "timezone: 'Mars'"),
        ({"columns": {"txet": "x"}}, "did you mean 'text'"),
    ],
)
def test_bad_settings_are_refused(options: dict[str, Any], message: str) -> None:
    settings = {"url": SecretStr("sqlite://"), "table": "t", **options}
    settings["url"] = SecretStr(settings["url"]) if isinstance(settings["url"], str) else settings["url"]
    with pytest.raises(ValueError, match=message) as caught:
        SqlSource(**settings)
    assert "hunter2secret" not in str(caught.value)


def test_a_driver_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(EdgeError, match=r"'psycopg' is not installed; pip install .*\[postgres\]"):
        _source("postgresql://user:hunter2secret@127.0.0.1/other").describe()
    with pytest.raises(EdgeError, match="'MySQLdb' is not installed"):
        _source("mysql://user:hunter2secret@127.0.0.1/log").describe()
    with pytest.raises(EdgeError, match="no SQLAlchemy dialect 'nosuch' is installed"):
        _source("nosuch://user:hunter2secret@127.0.0.1/log").describe()


def test_half_a_character_is_no_name_of_a_table() -> None:
    with pytest.raises(ValueError, match="table: is no text that UTF-8 can hold"):
        SqlSource(SecretStr("sqlite:///log.db"), "lo\ud800gs")


@pytest.mark.parametrize("name", ["a%(b", "%(id)s"])
def test_a_name_that_sqlalchemy_cannot_write_is_refused(tmp_path: Path, name: str) -> None:
    with closing(sqlite3.connect(tmp_path / "log.db")) as connection:
        connection.execute(f'CREATE TABLE "{name}" (id TEXT, at TEXT)')
    source = SqlSource(SecretStr(f"sqlite:///{tmp_path}/log.db"), name)
    with pytest.raises(ConfigError, match="name a view over it"):
        list(source.read(datetime(2026, 3, 2, tzinfo=UTC), datetime(2026, 3, 3, tzinfo=UTC)))
