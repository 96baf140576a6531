"""Which authority issues: the built-in one on the folder's key, or one elsewhere that the settings name."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Final

import httpx
from cryptography.hazmat.primitives.serialization import Encoding

from enrollment.ca.backend import CaBackend
from enrollment.ca.step_ca import RegistrationAuthority, StepCa
from lwm2m_server.ca.directory import CaDirectory, read_certificates
from lwm2m_server.settings import CaSettings, StepCaSettings

DEFAULT_LIFETIME: Final = timedelta(days=1)
"""How long a list stays fresh that is signed without settings."""
_TIMEOUT: Final = httpx.Timeout(10.0)


@asynccontextmanager
async def opened_backend(directory: CaDirectory, settings: CaSettings | None) -> AsyncIterator[CaBackend]:
    """The authority of a CA role, for the block. Raises `CaDirectoryError`.

    Without settings it is the built-in one, to sign revocation lists with.
    """
    if settings is None:
        yield directory.backend(DEFAULT_LIFETIME, DEFAULT_LIFETIME)
        return
    lifetime, step = timedelta(days=settings.certificate_days), settings.step_ca
    if step is None:
        yield directory.backend(lifetime, timedelta(seconds=settings.crl_lifetime))
        return
    async with httpx.AsyncClient(
        base_url=step.api, verify=_trusting(step.root), timeout=_TIMEOUT, trust_env=False, follow_redirects=False
    ) as http:
        yield _step_ca(directory, step, http, lifetime)


def _step_ca(directory: CaDirectory, step: StepCaSettings, http: httpx.AsyncClient, lifetime: timedelta) -> StepCa:
    chain, key = directory.registration_authority()
    return StepCa(
        http=http,
        provisioner=step.provisioner,
        authority=RegistrationAuthority(key, chain),
        chain=directory.chain(),
        certificate_lifetime=lifetime,
        distribution_point=step.distribution_point,
    )


def _trusting(root: Path) -> ssl.SSLContext:
    """TLS towards servers beneath `root`, and no others."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_verify_locations(
        cadata="".join(c.public_bytes(Encoding.PEM).decode() for c in read_certificates(root))
    )
    return context
