"""The three ways a device can prove who it is, for peers on both sides."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from device_pki import issue
from lwm2m_server.clock import Clock
from lwm2m_server.roles.dm import DeviceVerifier
from lwm2m_server.server.server import Lwm2mServer
from secure_coap.channels.dtls import DtlsServerConfig
from tests.secure_coap.pki import HOST, Identity, hierarchy, new_key

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
        return CERTIFIED if self is Security.X509 else f"device-{self.name.lower()}"

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


@cache
def leshan_hierarchy() -> tuple[x509.Certificate, Identity, Identity]:
    """A root, a server and a device whose name is its subject's common name, which is where Leshan looks for it."""
    validity = issue.Validity.lasting(datetime.now(UTC), timedelta(days=1))
    root_key, server_key, device_key = new_key(), new_key(), new_key()
    issuer = issue.Issuer(issue.root_ca(root_key, "root", validity), root_key)
    server = issue.server(issuer, server_key.public_key(), "server", [HOST], validity)
    device = issue.operational_device(
        issuer, device_key.public_key(), issue.common_name(Security.X509.endpoint), validity
    )
    return issuer.certificate, Identity((server,), server_key), Identity((device,), device_key)


def server_members() -> dict[str, object]:
    """What `LeshanPeer.server` needs to take devices of every kind."""
    root, server, _ = leshan_hierarchy()
    return {
        **pem(server),
        "trust": root.public_bytes(Encoding.PEM).decode(),
        "x509": [Security.X509.endpoint],
        "psk": [{"endpoint": Security.PSK.endpoint, "identity": PSK_IDENTITY, "key": PSK.hex()}],
    }


def emulator_options(security: Security, folder: Path) -> list[str]:
    """What `lwm2m-device run` needs; its files are written to `folder`."""
    root, _, device = leshan_hierarchy()
    match security:
        case Security.PSK:
            (folder / "psk").write_text(PSK.hex())
            return ["--psk-identity", PSK_IDENTITY, "--psk-key-file", str(folder / "psk")]
        case Security.X509:
            for name, text in {**pem(device), "root": root.public_bytes(Encoding.PEM).decode()}.items():
                (folder / f"{name}.pem").write_text(str(text))
            files = {"--certificate": "certificate", "--key": "key", "--anchor": "root"}
            return [part for option, name in files.items() for part in (option, str(folder / f"{name}.pem"))]
    return []
