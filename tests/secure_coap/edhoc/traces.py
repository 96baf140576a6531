"""The two traces of RFC 9529 as values."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, x25519

from cose import cbor
from secure_coap.edhoc.credentials import EdhocIdentity
from secure_coap.edhoc.curves import DhPrivateKey
from secure_coap.edhoc.id_cred import IdCred
from secure_coap.edhoc.numbers import CipherSuite, Method

DATA: dict[str, Any] = json.loads((Path(__file__).parents[2] / "vectors" / "edhoc" / "rfc9529.json").read_text())
INVALID: list[dict[str, str]] = DATA["invalid"]["traces"]


class Trace:
    """One trace: both parties, their ephemeral keys, and every message."""

    def __init__(self, name: str) -> None:
        self._values: dict[str, list[str]] = DATA[name]["values"]
        self.method = Method(self.value("METHOD")[0])
        self.suite = CipherSuite.X25519_CCM_8 if name == "trace1" else CipherSuite.P256_CCM_8
        self.initiator = self._own("I")
        self.responder = self._own("R")

    def value(self, name: str, number: int = -1) -> bytes:
        return bytes.fromhex(self._values[name][number])

    def first(self, name: str) -> bytes:
        """The value itself, where its encoding follows."""
        return self.value(name, 0)

    def ephemeral(self, name: str) -> DhPrivateKey:
        raw = self.value(name)
        if self.suite is CipherSuite.X25519_CCM_8:
            return x25519.X25519PrivateKey.from_private_bytes(raw)
        return ec.derive_private_key(int.from_bytes(raw, "big"), ec.SECP256R1())

    def _own(self, side: str) -> EdhocIdentity:
        raw = self.value(f"SK_{side}")
        headers = cbor.decode(self.value(f"ID_CRED_{side}"))
        cred = self.value(f"CRED_{side}")
        if self.method is Method.SIGNATURE_SIGNATURE:
            return EdhocIdentity(ed25519.Ed25519PrivateKey.from_private_bytes(raw), cred, IdCred(headers))
        key = ec.derive_private_key(int.from_bytes(raw, "big"), ec.SECP256R1())
        return EdhocIdentity(key, cred, IdCred(headers))
