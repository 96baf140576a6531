"""The registrations a server knows, sans-IO and compact: a million of them fit in memory.

The table is what requests are answered from; `lwm2m_server.store.registrations` keeps a durable copy. Times are
seconds since 1970, lifetimes seconds.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import inf

from secure_coap.association import Address, Transport


@dataclass(slots=True, eq=False)
class Registration:
    """One device's registration. Only the table changes it."""

    endpoint: str
    handle: str
    """What the device says in Update and Deregister: its Location-Path below `rd`."""
    owner: str
    """The name its identity proved when it registered; empty without security."""
    credential: bytes
    """Digest of the certificate or pre-shared key identity it registered with; empty without security."""
    remote: Address
    """Where it was last heard from."""
    transport: Transport
    """What it was last heard over."""
    lifetime: int
    version: str
    binding: str
    """Transports it listens on, in the letters of LwM2M Core 1.2, 6.2.1.2."""
    queue_mode: bool
    links: str
    """Its objects, as the link list it sent; equal lists share one string."""
    registered_at: float
    updated_at: float
    serial: int = 0
    """Number of its row in the store; a later change has a higher one."""

    @property
    def expires_at(self) -> float:
        """When it ends unless the device says it is still there."""
        return self.updated_at + self.lifetime


class RegistrationTable:
    """Registrations by endpoint and by handle; at most one per endpoint."""

    def __init__(self) -> None:
        self._by_endpoint: dict[str, Registration] = {}
        self._by_handle: dict[str, Registration] = {}
        self._none_expires_before = inf

    def __len__(self) -> int:
        return len(self._by_endpoint)

    def __iter__(self) -> Iterator[Registration]:
        return iter(self._by_endpoint.values())

    def get(self, endpoint: str) -> Registration | None:
        """The registration of a device."""
        return self._by_endpoint.get(endpoint)

    def by_handle(self, handle: str) -> Registration | None:
        """The registration a handle names."""
        return self._by_handle.get(handle)

    def put(self, registration: Registration) -> Registration | None:
        """Add a registration; returns the device's earlier one, which ends with its handle."""
        former = self._by_endpoint.get(registration.endpoint)
        if former is not None:
            del self._by_handle[former.handle]
        self._by_endpoint[registration.endpoint] = registration
        self._by_handle[registration.handle] = registration
        self.touch(registration, registration.updated_at)
        return former

    def remove(self, registration: Registration) -> bool:
        """End a registration; False when it has ended already."""
        if self._by_handle.get(registration.handle) is not registration:
            return False
        del self._by_handle[registration.handle]
        del self._by_endpoint[registration.endpoint]
        return True

    def touch(self, registration: Registration, now: float) -> None:
        """The device is still there."""
        registration.updated_at = now
        self._none_expires_before = min(self._none_expires_before, now + registration.lifetime)

    def update(  # noqa: PLR0917 - one parameter per thing an Update may say
        self,
        registration: Registration,
        now: float,
        lifetime: int | None = None,
        binding: str | None = None,
        queue_mode: bool | None = None,
        links: str | None = None,
    ) -> None:
        """The device is still there, and has changed; None: unchanged."""
        if lifetime is not None:
            registration.lifetime = lifetime
        if binding is not None:
            registration.binding = binding
        if queue_mode is not None:
            registration.queue_mode = queue_mode
        if links is not None:
            registration.links = links
        self.touch(registration, now)

    def expire(self, now: float) -> list[Registration]:
        """End and return every registration whose lifetime has passed.

        The whole table is looked through only when one may have ended: between two looks the earliest end is known.
        """
        if now < self._none_expires_before:
            return []
        ended = [registration for registration in self if registration.expires_at < now]
        for registration in ended:
            self.remove(registration)
        self._none_expires_before = min((registration.expires_at for registration in self), default=inf)
        return ended
