"""Against the openssl command, an OpenSSL other than the one pyOpenSSL carries, in both roles and every suite."""

from __future__ import annotations

import asyncio
import subprocess
from asyncio.subprocess import PIPE, STDOUT, Process
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from secure_coap.association import Association
from secure_coap.channels.dtls import DtlsClientConfig, DtlsServerConfig, PskCredential
from secure_coap.channels.dtls.session import DtlsSession
from secure_coap.channels.dtls.suites import Suite
from secure_coap.endpoint import CoapClient, CoapServer
from secure_coap.errors import HandshakeFailed, TransportError
from secure_coap.exchange import Request, Response
from secure_coap.message import Message, MessageType
from secure_coap.numbers import Code
from tests.secure_coap.pki import HOST, Identity, hierarchy

SUITES = pytest.mark.parametrize("suite", Suite)
KEY = bytes(range(16))
IDENTITY = "device-2"


def write(folder: Path, identity: Identity) -> list[str]:
    """The openssl options of an identity and the anchors it needs."""
    leaf, *others = (certificate.public_bytes(Encoding.PEM) for certificate in identity.chain)
    (folder / "leaf.pem").write_bytes(leaf)
    (folder / "chain.pem").write_bytes(b"".join(others) or leaf)
    key = identity.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / "key.pem").write_bytes(key)
    (folder / "root.pem").write_bytes(hierarchy().root.public_bytes(Encoding.PEM))
    names = {"-cert": "leaf.pem", "-cert_chain": "chain.pem", "-key": "key.pem", "-CAfile": "root.pem"}
    return [part for option, name in names.items() for part in (option, str(folder / name))]


def credentials(suite: Suite, folder: Path, identity: Identity) -> list[str]:
    """The openssl options for a suite."""
    if suite.by_key:
        return ["-psk", KEY.hex(), "-psk_identity", IDENTITY]
    return write(folder, identity)


def server_config() -> DtlsServerConfig:
    """For certificates and one pre-shared key."""
    own = hierarchy().server
    keys = {IDENTITY.encode(): PskCredential(KEY, IDENTITY)}
    return DtlsServerConfig(own.chain, own.key, hierarchy().verify_device, psk=keys.get)


async def openssl(*arguments: str) -> Process:
    return await asyncio.create_subprocess_exec("openssl", *arguments, stdin=PIPE, stdout=PIPE, stderr=STDOUT)


async def until(process: Process, text: bytes) -> bytes:
    """Its output up to `text`, binary data included."""
    assert process.stdout is not None
    seen = b""
    async with asyncio.timeout(10):
        while text not in seen:
            part = await process.stdout.read(4096)
            assert part, seen.decode(errors="replace")
            seen += part
    return seen


async def end(process: Process) -> None:
    if process.returncode is None:
        process.kill()
    await process.communicate()


@SUITES
async def test_its_client_with_our_server(tmp_path: Path, suite: Suite) -> None:
    requests: list[tuple[Request, Association]] = []

    async def handler(request: Request, association: Association) -> Response:
        requests.append((request, association))
        return Response(Code.CONTENT, b"hello from the other side")

    server = await CoapServer.bind(HOST, 0, dtls=server_config(), handler=handler)
    process = await openssl(
        "s_client", "-dtls1_2", "-quiet", "-verify_return_error", "-cipher", f"{suite.value}:@SECLEVEL=0",
        "-connect", f"{HOST}:{server.address[1]}", *credentials(suite, tmp_path, hierarchy().device),
    )  # fmt: skip
    assert process.stdin is not None
    process.stdin.write(Message(MessageType.CON, Code.GET, 1, b"tok").encode())
    await until(process, b"hello from the other side")
    ((_, association),) = requests
    assert isinstance(association, DtlsSession)
    assert association.suite is suite
    assert association.peer is not None
    assert association.peer.endpoint == (IDENTITY if suite.by_key else "device-1")
    await end(process)
    await server.close()


@SUITES
async def test_our_client_with_its_server(tmp_path: Path, suite: Suite, unused_udp_port: int) -> None:
    demand = ["-nocert"] if suite.by_key else ["-Verify", "4", "-verify_return_error"]
    process = await openssl(
        "s_server", "-dtls1_2", "-listen", *demand, "-cipher", f"{suite.value}:@SECLEVEL=0",
        "-accept", f"{HOST}:{unused_udp_port}", *credentials(suite, tmp_path, hierarchy().server),
    )  # fmt: skip
    await until(process, b"ACCEPT")
    config = DtlsClientConfig(psk=(IDENTITY, KEY)) if suite.by_key else hierarchy().client_config()
    client = await CoapClient.connect(HOST, unused_udp_port, dtls=config)
    assert isinstance(client.association, DtlsSession)
    assert client.association.suite is suite
    with pytest.raises(TransportError):
        await client.request(Request(Code.POST, ("marked",), payload=b"hello to the other side"), timeout=0.2)
    await until(process, b"hello to the other side")
    await client.close()
    await end(process)


