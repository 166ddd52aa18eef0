from __future__ import annotations

import json
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.engine import URL, make_url

from monitor.disclosure import check_host, hide

SIGNS = st.text(st.characters(codec="utf-8", exclude_characters="*"), min_size=8, max_size=20)


@given(SIGNS, SIGNS, SIGNS)
def test_no_part_is_told_however_it_is_spelled(user: str, password: str, option: str) -> None:
    url = URL.create("postgresql", user, password, "db.example.com", 5432, "rag", {"sslpassword": option})
    for secret in (user, password, option):
        for spelled in (
            secret,
            quote(secret),
            quote(secret, safe=""),
            quote_plus(secret),
            repr(secret)[1:-1],
        ):
            assert spelled not in hide(f"connecting to <{spelled}> failed", url)
        assert json.dumps(secret)[1:-1] not in hide(json.dumps({"error": secret}), url)


def test_the_longer_of_two_goes_first() -> None:
    url = URL.create("postgresql", "reader", "reader-and-more", "h", query={"sslpassword": "reader-and"})
    assert hide("tried reader-and-more", url) == "tried ***"


@pytest.mark.parametrize(
    "text",
    [
        "sslmode require is not compiled in",
        "role driftmon does not exist",
        "connect to 10.0.0.7 port 5433 after 5 s",
    ],
)
def test_ordinary_words_stay_readable(text: str) -> None:
    url = make_url(
        "postgresql://driftmon:pw-x@10.0.0.7:5433/rag?sslmode=require&connect_timeout=5&host=10.0.0.7"
    )
    assert hide(text, url) == text


def test_a_short_password_is_hidden_too() -> None:
    assert hide("password 7q is wrong", make_url("postgresql://u:7q@h/d")) == "password *** is wrong"


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://u:one@two@db.example.com/rag",
        "postgresql://u:one@/two@db.example.com/rag",
        "postgresql://u:one/@two#?@db.example.com/rag",
        "sqlite://u:one@two/log.db",
    ],
)
def test_the_rest_of_a_password_is_no_host(url: str) -> None:
    with pytest.raises(ValueError, match=r"encoding|SQLite has no user") as told:
        check_host(make_url(url))
    assert "one" not in str(told.value).replace("no", "")
    assert "two" not in str(told.value)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://user@tenant:pw@db-1.example.com:5432/rag",
        "postgresql://u:p%40w%2F@[::1]:5432/rag",
        "postgresql://u:pw@rag_db,rag_db2/rag?host=/var/run/postgresql",
        "postgresql:///rag",
        "postgresql://u:pw@größe.example/rag",
        "sqlite:////srv/a@b/log.db",
        "sqlite://",
    ],
)
def test_sound_urls_are_sound(url: str) -> None:
    check_host(make_url(url))
