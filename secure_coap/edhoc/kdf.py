"""Transcript hashes and the key schedule (RFC 9528 section 4). All values are bytes; names are those of the RFC."""

from __future__ import annotations

import hashlib
import hmac
from typing import Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from cose import cbor
from secure_coap.edhoc.numbers import KdfLabel
from secure_coap.edhoc.suites import HASH_LENGTH

_EXTERNAL: Final = "Encrypt0"
_SIGNATURE: Final = "Signature1"


def extract(salt: bytes, secret: bytes) -> bytes:
    """EDHOC_Extract: HKDF-Extract with SHA-256."""
    return hmac.digest(salt, secret, hashlib.sha256)


def expand(prk: bytes, label: int, context: bytes, length: int) -> bytes:
    """EDHOC_KDF: HKDF-Expand over label, context and length as a CBOR sequence."""
    info = cbor.encode(label) + cbor.encode(context) + cbor.encode(length)
    return HKDFExpand(hashes.SHA256(), length, info).derive(prk)


def th_2(g_y: bytes, message_1: bytes) -> bytes:
    """TH_2 = H(G_Y, H(message_1))."""
    return _hash(cbor.encode(g_y) + cbor.encode(_hash(message_1)))


def th_next(previous: bytes, plaintext: bytes, cred: bytes) -> bytes:
    """TH_3 and TH_4: hash of the previous one, the plaintext and the sender's credential."""
    return _hash(cbor.encode(previous) + plaintext + cred)


def prk_3e2m(prk_2e: bytes, th: bytes, g_rx: bytes | None) -> bytes:
    """With a static key of the responder its secret goes in, else PRK_2e stands."""
    if g_rx is None:
        return prk_2e
    return extract(expand(prk_2e, KdfLabel.SALT_3E2M, th, HASH_LENGTH), g_rx)


def prk_4e3m(prk: bytes, th: bytes, g_iy: bytes | None) -> bytes:
    """With a static key of the initiator its secret goes in, else PRK_3e2m stands."""
    if g_iy is None:
        return prk
    return extract(expand(prk, KdfLabel.SALT_4E3M, th, HASH_LENGTH), g_iy)


def aad(th: bytes) -> bytes:
    """Enc_structure of messages 3 and 4."""
    return cbor.encode([_EXTERNAL, b"", th])


def signed(id_cred: bytes, th: bytes, cred: bytes, ead: bytes, mac: bytes) -> bytes:
    """Sig_structure: what a signature is made over (section 5.3.2)."""
    return cbor.encode([_SIGNATURE, id_cred, cbor.encode(th) + cred + ead, mac])


def mac_2_context(c_r: bytes, id_cred: bytes, th: bytes, cred: bytes, ead: bytes) -> bytes:
    """context_2; `c_r` is C_R as the message carries it."""
    return c_r + id_cred + cbor.encode(th) + cred + ead


def mac_3_context(id_cred: bytes, th: bytes, cred: bytes, ead: bytes) -> bytes:
    """context_3."""
    return id_cred + cbor.encode(th) + cred + ead


def xor(data: bytes, keystream: bytes) -> bytes:
    """The binary additive stream cipher of message 2."""
    return bytes(one ^ other for one, other in zip(data, keystream, strict=True))


def _hash(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()
