"""Registering factory certificates with the own CA."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final
from uuid import UUID

import httpx

from device_pki.bag import encode_x5bag
from enrollment.ca_client import MAX_BATCH, CaApiError, CaClient
from lwm2m_server.fleet.errors import NotReady, Rejected
from lwm2m_server.settings import CaClientSettings
from trust_transfer.messages.errors import MessageError
from trust_transfer.messages.uri import within

MAX_PART: Final = 768 * 1024
"""Bytes of certificates in one call; the CA API takes bodies of 1 MiB."""


async def register_certificates(
    ca: CaClient, settings: CaClientSettings, label: UUID, certificates: Sequence[bytes]
) -> str:
    """Register factory certificates (DER) with the own CA, in as many calls as it takes; returns the CA-URI.

    Raises `Rejected` or `NotReady`; what was registered before that stays, and the same order again completes it. A
    CA-URI is believed only beneath the CA's `public_uri`: a CA that was taken over sends no device elsewhere.
    """
    ca_uri = ""
    for part in _parts(certificates):
        ca_uri = await _register_bag(ca, settings, label, encode_x5bag(part))
    return ca_uri.rstrip("/")


def _parts(certificates: Sequence[bytes]) -> Iterator[list[bytes]]:
    part: list[bytes] = []
    size = 0
    for certificate in certificates:
        if part and (len(part) == MAX_BATCH or size + len(certificate) > MAX_PART):
            yield part
            part, size = [], 0
        part.append(certificate)
        size += len(certificate)
    if part:
        yield part


async def _register_bag(ca: CaClient, settings: CaClientSettings, label: UUID, bag: bytes) -> str:
    try:
        result = await ca.put_label(label, bag)
    except CaApiError as error:
        raise (NotReady if error.temporary else Rejected)(f"the CA answered {error}") from error
    except httpx.HTTPError as error:
        raise NotReady(f"the CA cannot be reached ({error!r}); try again") from error
    if result.refused:
        first = result.refused[0]
        raise Rejected(
            f"the CA refused {len(result.refused)} certificates; {first.fingerprint.hex()[:16]}…: {first.reason}",
            "refused_by_ca",
        )
    try:
        believed = within(result.ca_uri, settings.public_uri)
    except MessageError as error:
        raise Rejected(f"the CA-URI: {error.detail}", "ca_uri") from error
    if not believed:
        raise Rejected(f"the CA-URI is not beneath {settings.public_uri}: set [sp.ca] public_uri to the CA's", "ca_uri")
    return result.ca_uri
