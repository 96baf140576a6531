"""What enrollment needs of a certification authority. One file beside this per kind of authority."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from cryptography import x509

from cose.keys import PublicKey
from enrollment.csr import CheckedCsr


class CaBackendError(Exception):
    """The authority cannot serve just now; the same call may succeed later (5.03 towards a device)."""

    def __init__(self, problem: str, retry_after: int | None = None) -> None:
        super().__init__(problem)
        self.retry_after = retry_after
        """Seconds after which the authority wants to be asked again, when it said so (RFC 7030 4.2.3)."""


class CaBackend(Protocol):
    """An authority that issues device certificates and signs revocation lists.

    A call either returns what was issued or raises `CaBackendError`; the caller stores it before anyone sees it. A
    decision that takes time is an error with `retry_after`, and the same call with the same key asks for it again.
    """

    @property
    def chain(self) -> tuple[x509.Certificate, ...]:
        """The issuing CA's certificate first, then those above it as far as they are known."""

    @property
    def earlier(self) -> tuple[x509.Certificate, ...]:
        """The CA's certificates with keys of before, for what they issued and what has not expired."""

    @property
    def points(self) -> Collection[str]:
        """URIs its revocation list may say it is the list of (RFC 5280 5.2.5); none for one that says nothing."""

    async def issue_operational(self, csr: CheckedCsr, subject: x509.Name, now: datetime) -> x509.Certificate:
        """Issue an operational certificate: the factory certificate's subject, clientAuth, a short lifetime."""

    async def issue_factory(self, csr: CheckedCsr, now: datetime) -> x509.Certificate:
        """Issue a factory certificate: the endpoint name as serialNumber, hardwareModuleName, no end."""

    async def issue_responder(
        self, issuer: x509.Certificate, key: PublicKey, lifetime: timedelta, now: datetime
    ) -> x509.Certificate:
        """Certify an OCSP responder of our own that answers for what `issuer`, the CA now or earlier, issued."""

    async def revocation_list(self, revoked: Mapping[int, datetime], number: int, now: datetime) -> bytes:
        """Return the DER of a complete revocation list that names all of `revoked`: serial numbers and times.

        It gets `number`, unless the authority keeps a list of its own: that one has its own number, and what is not in
        it yet is revoked there first.
        """

    async def earlier_lists(
        self, revoked: Mapping[int, datetime], number: int, now: datetime
    ) -> Sequence[tuple[x509.Certificate, bytes]]:
        """Return the same list by each earlier key, for the certificates that it issued."""
