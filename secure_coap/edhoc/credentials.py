"""Who the parties are: credentials, how they are referred to, and who decides which are believed (section 3.5).

EDHOC itself trusts nothing: it binds the session to the bytes of a credential and proves that the peer holds its key.
Whether that credential counts - its path, its role, its place on a list - is for the lookup to say.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, x25519

from cose import cbor
from cose.numbers import Claim, Curve, KeyParameter, KeyType
from secure_coap.edhoc.curves import SIZE
from secure_coap.edhoc.numbers import CredentialHeader

_CNF: Final = 8
"""Claim `cnf` (RFC 8747), and COSE_Key in it."""
_COSE_KEY: Final = 1
_MAX_CCS: Final = 1024

CredentialKey: TypeAlias = ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey | x25519.X25519PublicKey
CredentialPrivateKey: TypeAlias = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | x25519.X25519PrivateKey


class UnknownCredential(Exception):
    """The lookup does not know, or does not believe, what the peer named."""


@dataclass(frozen=True, slots=True)
class IdCred:
    """ID_CRED_x: a COSE header map that identifies, or holds, a credential."""

    headers: Mapping[int | str, Any]

    @classmethod
    def of_kid(cls, kid: bytes) -> IdCred:
        """By a key identifier both sides know."""
        return cls({int(CredentialHeader.KID): kid})

    @property
    def kid(self) -> bytes | None:
        """The key identifier, if it is the only thing here: then messages carry it alone (section 3.5.3.2)."""
        found = self.headers.get(CredentialHeader.KID)
        return found if isinstance(found, bytes) and len(self.headers) == 1 else None

    def encode(self) -> bytes:
        """The header map, as it is authenticated."""
        return cbor.encode(dict(self.headers))


@dataclass(frozen=True, slots=True)
class Credential:
    """`cred` is CRED_x: the encoded CBOR item that is authenticated - a certificate in a byte string, a C509
    certificate, a CCS, a CWT. `public_key` is the authentication key in it; `subject` whatever the lookup found out.
    """

    id_cred: IdCred
    cred: bytes
    public_key: CredentialKey
    subject: Any = None


@dataclass(frozen=True, slots=True)
class OwnCredential:
    """Our credential, how we name it to the peer, and its private key: for signatures or for static Diffie-Hellman."""

    id_cred: IdCred
    cred: bytes
    private_key: CredentialPrivateKey = field(repr=False)


CredentialLookup: TypeAlias = Callable[[IdCred], Credential]
"""Finds and judges a peer's credential. Raises `UnknownCredential`; whatever else it raises refuses the peer, too."""


def x509_credential(der: bytes) -> bytes:
    """CRED_x of an X.509 certificate (section 3.5.2)."""
    return cbor.encode(der)


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
