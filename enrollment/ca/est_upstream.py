"""An EST server elsewhere as the authority (RFC 7030): we are its registration authority, and send devices' requests.

EST knows no revocation. What is revoked here is revoked there by its operator, and counts once its list says so.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Final

import httpx
from cryptography import x509

from cose.keys import PublicKey
from device_pki.revocation import MAX_CRL_SIZE
from enrollment.bounded_http import bounded_request
from enrollment.ca.backend import CaBackendError
from enrollment.ca.upstream import checked, pkcs10
from enrollment.csr import CheckedCsr
from enrollment.est.client import EstAnswerError
from enrollment.est.https_client import EstHttpError, EstHttpsClient

MAX_WAITING: Final = 10_000
"""Requests on which the authority takes time to decide, at most 2 kB each."""


@dataclass(frozen=True, slots=True)
class EstUpstreamCa:
    """Orders certificates from one EST server, and fetches its CA's revocation list from where it publishes."""

    est: EstHttpsClient
    http: httpx.AsyncClient
    list_url: str
    """Where the revocation list is, `http` or `https`."""
    chain: tuple[x509.Certificate, ...]
    """The CA that issues, then those above it, as the operator knows them."""
    points: Collection[str] = ()
    """URIs the list may say it is the list of (RFC 5280 5.2.5)."""
    _waiting: OrderedDict[bytes, bytes] = field(default_factory=OrderedDict)

    @property
    def earlier(self) -> tuple[x509.Certificate, ...]:
        """The authority's business."""
        return ()

    async def issue_operational(self, csr: CheckedCsr, subject: x509.Name, now: datetime) -> x509.Certificate:
        """Have the device's request certified.

        A decision that takes time is waited for with the request it was asked for (RFC 7030 4.2.3), although the
        device makes a new one in each session.
        """
        request = self._waiting.get(csr.key_thumbprint) or pkcs10(csr)
        try:
            certificate = await self.est.enroll(request, csr.public_key)
        except EstHttpError as error:
            if error.status == HTTPStatus.ACCEPTED:
                self._remember(csr.key_thumbprint, request)
            raise CaBackendError(f"the authority answers {error}", error.retry_after) from error
        except (EstAnswerError, httpx.HTTPError) as error:
            raise CaBackendError(f"the authority cannot be asked: {error!r}") from error
        self._waiting.pop(csr.key_thumbprint, None)
        return checked(certificate, csr, subject, chain=self.chain, now=now)

    def _remember(self, key: bytes, request: bytes) -> None:
        self._waiting[key] = request
        if len(self._waiting) > MAX_WAITING:
            self._waiting.popitem(last=False)

    async def issue_factory(self, csr: CheckedCsr, now: datetime) -> x509.Certificate:
        """Never: factory certificates have no end."""
        raise CaBackendError("factory certificates are issued by a permanent CA with a key of its own")

    async def issue_responder(
        self, issuer: x509.Certificate, key: PublicKey, lifetime: timedelta, now: datetime
    ) -> x509.Certificate:
        """Never: a registration authority does not answer for the CA."""
        raise CaBackendError("OCSP is answered by the CA itself")

    async def revocation_list(self, revoked: Mapping[int, datetime], number: int, now: datetime) -> bytes:
        """Return the authority's list; whether it names all of `revoked` is for the publisher to see."""
        try:
            response = await bounded_request(self.http, "GET", self.list_url, limit=MAX_CRL_SIZE)
        except httpx.HTTPError as error:
            raise CaBackendError(f"the revocation list at {self.list_url} cannot be had: {error!r}") from error
        if response.status_code != HTTPStatus.OK:
            raise CaBackendError(f"the revocation list at {self.list_url} cannot be had: {response.status_code}")
        return response.content

    async def earlier_lists(
        self, revoked: Mapping[int, datetime], number: int, now: datetime
    ) -> Sequence[tuple[x509.Certificate, bytes]]:
        """None."""
        return ()
