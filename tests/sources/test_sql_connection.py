from __future__ import annotations

import os
import signal
import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa
from pydantic import SecretStr

from monitor.errors import EdgeTimeoutError
from monitor.sources.sql_connection import open_session

ENDLESS = sa.text(
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n WHERE i < 0"
)


@pytest.fixture
def url(tmp_path: Path) -> SecretStr:
    with closing(sqlite3.connect(tmp_path / "log.db")) as log:
        log.execute("CREATE TABLE log (id TEXT)")
    return SecretStr(f"sqlite:///{tmp_path}/log.db")


def test_ctrl_c_inside_sqlite_is_no_timeout(url: SecretStr) -> None:
    # The driver swallows the KeyboardInterrupt that is raised in its progress handler.
    press = threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT))
    press.start()
    with pytest.raises(KeyboardInterrupt), open_session(url, timeout=30) as session:
        session.connection.execute(ENDLESS)
    press.join()


def test_a_statement_that_takes_too_long_is_one(url: SecretStr) -> None:
    with (
        pytest.raises(EdgeTimeoutError, match=r"no answer within 0\.2 s"),
        open_session(url, timeout=0.2) as session,
    ):
        session.connection.execute(ENDLESS)
