"""Factory certificates at hand for EDHOC's references, taken in without keeping others waiting.

One takes about 0.3 ms. A device whose certificate is not here yet is told so, and shows it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from typing import Final

import structlog
from cryptography import x509

from device_pki.certificates import CertificateError, load_certificate
from device_pki.directory import CertificateDirectory

log = structlog.get_logger()

AT_ONCE: Final = 16
"""Certificates taken in before others get their turn."""


async def remember(directory: CertificateDirectory, certificates: Iterable[x509.Certificate]) -> None:
    """Take in certificates that have just come."""
    for position, certificate in enumerate(certificates):
        if position % AT_ONCE == AT_ONCE - 1:
            await asyncio.sleep(0)
        directory.add(certificate)


async def remember_stored(directory: CertificateDirectory, stored: AsyncIterator[bytes]) -> None:
    """Take in those of the store, as DER, beside everything else a role does; one that is damaged is left out."""
    position = 0
    async for der in stored:
        position += 1
        if position % AT_ONCE == 0:
            await asyncio.sleep(0)
        try:
            directory.add(load_certificate(der))
        except CertificateError:
            log.warning("stored_certificate_damaged")
