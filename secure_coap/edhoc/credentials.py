"""Who the parties are: credentials, how they are referred to, and who decides which are believed (section 3.5).

EDHOC itself trusts nothing: it binds the session to the bytes of a credential and proves that the peer holds its key.
Whether that credential counts - its path, its role, its place on a list - is for the resolver to say.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Protocol, TypeAlias

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, x25519

from cose import cbor
from cose.numbers import Claim, Curve, KeyParameter, KeyType
from device_pki.identity import Peer
from secure_coap.edhoc.curves import SIZE
from secure_coap.edhoc.id_cred import IdCred
from secure_coap.edhoc.numbers import CredentialHeader

_CNF: Final = 8
"""Claim `cnf` (RFC 8747), and COSE_Key in it."""
_COSE_KEY: Final = 1
_MAX_CCS: Final = 1024

CredentialKey: TypeAlias = ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey | x25519.X25519PublicKey
CredentialPrivateKey: TypeAlias = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | x25519.X25519PrivateKey


class UnknownCredential(Exception):
    """The resolver does not know, or does not believe, what the peer named."""


@dataclass(frozen=True, slots=True)
class ResolvedCredential:
    """A peer's credential that counts. `credential` is CRED_x: the encoded CBOR item that is authenticated - a
    certificate in a byte string, a C509 certificate, a CCS, a CWT. `public_key` is the authentication key in it;
    `peer` is who holds it.
    """

    credential: bytes
    public_key: CredentialKey
    peer: Peer


@dataclass(frozen=True, slots=True)
class EdhocIdentity:
    """Our private key, for signatures or for static Diffie-Hellman; our credential (CRED_x); and how we name it to
    the peer, by reference or by value."""

    private_key: CredentialPrivateKey = field(repr=False)
    credential: bytes
    id_cred: IdCred


class CredentialResolver(Protocol):
    """Finds and judges a peer's credential: its path, its role, its place on a list. It runs inside the handshake."""

    def resolve(self, id_cred: IdCred, now: datetime) -> ResolvedCredential:
        """Raises `UnknownCredential` or `PathError`; whatever else it raises refuses the peer, too."""


CredentialLookup: TypeAlias = Callable[[IdCred], ResolvedCredential]
"""A resolver at one moment."""


class KnownCredentials:
    """The resolver of a few pinned credentials, whether the peer sends the reference it is known by or the value."""

    def __init__(self, known: Iterable[tuple[IdCred, ResolvedCredential]]) -> None:
        self._by_id = {id_cred.encode(): resolved for id_cred, resolved in known}
        self._by_value = {resolved.credential: resolved for resolved in self._by_id.values()}

    def resolve(self, id_cred: IdCred, now: datetime) -> ResolvedCredential:
        """See `CredentialResolver`."""
        claims = id_cred.headers.get(CredentialHeader.KCCS)
        by_value = None if claims is None else self._by_value.get(cbor.encode(claims))
        found = by_value or self._by_id.get(id_cred.encode())
        if found is None:
            raise UnknownCredential("not one of those that are known here")
        return found


def x509_credential(der: bytes) -> bytes:
    """CRED_x of an X.509 certificate (section 3.5.2)."""
    return cbor.encode(der)


def c509_credential(sequence: bytes) -> bytes:
    """CRED_x of a C509 certificate: the array of what travels as a sequence (section 3.5.2)."""
    return cbor.encode(cbor.decode_sequence(sequence))


def ccs(subject: str, kid: bytes, public_key: CredentialKey) -> bytes:
    """CRED_x of a raw public key: a CWT Claims Set with the key in `cnf` (section 3.5.2)."""
    return cbor.encode(
        {int(Claim.SUB): subject, _CNF: {_COSE_KEY: {int(KeyParameter.KID): kid, **_cose_key(public_key)}}}
    )


def ccs_key(cred: bytes) -> CredentialKey:
    """The public key of a CWT Claims Set. Raises `UnknownCredential` for one without a usable key."""
    try:
        match cbor.decode(cred, max_size=_MAX_CCS):
            case {8: {1: dict(key)}}:
                return _public_key(key)
    except (cbor.CborError, ValueError) as error:
        raise UnknownCredential(f"not a CWT Claims Set with a key: {error}") from error
    raise UnknownCredential("a CWT Claims Set without a key")


def _public_key(key: Mapping[Any, Any]) -> CredentialKey:
    kind, x, y = (
        (key.get(KeyParameter.KTY), key.get(KeyParameter.CRV)),
        key.get(KeyParameter.X),
        key.get(KeyParameter.Y),
    )
    if not isinstance(x, bytes):
        raise ValueError("a key without x")  # noqa: TRY004 - wrong data, not a caller's mistake
    if kind == (KeyType.OKP, Curve.X25519):
        return x25519.X25519PublicKey.from_public_bytes(x)
    if kind == (KeyType.OKP, Curve.ED25519):
        return ed25519.Ed25519PublicKey.from_public_bytes(x)
    if kind == (KeyType.EC2, Curve.P_256) and len(x) == SIZE:
        point = b"\x04" + x + y if isinstance(y, bytes) else b"\x02" + x
        return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)
    raise ValueError("a key of another type")


def _cose_key(key: CredentialKey) -> dict[int, Any]:
    if isinstance(key, ec.EllipticCurvePublicKey):
        numbers = key.public_numbers()
        x, y = (value.to_bytes(SIZE, "big") for value in (numbers.x, numbers.y))
        named = {KeyParameter.KTY: KeyType.EC2, KeyParameter.CRV: Curve.P_256, KeyParameter.X: x, KeyParameter.Y: y}
    else:
        curve = Curve.X25519 if isinstance(key, x25519.X25519PublicKey) else Curve.ED25519
        named = {KeyParameter.KTY: KeyType.OKP, KeyParameter.CRV: curve, KeyParameter.X: key.public_bytes_raw()}
    return {int(label): value for label, value in named.items()}
