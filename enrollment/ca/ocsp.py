"""The OCSP responder of a CA: answers from its register, made once for all who ask without a nonce (RFC 5019 2.2)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.x509.ocsp import OCSPResponseStatus

from cose.keys import generate_private_key
from device_pki.issue import Issuer
from device_pki.ocsp.errors import OcspError
from device_pki.ocsp.identifiers import CertId
from device_pki.ocsp.responder import Question, SerialStatus, parse_request, refusal, sign_answer
from enrollment.ca.backend import CaBackend, CaBackendError

RESPONDER_LIFETIME: Final = timedelta(days=7)
"""Of the responder's certificate, which nobody can revoke; its key is never stored."""
MAX_KEPT: Final = 10_000
"""Answers kept for others who ask the same, about 1 kB each."""


MAX_SIGNED: Final = 1_000
"""Answers signed in a second; whoever asks then is told to try later, and the CA goes on with what else it does."""


@dataclass(frozen=True, slots=True)
class OcspAnswer:
    """A DER answer. `fresh_until` is None when it is for nobody else, or unsigned."""

    der: bytes
    made_at: datetime
    fresh_until: datetime | None


StatusOf = Callable[[int], Awaitable[SerialStatus]]
"""What the CA knows about a serial number of its own."""


class OcspResponder:
    """Answers requests about the certificates of one CA.

    `mark` tells which revocations are published: when it changes, every answer kept is forgotten.
    """

    def __init__(
        self,
        ca: CaBackend,
        status_of: StatusOf,
        *,
        mark: Callable[[], int],
        lifetime: timedelta,
        clock: Callable[[], datetime],
        max_signed: int = MAX_SIGNED,
    ) -> None:
        self._ca = ca
        self._status_of = status_of
        self._mark = mark
        self._lifetime = lifetime
        self._clock = clock
        self._kept: dict[CertId, OcspAnswer] = {}
        self._kept_mark = mark()
        self._responders: dict[x509.Certificate, Issuer] = {}
        self._certifying = asyncio.Lock()
        self._max_signed = max_signed
        self._second, self._signed = clock(), 0

    async def answer(self, data: bytes) -> OcspAnswer:
        """Return the answer to the DER request `data`, whatever it is."""
        now = self._clock().replace(microsecond=0)
        try:
            question = parse_request(data)
        except OcspError:
            return _refused(OCSPResponseStatus.MALFORMED_REQUEST, now)
        issuer = self._issuer(question)
        if issuer is None:
            return _refused(OCSPResponseStatus.UNAUTHORIZED, now)
        kept = self._find(question, now)
        if kept is not None:
            return kept
        if not self._may_sign(now):
            return _refused(OCSPResponseStatus.TRY_LATER, now)
        try:
            return await self._sign(question, issuer, now)
        except CaBackendError:
            return _refused(OCSPResponseStatus.TRY_LATER, now)

    def _may_sign(self, second: datetime) -> bool:
        if second != self._second:
            self._second, self._signed = second, 0
        self._signed += 1
        return self._signed <= self._max_signed

    def _issuer(self, question: Question) -> x509.Certificate | None:
        """Whose certificate it is: the CA's with its present key, or with an earlier one."""
        ours = (self._ca.chain[0], *self._ca.earlier)
        return next((issuer for issuer in ours if question.certificate.is_of(issuer)), None)

    def _find(self, question: Question, now: datetime) -> OcspAnswer | None:
        if self._mark() != self._kept_mark:
            self._kept.clear()
            self._kept_mark = self._mark()
        kept = None if question.nonce is not None else self._kept.get(question.certificate)
        return kept if kept is not None and now < kept.made_at + self._lifetime / 2 else None

    async def _sign(self, question: Question, issuer: x509.Certificate, now: datetime) -> OcspAnswer:
        responder, mark = await self._certified(issuer, now), self._mark()
        status = await self._status_of(question.certificate.serial_number)
        der = sign_answer(responder, question, status, now, now + self._lifetime)
        answer = OcspAnswer(der, now, now + self._lifetime if question.nonce is None else None)
        known = status.issued or status.revoked_at is not None
        if question.nonce is None and known and mark == self._kept_mark:
            if len(self._kept) >= MAX_KEPT:
                self._kept.clear()
            self._kept[question.certificate] = answer
        return answer

    async def _certified(self, issuer: x509.Certificate, now: datetime) -> Issuer:
        """The responder's key and certificate, made anew when half of its life is over."""
        async with self._certifying:
            current = self._responders.get(issuer)
            if current is None or now > current.certificate.not_valid_after_utc - RESPONDER_LIFETIME / 2:
                key = generate_private_key()
                certificate = await self._ca.issue_responder(issuer, key.public_key(), RESPONDER_LIFETIME, now)
                current = self._responders[issuer] = Issuer(certificate, key)
            return current


def _refused(status: OCSPResponseStatus, now: datetime) -> OcspAnswer:
    return OcspAnswer(refusal(status), now, None)
