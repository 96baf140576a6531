"""Registering factory certificates with the own CA."""

from __future__ import annotations

from uuid import UUID

import httpx

from enrollment.ca_client import CaApiError, CaClient
from lwm2m_server.fleet.errors import NotReady, Rejected
from lwm2m_server.settings import CaClientSettings
from trust_transfer.messages.errors import MessageError
from trust_transfer.messages.uri import within


async def register_bag(ca: CaClient, settings: CaClientSettings, label: UUID, bag: bytes) -> str:
    """Register an x5bag with the own CA; returns the CA-URI. All of it or an error.

    A CA-URI is believed only beneath the CA's `public_uri`: a CA that was taken over sends no device elsewhere.
    """
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
