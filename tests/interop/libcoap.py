"""libcoap's command line client and server, as Debian ships them, without DTLS."""

from __future__ import annotations

import asyncio
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

CLIENT = "coap-client-notls"
SERVER = "coap-server-notls"
WAIT = 20.0


async def client(
    uri: str, method: str, *options: str, body: bytes | None = None, folder: Path, prefix: Sequence[str] = ()
) -> bytes:
    """Send one request; the body of its answer, or its code and text when that is an error.

    `prefix` is put before the command.
    """
    output, sent = folder / "received", folder / "sent"
    output.unlink(missing_ok=True)
    if body is not None:
        sent.write_bytes(body)
        options = ("-f", str(sent), *options)
    process = await asyncio.create_subprocess_exec(
        *prefix, CLIENT, "-m", method, "-o", str(output), *options, uri, stdout=PIPE, stderr=PIPE
    )  # fmt: skip
    async with asyncio.timeout(WAIT):
        _, complaint = await process.communicate()
    return output.read_bytes() if output.exists() and output.stat().st_size else complaint


@asynccontextmanager
async def server(port: int, *options: str, prefix: Sequence[str] = ()) -> AsyncIterator[Process]:
    """The example server, answering. `prefix` is put before the command."""
    process = await asyncio.create_subprocess_exec(
        *prefix, SERVER, "-A", "127.0.0.1", "-p", str(port), *options, stdout=DEVNULL, stderr=DEVNULL
    )
    try:
        yield process
    finally:
        process.kill()
        await process.wait()
