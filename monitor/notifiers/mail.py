"""Sends mail through a company's own server, the messages of an incident in one thread."""

from __future__ import annotations

import smtplib
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime
from typing import Any, ClassVar, Literal

from pydantic import SecretStr

from monitor.errors import EdgeError, EdgeTimeoutError, UnsentError
from monitor.messages import DELIVERED, Message, Receipt
from monitor.notifiers.lines import plain


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail server and the addresses it sends to.

    Attributes
    ----------
    host, port : str, int
        The server; port 587 takes STARTTLS, 465 TLS.
    sender, to : str, tuple of str
        Addresses.
    tls : {"starttls", "tls", "none"}
        ``none`` sends in the clear, and then no password.
    username, password : str, optional
        Login. The password is shown nowhere.
    ca_file : str, optional
        PEM file of an authority of one's own.
    timeout : float
        Seconds of one message, everything included.
    """

    host: str
    sender: str
    to: tuple[str, ...]
    port: int = 587
    tls: Literal["starttls", "tls", "none"] = "starttls"
    username: str | None = None
    password: SecretStr | None = None
    ca_file: str | None = None
    timeout: float = 20.0
    chat: ClassVar[bool] = False
    endless: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if not 0 < self.port < 65536:
            raise ValueError(f"port is {self.port}; it must be from 1 to 65535")
        if not 0 < self.timeout <= 60:
            raise ValueError(f"timeout is {self.timeout}; it must be above 0 and at most 60 seconds")
        if (self.username is None) != (self.password is None):
            raise ValueError("username and password belong together: set both or none")
        if self.tls == "none" and self.password is not None:
            raise ValueError("tls is none: a password would travel in the clear; use starttls or tls")
        if not self.to:
            raise ValueError("to is empty; name at least one address")
        for address in (self.sender, *self.to):
            try:
                _check_address(address)
            except ValueError:
                raise ValueError(f"{address!r} is no mail address; write it as name@example.com") from None

    def send(self, message: Message) -> Receipt:
        """Hand the message to the server once and say what became of it."""
        handed = False
        try:
            with self._session() as server:
                handed = True
                refused = server.send_message(self.compose(message), self.sender, list(self.to))
        except smtplib.SMTPResponseException as error:
            return self._answered(error.smtp_code)
        except smtplib.SMTPRecipientsRefused as error:
            codes = [code for code, _ in error.recipients.values()]
            return self._answered(min(codes, default=550), "to every recipient")
        except UnsentError as error:
            return Receipt("retry", str(error))
        except (smtplib.SMTPException, EdgeError, OSError) as error:
            reason = str(error) if isinstance(error, EdgeError) else f"{self.host}: {type(error).__name__}"
            return Receipt("retry", f"{reason} while a message was handed over", in_doubt=handed)
        if refused:  # the others have it, and a repetition would reach them twice
            return Receipt("delivered", f"{self.host}: refused {len(refused)} of {len(self.to)} recipients")
        return DELIVERED

    def describe(self) -> str:
        """Connect, log in, send nothing, and say where; raises `EdgeError`."""
        try:
            with self._session() as server:
                server.noop()
        except smtplib.SMTPResponseException as error:
            raise EdgeError(f"{self.host}: {self._answered(error.smtp_code).reason}") from None
        except (smtplib.SMTPException, OSError) as error:
            raise EdgeError(f"{self.host}: {type(error).__name__}; is it a mail server?") from None
        login = f", logged in as {self.username}" if self.username else ""
        return f"mail server {self.host}:{self.port}: takes mail for {len(self.to)} addresses{login}"

    def compose(self, message: Message) -> EmailMessage:
        """Return the mail: its Message-ID stays the same over repetitions, and all of a key refer to the first."""
        domain = self.sender.rpartition("@")[2]
        root, own = f"<{message.key}@{domain}>", f"<{message.number}@{domain}>"
        mail = EmailMessage()
        mail["Subject"] = message.title
        mail["From"] = self.sender
        mail["To"] = ", ".join(self.to)
        mail["Date"] = format_datetime(message.updated_at)
        mail["Message-ID"] = root if message.first else own
        if not message.first:
            mail["In-Reply-To"] = root
            mail["References"] = root
        mail["Auto-Submitted"] = "auto-generated"  # no out-of-office answers (RFC 3834)
        mail["X-Driftmon-Key"] = message.key
        mail.set_content(plain(message))
        return mail

    def _answered(self, code: int, to: str = "") -> Receipt:
        said = f"{self.host}: answers {code}" + (f" {to}" if to else "")
        if 400 <= code < 500 or code < 0:
            return Receipt("retry", said)
        mend = (
            "correct username and password" if code in (530, 534, 535) else "look at sender, to and its log"
        )
        return Receipt("refused", f"{said}; {mend}")

    @contextmanager
    def _session(self) -> Iterator[smtplib.SMTP]:
        """Open a session that is cut when its whole time is up, however slowly something keeps coming."""
        sockets: list[socket.socket] = []
        over = threading.Event()

        def cut() -> None:
            over.set()
            for each in sockets:
                with suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)

        timer = threading.Timer(self.timeout, cut)
        timer.daemon = True
        timer.start()
        server: smtplib.SMTP | None = None
        try:
            server = self._connect(sockets)
            self._greet(server)
            yield server
        except (smtplib.SMTPException, OSError) as error:
            if over.is_set() or isinstance(error, TimeoutError):
                raise EdgeTimeoutError(f"{self.host}: not done within {self.timeout:g} s") from None
            raise
        finally:
            timer.cancel()
            if server is not None:
                with suppress(OSError, smtplib.SMTPException):
                    server.close() if over.is_set() else server.quit()

    def _connect(self, sockets: list[socket.socket]) -> smtplib.SMTP:
        try:
            if self.tls == "tls":
                return _Secure(sockets, self.host, self.port, timeout=self.timeout, context=self._context())
            return _Plain(sockets, self.host, self.port, timeout=self.timeout)
        except (OSError, smtplib.SMTPException) as error:
            reason = getattr(error, "strerror", None) or type(error).__name__
            raise UnsentError(
                f"{self.host}: cannot be reached ({reason}); check host, port and tls"
            ) from None

    def _greet(self, server: smtplib.SMTP) -> None:
        if self.tls == "starttls":
            try:
                server.starttls(context=self._context())
            except smtplib.SMTPNotSupportedError:
                raise UnsentError(f"{self.host}: offers no STARTTLS; use tls: tls, or another port") from None
        if self.username is not None and self.password is not None:
            server.login(self.username, self.password.get_secret_value())

    def _context(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=self.ca_file)


class _Plain(smtplib.SMTP):
    """A session whose socket is known before the server's first word, so that it can be cut from outside."""

    def __init__(self, sockets: list[socket.socket], *where: Any, **options: Any) -> None:
        self._sockets = sockets
        super().__init__(*where, **options)

    def _get_socket(self, *where: Any) -> socket.socket:
        opened: socket.socket = super()._get_socket(*where)  # type: ignore[misc]
        self._sockets.append(opened)
        return opened


class _Secure(smtplib.SMTP_SSL):
    """Likewise, with TLS from the start."""

    def __init__(self, sockets: list[socket.socket], *where: Any, **options: Any) -> None:
        self._sockets = sockets
        super().__init__(*where, **options)

    def _get_socket(self, *where: Any) -> socket.socket:
        opened: socket.socket = super()._get_socket(*where)  # type: ignore[misc]
        self._sockets.append(opened)
        return opened


def _check_address(address: str) -> None:
    parsed = Address(addr_spec=address)
    if not parsed.username or "." not in parsed.domain + ".":
        raise ValueError
    if not parsed.domain or not address.isascii() or not address.isprintable():
        raise ValueError
