"""Detached JWS with an unencoded payload (RFC 7515, RFC 7797): how providers sign documents for each other.

The protected header is exactly `{"alg", "b64": false, "crit": ["b64"], "typ", "x5t#S256"}`. It is read and judged here,
before the JWS library sees anything: the library accepts missing or empty `crit`, duplicate members and any `typ`.
Who signed is decided by the certificate the reader has pinned, never by the header.
"""

from __future__ import annotations

import binascii
import hmac
import json
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from jwcrypto.common import JWException  # type: ignore[import-untyped]
from jwcrypto.jwk import JWK  # type: ignore[import-untyped]
from jwcrypto.jws import JWS  # type: ignore[import-untyped]

from cose.keys import PrivateKey, PublicKey, same_key
from device_pki.fingerprints import fingerprint
from trust_transfer.messages.errors import MessageError
from trust_transfer.messages.fields import malformed
from trust_transfer.messages.numbers import JwsTyp, Result

MAX_JWS: Final = 1024
"""Longest detached JWS anybody reads, in characters; the header is about 150."""

_COMPACT: Final = re.compile(r"(?P<protected>[A-Za-z0-9_-]+)\.\.(?P<signature>[A-Za-z0-9_-]+)")
_UNSUITABLE: Final = "documents are signed with P-256 or Ed25519 keys; have the certificate issued for such a key"
_MEMBERS: Final = frozenset({"alg", "b64", "crit", "typ", "x5t#S256"})


def sign_detached(payload: bytes, key: PrivateKey, certificate: x509.Certificate, typ: JwsTyp) -> str:
    """Sign `payload`; returns `<protected>..<signature>`. `certificate` must be that of `key`.

    Raises ValueError for a key that is not the certificate's, or neither P-256 nor Ed25519.
    """
    public_key = key.public_key()
    if not same_key(public_key, _key_of(certificate)):
        raise ValueError("the certificate is not that of the signing key; configure the pair together")
    header = {
        "alg": _algorithm(public_key),
        "b64": False,
        "crit": ["b64"],
        "typ": typ.value,
        "x5t#S256": _encode(fingerprint(certificate)),
    }
    signer = JWS(payload)
    signer.allowed_algs = [header["alg"]]
    signer.add_signature(JWK.from_pyca(key), protected=json.dumps(header, separators=(",", ":")))
    signer.detach_payload()
    compact: str = signer.serialize(compact=True)
    return compact


def verify_detached(jws: str, payload: bytes, certificate: x509.Certificate, typ: JwsTyp) -> None:
    """Check that the key of the pinned `certificate` signed `payload` as a document of type `typ`.

    Raises `MessageError`: too large, malformed (form or header), unknown typ or claim, wrong signer, bad signature;
    ValueError when the pinned certificate itself has a key for other algorithms.
    """
    public_key = _key_of(certificate)
    algorithm = _algorithm(public_key)
    _check_header(_header(jws), algorithm, certificate, typ)
    verifier = JWS()
    verifier.allowed_algs = [algorithm]
    try:
        verifier.deserialize(jws, key=None)
        verifier.verify(JWK.from_pyca(public_key), detached_payload=payload)
    except (JWException, ValueError) as error:
        raise MessageError(Result.BAD_SIGNATURE, "the JWS signature does not verify over this payload") from error


def _header(jws: str) -> dict[str, Any]:
    if len(jws) > MAX_JWS:
        raise MessageError(Result.TOO_LARGE, f"a JWS of {len(jws)} characters, at most {MAX_JWS}")
    parts = _COMPACT.fullmatch(jws)
    if parts is None:
        raise malformed("not a compact detached JWS: <protected>..<signature>")
    _decode(parts["signature"])
    try:
        header = json.loads(_decode(parts["protected"]), object_pairs_hook=_unique_members)
    except (ValueError, RecursionError) as error:
        raise malformed("the JWS header is not a JSON object with distinct members") from error
    if not isinstance(header, dict) or header.keys() != _MEMBERS:
        raise malformed("the JWS header must hold exactly alg, b64, crit, typ and x5t#S256")
    return header


def _check_header(header: dict[str, Any], algorithm: str, certificate: x509.Certificate, typ: JwsTyp) -> None:
    if header["b64"] is not False or header["crit"] != ["b64"]:
        raise malformed('the JWS header must say "b64":false and "crit":["b64"]')
    if header["alg"] != algorithm:
        raise malformed(f"the JWS algorithm is not {algorithm}, the one of the pinned certificate")
    if header["typ"] != typ.value:
        raise MessageError(Result.UNKNOWN_TYP_OR_CLAIM, f"the JWS typ is not {typ.value}")
    named = header["x5t#S256"]
    if not isinstance(named, str) or not hmac.compare_digest(_decode(named), fingerprint(certificate)):
        raise MessageError(Result.WRONG_SIGNER, "x5t#S256 is not the pinned certificate")


def _unique_members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("duplicate member")
    return members


def _key_of(certificate: x509.Certificate) -> PublicKey:
    key = certificate.public_key()
    if isinstance(key, ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey):
        return key
    raise ValueError(_UNSUITABLE)


def _algorithm(key: PublicKey) -> str:
    if isinstance(key, ed25519.Ed25519PublicKey):
        return "EdDSA"
    if isinstance(key.curve, ec.SECP256R1):
        return "ES256"
    raise ValueError(_UNSUITABLE)


def _encode(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def _decode(text: str) -> bytes:
    """Strict base64url without padding (RFC 7515 section 2): what does not come back the same is refused."""
    try:
        data = urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (binascii.Error, ValueError) as error:
        raise malformed("not base64url") from error
    if _encode(data) != text:
        raise malformed("not canonical base64url")
    return data
