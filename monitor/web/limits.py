"""What a client may ask of the server, and the buckets that count it."""

from __future__ import annotations

import ipaddress
import math
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field, fields


@dataclass(frozen=True, slots=True)
class Limits:
    """What one client, and all of them together, may ask; raises `ValueError` on a limit that is not above 0."""

    requests_per_second: float = 20.0
    """Of one address, in the long run; probes are not counted."""
    burst: int = 40
    """Requests that one address may make at once after a pause."""
    wrong_tokens_per_second: float = 5.0
    """Of one address; above it the address waits, whatever token it comes with."""
    addresses: int = 1024
    """Addresses that are remembered; the one that was quiet the longest is forgotten first."""
    concurrent: int = 32
    """Requests in work at once; each probe has as many places again, of its own."""
    connections: int = 256
    """Open connections; above it the address with the most of them loses its longest idle one."""
    url_bytes: int = 8_192
    header_bytes: int = 16_384
    body_bytes: int = 65_536
    """A longer body is told to be too long; a shorter one is read by the few routes that take a form or an event."""
    wait_seconds: float = 10.0
    """From connecting, or from the last answer, to the end of the next request's headers; TLS included."""
    keep_alive_seconds: float = 5.0
    """How long a connection may say nothing between two requests."""
    answer_seconds: float = 60.0
    """From the end of the headers until the client has taken the whole answer."""

    def __post_init__(self) -> None:
        for item in fields(self):
            value = getattr(self, item.name)
            if not (value > 0 and math.isfinite(value)):
                raise ValueError(f"{item.name} is {value!r}: a limit is a finite number above 0")


@dataclass(slots=True)
class Buckets:
    """One token bucket per address: ``rate`` a second, ``burst`` at once, ``most`` addresses kept."""

    rate: float
    burst: float
    most: int
    clock: Callable[[], float] = time.monotonic
    _levels: OrderedDict[str, tuple[float, float]] = field(default_factory=OrderedDict, repr=False)
    """Address to what was left, and when; the address that was seen last stands last."""

    def __len__(self) -> int:
        return len(self._levels)

    def take(self, address: str) -> float:
        """Take one and return 0, or return the seconds until there is one again."""
        level, now = self._level(address)
        if level < 1.0:
            # Kept as it was, so that who goes on asking waits no longer than told; but not to be forgotten.
            self._levels.move_to_end(address)
            return (1.0 - level) / self.rate
        self._levels[address] = level - 1.0, now
        self._levels.move_to_end(address)
        if len(self._levels) > self.most:
            self._levels.popitem(last=False)
        return 0.0

    def wait(self, address: str) -> float:
        """Return the seconds until there is one to take, without taking it."""
        level, _ = self._level(address)
        return max(0.0, (1.0 - level) / self.rate)

    def _level(self, address: str) -> tuple[float, float]:
        now = self.clock()
        level, at = self._levels.get(address, (self.burst, now))
        return min(self.burst, level + (now - at) * self.rate), now


def network(address: str) -> str:
    """Return what a client is counted under: an IPv4 address, or the /64 that one IPv6 client may roam in.

    >>> network("::ffff:192.0.2.7"), network("2001:db8::1:2:3:4"), network("192.0.2.7")
    ('192.0.2.7', '2001:db8::/64', '192.0.2.7')
    """
    if ":" not in address:
        return address
    found = ipaddress.IPv6Address(address.partition("%")[0])
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return str(ipaddress.IPv6Network((found, 64), strict=False))
