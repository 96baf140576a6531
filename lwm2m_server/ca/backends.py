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
from enrollment.ca.est_upstream import EstUpstreamCa
from enrollment.ca.step_ca import RegistrationAuthority, StepCa
from enrollment.est.https_client import EstHttpsClient
from lwm2m_server.ca.directory import CaDirectory, read_certificates
from lwm2m_server.settings import CaSettings, EstUpstreamSettings, StepCaSettings

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
    lifetime = timedelta(days=settings.certificate_days)
    if settings.step_ca is not None:
        async with _step_ca(directory, settings.step_ca, lifetime) as step_ca:
            yield step_ca
    elif settings.est_upstream is not None:
        async with _est_upstream(directory, settings.est_upstream) as upstream:
            yield upstream
    else:
        yield directory.backend(lifetime, timedelta(seconds=settings.crl_lifetime))


@asynccontextmanager
async def _step_ca(directory: CaDirectory, step: StepCaSettings, lifetime: timedelta) -> AsyncIterator[StepCa]:
    chain, key = directory.registration_authority()
    async with _http(_trusting(step.root), step.api) as http:
        yield StepCa(
            http=http,
            provisioner=step.provisioner,
            authority=RegistrationAuthority(key, chain),
            chain=directory.chain(),
            certificate_lifetime=lifetime,
            distribution_point=step.distribution_point,
        )


@asynccontextmanager
async def _est_upstream(directory: CaDirectory, est: EstUpstreamSettings) -> AsyncIterator[EstUpstreamCa]:
    directory.registration_authority()
    context = _trusting(est.root)
    context.load_cert_chain(directory.ra.certificate, directory.ra.key)
    async with EstHttpsClient(est.api, context, est.label) as client, _http(_trusting(est.root)) as http:
        yield EstUpstreamCa(client, http, est.crl, directory.chain(), {est.distribution_point} - {""})


def _http(context: ssl.SSLContext, base_url: str = "") -> httpx.AsyncClient:
    return httpx.AsyncClient(
        base_url=base_url, verify=context, timeout=_TIMEOUT, trust_env=False, follow_redirects=False
    )


def _trusting(root: Path) -> ssl.SSLContext:
    """TLS towards servers beneath `root`, and no others."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    for certificate in read_certificates(root):
        context.load_verify_locations(cadata=certificate.public_bytes(Encoding.DER))
    return context
