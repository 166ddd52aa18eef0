from __future__ import annotations

import sqlite3
import sys
import threading
import traceback
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest
from sqlalchemy import text

from monitor.errors import StoreError
from monitor.store import Store, engine, schema

if TYPE_CHECKING:
    from tests.store.conftest import Docs

SECRET = "s3cr3t/p@ss"  # noqa: S105
QUOTED = "s3cr3t%2Fp%40ss"


@pytest.mark.parametrize(
    ("url", "says"),
    [
        (f"postgresql://u:{SECRET}:x@h:port/db", "the URL cannot be read; write sqlite"),
        (f"nonsense {SECRET}", "the URL cannot be read"),
        (f"mysql://u:{QUOTED}@h/db", "'mysql' is not supported; use sqlite or postgresql"),
        (f"postgresql+asyncpg://u:{QUOTED}@h/db", "'postgresql[+]asyncpg' is not supported"),
    ],
)
def test_a_bad_url_is_refused_without_being_quoted(url: str, says: str) -> None:
    with pytest.raises(StoreError, match=says) as caught:
        engine.open_engine(url)
    assert "s3cr3t" not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://u:{QUOTED}@127.0.0.1:1/db?connect_timeout=2",
        f"postgres://u@127.0.0.1:1/db?password={QUOTED}",
        f"postgresql://u:{QUOTED}@127.0.0.1:1/db?application_name={QUOTED}",
    ],
)
def test_a_server_that_is_away_is_named_without_secrets(url: str) -> None:
    store = Store.open(url)
    with pytest.raises(StoreError, match="check that the server is up") as caught:
        store.statuses(["docs"])
    assert str(caught.value).startswith("postgresql://127.0.0.1:1/db: ")
    for shown in ("".join(traceback.format_exception(caught.value)), repr(store), store.name):
        assert "s3cr3t" not in shown
        assert "%2Fp%40" not in shown
    store.close()


@pytest.mark.postgres
def test_a_secret_that_the_server_repeats_is_blotted_out(postgres_url: str) -> None:
    opened = engine.open_engine(
        f"{postgres_url}&application_name=x".replace("postgres:@", f"postgres:{QUOTED}@")
    )
    with pytest.raises(StoreError, match=r"\*\*\*") as caught, engine.reading(opened) as connection:
        connection.execute(text(f'SELECT * FROM "{SECRET}"'))  # noqa: S608
    assert SECRET not in "".join(traceback.format_exception(caught.value))
    opened.dispose()


def test_values_of_a_failed_statement_are_not_shown(store: Store) -> None:
    with pytest.raises(StoreError) as caught, engine.writing(store.engine) as connection:
        connection.execute(text("INSERT INTO nowhere VALUES (:v)"), {"v": SECRET})
    assert "run `driftmon db upgrade`" in str(caught.value)
    assert SECRET not in "".join(traceback.format_exception(caught.value))


def test_postgresql_without_its_driver_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(StoreError, match=r"pip install \"retrieval-drift-monitor\[postgres\]\""):
        engine.open_engine("postgresql://h/db")


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"no/driftmon.db: .*check that its folder exists"):
        schema.upgrade(f"sqlite:///{tmp_path}/no/driftmon.db")


def test_a_transaction_left_by_an_error_keeps_nothing(store: Store, docs: Docs) -> None:
    def insert_and_fail() -> None:
        with engine.writing(store.engine) as connection:
            connection.execute(
                text("INSERT INTO streams (collection, detector, signal) VALUES ('a', 'b', 'c')")
            )
            raise RuntimeError("half way")

    with pytest.raises(RuntimeError, match="half way"):
        insert_and_fail()
    assert docs.query("SELECT count(*) FROM streams") == [0]


def test_a_reader_cannot_write_on_postgresql(store: Store, kind: str) -> None:
    if kind == "sqlite":
        return
    with pytest.raises(StoreError, match="read-only"), engine.reading(store.engine) as connection:
        connection.execute(text("DELETE FROM streams"))


def test_a_reader_sees_one_moment(store: Store, docs: Docs) -> None:
    with engine.reading(store.engine) as connection:
        before = connection.execute(text("SELECT count(*) FROM windows")).scalar_one()
        docs.plan(2)
        assert connection.execute(text("SELECT count(*) FROM windows")).scalar_one() == before == 0
    assert docs.query("SELECT count(*) FROM windows") == [2]


