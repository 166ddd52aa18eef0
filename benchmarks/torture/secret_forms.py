"""Secrets to be found again: one for each place, however it is spelled; and a server that tells them."""

from __future__ import annotations

import base64
import html
import json
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import quote, quote_plus

PLACES = (
    "database user", "database password", "database query", "source user", "source password", "source query",
    "index user", "index password", "index query", "token", "endpoint", "option",
)  # fmt: skip
SECRETS = {place: f"Kanary{i}/p+w é'%&\"<q{i}Zx9" for i, place in enumerate(PLACES)}
"""Characters that every encoding changes; the head and the tail are ones that none does."""
PLAIN = {place: f"Kanarie{i}pwq{i}Zx9" for i, place in enumerate(PLACES)}


def forms(secret: str) -> set[str]:
    """Return how the secret may appear: as it is, URL-encoded, escaped for JSON, HTML, Python, in base64 or hex."""
    raw = secret.encode()
    spelled = {secret, quote(secret, safe=""), quote(secret), quote_plus(secret), quote(secret, safe=":/+%&")}
    spelled |= {json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1], repr(secret)[1:-1]}
    spelled |= {
        ascii(secret)[1:-1],
        repr(raw)[2:-1],
        html.escape(secret),
        raw.hex(),
        secret.lower(),
        secret.upper(),
    }
    # Three ways in which base64 of a longer text may hold it, without the characters that its neighbours change.
    for shift in range(3):
        coded = base64.b64encode(b"\0" * shift + raw).decode().rstrip("=")
        inner = coded[(shift * 8 + 5) // 6 : -2]
        spelled |= {inner, inner.replace("+", "-").replace("/", "_")}
    return spelled | {secret[-12:], secret[:12]} if len(secret) > 18 else spelled


def found_in(text: str) -> Iterator[str]:
    """Yield each place whose secret the text shows, and around what."""
    for place in PLACES:
        for secret in (SECRETS[place], PLAIN[place]):
            for form in _FORMS[secret]:
                at = text.find(form)
                if at >= 0:
                    yield f"the {place}'s secret: …{text[max(0, at - 60) : at + 60]!r}…"
                    break


_FORMS = {secret: forms(secret) for place in PLACES for secret in (SECRETS[place], PLAIN[place])}


@contextmanager
def telltale_server() -> Iterator[int]:
    """Yield the port of a server that asks for a password and refuses it, quoting all that it was told."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=_serve, args=(server,), daemon=True)
        thread.start()
        yield server.getsockname()[1]


def _serve(server: socket.socket) -> None:
    while True:
        try:
            client, _ = server.accept()
        except OSError:  # closed: the torture is over
            return
        with client:
            client.settimeout(5)
            try:
                _refuse(client)
            except OSError:
                continue


def _refuse(client: socket.socket) -> None:
    startup = _packet(client)
    while startup[:4] in (struct.pack("!i", 80877103), struct.pack("!i", 80877104)):  # SSL, GSS
        client.sendall(b"N")
        startup = _packet(client)
    client.sendall(b"R" + struct.pack("!ii", 8, 3))  # the password in clear, please
    client.recv(1)
    password = _packet(client)
    told = startup[4:].replace(b"\0", b" ").strip() + b" " + password.rstrip(b"\0")
    fields = [b"SFATAL", b"VFATAL", b"C28P01", b"Mwrong: " + told, b"Dall of it: " + told]
    body = b"".join(field + b"\0" for field in fields) + b"\0"
    client.sendall(b"E" + struct.pack("!i", 4 + len(body)) + body)


def _packet(client: socket.socket) -> bytes:
    head = client.recv(4, socket.MSG_WAITALL)
    if len(head) < 4:
        raise OSError("gone")
    size = struct.unpack("!i", head)[0] - 4
    return client.recv(max(0, min(size, 65536)), socket.MSG_WAITALL)
