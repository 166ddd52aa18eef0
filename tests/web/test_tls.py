from __future__ import annotations

import shutil
import socket
import ssl
import subprocess
import time
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

import httpx
import pytest

from monitor.errors import ConfigError
from monitor.web import Limits, Tls, create_app, serve

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from monitor.web import Server

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="makes its certificates with openssl")


class Pair(NamedTuple):
    certificate: Path
    key: Path


def make(folder: Path, name: str, *options: str) -> Pair:
    """A self-signed certificate of localhost and 127.0.0.1, and its key."""
    pair = Pair(folder / f"{name}.crt", folder / f"{name}.key")
    subprocess.run(
        [
            "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-days", "2",
            "-subj", f"/CN={name}", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
            "-keyout", pair.key, "-out", pair.certificate, *(options or ("-nodes",)),
        ],
        check=True,
        capture_output=True,
    )  # fmt: skip
    return pair


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Pair, Pair]:
    folder = tmp_path_factory.mktemp("certificates")
    return make(folder, "one"), make(folder, "two")


@pytest.fixture
def live(tmp_path: Path, pairs: tuple[Pair, Pair]) -> Pair:
    """The files that the server reads, with the first certificate in them."""
    pair = Pair(tmp_path / "tls.crt", tmp_path / "tls.key")
    copy(pairs[0], pair)
    return pair


@pytest.fixture
def server(live: Pair) -> Iterator[Server]:
    app = create_app(
        metrics=lambda _: (b"up 1\n", "text/plain"),
        alive=lambda: None,
        ready=lambda: None,
        status=lambda: {"version": "0", "at": None, "config_ok": True, "collections": []},
    )
    server = serve(app, "127.0.0.1", 0, tls=Tls(*live), limits=Limits(wait_seconds=1))
    yield server
    server.stop()


def copy(source: Pair, target: Pair) -> None:
    for old, new in zip(source, target, strict=True):
        new.write_bytes(old.read_bytes())


def get(server: Server, trusted: Pair, path: str = "/metrics") -> httpx.Response:
    context = ssl.create_default_context(cafile=str(trusted.certificate))
    return httpx.get(server.url + path, verify=context, trust_env=False, timeout=5)


