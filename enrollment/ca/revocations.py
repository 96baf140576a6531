"""Publishing a CA's revocation list: always complete, never older than the newest revocation."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta

from device_pki.revocation import RevocationIndex
from enrollment.ca.backend import CaBackend
from enrollment.register import EnrollmentRegister, PublishedList


class RevocationPublisher:
    """Signs a new list when something was revoked or `interval` has passed, and keeps an index of it.

    Many revocations at a time share one list: whoever comes while a list is being signed gets the next one.
    """

    def __init__(
        self,
        register: EnrollmentRegister,
        ca: CaBackend,
        *,
        interval: timedelta,
        lifetime: timedelta,
        clock: Callable[[], datetime],
    ) -> None:
        self._register = register
        self._ca = ca
        self._interval = interval
        self._lifetime = lifetime
        self._clock = clock
        self._signing = asyncio.Lock()
        self.index = RevocationIndex()
        """What this CA itself checks its clients against."""
        self._indexed = 0

    async def current(self) -> bytes:
        """Return the DER of a list that covers every revocation stored before this call."""
        async with self._signing:
            published = await self._register.published_list()
            while published is None or await self._is_due(published):
                published = await self._publish(published)
            if published.number != self._indexed:
                self.index.add(published.der, self._ca.chain[0], self._clock())
                self._indexed = published.number
            return published.der

    async def _is_due(self, published: PublishedList) -> bool:
        now = self._clock()
        if now >= min(published.this_update + self._interval, published.next_update):
            return True
        return (await self._register.revocations(now)).mark > published.mark

    async def _publish(self, previous: PublishedList | None) -> PublishedList | None:
        """Sign and store the next list; when another process was faster, return what it published."""
        now = self._clock().replace(microsecond=0)
        revocations = await self._register.revocations(now)
        number = 1 if previous is None else previous.number + 1
        der = await self._ca.revocation_list(revocations.entries, number, now)
        published = PublishedList(number, revocations.mark, der, now, now + self._lifetime)
        return published if await self._register.publish(published) else await self._register.published_list()
