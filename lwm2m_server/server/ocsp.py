"""Asking OCSP responders that the settings name. URLs in certificates are not looked at (security rule 24)."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from http import HTTPStatus
from itertools import pairwise
from typing import Final

import httpx
import structlog
from cryptography import x509

from device_pki.fingerprints import fingerprint
from device_pki.ocsp.answers import OcspAnswers
from device_pki.ocsp.client import build_request
from device_pki.ocsp.errors import MAX_ANSWER_SIZE, OcspError
from device_pki.ocsp.identifiers import CertId
from enrollment.bounded_http import bounded_request
from lwm2m_server.clock import Clock

NONCE_SIZE: Final = 32
"""Octets of a request's nonce (RFC 9654 2.1)."""
AT_ONCE: Final = 32
"""Requests under way at a time."""
PAUSE: Final = 5.0
"""Seconds in which a responder that failed is left alone."""
_TIMEOUT: Final = httpx.Timeout(5.0)
_HEADERS: Final = {"content-type": "application/ocsp-request"}

log = structlog.get_logger()


class OcspClient:
    """Keeps `answers` as fresh as the responders are. `responders`: the URL for each issuer."""

    def __init__(self, responders: Mapping[x509.Certificate, str], answers: OcspAnswers, clock: Clock) -> None:
        self.responders = {fingerprint(issuer): url for issuer, url in responders.items()}
        """The URL by the issuer's fingerprint."""
        self._answers = answers
        self._clock = clock
        self._http: httpx.AsyncClient | None = None
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._asking: dict[tuple[bytes, int], asyncio.Task[None]] = {}
        self._resting: dict[str, float] = {}

    async def close(self) -> None:
        """End what is under way."""
        for task in tuple(self._asking.values()):
            task.cancel()
        if self._http is not None:
            await self._http.aclose()

    def answers_for(self, issuer: x509.Certificate | None) -> bool:
        """Is there a responder for the certificates of this CA?"""
        return issuer is not None and fingerprint(issuer) in self.responders

    def due(self, chain: Sequence[x509.Certificate]) -> bool:
        """Should anything be asked about the certificates of a verified path?"""
        return any(True for _ in self._due(chain, self._clock.datetime()))

    async def ask(self, chain: Sequence[x509.Certificate]) -> None:
        """Ask about the certificates of a verified path, as far as it is time. A failure is logged, never raised."""
        for certificate, issuer in tuple(self._due(chain, self._clock.datetime())):
            key = fingerprint(issuer), certificate.serial_number
            task = self._asking.get(key)
            if task is None:
                task = asyncio.create_task(self._ask(certificate, issuer), name="ocsp")
                self._asking[key] = task
                task.add_done_callback(lambda _, key=key: self._asking.pop(key, None))  # type: ignore[misc]
            await asyncio.wait([task])

    def _due(
        self, chain: Sequence[x509.Certificate], now: datetime
    ) -> Iterator[tuple[x509.Certificate, x509.Certificate]]:
        for certificate, issuer in pairwise(chain):
            if self.answers_for(issuer) and self._answers.due(certificate, issuer, now):
                yield certificate, issuer

    async def _ask(self, certificate: x509.Certificate, issuer: x509.Certificate) -> None:
        url, loop = self.responders[fingerprint(issuer)], asyncio.get_running_loop()
        async with self._slots:
            if loop.time() < self._resting.get(url, 0.0):
                return
            serial, nonce = certificate.serial_number, secrets.token_bytes(NONCE_SIZE)
            try:
                data = await self._post(url, build_request(CertId.of(serial, issuer), nonce))
                self._answers.take(data, serial, issuer, nonce=nonce, now=self._clock.datetime())
            except (OcspError, httpx.HTTPError) as error:
                self._resting[url] = loop.time() + PAUSE
                log.warning("ocsp_not_answered", responder=url, reason=str(error) or repr(error))

    async def _post(self, url: str, request: bytes) -> bytes:
        if self._http is None:
            self._http = httpx.AsyncClient(timeout=_TIMEOUT, trust_env=False, follow_redirects=False)
        response = await bounded_request(
            self._http, "POST", url, limit=MAX_ANSWER_SIZE, headers=dict(_HEADERS), content=request
        )
        if response.status_code != HTTPStatus.OK:
            raise httpx.TransportError(f"the responder answered {response.status_code}")
        return response.content
