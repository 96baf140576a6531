"""libcoap's command line programs with DTLS, as Debian ships them: one pair on OpenSSL, one on GnuTLS."""

from __future__ import annotations

import asyncio
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from enum import Enum
from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.secure_coap.pki import Identity, hierarchy

WAIT = 20.0
KEY = "sixteen letters."
"""The programs read keys as text."""


class Library(Enum):
    """The TLS library the programs were built with."""

    OPENSSL = "openssl"
    GNUTLS = "gnutls"


async def client(library: Library, uri: str, *options: str) -> bytes:
    """GET; what it printed."""
    process = await asyncio.create_subprocess_exec(
        f"coap-client-{library.value}", "-B", "5", *options, uri, stdout=PIPE, stderr=PIPE
    )
    async with asyncio.timeout(WAIT):
        output, complaint = await process.communicate()
    return output + complaint


@asynccontextmanager
async def server(library: Library, port: int, *options: str) -> AsyncIterator[Process]:
    """The example server; it takes DTLS at `port` + 1."""
    process = await asyncio.create_subprocess_exec(
        f"coap-server-{library.value}", "-A", "127.0.0.1", "-p", str(port), *options, stdout=DEVNULL, stderr=DEVNULL
    )
    try:
        yield process
    finally:
        process.kill()
        await process.wait()


def by_key(identity: str, key: str = KEY) -> tuple[str, ...]:
    """The client's options for a pre-shared key."""
    return "-u", identity, "-k", key


def by_certificate(identity: Identity, folder: Path) -> tuple[str, ...]:
    """The options of either program for certificates beneath the test hierarchy's root."""
    chain, key, root = folder / "chain.pem", folder / "key.pem", folder / "root.pem"
    chain.write_bytes(b"".join(certificate.public_bytes(Encoding.PEM) for certificate in identity.chain))
    key.write_bytes(identity.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    root.write_bytes(hierarchy().root.public_bytes(Encoding.PEM))
    return "-c", str(chain), "-j", str(key), "-C", str(root)
