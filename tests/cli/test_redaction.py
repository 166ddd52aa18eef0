from __future__ import annotations

import json
import time
from urllib.parse import quote

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from monitor.cli.redaction import HIDDEN, LONGEST, redact

secrets = st.text(st.characters(codec=None), min_size=6, max_size=30).filter(
    lambda text: len(text.strip()) >= 6 and not set(text) <= set(HIDDEN)
)


@given(secret=secrets, before=st.text(max_size=20), after=st.text(max_size=20))
def test_a_secret_is_hidden_however_it_is_written(secret: str, before: str, after: str) -> None:
    assume(secret not in HIDDEN + before + after + HIDDEN)
    hide = redact([secret]).text
    spellings = [secret, repr(secret)[1:-1], json.dumps(secret)[1:-1]]
    if secret.isascii():
        spellings.append(quote(secret, safe=""))
    for spelling in spellings:
        assert hide(f"{before}|{spelling}|{after}") == f"{hide(before)}|{HIDDEN}|{hide(after)}" or (
            spelling not in hide(f"{before}|{spelling}|{after}")
        )


def test_a_secret_that_begins_with_another_is_hidden_whole() -> None:
    assert redact(["secret", "secret-and-more"]).text("x secret-and-more y secret z") == "x *** y *** z"


def test_short_and_empty_values_are_no_secrets() -> None:
    assert redact(["", "  ", "db", "     "]).text("the db     is away") == "the db     is away"


def test_the_password_of_a_secret_url_is_a_secret_of_its_own() -> None:
    hide = redact(["postgresql://monitor:p%40ssw0rd@db/driftmon"]).text
    assert hide("authentication with p@ssw0rd failed") == "authentication with *** failed"
    assert hide("authentication with p%40ssw0rd failed") == "authentication with *** failed"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("redis://:pw@host/0", "redis://:***@host/0"),
        ("postgresql://u:p@ss@host/db", "postgresql://u:***@host/db"),
        ("mysql://u:pa/ss?x#y@host", "mysql://u:***@host"),
        ("'a://u:p1@h', 'b://v:p2@i'", "'a://u:***@h', 'b://v:***@i'"),
        ("a://u:p1@h and b://v:p2@i", "a://u:***@h and b://v:***@i"),
        ("https://example.com:8080/path?q=1", "https://example.com:8080/path?q=1"),
        ("https://[::1]:8080/path", "https://[::1]:8080/path"),
        ("mail a@b or c://d", "mail a@b or c://d"),
        ("host=db password=hunter2 user=x", "host=db password=*** user=x"),
        ("password = 'hunter two' user=x", "password = *** user=x"),
        ("?password=hunter2&x=1", "?password=***&x=1"),
    ],
)
def test_passwords_are_known_by_their_place(text: str, shown: str) -> None:
    assert redact([]).text(text) == shown


def test_a_value_whose_name_says_so_is_hidden() -> None:
    event = {
        "token": "abc",
        "nested": {"db_password": "x", "token_file": "/run/token"},
        "tokens": 2,
        "secret": 7,
    }
    assert redact([])(None, "", event) == {
        "token": "***",
        "nested": {"db_password": "***", "token_file": "/run/token"},
        "tokens": 2,
        "secret": 7,
    }


@pytest.mark.parametrize(
    "text", ["a" * 5_000_000, "://a:" * 500_000, "password=" * 300_000, "://:@" * 500_000]
)
def test_no_text_takes_long(text: str) -> None:
    started = time.perf_counter()
    assert len(redact(["some-secret"]).text(text)) <= LONGEST + 10
    assert time.perf_counter() - started < 1


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
        lambda inner: (
            st.lists(inner, max_size=4) | st.dictionaries(st.text() | st.integers(), inner, max_size=4)
        ),
        max_leaves=20,
    )
)
def test_everything_becomes_json(value: object) -> None:
    json.dumps(redact(["some-secret"]).plain(value), allow_nan=False)


def test_the_secrets_stand_in_no_repr() -> None:
    assert "some-secret" not in repr(redact(["some-secret"]))
