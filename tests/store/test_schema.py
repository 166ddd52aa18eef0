from __future__ import annotations

import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import inspect, text

from monitor.errors import StoreError
from monitor.store import Store, schema
from monitor.store.engine import open_engine, reading, writing
from monitor.store.models import Base

ROOT = Path(__file__).parents[2]
TABLES = {
    "alembic_version", "audit_log", "baselines", "collection_state", "evidence", "incidents", "outbox",
    "events", "notification_counts", "profiles", "readings", "retention", "silences", "streams", "windows",
}  # fmt: skip


def tables(url: str) -> set[str]:
    engine = open_engine(url)
    names = set(inspect(engine).get_table_names())
    engine.dispose()
    return names


def test_the_schema_goes_up_and_down_and_up(empty_url: str) -> None:
    assert schema.current(empty_url) is None
    for _ in range(2):
        schema.upgrade(empty_url)
        assert schema.current(empty_url) == schema.head()
        assert tables(empty_url) == TABLES
        schema.upgrade(empty_url)
        schema.downgrade(empty_url)
        assert schema.current(empty_url) is None
        assert tables(empty_url) == {"alembic_version"}


def test_models_and_migrations_are_the_same(store: Store) -> None:
    with reading(store.engine) as connection:
        context = MigrationContext.configure(connection)
        assert compare_metadata(context, Base.metadata) == []


def test_migrations_make_the_very_tables_of_the_models(store: Store, kind: str, tmp_path: Path) -> None:
    """Alembic compares neither conditions of indexes, nor defaults on SQLite, nor options of its tables."""
    if kind == "postgresql":
        query = "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'"
        remake = "DROP SCHEMA public CASCADE; CREATE SCHEMA public"
    else:
        query = "SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL"
        remake = None
    with writing(store.engine) as connection:
        migrated = {
            name: normal(sql) for name, sql in connection.execute(text(query)) if "alembic" not in name
        }
        if remake:
            connection.exec_driver_sql(remake)
            Base.metadata.create_all(connection)
            made = connection.execute(text(query)).all()
    if not remake:
        fresh = open_engine(f"sqlite:///{tmp_path / 'fresh.db'}")
        with writing(fresh) as connection:
            Base.metadata.create_all(connection)
            made = connection.execute(text(query)).all()
        fresh.dispose()
    assert {name: normal(sql) for name, sql in made} == migrated


def normal(sql: str) -> list[str]:
    """Return a statement's words in an order that does not depend on how constraints are listed."""
    return sorted(sql.replace("(", " ( ").replace(")", " ) ").replace(",", " ").lower().split())


def test_an_old_or_empty_schema_is_refused_with_the_mend(empty_url: str) -> None:
    with pytest.raises(StoreError, match=r"the schema is at nothing, not \w+; run `driftmon db upgrade`"):
        schema.require_current(empty_url)
    schema.upgrade(empty_url)
    schema.require_current(empty_url)


def test_a_newer_schema_is_worked_with_and_left_alone(store: Store, url: str) -> None:
    with writing(store.engine) as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    schema.require_current(store.engine)
    schema.upgrade(url)
    assert schema.current(url) == "9999"
    with pytest.raises(StoreError, match="made by a newer release"):
        schema.downgrade(url)
    assert tables(url) == TABLES


def test_a_migration_that_fails_leaves_nothing_behind(
    empty_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = shutil.copytree(schema.locate_migrations(), tmp_path / "migrations")
    step = next((broken / "versions").glob("0001*.py"))
    step.write_text(
        step.read_text().replace(
            "    create_incidents()\n", "    op.execute('SELECT nonsense FROM nowhere')\n", 1
        )
    )
    monkeypatch.setattr(schema, "locate_migrations", lambda: broken)
    with pytest.raises(StoreError):
        schema.upgrade(empty_url)
    assert tables(empty_url) <= {"alembic_version"}
    assert schema.current(empty_url) is None


UPGRADE = "import os; from monitor.store import schema; schema.upgrade(os.environ['DRIFTMON_DATABASE'])"


def test_replicas_that_upgrade_at_once_run_each_step_once(empty_url: str) -> None:
    environment = {**os.environ, "DRIFTMON_DATABASE": empty_url}

    def upgrade(_: int) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", UPGRADE],
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(upgrade, range(4)))
    assert [(r.returncode, r.stderr) for r in results] == [(0, "")] * 4
    assert tables(empty_url) == TABLES


def test_a_migration_cannot_leave_broken_references(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'd.db'}"
    schema.upgrade(url)
    engine = open_engine(url)
    with writing(engine, foreign_keys=False) as connection:
        connection.execute(text("INSERT INTO profiles (window_id, data) VALUES (77, x'00')"))
    with pytest.raises(StoreError, match="would break 1 references, first in profiles"):
        schema.upgrade(engine)
    with pytest.raises(StoreError), writing(engine) as connection:  # references are checked again
        connection.execute(text("INSERT INTO profiles (window_id, data) VALUES (78, x'00')"))
    engine.dispose()


@pytest.mark.e2e
def test_an_installed_wheel_carries_its_migrations(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--quiet", "-w", str(tmp_path), str(ROOT)]
    subprocess.run(build, check=True, timeout=300, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    shutil.unpack_archive(wheel, tmp_path / "site", "zip")
    assert (tmp_path / "site" / "monitor" / "migrations" / "env.py").is_file()
    environment = {
        **os.environ,
        "DRIFTMON_DATABASE": f"sqlite:///{tmp_path / 'd.db'}",
        "PYTHONPATH": str(tmp_path / "site"),
    }
    shown = "; import monitor; print(monitor.__file__, schema.locate_migrations())"
    done = subprocess.run(
        [sys.executable, "-c", UPGRADE + shown],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == [
        str(tmp_path / "site" / "monitor" / "__init__.py"),
        str(tmp_path / "site" / "monitor" / "migrations"),
    ]
    assert tables(environment["DRIFTMON_DATABASE"]) == TABLES
