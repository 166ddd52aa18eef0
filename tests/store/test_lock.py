from __future__ import annotations

import os
import subprocess
import sys
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
