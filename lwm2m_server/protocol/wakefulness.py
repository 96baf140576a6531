"""Which devices listen now, sans-IO (queue mode: LwM2M Core 1.2, 6.5)."""

from __future__ import annotations

from typing import Final

from lwm2m_server.protocol.queue import AWAKE_TIME
from lwm2m_server.protocol.registrations import RegistrationTable

_TIDY: Final = 1024
"""Answers noted between two looks for those that count no longer."""


class Wakefulness:
    """A device in queue mode listens for `awake_time` seconds after its last message, any other one always.

    Registrations and Updates are in the table; what else a device in queue mode sends is noted here.
    """

    def __init__(self, registrations: RegistrationTable, awake_time: float = AWAKE_TIME) -> None:
        self._registrations = registrations
        self._awake_time = awake_time
        self._heard: dict[str, float] = {}

    def heard(self, endpoint: str, now: float) -> None:
        """The device has answered, notified or sent something."""
        registration = self._registrations.get(endpoint)
        if registration is None or not registration.queue_mode:
            return
        self._heard[endpoint] = now
        if len(self._heard) % _TIDY == 0:
            self._heard = {name: at for name, at in self._heard.items() if at + self._awake_time > now}

    def last_heard(self, endpoint: str) -> float:
        """When a registered device was last heard."""
        registration = self._registrations.get(endpoint)
        return max(0.0 if registration is None else registration.updated_at, self._heard.get(endpoint, 0.0))

    def awake_time(self, endpoint: str) -> float | None:
        """Seconds it listens after its last message; None: it is not in queue mode."""
        registration = self._registrations.get(endpoint)
        return self._awake_time if registration is not None and registration.queue_mode else None

    def asleep(self, endpoint: str, now: float) -> bool:
        """Whether nothing should be sent to the device now."""
        return self.awake_time(endpoint) is not None and now >= self.last_heard(endpoint) + self._awake_time
