"""Making messages no honest party would make: any payload, any header, signed by any key."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cose.cbor import decode, encode
from cose.keys import PrivateKey, kid
from cose.numbers import Header
from cose.sign1 import create, sign
from trust_transfer.messages.numbers import Typ


def signed_claims(payload: bytes, key: PrivateKey, typ: Typ) -> bytes:
    """A well-formed envelope around any payload."""
    return sign(payload, key, typ)


def with_header(raw: bytes, key: PrivateKey, **changes: Any) -> bytes:
    """`raw` signed again with members of the protected header replaced (`protected`) or an unprotected one."""
    _, _, payload, _ = decode(raw).value
    typ = decode(decode(raw).value[0])[Header.TYP]
    protected: dict[int, Any] = {Header.KID: kid(key.public_key()), Header.TYP: typ}
    protected |= changes.get("protected", {})
    return create(payload, key, protected=protected, unprotected=changes.get("unprotected"))


def with_claims(raw: bytes, key: PrivateKey, change: Callable[[dict[Any, Any]], None]) -> bytes:
    """`raw` signed again after `change` edited its claims."""
    protected, _, payload, _ = decode(raw).value
    claims = decode(payload)
    change(claims)
    return sign(encode(claims), key, decode(protected)[Header.TYP])