def served(server: Server) -> bytes:
    """The certificate of a new handshake, which comes without a server name as a scrape by address does."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with (
        socket.create_connection((server.host, server.port), 5) as plain,
        context.wrap_socket(plain) as wrapped,
    ):
        return wrapped.getpeercert(binary_form=True) or b""


def der(pair: Pair) -> bytes:
    return ssl.PEM_cert_to_DER_cert(pair.certificate.read_text())


def until_served(server: Server, pair: Pair) -> bool:
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        if served(server) == der(pair):
            return True
        time.sleep(0.1)
    return False


def test_https_is_served_and_told_in_the_url(server: Server, pairs: tuple[Pair, Pair]) -> None:
    assert server.url == f"https://127.0.0.1:{server.port}"
    answer = get(server, pairs[0])
    assert answer.text == "up 1\n"
    assert answer.headers["strict-transport-security"] == "max-age=31536000"
    assert "strict-transport-security" in get(server, pairs[0], "/missing").headers
    with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
        get(server, pairs[1])


def test_a_new_certificate_is_served_without_a_restart(
    server: Server, live: Pair, pairs: tuple[Pair, Pair]
) -> None:
    context = ssl.create_default_context(cafile=str(pairs[0].certificate))
    with httpx.Client(base_url=server.url, verify=context, trust_env=False) as before:
        assert before.get("/metrics").status_code == 200
        copy(pairs[1], live)
        assert until_served(server, pairs[1])
        assert before.get("/metrics").status_code == 200  # what is connected stays connected
    assert get(server, pairs[1]).status_code == 200


def test_half_a_rotation_changes_nothing_until_the_other_half_comes(
    server: Server, live: Pair, pairs: tuple[Pair, Pair]
) -> None:
    live.certificate.write_bytes(pairs[1].certificate.read_bytes())
    time.sleep(1.2)
    assert served(server) == der(pairs[0])
    assert get(server, pairs[0]).status_code == 200
    live.key.write_bytes(pairs[1].key.read_bytes())
    assert until_served(server, pairs[1])


@pytest.mark.parametrize("content", [None, b"", b"nonsense\n", b"-----BEGIN CERTIFICATE-----\nAAAA\n"])
def test_a_certificate_that_went_bad_leaves_the_old_one(
    server: Server, live: Pair, pairs: tuple[Pair, Pair], content: bytes | None
) -> None:
    if content is None:
        live.certificate.unlink()
    else:
        live.certificate.write_bytes(content)
    time.sleep(1.2)
    assert served(server) == der(pairs[0])
    copy(pairs[1], live)
    assert until_served(server, pairs[1])


def test_a_turned_symbolic_link_is_followed(tmp_path: Path, pairs: tuple[Pair, Pair]) -> None:
    # As the kubelet does it: both files change in one step.
    for name, pair in zip(("..1", "..2"), pairs, strict=True):
        (tmp_path / name).mkdir()
        copy(pair, Pair(tmp_path / name / "tls.crt", tmp_path / name / "tls.key"))
    (tmp_path / "..data").symlink_to("..1")
    for file in ("tls.crt", "tls.key"):
        (tmp_path / file).symlink_to(f"..data/{file}")
    tls = Tls(tmp_path / "tls.crt", tmp_path / "tls.key")
    before = tls.context
    (tmp_path / "..tmp").symlink_to("..2")
    (tmp_path / "..tmp").rename(tmp_path / "..data")
    tls.follow()
    assert tls.problem is None
    assert tls.context is before
    assert (tmp_path / "..2" / "tls.key").stat().st_ino in {
        ino for found in tls._seen if found for ino in found
    }


def test_old_protocols_are_refused(server: Server) -> None:
    def shake(highest: ssl.TLSVersion) -> str | None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        context.set_ciphers("ALL:@SECLEVEL=0")
        if highest < ssl.TLSVersion.TLSv1_2:
            with pytest.warns(DeprecationWarning, match="TLSv1"):
                context.minimum_version = context.maximum_version = highest
        else:
            context.minimum_version = context.maximum_version = highest
        with (
            socket.create_connection((server.host, server.port), 5) as plain,
            context.wrap_socket(plain) as wrapped,
        ):
            return wrapped.version()

    for old in (ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1):
        with pytest.raises((ssl.SSLError, ConnectionError)):
            shake(old)
    assert shake(ssl.TLSVersion.TLSv1_2) == "TLSv1.2"
    assert shake(ssl.TLSVersion.TLSv1_3) == "TLSv1.3"


@pytest.mark.parametrize("sent", [b"", b"\x16\x03\x01", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"])
def test_a_handshake_that_never_ends_is_cut(server: Server, sent: bytes) -> None:
    with socket.create_connection((server.host, server.port), 5) as connection:
        connection.sendall(sent)
        started = time.monotonic()
        try:
            while connection.recv(4096):
                pass
        except ConnectionError:
            pass
        assert 0.5 < time.monotonic() - started < 3


def test_who_is_silent_after_the_handshake_is_cut(server: Server) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with (
        socket.create_connection((server.host, server.port), 5) as plain,
        context.wrap_socket(plain) as wrapped,
    ):
        wrapped.sendall(b"GET /metrics HTTP/1.1\r\n")
        started = time.monotonic()
        try:
            while wrapped.recv(4096):
                pass
        except (ssl.SSLEOFError, ConnectionError):
            pass
        assert 0.5 < time.monotonic() - started < 3
    time.sleep(1.2)
    assert len(server._door) == 0


def test_plain_http_on_the_tls_port_harms_nobody(
    server: Server, pairs: tuple[Pair, Pair], caplog: pytest.LogCaptureFixture
) -> None:
    for sent in (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\x00" * 100, b"\x16\x03\x01\x00\x05hello"):
        with socket.create_connection((server.host, server.port), 5) as connection:
            connection.sendall(sent)
            with suppress(ConnectionError):
                assert not connection.recv(4096).startswith(b"HTTP/1.1 200")
    assert get(server, pairs[0]).status_code == 200
    assert not caplog.records


def test_a_missing_file_names_its_setting_and_the_mend(live: Pair, tmp_path: Path) -> None:
    missing = tmp_path / "missing.pem"
    with pytest.raises(
        ConfigError, match=r"web.certificate_file: .*missing.pem cannot be read \(No such file"
    ):
        Tls(missing, live.key)
    with pytest.raises(ConfigError, match=r"web.key_file: .*missing.pem cannot be read .*mount it"):
        Tls(live.certificate, missing)


def test_a_key_of_another_certificate_is_told_as_such(pairs: tuple[Pair, Pair]) -> None:
    with pytest.raises(ConfigError, match=r"web.key_file: .*two.key is not the key of .*one.crt; give"):
        Tls(pairs[0].certificate, pairs[1].key)


@pytest.mark.parametrize(
    "content", [b"", b"nonsense", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"]
)
def test_a_file_that_is_no_pem_is_told_as_such(live: Pair, content: bytes) -> None:
    live.certificate.write_bytes(content)
    with pytest.raises(ConfigError, match=r"web.certificate_file: .*no certificate and key in PEM.*give"):
        Tls(*live)


def test_an_encrypted_key_is_refused_and_nobody_is_asked_for_a_password(tmp_path: Path) -> None:
    pair = make(tmp_path, "locked", "-passout", "pass:hunter2")
    with pytest.raises(ConfigError, match=r"web.key_file: .*locked.key is encrypted; give a key without"):
        Tls(*pair)


def test_stop_does_not_wait_for_a_handshake(server: Server) -> None:
    with socket.create_connection((server.host, server.port), 5):
        time.sleep(0.1)
        started = time.monotonic()
        server.stop()
        assert time.monotonic() - started < 4
    assert not server._thread.is_alive()
