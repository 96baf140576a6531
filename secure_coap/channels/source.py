"""What counts as one source of datagrams."""

from __future__ import annotations

import ipaddress
from functools import lru_cache


@lru_cache(maxsize=4096)
def source_of(host: str) -> str | None:
    """What counts as one source: an IPv4 address or an IPv6 /64.

    None for loopback, which is no one source: all local relays and devices share it, and no stranger can use it.
    """
    address = ipaddress.ip_address(host)
    if isinstance(address, ipaddress.IPv6Address):
        address = address.ipv4_mapped or address
    if address.is_loopback:
        return None
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    return str(ipaddress.ip_network((int(address) >> 64 << 64, 64)))
