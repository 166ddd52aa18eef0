from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from monitor.store import Store, schema


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
