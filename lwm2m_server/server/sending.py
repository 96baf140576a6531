"""The Send operation at work: a device's own report, stored before it is acknowledged."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from lwm2m_server.clock import Clock
from lwm2m_server.protocol import send
from lwm2m_server.protocol.object_links import links_of
from lwm2m_server.protocol.registrations import Registration
from lwm2m_server.protocol.samples import Sample
from lwm2m_server.server.counters import ReportCounters
from lwm2m_server.server.events import Events
from lwm2m_server.server.latest import LatestValues
from lwm2m_server.server.targets import Targets
from secure_coap.association import Association
from secure_coap.errors import CoapError, NotFound
from secure_coap.exchange import Request, Response
from secure_coap.numbers.codes import Code


@dataclass(frozen=True, slots=True)
class Sent:
    """A device reported values by itself."""

    endpoint: str
    samples: tuple[Sample, ...]


class Sending:
    """Answers /dp. `sender` tells which registered device an association belongs to, None for nobody."""

    def __init__(
        self,
        targets: Targets,
        latest: LatestValues,
        events: Events,
        *,
        clock: Clock,
        sender: Callable[[Association], Registration | None],
        counters: ReportCounters,
    ) -> None:
        self._targets = targets
        self._latest = latest
        self._events = events
        self._clock = clock
        self._sender = sender
        self._counters = counters

    async def handle(self, request: Request, association: Association) -> Response:
        """Answer one Send; raises `CoapError` for a refusal."""
        try:
            response = await self._handle(request, association)
        except CoapError as error:
            self._counters.refused[error.code.name] += 1
            raise
        self._counters.sent += 1
        return response

    async def _handle(self, request: Request, association: Association) -> Response:
        registration = self._sender(association)
        if registration is None:
            raise NotFound("register before you send")
        target = await self._targets.of(registration.endpoint)
        samples = send.parse(request, links_of(registration.links).versions, target, self._clock.now())
        self._latest.keep(registration.endpoint, samples)
        self._events.emit(Sent(registration.endpoint, samples))
        await self._latest.flush()
        return Response(Code.CHANGED)
