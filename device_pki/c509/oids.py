"""Object identifiers as items: the registered number, else ~oid (RFC 9090)."""

from __future__ import annotations

from typing import Any

from cryptography import x509

from device_pki.c509.der import octets_of_oid, oid_of_octets
from device_pki.c509.errors import malformed
from device_pki.c509.items import integer
from device_pki.c509.registry import Registered


def oid_item(oid: x509.ObjectIdentifier, registry: type[Registered]) -> int | bytes:
    """Return the item of an object identifier."""
    registered = registry.of(oid)
    return octets_of_oid(oid) if registered is None else int(registered)


def item_oid(item: Any, registry: type[Registered]) -> x509.ObjectIdentifier:
    """Return the object identifier of an item."""
    if isinstance(item, bytes):
        return oid_of_octets(item)
    registered = registry.numbered(integer(item))
    if registered is None:
        raise malformed(f"{item} is no registered {registry.__name__}")
    return registered.oid
