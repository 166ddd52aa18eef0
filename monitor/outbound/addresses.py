"""Which addresses are the public internet, whatever way they are written or wrapped."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

_NAT64 = (IPv6Network("64:ff9b::/96"), IPv6Network("64:ff9b:1::/48"))
_COMPATIBLE = IPv6Network("::/96")
_SITE_LOCAL = IPv6Network("fec0::/10")


def forbidden(address: str) -> str | None:
    """Return why a connection to ``address`` is refused unless its host is allowed by name; None for a public one.

    An IPv4 address inside an IPv6 one (mapped, compatible, 6to4, Teredo, NAT64) is judged by what it leads to.

    >>> forbidden("169.254.169.254")
    'link-local (169.254.169.254)'
    >>> forbidden("::ffff:127.0.0.1")
    'loopback (127.0.0.1 in ::ffff:7f00:1)'
    >>> forbidden("93.184.216.34") is None
    True
    """
    try:
        ip = ip_address(address)
    except ValueError:
        return f"not an address ({address})"
    inner = _inner(ip) if isinstance(ip, IPv6Address) else None
    reason = _reason(ip if inner is None else inner)
    if reason is None:
        return None
    return f"{reason} ({ip})" if inner is None else f"{reason} ({inner} in {_compressed(ip)})"


def _inner(ip: IPv6Address) -> IPv4Address | None:
    if ip.ipv4_mapped is not None:
        return ip.ipv4_mapped
    if ip.sixtofour is not None:
        return ip.sixtofour
    if ip.teredo is not None:
        return ip.teredo[1]
    if any(ip in network for network in _NAT64) or (ip in _COMPATIBLE and int(ip) > 1):
        return IPv4Address(int(ip) & 0xFFFF_FFFF)
    return None


def _reason(ip: IPv4Address | IPv6Address) -> str | None:
    kinds = {
        "unspecified": ip.is_unspecified,
        "loopback": ip.is_loopback,
        "link-local": ip.is_link_local,
        "multicast": ip.is_multicast,
        "site-local": isinstance(ip, IPv6Address) and ip in _SITE_LOCAL,
        "private": ip.is_private,
        "reserved": ip.is_reserved,
        # What is left of what is not routed: shared address space (100.64.0.0/10), documentation, benchmarks.
        "not public": not ip.is_global,
    }
    return next((kind for kind, is_so in kinds.items() if is_so), None)


def _compressed(ip: IPv4Address | IPv6Address) -> str:
    """Return the address in hexadecimal: Python's own text of a mapped one differs between its versions."""
    if isinstance(ip, IPv6Address) and ip.ipv4_mapped is not None:
        return f"::ffff:{int(ip) >> 16 & 0xFFFF:x}:{int(ip) & 0xFFFF:x}"
    return ip.compressed