@pytest.mark.parametrize(
    "arguments",
    {
        "another suite": ["-dtls1_2", "-cipher", "ECDHE-ECDSA-AES256-SHA:@SECLEVEL=0"],
        "a key where none is taken": ["-dtls1_2", "-cipher", "PSK-AES128-CCM8:@SECLEVEL=0", "-psk", "00" * 16],
        "DTLS 1.0": ["-dtls1", "-cipher", "ALL:@SECLEVEL=0"],
        "another curve": ["-dtls1_2", "-groups", "X25519"],
    }.values(),
)
async def test_weaker_handshakes_are_refused(tmp_path: Path, arguments: list[str]) -> None:
    server = await CoapServer.bind(HOST, 0, dtls=hierarchy().server_config(), handler=never)
    process = await openssl(
        "s_client", "-connect", f"{HOST}:{server.address[1]}", *write(tmp_path, hierarchy().device), *arguments
    )
    async with asyncio.timeout(10):
        output, _ = await process.communicate()
    assert b"alert" in output or b"handshake failure" in output or b"no protocols" in output, output
    assert server.associations == []
    await server.close()


@pytest.mark.parametrize("suite", ["PSK-AES128-CBC-SHA256", "PSK-NULL-SHA256", "ECDHE-PSK-AES128-CBC-SHA256"])
async def test_weaker_suites_of_pre_shared_keys_are_refused(suite: str) -> None:
    server = await CoapServer.bind(HOST, 0, dtls=server_config(), handler=never)
    process = await openssl(
        "s_client", "-dtls1_2", "-cipher", f"{suite}:@SECLEVEL=0", "-psk", KEY.hex(), "-psk_identity", IDENTITY,
        "-connect", f"{HOST}:{server.address[1]}",
    )  # fmt: skip
    async with asyncio.timeout(10):
        output, _ = await process.communicate()
    assert b"alert" in output
    assert server.associations == []
    await server.close()


async def test_a_client_without_certificate_is_refused(tmp_path: Path) -> None:
    server = await CoapServer.bind(HOST, 0, dtls=hierarchy().server_config(), handler=never)
    process = await openssl("s_client", "-dtls1_2", "-connect", f"{HOST}:{server.address[1]}")
    async with asyncio.timeout(10):
        output, _ = await process.communicate()
    assert b"alert" in output
    assert server.associations == []
    await server.close()


async def test_renegotiation_is_refused(tmp_path: Path) -> None:
    opened: list[Association] = []
    server = await CoapServer.bind(HOST, 0, dtls=hierarchy().server_config(), handler=never, on_open=opened.append)
    process = await openssl(
        "s_client", "-dtls1_2", "-connect", f"{HOST}:{server.address[1]}", *write(tmp_path, hierarchy().device)
    )
    await until(process, b"Verify return code")
    (session,) = server.associations
    binding = session.channel_binding
    assert process.stdin is not None
    process.stdin.write(b"R\n")
    await until(process, b"no renegotiation")
    assert opened == [session]
    assert session.channel_binding == binding
    await end(process)
    await server.close()


async def test_no_session_ticket_is_given_out(tmp_path: Path) -> None:
    server = await CoapServer.bind(HOST, 0, dtls=hierarchy().server_config(), handler=never)
    process = await openssl(
        "s_client", "-dtls1_2", "-connect", f"{HOST}:{server.address[1]}", *write(tmp_path, hierarchy().device)
    )
    output = await until(process, b"Verify return code")
    assert b"TLS session ticket:" not in output
    await end(process)
    await server.close()


def test_the_peer_is_another_openssl() -> None:
    from OpenSSL import SSL

    command = subprocess.run(["openssl", "version"], capture_output=True, text=True, check=True).stdout
    assert command.split()[1] not in SSL.SSLeay_version(SSL.SSLEAY_VERSION).decode()


async def never(request: Request, association: Association) -> Response:
    raise AssertionError("no application data may arrive")


def test_handshake_failures_are_lost_associations() -> None:
    assert HandshakeFailed("why").reason == "why"