def test_sqlite_is_set_up_for_many_readers_and_one_writer(tmp_path: Path) -> None:
    store = Store.open(f"sqlite:///{tmp_path / 'd.db'}")
    with engine.reading(store.engine) as connection:
        found = {
            name: connection.execute(text(f"PRAGMA {name}")).scalar_one()
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        }
    assert found == {
        "journal_mode": "wal",
        "synchronous": 1,
        "foreign_keys": 1,
        "busy_timeout": engine.BUSY_MS,
    }
    store.close()


def test_a_locked_sqlite_file_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url = f"sqlite:///{tmp_path / 'd.db'}"
    schema.upgrade(url)
    monkeypatch.setattr(engine, "BUSY_MS", 50)
    store = Store.open(url)
    other = sqlite3.connect(tmp_path / "d.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreError, match="database is locked; another process is writing to it"):
        store.claim(["docs"], "w", timedelta(seconds=1))
    other.close()
    store.close()


def test_threads_take_turns_with_a_database_in_memory() -> None:
    store = Store.open("sqlite://")
    together = threading.Barrier(4)

    def save(i: int) -> None:
        together.wait()
        with engine.writing(store.engine) as connection:
            for j in range(20):
                values = {"c": f"c{i}", "d": f"d{j}"}
                connection.execute(
                    text("INSERT INTO streams (collection, detector, signal) VALUES (:c, :d, 's')"), values
                )

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(save, range(4)))
    with engine.reading(store.engine) as connection:
        assert connection.execute(text("SELECT count(*) FROM streams")).scalar_one() == 80
    store.close()


def test_connections_that_the_server_ended_are_replaced(store: Store, kind: str, docs: Docs) -> None:
    docs.plan(1)
    if kind == "postgresql":
        other = engine.open_engine(store.engine.url.render_as_string(hide_password=False))
        with engine.writing(other) as connection:
            ended = connection.execute(
                text(
                    "SELECT count(*) FILTER (WHERE pg_terminate_backend(pid, 10000)) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
                    " AND backend_type = 'client backend'"
                )
            ).scalar_one()
        assert ended >= 1
        other.dispose()
    assert docs.claim().fence == 1


def test_a_file_that_was_moved_away_is_not_written_on(tmp_path: Path) -> None:
    path, away = tmp_path / "driftmon.db", tmp_path / "away.db"
    schema.upgrade(f"sqlite:///{path}")
    store = Store.open(f"sqlite:///{path}")
    assert store.baselines() == []  # a connection to the file lies open in the pool
    path.rename(away)
    with pytest.raises(StoreError, match=r"no such table.*; run `driftmon db upgrade`"):
        store.baselines()
    path.unlink()
    away.rename(path)
    assert store.baselines() == []
    store.close()


@pytest.mark.parametrize("option", ["timeout", "plugin"])
def test_an_option_that_nothing_takes_is_told_without_its_value(option: str, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="options after `\\?` in `database`") as caught:
        engine.open_engine(f"sqlite:///{tmp_path}/driftmon.db?{option}={quote(SECRET, safe='')}").connect()
    assert SECRET not in "".join(traceback.format_exception(caught.value))


def test_a_driver_that_raises_anything_at_all_is_a_store_that_is_away(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def connect(*arguments: object, **options: object) -> None:
        raise RuntimeError(f"a defect: {arguments} {options}")

    psycopg = pytest.importorskip("psycopg")
    monkeypatch.setattr(psycopg, "connect", connect)
    monkeypatch.setattr(psycopg.Connection, "connect", connect)
    opened = engine.open_engine(f"postgresql://somebody:{quote(SECRET, safe='')}@127.0.0.1:1/rag")
    with (
        pytest.raises(
            StoreError, match=r"127\.0\.0\.1:1/rag: cannot connect: RuntimeError: a defect"
        ) as caught,
        engine.reading(opened),
    ):
        pass
    assert SECRET not in "".join(traceback.format_exception(caught.value))
    assert "somebody" not in str(caught.value)
