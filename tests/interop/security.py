"""The three ways a device can prove who it is, for peers on both sides: one certificate hierarchy, one key."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from lwm2m_server.clock import Clock
from lwm2m_server.roles.dm import DeviceVerifier
from lwm2m_server.server.server import Lwm2mServer
from secure_coap.channels.dtls import DtlsServerConfig
from tests.secure_coap.pki import HOST, Identity, hierarchy

PSK_IDENTITY: Final = "key-1"
PSK: Final = bytes(range(16))
CERTIFIED: Final = "device-1"
"""The endpoint name in the device's certificate."""


class Security(StrEnum):
    """How."""

    NONE = "NoSec"
    PSK = "PSK"
    X509 = "X.509"

    @property
    def endpoint(self) -> str:
        """The name a device goes by then."""
        return CERTIFIED if self is Security.X509 else f"leshan-{self.name.lower()}"

    @property
    def scheme(self) -> str:
        """Of the server's URI."""
        return "coap" if self is Security.NONE else "coaps"


def dtls_config(server: Lwm2mServer) -> DtlsServerConfig:
    """Ours: pre-shared keys from the store, and certificates under the devices' issuer, which peers do not send."""
    identity = hierarchy().server
    issuer = hierarchy().device.chain[1]
    return DtlsServerConfig(
        identity.chain, identity.key, DeviceVerifier([issuer], Clock()), psk=server.credentials.find
    )


def client_members(security: Security, ports: dict[Security, int]) -> dict[str, object]:
    """What `LeshanPeer.client` needs for it."""
    members: dict[str, object] = {"uri": f"{security.scheme}://{HOST}:{ports[security]}"}
    if security is Security.PSK:
        members |= {"identity": PSK_IDENTITY, "psk": PSK.hex()}
    elif security is Security.X509:
        members |= {
            **pem(hierarchy().device),
            "server_certificate": hierarchy().server.chain[0].public_bytes(Encoding.PEM).decode(),
        }
    return members


def pem(identity: Identity) -> dict[str, object]:
    """Certificate chain and key as our Java peer takes them."""
    return {
        "certificate": "".join(one.public_bytes(Encoding.PEM).decode() for one in identity.chain),
        "key": identity.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(),
    }
