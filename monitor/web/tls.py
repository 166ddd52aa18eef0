"""HTTPS from a certificate and a key file, followed when the files change."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

import structlog

from monitor.errors import ConfigError

log = structlog.get_logger("driftmon")

_Identity = tuple[tuple[int, ...] | None, ...]


@dataclass(slots=True)
class Tls:
    """A certificate chain and its key; raises `ConfigError` where they cannot be served.

    ``context`` lives as long as the server: `follow` loads changed files into it, and the next handshake uses them.
    Files that cannot be served leave it as it was.
    """

    certificate: Path
    key: Path
    context: ssl.SSLContext = field(init=False, repr=False)
    _seen: _Identity = field(init=False, repr=False)
    _problem: str | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        self._seen = self._identity()
        self.context = _context()
        self._load(self.context)

    @property
    def problem(self) -> str | None:
        """Why the files as they are now cannot be served, or None; the certificate loaded before is served on."""
        return self._problem

    def follow(self) -> None:
        """Take up files that have changed; asked every second or so."""
        identity = self._identity()
        if identity == self._seen and self._problem is None:
            return
        try:
            # Tried apart first: a certificate without its key would stay half loaded in the live context.
            self._load(_context())
            self._load(self.context)
        except ConfigError as error:
            if str(error) != self._problem:
                log.warning("certificate unusable, the one before is served on", reason=str(error))
            self._problem = str(error)
        else:
            self._seen, self._problem = identity, None
            log.info("certificate read anew", file=str(self.certificate))

    def _load(self, context: ssl.SSLContext) -> None:
        mend = "give the PEM chain (server certificate first) and the PEM key that belongs to it"
        for name, path in (("certificate_file", self.certificate), ("key_file", self.key)):
            try:
                path.open("rb").close()
            except OSError as error:
                reason = f"{path} cannot be read ({error.strerror})"
                raise ConfigError(f"web.{name}: {reason}; mount it, readable for this user") from None
        try:
            context.load_cert_chain(self.certificate, self.key, password=self._refuse_password)
        except ssl.SSLError as error:
            if error.reason == "KEY_VALUES_MISMATCH":
                reason = f"{self.key} is not the key of {self.certificate}"
                raise ConfigError(f"web.key_file: {reason}; {mend}") from None
            where = f"{self.certificate} and {self.key} are no certificate and key in PEM"
            raise ConfigError(
                f"web.certificate_file: {where} ({error.reason or 'no PEM lines'}); {mend}"
            ) from None
        except OSError as error:
            reason = f"{self.certificate} or {self.key} cannot be read ({error.strerror})"
            raise ConfigError(f"web.certificate_file: {reason}; {mend}") from None

    def _refuse_password(self) -> NoReturn:
        # Without this OpenSSL would ask for the password on the terminal, and wait.
        raise ConfigError(
            f"web.key_file: {self.key} is encrypted; give a key without a password, readable for this user only"
        )

    def _identity(self) -> _Identity:
        return tuple(_stat(path) for path in (self.certificate, self.key))


def _context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # A client that asks for handshake after handshake makes the server work a hundred times as much as itself.
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION | ssl.OP_CIPHER_SERVER_PREFERENCE
    context.set_alpn_protocols(["http/1.1"])
    return context


def _stat(path: Path) -> tuple[int, ...] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns
