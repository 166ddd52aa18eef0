"""The schema's revision: brought up by any number of replicas at once, each step once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, text

import monitor
from monitor.deadlines import lift
from monitor.errors import StoreError
from monitor.store.engine import describe, open_engine, reading, writing

LOCK = int.from_bytes(b"driftmon", "big")
"""The advisory lock under which replicas take turns; it ends with its transaction."""


def upgrade(database: str | Engine) -> None:
    """Bring a database to this release's schema in one transaction; a newer schema is left alone."""
    with _opened(database) as engine, _migrating(engine) as connection:
        if _known(_revision(connection)):
            command.upgrade(_config(connection), "head")


def downgrade(database: str | Engine, revision: str = "base") -> None:
    """Take a database back to an earlier revision; what that one has no place for is lost."""
    with _opened(database) as engine, _migrating(engine) as connection:
        before = _revision(connection)
        if not _known(before):
            raise StoreError(f"revision {before} was made by a newer release; downgrade with that one")
        command.downgrade(_config(connection), revision)


def current(database: str | Engine) -> str | None:
    """Return the revision a database is at; None for an empty one."""
    with _opened(database) as engine, reading(engine) as connection:
        return _revision(connection)


def head() -> str:
    """Return the revision this release needs."""
    revision = _scripts().get_current_head()
    if revision is None:
        raise StoreError(
            f"no migrations in {locate_migrations()}: the installation is broken, install it anew"
        )
    return revision


def require_current(database: str | Engine) -> None:
    """Refuse a database whose schema is older than this release needs.

    One that a newer release made is accepted: in a rolling upgrade the old replicas work on until they are
    replaced.
    """
    with _opened(database) as engine:
        found = current(engine)
        if found != head() and _known(found):
            name = describe(engine.url)
            raise StoreError(
                f"{name}: the schema is at {found or 'nothing'}, not {head()}; run `driftmon db upgrade`"
            )


def locate_migrations() -> Path:
    """Return the folder of migrations: inside the installed package, or at the top of the repository."""
    package = Path(monitor.__file__).parent
    installed = package / "migrations"
    return installed if installed.is_dir() else package.parent / "migrations"


@contextmanager
def _opened(database: str | Engine) -> Iterator[Engine]:
    if isinstance(database, Engine):
        yield database
        return
    engine = open_engine(database)
    try:
        yield engine
    finally:
        engine.dispose()


@contextmanager
def _migrating(engine: Engine) -> Iterator[Connection]:
    sqlite = engine.dialect.name == "sqlite"
    with writing(engine, foreign_keys=not sqlite) as connection:
        if sqlite:
            yield connection
            _check_references(connection)
        else:
            lift(connection)  # the turns of other replicas and a large table take their time
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": LOCK})
            yield connection


def _check_references(connection: Connection) -> None:
    broken = connection.execute(text("PRAGMA foreign_key_check")).all()
    if broken:
        raise StoreError(
            f"the migration would break {len(broken)} references, first in {broken[0][0]}; nothing changed"
        )


def _revision(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def _known(revision: str | None) -> bool:
    return revision is None or any(script.revision == revision for script in _scripts().walk_revisions())


def _scripts() -> ScriptDirectory:
    return ScriptDirectory(str(locate_migrations()))


def _config(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(locate_migrations()).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config
