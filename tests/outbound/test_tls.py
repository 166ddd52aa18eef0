"""Certificates are those of the name, although the connection is made to an address."""

from __future__ import annotations

import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from monitor.errors import EdgeError
from monitor.outbound import Outbound, client
from tests.outbound.conftest import answer

pytestmark = pytest.mark.skipif(
    shutil.which("openssl") is None, reason="no openssl to make a certificate with"
)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("tls")
    command = (
        "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=embed.example -keyout k.pem -out c.pem"
    )
    subprocess.run(
        [*command.split(), "-addext", "subjectAltName=DNS:embed.example"],
        cwd=folder,
        check=True,
        capture_output=True,
    )
    return folder / "c.pem", folder / "k.pem"


@pytest.fixture
def port(certificate: tuple[Path, Path]) -> Iterator[int]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    raw, _ = listener.accept()
                    with raw, context.wrap_socket(raw, server_side=True) as tls:
                        tls.recv(65536)
                        tls.sendall(answer(200, b"over TLS"))
                except ssl.SSLError:
                    continue  # a client that does not believe us
                except OSError:
                    return

        threading.Thread(target=serve, daemon=True).start()
        yield int(listener.getsockname()[1])


def asked(host: str) -> Outbound:
    return Outbound(allow_private=(host,), timeout=5, resolve=lambda *_: ["127.0.0.1"])


def test_a_certificate_that_nobody_vouches_for_is_refused(port: int) -> None:
    with pytest.raises(EdgeError, match="certificate verify failed"):
        asked("embed.example").request("GET", f"https://embed.example:{port}/")


def test_the_name_counts_not_the_address(
    port: int, certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    trusting = ssl.create_default_context(cafile=str(certificate[0]))
    monkeypatch.setattr(client, "_tls", lambda: trusting)
    assert asked("embed.example").request("GET", f"https://embed.example:{port}/").body == b"over TLS"
    with pytest.raises(EdgeError, match="certificate verify failed"):
        asked("other.example").request("GET", f"https://other.example:{port}/")
