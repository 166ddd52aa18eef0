"""Posts to any of the chats that Apprise knows; the extra ``apprise``."""

from __future__ import annotations

import importlib
import logging
from dataclasses import dataclass
from typing import Any, ClassVar

from pydantic import SecretStr

from monitor.errors import EdgeError
from monitor.messages import DELIVERED, Message, Receipt
from monitor.notifiers.lines import plain

_KINDS = {"opened": "warning", "updated": "warning", "resolved": "success"}


@dataclass(frozen=True, slots=True)
class AppriseChat:
    """Chats by their Apprise URLs. What was posted there cannot be resolved, so nothing that pages is told here.

    Apprise makes its own connections: the checks of our one way out (:mod:`monitor.outbound`) do not hold for it.

    Attributes
    ----------
    urls : tuple of str
        Apprise URLs, such as ``msteams://…``. They hold secrets and are shown nowhere.
    timeout : float
        Seconds of one message, everything included.
    """

    urls: tuple[SecretStr, ...]
    timeout: float = 10.0
    chat: ClassVar[bool] = True
    endless: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if not self.urls:
            raise ValueError("urls is empty; name at least one Apprise URL")
        if not 0 < self.timeout <= 60:
            raise ValueError(f"timeout is {self.timeout}; it must be above 0 and at most 60 seconds")

    def send(self, message: Message) -> Receipt:
        """Post the message once and say what became of it; Apprise tells no more than yes or no."""
        opened, library = self._open()
        kind = getattr(library.NotifyType, _KINDS.get(message.kind, "info").upper())
        try:
            done = opened.notify(body=plain(message), title=message.title, notify_type=kind)
        except Exception as error:  # noqa: BLE001 a service of its hundred may raise anything, and quote its URL
            return Receipt("retry", f"apprise: {type(error).__name__}", in_doubt=True)
        return DELIVERED if done else Receipt("retry", "apprise: not all of urls took it", in_doubt=True)

    def describe(self) -> str:
        """Say how many chats there are; Apprise has no way to look without posting. Raises `EdgeError`."""
        opened, _ = self._open()
        return f"apprise: {len(opened)} chats, not looked at: try `driftmon notify test`"

    def _open(self) -> tuple[Any, Any]:
        try:
            library = importlib.import_module("apprise")
        except ImportError:
            raise EdgeError(
                'apprise is not installed: pip install "retrieval-drift-monitor[apprise]"'
            ) from None
        # Its warnings may quote a URL, and the details of the library below it do.
        logging.getLogger("apprise").setLevel(logging.CRITICAL)
        logging.getLogger("urllib3").setLevel(logging.WARNING)
        opened = library.Apprise()
        for place, url in enumerate(self.urls):
            if not opened.add(url.get_secret_value()):
                raise EdgeError(f"apprise: urls.{place} is no Apprise URL; see its documentation")
        for service in opened:
            service.socket_connect_timeout = service.socket_read_timeout = self.timeout / 2
        return opened, library
