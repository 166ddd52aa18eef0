from __future__ import annotations

from monitor.web.sessions import LASTS, Sessions, bake, cookie_of

KEY, OTHER = b"k" * 32, b"o" * 32


def test_a_session_is_known_again_by_whoever_has_the_token() -> None:
    cookie = Sessions(lambda: (KEY,)).open(KEY, "Noor")
    replica = Sessions(lambda: (OTHER, KEY))
    session = replica.find(cookie)
    assert session is not None
    assert session.name == "Noor"
    assert len(session.csrf) == 64
    assert session.csrf not in cookie
    assert Sessions(lambda: (OTHER,)).find(cookie) is None  # the token is gone, and what it opened with it


def test_every_session_has_a_form_token_of_its_own() -> None:
    sessions = Sessions(lambda: (KEY,))
    first, second = (sessions.find(sessions.open(KEY, "Noor")) for _ in range(2))
    assert first is not None
    assert second is not None
    assert first.csrf != second.csrf


def test_a_session_ends() -> None:
    now = [1000.0]
    sessions = Sessions(lambda: (KEY,), lambda: now[0])
    cookie = sessions.open(KEY, "")
    now[0] += LASTS
    assert sessions.find(cookie) is not None
    now[0] += 1
    assert sessions.find(cookie) is None
    now[0] = 0.0  # a cookie from the future is none of ours
    assert sessions.find(cookie) is None


def test_a_changed_cookie_is_unknown() -> None:
    sessions = Sessions(lambda: (KEY,))
    cookie = sessions.open(KEY, "Noor")
    for i in range(len(cookie)):
        changed = cookie[:i] + ("A" if cookie[i] != "A" else "B") + cookie[i + 1 :]
        assert sessions.find(changed) is None
    for nonsense in ("", ".", "a.b", "é.é", cookie * 9):
        assert sessions.find(nonsense) is None


def test_a_name_is_one_short_line() -> None:
    sessions = Sessions(lambda: (KEY,))
    session = sessions.find(sessions.open(KEY, "x\r\nSet-Cookie: a" + "y" * 100))
    assert session is not None
    assert session.name.startswith("xSet-Cookie: a")
    assert len(session.name) == 64


def test_the_cookie_is_read_back_from_its_header() -> None:
    assert cookie_of("a=b; driftmon_session=xyz; c=d") == "xyz"
    assert cookie_of("driftmon_sessions=xyz") == ""
    assert "Secure" in bake("x", secure=True)
    assert "Secure" not in bake("x", secure=False)
