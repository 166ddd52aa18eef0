"""A server that stops answering: real backends, stopped by SIGSTOP, whose kernel still acknowledges every packet."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator

import pytest
from sqlalchemy import Engine, create_engine, text

from monitor import deadlines
from monitor.deadlines import Deadlines, lift
from monitor.errors import StoreError
from monitor.store.engine import open_engine, reading, writing

pytestmark = pytest.mark.postgres


@pytest.fixture
def engine(postgres_database: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    monkeypatch.setattr(deadlines, "IDLE", 0.0)  # every connection is asked whether its server is still there
    engine = create_engine(postgres_database, pool_size=1, max_overflow=0)
    Deadlines(1.0).guard(engine)
    yield engine
    engine.dispose()


class Stopped:
    """The backend of a connection, stopped until left."""

    def __init__(self, pid: int) -> None:
        self.pid = pid

    def __enter__(self) -> None:
        os.kill(self.pid, signal.SIGSTOP)

    def __exit__(self, *_: object) -> None:
        os.kill(self.pid, signal.SIGCONT)


def _pid(engine: Engine) -> int:
    with reading(engine) as connection:
        return int(connection.scalar(text("SELECT pg_backend_pid()")) or 0)


def test_a_statement_that_is_not_answered_is_cut(engine: Engine) -> None:
    with writing(engine) as connection:
        pid = int(connection.scalar(text("SELECT pg_backend_pid()")) or 0)
    started = time.monotonic()
    with pytest.raises(StoreError, match="check that the server is up"), writing(engine) as connection:
        connection.execute(text("SELECT pg_sleep(60)"))
    assert time.monotonic() - started < 10
    assert _pid(engine) != pid  # a new connection, and all is well again


def test_a_stopped_server_is_cut_off_in_the_middle(engine: Engine) -> None:
    pid = _pid(engine)
    with (
        pytest.raises(StoreError, match="check that the server is up"),
        writing(engine) as connection,
        Stopped(pid),
    ):
        connection.execute(text("SELECT 1"))
    assert _pid(engine) != pid


def test_a_pooled_connection_whose_server_stopped_is_replaced_unasked(engine: Engine) -> None:
    pid = _pid(engine)
    with Stopped(pid):
        assert _pid(engine) != pid


def test_a_transaction_in_time_is_left_alone(engine: Engine) -> None:
    with writing(engine) as connection:
        for _ in range(3):
            assert connection.scalar(text("SELECT 1 FROM pg_sleep(0.2)")) == 1


def test_a_migration_may_take_longer(engine: Engine) -> None:
    with writing(engine) as connection:
        lift(connection)
        assert connection.scalar(text("SELECT 1 FROM pg_sleep(2.5)")) == 1


def test_the_store_s_own_engine_is_guarded(postgres_database: str) -> None:
    engine = open_engine(postgres_database)
    with reading(engine) as connection:
        assert isinstance(connection.info["deadlines"], Deadlines)
    engine.dispose()


def test_a_restarted_server_costs_nobody_an_error(engine: Engine, postgres_database: str) -> None:
    first = _pid(engine)
    other = create_engine(postgres_database)
    with other.begin() as connection:
        connection.execute(text("SELECT pg_terminate_backend(:pid, 10000)"), {"pid": first})
    other.dispose()
    assert _pid(engine) != first
