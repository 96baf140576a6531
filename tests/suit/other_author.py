"""Another author of envelopes: the drafts' structures by cbor2, hashlib and cryptography, nothing of ours.

Header parameters come in whatever order they are named here, as COSE allows.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import Any, Final

import cbor2
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.keywrap import aes_key_wrap

Map = dict[Any, Any]

_HASHES: Final = {-7: hashes.SHA256(), -9: hashes.SHA256(), -35: hashes.SHA384(), -51: hashes.SHA384()}
CONTENT_KEY, MAC_KEY = bytes(range(16)), bytes(range(32))


def encode(item: Any) -> bytes:
    """Maps in the order they have; the maps of these tests are ordered by hand."""
    return cbor2.dumps(item)


def sequence(*items: Any) -> bytes:
    return encode(list(items))


def manifest(number: int, common: Map, **elements: Any) -> bytes:
    """`elements` by `_NUMBER`."""
    members = sorted((int(name[1:]), value) for name, value in elements.items())
    return encode({1: 1, 2: number, 3: encode(common), **dict(members)})


def digest(data: bytes) -> bytes:
    return encode([-16, hashlib.sha256(data).digest()])


def envelope(manifest_bytes: bytes, *makers: Any, **members: bytes) -> bytes:
    """`makers` make a block of the digest; `members` are payloads, or severed elements by `_NUMBER`."""
    signed = digest(encode(manifest_bytes))
    wrapper = encode([signed, *(make(signed) for make in makers)])
    severed = sorted((int(name[1:]), value) for name, value in members.items() if name.startswith("_"))
    payloads = sorted(((f"#{name}", v) for name, v in members.items() if not name.startswith("_")), key=_order)
    return encode(cbor2.CBORTag(107, {2: wrapper, 3: manifest_bytes, **dict(severed), **dict(payloads)}))


def _order(item: tuple[str, bytes]) -> bytes:
    return cbor2.dumps(item[0])


def moment(seconds: int) -> Any:
    """Seconds since 1970."""
    return cbor2.CBORTag(1, seconds)


# ---- who vouches --------------------------------------------------------------------------------


def _signature(key: Any, algorithm: int, data: bytes) -> bytes:
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        signature: bytes = key.sign(data)
        return signature
    size = (key.curve.key_size + 7) // 8
    r, s = decode_dss_signature(key.sign(data, ec.ECDSA(_HASHES[algorithm])))
    return r.to_bytes(size, "big") + s.to_bytes(size, "big")


def sign1(key: Any, protected: Map, unprotected: Map | None = None) -> Any:
    def make(payload: bytes) -> bytes:
        header = encode(protected)
        signature = _signature(key, protected[1], encode(["Signature1", header, b"", payload]))
        return encode(cbor2.CBORTag(18, [header, unprotected or {}, None, signature]))

    return make


def sign(*signers: tuple[Any, Map]) -> Any:
    def make(payload: bytes) -> bytes:
        signatures = []
        for key, protected in signers:
            header = encode(protected)
            signed = encode(["Signature", b"", header, b"", payload])
            signatures.append([header, {4: b"signer"}, _signature(key, protected[1], signed)])
        return encode(cbor2.CBORTag(98, [b"", {}, None, signatures]))

    return make


def mac0(key: bytes, unprotected: Map | None = None) -> Any:
    def make(payload: bytes) -> bytes:
        header = encode({1: 5})
        tag = hmac.digest(key, encode(["MAC0", header, b"", payload]), "sha256")
        return encode(cbor2.CBORTag(17, [header, unprotected or {}, None, tag]))

    return make


def mac(*recipients: list[Any]) -> Any:
    """A COSE_Mac under MAC_KEY, which the recipients' keys wrap."""

    def make(payload: bytes) -> bytes:
        header = encode({1: 5})
        tag = hmac.digest(MAC_KEY, encode(["MAC", header, b"", payload]), "sha256")
        return encode(cbor2.CBORTag(97, [header, {}, None, tag, list(recipients)]))

    return make


def unknown(_: bytes) -> bytes:
    """A signature in an algorithm nobody here knows."""
    return encode(cbor2.CBORTag(18, [encode({1: -49}), {}, None, bytes(2420)]))


# ---- who can open -------------------------------------------------------------------------------


def wrapped(kek: bytes, content_key: bytes, kid: bytes | None = None) -> list[Any]:
    """AES Key Wrap; `kid` before `alg`."""
    return [b"", {**({} if kid is None else {4: kid}), 1: {16: -3, 32: -5}[len(kek)]}, aes_key_wrap(kek, content_key)]


def agreed(public: ec.EllipticCurvePublicKey, content_key: bytes, other: bytes | None, kid: bytes) -> list[Any]:
    """ECDH-ES + A128KW on P-256; `other` is SuppPubInfo's."""
    ephemeral = ec.generate_private_key(ec.SECP256R1())
    numbers = ephemeral.public_key().public_numbers()
    protected = encode({1: -29})
    public_info = [128, protected, *([] if other is None else [other])]
    info = encode([-3, [None] * 3, [None] * 3, public_info])
    kek = HKDF(hashes.SHA256(), 16, salt=None, info=info).derive(ephemeral.exchange(ec.ECDH(), public))
    x, y = (value.to_bytes(32, "big") for value in (numbers.x, numbers.y))
    return [protected, {4: kid, -1: {-1: 1, -2: x, -3: y, 1: 2}}, aes_key_wrap(kek, content_key)]


def content_key(algorithm: int) -> bytes:
    return CONTENT_KEY if algorithm in (1, -65534) else MAC_KEY


def encrypted(payload: bytes, algorithm: int, *recipients: list[Any]) -> tuple[bytes, bytes]:
    """Encryption info and ciphertext under `content_key`: A128GCM (1), ChaCha20/Poly1305 (24), A128CTR or A256CTR."""
    key = content_key(algorithm)
    if algorithm > 0:
        header, iv = encode({1: algorithm}), bytes(12)
        cipher = AESGCM(key) if algorithm == 1 else ChaCha20Poly1305(key)
        ciphertext = cipher.encrypt(iv, payload, encode(["Encrypt", header, b""]))
        unprotected: Map = {5: iv}
    else:
        header, iv = b"", bytes(16)
        encryptor = Cipher(algorithms.AES(key), modes.CTR(iv)).encryptor()
        ciphertext = encryptor.update(payload) + encryptor.finalize()
        unprotected = {5: iv, 1: algorithm}
    return encode(cbor2.CBORTag(96, [header, unprotected, None, list(recipients)])), ciphertext
