"""Signature_or_MAC: how a party proves that it holds the key of its credential (RFC 9528 sections 5.3.2 and 5.4.2)."""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from cose.algorithms import UnsuitableKey
from secure_coap.edhoc.curves import DhPrivateKey, DhPublicKey
from secure_coap.edhoc.errors import EdhocError, EdhocReason
from secure_coap.edhoc.kdf import expand, signed
from secure_coap.edhoc.suites import HASH_LENGTH, Suite


@dataclass(frozen=True, slots=True)
class Proof:
    """What one party proves: all that goes into its MAC, in encoded form. `signs`: by signature or by the MAC alone."""

    suite: Suite
    signs: bool
    prk: bytes
    label: int
    context: bytes
    id_cred: bytes
    th: bytes
    cred: bytes
    ead: bytes

    def make(self, private_key: Any) -> bytes:
        """The proof of the holder of `private_key`. Raises `EdhocError` CREDENTIAL_KIND."""
        mac = self._mac()
        if not self.signs:
            return mac
        if not isinstance(private_key, ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey):
            raise EdhocError(EdhocReason.CREDENTIAL_KIND, "this method needs a signature key")
        try:
            return self.suite.signature.sign(private_key, self._signed(mac))
        except UnsuitableKey as error:
            raise EdhocError(EdhocReason.CREDENTIAL_KIND, str(error)) from error

    def check(self, proof: bytes, public_key: Any) -> None:
        """Raise `EdhocError` AUTHENTICATION unless `proof` is that of the key's holder; CREDENTIAL_KIND."""
        mac = self._mac()
        if not self.signs:
            valid = hmac.compare_digest(mac, proof)
        elif not isinstance(public_key, ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey):
            raise EdhocError(EdhocReason.CREDENTIAL_KIND, "this method needs a signature key")
        else:
            try:
                valid = self.suite.signature.verify(public_key, proof, self._signed(mac))
            except UnsuitableKey as error:
                raise EdhocError(EdhocReason.CREDENTIAL_KIND, str(error)) from error
        if not valid:
            raise EdhocError(EdhocReason.AUTHENTICATION)

    def _mac(self) -> bytes:
        return expand(self.prk, self.label, self.context, HASH_LENGTH if self.signs else self.suite.tag)

    def _signed(self, mac: bytes) -> bytes:
        return signed(self.id_cred, self.th, self.cred, self.ead, mac)


def static_secret(suite: Suite, private: Any, public: Any) -> bytes:
    """The secret of a static and an ephemeral key. Raises `EdhocError` CREDENTIAL_KIND for a key on another curve."""
    if not suite.curve.holds(private) or not suite.curve.holds(public):
        raise EdhocError(
            EdhocReason.CREDENTIAL_KIND, "this method needs a static Diffie-Hellman key on the suite's curve"
        )
    own: DhPrivateKey = private
    peer: DhPublicKey = public
    return suite.curve.agree(own, peer)
