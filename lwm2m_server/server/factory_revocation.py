"""Revocation of factory certificates, where a device comes with one: at its CA, and at a service provider."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import structlog
from cryptography import x509

from lwm2m_server.clock import Clock
from lwm2m_server.provider_keys import read_chain
from lwm2m_server.server.crl_files import CrlFiles
from lwm2m_server.server.revocation import DeviceRevocation
from lwm2m_server.settings import OcspSettings

LOOK: Final = 2.0
"""Seconds between two looks for changed lists."""

log = structlog.get_logger()


@asynccontextmanager
async def factory_revocation(
    anchors: Sequence[x509.Certificate], crls: Sequence[Path], ocsp: Sequence[OcspSettings], clock: Clock
) -> AsyncIterator[DeviceRevocation | None]:
    """What the permanent CAs say about factory certificates, kept fresh in the block; None without any source.

    Always closed when nothing fresh is known: factory certificates are for enrollment and transfers (security rule 24).
    Raises `CrlFileError`.
    """
    if not crls and not ocsp:
        yield None
        return
    responders = {issuer: source.url for source in ocsp for issuer in read_chain(source.issuer)}
    revocation = DeviceRevocation(anchors, clock, responders=responders)
    files = CrlFiles(crls, revocation, setting="permanent_crls", anchors="permanent_anchors")
    files.load()
    watch = asyncio.create_task(_watch(files), name="factory revocation")
    try:
        yield revocation
    finally:
        watch.cancel()
        await asyncio.gather(watch, return_exceptions=True)
        await revocation.ocsp.close()


async def _watch(files: CrlFiles) -> None:
    while True:
        await asyncio.sleep(LOOK)
        try:
            await asyncio.to_thread(files.reread)
        except Exception:
            log.exception("revocation_not_checked")
