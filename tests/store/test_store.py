from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from monitor.errors import StoreError
from monitor.store import Store, schema

HOLD = """
import os, sys, time
from monitor.store import Store
with Store.open(os.environ["DRIFTMON_DATABASE"]).exclusive():
    print("held", flush=True)
    time.sleep(60)
"""


def test_sqlite_refuses_a_second_daemon_and_names_the_first(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'd.db'}"
    schema.upgrade(url)
    store = Store.open(url)
    environment = {**os.environ, "DRIFTMON_DATABASE": url}
    with subprocess.Popen(
        [sys.executable, "-c", HOLD], env=environment, stdout=subprocess.PIPE, text=True
    ) as first:
        assert first.stdout is not None
        assert first.stdout.readline() == "held\n"
        says = rf"d.db is in use by another driftmon daemon \(pid {first.pid} on .*SQLite serves one"
        with pytest.raises(StoreError, match=says), store.exclusive():
            pass
        assert store.statuses(["docs"])[0].verdict is None  # looking is allowed
        first.kill()
    with store.exclusive():
        assert str(os.getpid()) in (tmp_path / "d.db.lock").read_text()
        with pytest.raises(StoreError, match=f"pid {os.getpid()}"), Store.open(url).exclusive():
            pass
    with store.exclusive():
        pass
    store.close()


def test_a_folder_that_cannot_be_written_to_is_named(tmp_path: Path) -> None:
    with (
        pytest.raises(StoreError, match=r"d.db.lock: cannot be written"),
        Store.open(f"sqlite:///{tmp_path}/no/d.db").exclusive(),
    ):
        pass


@pytest.mark.postgres
def test_postgresql_takes_any_number_of_daemons(postgres_url: str) -> None:
    one, two = Store.open(postgres_url), Store.open(postgres_url)
    with one.exclusive(), two.exclusive():
        assert one.name == two.name
    one.close()
    two.close()


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:"])
def test_a_database_in_memory_is_ready_at_once(url: str) -> None:
    store = Store.open(url)
    schema.require_current(store.engine)
    with store.exclusive():
        now = datetime.now(UTC)
        assert store.plan("docs", timedelta(minutes=1), now, timedelta(0), 5, None) == 1
        assert store.claim(["docs"], "w", timedelta(minutes=1)) is not None
    store.close()


def test_a_store_does_not_show_its_url(url: str) -> None:
    store = Store.open(url)
    assert repr(store) == "Store()"
    assert store.name.startswith(("sqlite:///", "postgresql:///"))
    store.close()
