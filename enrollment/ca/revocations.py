"""Publishing a CA's revocation list: always complete, never older than the newest revocation."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography import x509

from device_pki.revocation import CrlError, CrlReason, RevocationIndex, RevocationList, parse_crl
from enrollment.ca.backend import CaBackend, CaBackendError
from enrollment.register import EnrollmentRegister, PublishedList


@dataclass(frozen=True, slots=True)
class _Confirmation:
    """What an authority with a list of its own last said about a list that it did not make anew."""

    number: int
    mark: int
    at: datetime


class RevocationPublisher:
    """Has a new list signed when something was revoked or `interval` has passed, and keeps an index of it.

    Many revocations at a time share one list: whoever comes while a list is being signed gets the next one.
    """

    def __init__(
        self, register: EnrollmentRegister, ca: CaBackend, *, interval: timedelta, clock: Callable[[], datetime]
    ) -> None:
        self._register = register
        self._ca = ca
        self._interval = interval
        self._clock = clock
        self._signing = asyncio.Lock()
        self.index = RevocationIndex(ca.points)
        """What this CA itself checks its clients against."""
        self._confirmed: _Confirmation | None = None
        self._earlier: tuple[bytes, ...] = ()
        self._earlier_number = -1

    async def current(self) -> bytes:
        """Return the DER of a list that covers every revocation stored before this call. Raises `CaBackendError`."""
        return (await self.all_current())[0]

    async def all_current(self) -> tuple[bytes, ...]:
        """Return that list, then the same by each of the CA's earlier keys. Raises `CaBackendError`."""
        async with self._signing:
            published = await self._register.published_list()
            while published is None or await self._is_due(published) or not await self._is_ours(published):
                published = await self._publish(published)
            return published.der, *await self._earlier_lists(published)

    async def _is_due(self, published: PublishedList) -> bool:
        now, made, mark = self._clock(), published.this_update, published.mark
        confirmed = self._confirmed
        if confirmed is not None and confirmed.number == published.number:
            made, mark = max(made, confirmed.at), max(mark, confirmed.mark)
        return now >= min(made + self._interval, published.next_update) or await self._register.mark() > mark

    async def _publish(self, previous: PublishedList | None) -> PublishedList | None:
        """Have the next list signed and store it; when another process was faster, return what it published."""
        now = self._clock().replace(microsecond=0)
        revocations = await self._register.revocations(now)
        number = 1 if previous is None else previous.number + 1
        der = await self._ca.revocation_list(revocations.entries, number, now)
        made = await self._checked(der, revocations.entries)
        if previous is not None and made.number <= previous.number:
            return self._unchanged(previous, made, der, revocations.mark, now)
        published = PublishedList(made.number, revocations.mark, der, made.this_update, made.next_update)
        return published if await self._register.publish(published) else await self._register.published_list()

    async def _checked(self, der: bytes, revoked: Mapping[int, datetime]) -> RevocationList:
        """Judge it by the time after it was made: an authority elsewhere dates it by its own clock."""
        now = self._clock()
        try:
            made = await asyncio.to_thread(parse_crl, der, self._ca.chain[0], now, points=self._ca.points)
        except CrlError as error:
            raise CaBackendError(f"the authority's revocation list cannot be used: {error}") from error
        missing = len(revoked.keys() - made.serials)
        if missing:
            raise CaBackendError(f"the authority's revocation list lacks {missing} certificates that are revoked")
        return made

    def _unchanged(
        self, previous: PublishedList, made: RevocationList, der: bytes, mark: int, now: datetime
    ) -> PublishedList:
        """An authority that keeps its own list may have nothing newer, and the one at hand names all."""
        if made.number < previous.number or der != previous.der:
            raise CaBackendError(f"the authority's list has number {made.number}, after {previous.number}")
        self._confirmed = _Confirmation(previous.number, mark, now)
        return previous

    async def _earlier_lists(self, published: PublishedList) -> tuple[bytes, ...]:
        """Signed anew with each number; not stored, for they say what the stored one says."""
        if self._ca.earlier and self._earlier_number != published.number:
            now = self._clock()
            revocations = await self._register.revocations(now)
            lists = await self._ca.earlier_lists(revocations.entries, published.number, now)
            for issuer, der in lists:
                await self._index(issuer, der, published.number)
            self._earlier, self._earlier_number = tuple(der for _, der in lists), published.number
        return self._earlier

    async def _is_ours(self, published: PublishedList) -> bool:
        """Take it into the index; False for one that an earlier key signed, before the present one took over."""
        try:
            await self._index(self._ca.chain[0], published.der, published.number)
        except CrlError as error:
            if error.reason is not CrlReason.WRONG_ISSUER:
                raise CaBackendError(f"the revocation list that is stored cannot be used: {error}") from error
            return False
        return True

    async def _index(self, issuer: x509.Certificate, der: bytes, number: int) -> None:
        known = self.index.newest(issuer)
        if known is None or known.number != number:
            await asyncio.to_thread(self.index.add, der, issuer, self._clock())
