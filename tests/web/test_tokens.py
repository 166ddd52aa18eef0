from __future__ import annotations

import base64
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.errors import ConfigError
from monitor.web.tokens import TokenFile

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

OLD, NEW = "old-token-0123456789", "new-token-0123456789"


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "token"
    file.write_text(f"{OLD}\n")
    return file


def basic(password: str, user: str = "anna") -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


@pytest.mark.parametrize(
    "header",
    [f"Bearer {OLD}", f"bearer {OLD}", f"BEARER   {OLD} ", basic(OLD), basic(OLD, user=""), basic(OLD, "ä")],
)
def test_the_token_is_let_in(file: Path, header: str) -> None:
    assert TokenFile(file).admits(header)


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Bearer",
        "Bearer ",
        OLD,
        f"Bearer {OLD}x",
        f"Bearer {OLD[:-1]}",
        f"Bearer {OLD.upper()}",
        f"Bearer {OLD} {OLD}",
        f"Token {OLD}",
        f"Bearer{OLD}",
        f"Digest {OLD}",
        "Basic !!!",
        "Basic",
        "Basic " + base64.b64encode(OLD.encode()).decode(),  # no colon, no password
        basic(""),
        basic(f"{OLD}:"),
        "Bearer \xff\xfe",
    ],
)
def test_anything_else_is_not(file: Path, header: str) -> None:
    assert not TokenFile(file).admits(header)


@given(st.text(st.characters(max_codepoint=255), max_size=60))
def test_no_header_breaks_the_comparison(tmp_path_factory: pytest.TempPathFactory, header: str) -> None:
    file = tmp_path_factory.getbasetemp() / "any-token"
    file.write_text(OLD)
    token = TokenFile(file)
    assert not token.admits(header)
    assert not token.admits(f"Bearer {header}")
    assert not token.admits(f"Basic {header}")


def test_several_lines_are_several_tokens(file: Path) -> None:
    file.write_text(f"\n{OLD}\r\n\n  {NEW}  \n")
    token = TokenFile(file)
    assert token.admits(f"Bearer {OLD}")
    assert token.admits(f"Bearer {NEW}")


@pytest.mark.parametrize("content", ["zyzzyva", "fifteen-letters", f"{OLD}\nshort"])
def test_a_short_token_is_refused_at_start_with_path_and_mend(file: Path, content: str) -> None:
    file.write_text(content)
    with pytest.raises(ConfigError, match=r"web.token_file: .*fewer than 16.*openssl rand") as caught:
        TokenFile(file)
    assert str(file) in str(caught.value)
    assert content not in str(caught.value)


def test_the_token_stands_in_no_repr(file: Path) -> None:
    assert OLD not in repr(TokenFile(file))


def test_a_new_token_is_taken_up_within_a_second_and_the_old_one_no_more(file: Path, clock: Clock) -> None:
    token = TokenFile(file, clock)
    file.write_text(NEW)
    clock.now = 0.9
    assert token.admits(f"Bearer {OLD}")  # the file is not looked at for every request
    clock.now = 1.1
    assert token.admits(f"Bearer {NEW}")
    assert not token.admits(f"Bearer {OLD}")


def test_a_same_sized_token_written_at_once_is_seen(file: Path, clock: Clock) -> None:
    token = TokenFile(file, clock)
    times = file.stat()
    file.write_text(f"{NEW}\n")
    os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))
    clock.now = 2
    assert token.admits(f"Bearer {NEW}")


def test_a_turned_symbolic_link_is_seen(tmp_path: Path, clock: Clock) -> None:
    # As the kubelet does it: token -> ..data/token, and ..data is replaced in one step.
    for name, value in (("..1", OLD), ("..2", NEW)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "token").write_text(value)
    (tmp_path / "..data").symlink_to("..1")
    (tmp_path / "token").symlink_to("..data/token")
    token = TokenFile(tmp_path / "token", clock)
    assert token.admits(f"Bearer {OLD}")
    (tmp_path / "..tmp").symlink_to("..2")
    (tmp_path / "..tmp").rename(tmp_path / "..data")
    clock.now = 2
    assert token.admits(f"Bearer {NEW}")
    assert not token.admits(f"Bearer {OLD}")


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda file: file.unlink(), "No such file"),
        (lambda file: file.write_bytes(b""), "is empty"),
        (lambda file: file.write_bytes(b" \n\n"), "is empty"),
        (lambda file: file.write_bytes(b"short"), "fewer than 16"),
        (lambda file: file.write_bytes(b"\x00" * 40), "beyond ASCII"),
        (lambda file: file.write_bytes("schlüssel-0123456789".encode()), "beyond ASCII"),
        (lambda file: file.write_bytes(b"a" * 100_000), "longer than"),
        (lambda file: (file.unlink(), file.mkdir()), "Is a directory"),
    ],
)
def test_a_file_that_went_bad_lets_nobody_in_until_it_is_mended(
    file: Path, clock: Clock, spoil: Callable[[Path], object], reason: str
) -> None:
    token = TokenFile(file, clock)
    assert token.admits(f"Bearer {OLD}")
    spoil(file)
    clock.now = 2
    problem = token.problem or ""
    assert reason in problem
    assert str(file) in problem
    assert not token.admits(f"Bearer {OLD}")
    assert not token.admits("Bearer ")
    assert not token.admits("Bearer short")
    if file.is_dir():
        file.rmdir()
    file.write_text(OLD)
    clock.now = 4
    assert token.problem is None
    assert token.admits(f"Bearer {OLD}")


@pytest.mark.parametrize("content", [None, "", "\n"])
def test_a_file_that_is_not_there_yet_lets_nobody_in_from_the_start(
    tmp_path: Path, clock: Clock, content: str | None
) -> None:
    file = tmp_path / "later"
    if content is not None:
        file.write_text(content)
    token = TokenFile(file, clock)
    assert token.problem
    assert not token.admits("Bearer ")
    file.write_text(OLD)
    clock.now = 2
    assert token.admits(f"Bearer {OLD}")


def test_a_file_that_may_not_be_read_lets_nobody_in(file: Path, clock: Clock) -> None:
    token = TokenFile(file, clock)
    file.chmod(0)
    clock.now = 2
    with unprivileged():
        assert "Permission denied" in (token.problem or "")
        assert not token.admits(f"Bearer {OLD}")


@contextmanager
def unprivileged() -> Iterator[None]:
    """Root may read every file: be somebody else for a while."""
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)
