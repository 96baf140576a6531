"""COSE_Mac0 and COSE_Mac with HMAC 256/256 (RFC 9052 section 6, RFC 9053 section 3.1).

In a COSE_Mac the key is wrapped for each recipient; see `cose.recipients`.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from cose import cbor
from cose.errors import CoseError, CoseReason, TagInvalid
from cose.headers import HeaderMap, algorithm_of, check_headers, header_map, protected_map
from cose.numbers import Algorithm, Header, Tag
from cose.recipients import Recipient, RecipientKey, SealedFor, parse_recipients, unwrap

KEY_SIZE: Final = 32
"""Bytes of an HMAC key made here; shorter ones of at least 16 bytes are accepted from their owner."""
SHORTEST_KEY: Final = 16
_MACS: Final = frozenset({Algorithm.HMAC_256})
_CONTEXTS: Final = {Tag.COSE_MAC0: "MAC0", Tag.COSE_MAC: "MAC"}


@dataclass(frozen=True, slots=True)
class Mac:
    """A parsed, still unverified COSE_Mac0 (without recipients) or COSE_Mac. `payload` is None when detached."""

    tag: Tag
    protected_bytes: bytes
    protected: Mapping[int | str, Any]
    unprotected: Mapping[int | str, Any]
    payload: bytes | None
    value: bytes
    recipients: tuple[Recipient, ...] = ()

    @classmethod
    def parse(cls, data: bytes, *, max_size: int) -> Mac:
        """Parse a tagged message of at most `max_size` bytes. Raises `CborError`, `CoseError`."""
        item = cbor.decode(data, max_size=max_size, any_order=True)
        tag, members, recipients = _members(item)
        protected_bytes, unprotected, payload, value = members
        protected = protected_map(protected_bytes, max_size)
        check_headers(protected, unprotected)
        algorithm_of(protected, _MACS)
        return cls(tag, protected_bytes, protected, unprotected, payload, value, recipients)

    def verify(self, key: bytes | RecipientKey, *, detached_payload: bytes | None = None) -> bytes:
        """The payload that whoever holds the key has authenticated.

        `key`: the MAC key itself for a COSE_Mac0, what unwraps it for a COSE_Mac. Raises `TagInvalid`; `CoseError` for
        a key of the wrong kind, and when the payload is neither attached nor given (or both).
        """
        if (self.payload is None) == (detached_payload is None):
            raise CoseError(CoseReason.PAYLOAD)
        payload = self.payload if detached_payload is None else detached_payload
        assert payload is not None
        mac_key = self._key(key)
        if len(mac_key) < SHORTEST_KEY:
            raise CoseError(CoseReason.KEY, f"an HMAC key has at least {SHORTEST_KEY} bytes")
        if not hmac.compare_digest(_tag(self.tag, self.protected_bytes, payload, mac_key), self.value):
            raise TagInvalid
        return payload

    def _key(self, key: bytes | RecipientKey) -> bytes:
        if self.tag is Tag.COSE_MAC0:
            if not isinstance(key, bytes):
                raise CoseError(CoseReason.KEY, "a COSE_Mac0 is verified with the MAC key itself")
            return key
        if isinstance(key, bytes):
            raise CoseError(CoseReason.KEY, "a COSE_Mac is verified with what unwraps its key")
        return unwrap(self.recipients, key)


def create_mac0(payload: bytes, key: bytes, *, detached: bool = False) -> bytes:
    """Authenticate `payload` with a key both sides hold. Raises `CoseError` KEY for one shorter than 16 bytes."""
    if len(key) < SHORTEST_KEY:
        raise CoseError(CoseReason.KEY, f"an HMAC key has at least {SHORTEST_KEY} bytes")
    header = cbor.encode({Header.ALG: Algorithm.HMAC_256})
    value = _tag(Tag.COSE_MAC0, header, payload, key)
    return cbor.encode(cbor.Tagged(Tag.COSE_MAC0, [header, {}, None if detached else payload, value]))


def create_mac(payload: bytes, recipients: Sequence[SealedFor], *, detached: bool = False) -> bytes:
    """Authenticate `payload` with a fresh key that each recipient can unwrap."""
    key = os.urandom(KEY_SIZE)
    header = cbor.encode({Header.ALG: Algorithm.HMAC_256})
    value = _tag(Tag.COSE_MAC, header, payload, key)
    wrapped = [recipient.wrap(key) for recipient in recipients]
    return cbor.encode(cbor.Tagged(Tag.COSE_MAC, [header, {}, None if detached else payload, value, wrapped]))


def _members(item: Any) -> tuple[Tag, tuple[bytes, HeaderMap, bytes | None, bytes], tuple[Recipient, ...]]:
    if not isinstance(item, cbor.Tagged) or item.tag not in _CONTEXTS or not isinstance(item.value, list):
        raise CoseError(CoseReason.STRUCTURE, "a COSE_Mac0 or COSE_Mac expected")
    *members, recipients = item.value if item.tag == Tag.COSE_MAC else (*item.value, None)
    match members:
        case [bytes(protected), dict(unprotected), (bytes() | None) as payload, bytes(value)]:
            headers = header_map(unprotected, CoseReason.UNPROTECTED_HEADER)
        case _:
            raise CoseError(CoseReason.STRUCTURE, "an array of protected, unprotected, payload and tag expected")
    if item.tag == Tag.COSE_MAC0:
        return Tag.COSE_MAC0, (protected, headers, payload, value), ()
    if not isinstance(recipients, list):
        raise CoseError(CoseReason.STRUCTURE, "recipients expected")
    return Tag.COSE_MAC, (protected, headers, payload, value), parse_recipients(recipients)


def _tag(kind: Tag, protected: bytes, payload: bytes, key: bytes) -> bytes:
    """HMAC over the MAC_structure with an empty external_aad (RFC 9052 section 6.3)."""
    return hmac.digest(key, cbor.encode([_CONTEXTS[kind], protected, b"", payload]), hashlib.sha256)
