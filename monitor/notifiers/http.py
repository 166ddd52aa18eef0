"""One HTTP request of a notifier, and what its answer means: to be tried again, or refused for good."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from pydantic import SecretStr

from monitor.errors import ConfigError, EdgeError, UnsentError
from monitor.messages import DELIVERED, Receipt
from monitor.outbound import Outbound

RETRYABLE = frozenset({408, 409, 423, 425, 429})
"""What a client may repeat; every 5xx as well."""
_MENDS = {
    400: "the receiver does not take this message; is url the right one?",
    401: "correct the key or token",
    403: "correct the key or token",
    404: "correct url",
    410: "the hook was removed at the receiver; make a new one",
    413: "the receiver takes no message of this size",
}


def check_http(url: SecretStr, outbound: Outbound) -> None:
    """Refuse a URL that could not be asked; raises `ValueError`, which does not repeat it."""
    if not 0 < outbound.timeout <= 60:
        raise ValueError(f"timeout is {outbound.timeout}; it must be above 0 and at most 60 seconds")
    try:
        outbound.check(url.get_secret_value())
    except ConfigError as error:
        raise ValueError(f"url: {error}") from None


def check_secret(name: str, secret: SecretStr | None) -> None:
    """Refuse a secret that no header could carry; raises `ValueError`, which does not repeat it."""
    value = None if secret is None else secret.get_secret_value()
    if value is not None and (not value or not value.isascii() or not value.isprintable() or " " in value):
        raise ValueError(f"{name} is empty or holds characters that no secret has; write it anew")


def post(
    outbound: Outbound, url: SecretStr, content: Any, headers: Mapping[str, str] | None = None
) -> Receipt:
    """Send JSON once and judge the answer."""
    try:
        answer = outbound.request("POST", url.get_secret_value(), headers, content)
    except UnsentError as error:
        return Receipt("retry", str(error))
    except EdgeError as error:
        return Receipt("retry", str(error), in_doubt=True)
    status = answer.status
    if 200 <= status < 300:
        return DELIVERED
    reason = f"{outbound.check(url.get_secret_value()).hostname}: answers {status}"
    if status in RETRYABLE or status >= 500:
        after = _seconds(answer.headers.get("retry-after", ""), datetime.now(UTC))
        # A server that fails may have done its work before.
        return Receipt("retry", reason, after, in_doubt=status >= 500 or status == 408)
    return Receipt("refused", f"{reason}; {_MENDS.get(status, 'look into its log')}")


def _seconds(after: str, now: datetime) -> float | None:
    """Return what ``Retry-After`` asks for: seconds, or a date (RFC 9110, 10.2.3)."""
    if after.strip().isdigit():
        return float(after)
    try:
        moment = parsedate_to_datetime(after)
    except ValueError:
        return None
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
    return max(0.0, (moment - now).total_seconds())
