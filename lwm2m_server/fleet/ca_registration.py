"""Registering factory certificates with the own CA."""

from __future__ import annotations

from uuid import UUID

import httpx

from enrollment.ca_client import CaApiError, CaClient
from lwm2m_server.fleet.errors import NotReady, Rejected


async def register_bag(ca: CaClient, label: UUID, bag: bytes) -> str:
    """Register an x5bag with the own CA; returns the CA-URI. All of it or an error."""
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
    return result.ca_uri
