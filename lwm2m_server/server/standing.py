"""The observations there are, in memory: by device, by number, by token."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from lwm2m_server.protocol.observations import Subject
from lwm2m_server.server.subscriptions import Notification, Subscription
from lwm2m_server.store.observations import StoredObservation
from secure_coap.observation import Observation


class UnknownObservation(LookupError):
    """The device has no observation of that number."""


@dataclass(eq=False, slots=True)
class Standing:
    """An observation of this server. `live`: at the CoAP engine, over the session the device had then."""

    stored: StoredObservation
    live: Observation | None = None
    refused: bool = False
    newest: Notification | None = None
    listeners: set[Subscription] = field(default_factory=set)


class StandingObservations:
    """All of them. One that is new has no number until it is added."""

    def __init__(self) -> None:
        self._by_endpoint: dict[str, list[Standing]] = {}
        self._by_token: dict[bytes, Standing] = {}

    def __contains__(self, endpoint: str) -> bool:
        """Whether the device has any."""
        return endpoint in self._by_endpoint

    def __iter__(self) -> Iterator[Standing]:
        return (one for of_device in self._by_endpoint.values() for one in of_device)

    def __len__(self) -> int:
        return sum(map(len, self._by_endpoint.values()))

    def of(self, endpoint: str) -> tuple[Standing, ...]:
        """Those of a device, in the order they were made."""
        return tuple(self._by_endpoint.get(endpoint, ()))

    def get(self, endpoint: str, number: int) -> Standing:
        """By number. Raises UnknownObservation."""
        for standing in self.of(endpoint):
            if standing.stored.id == number:
                return standing
        raise UnknownObservation(f"{endpoint} has no observation {number}; list those it has")

    def find(self, endpoint: str, subject: Subject) -> Standing | None:
        """The one of the same, whatever its attributes."""
        return next((one for one in self.of(endpoint) if one.stored.subject.is_about(subject)), None)

    def by_token(self, token: bytes) -> Standing | None:
        """The one the device answered last with this token."""
        return self._by_token.get(token)

    def add(self, standing: Standing) -> None:
        """One more."""
        self._by_endpoint.setdefault(standing.stored.endpoint, []).append(standing)
        self.change(standing, standing.stored)

    def change(self, standing: Standing, stored: StoredObservation) -> None:
        """It is known by this token from now on, and by no earlier one."""
        if standing.stored.token is not None:
            self._by_token.pop(standing.stored.token, None)
        standing.stored = stored
        if stored.token is not None:
            self._by_token[stored.token] = standing

    def remove(self, standing: Standing) -> None:
        """One less."""
        endpoint, token = standing.stored.endpoint, standing.stored.token
        if token is not None:
            self._by_token.pop(token, None)
        of_device = self._by_endpoint[endpoint]
        of_device.remove(standing)
        if not of_device:
            del self._by_endpoint[endpoint]
