"""Two parties that know each other's raw keys, and what their endpoints are configured with."""

from __future__ import annotations

from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric import ec

from cose.keys import thumbprint
from device_pki.identity import RawKeyIdentity
from secure_coap.channels.oscore import (
    EdhocClientConfig,
    EdhocServerConfig,
    OscoreClientConfig,
    OscoreServerConfig,
)
from secure_coap.edhoc import EdhocIdentity, IdCred, KnownCredentials, Method, ResolvedCredential
from secure_coap.edhoc.credentials import CredentialPrivateKey, ccs

HOST = "127.0.0.1"


@dataclass
class Party:
    """A P-256 key in a CWT Claims Set, known by a key identifier of one byte."""

    name: str
    kid: bytes
    key: CredentialPrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))

    @property
    def credential(self) -> bytes:
        return ccs(self.name, self.kid, self.key.public_key())

    def identity(self, id_cred: IdCred | None = None) -> EdhocIdentity:
        return EdhocIdentity(self.key, self.credential, id_cred or IdCred.of_kid(self.kid))

    @property
    def peer(self) -> RawKeyIdentity:
        public = self.key.public_key()
        assert isinstance(public, ec.EllipticCurvePublicKey)
        return RawKeyIdentity(thumbprint(public), self.name)

    def known(self, id_cred: IdCred | None = None) -> KnownCredentials:
        resolved = ResolvedCredential(self.credential, self.key.public_key(), self.peer)
        return KnownCredentials([(id_cred or IdCred.of_kid(self.kid), resolved)])


@dataclass
class Parties:
    """A device and a server."""

    device: Party = field(default_factory=lambda: Party("urn:dev:1", b"\x05"))
    server: Party = field(default_factory=lambda: Party("server", b"\x06"))

    def server_config(self) -> OscoreServerConfig:
        return OscoreServerConfig(EdhocServerConfig([self.server.identity()], self.device.known()))

    def client_config(self, method: Method = Method.STATIC_STATIC, *, combined: bool = True) -> OscoreClientConfig:
        return OscoreClientConfig(
            EdhocClientConfig(self.device.identity(), self.server.known(), method, combined=combined)
        )
