"""The observations of one server: looks at what is observed, sends what is due, keeps what cannot be sent now.

`notifying` decides; this is the edge that reads values, waits and sends. A device looks once a second, at once after
anything that may have changed something, and as the evaluation periods say.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Final, Protocol

from device_client.emulator.lwm2m import notifying
from device_client.emulator.lwm2m.caller import Caller
from device_client.emulator.lwm2m.dispatch import Dispatcher
from device_client.emulator.lwm2m.notifying import Reported
from device_client.emulator.signal import Signal
from device_client.emulator.transport.coap import Origin
from objects.attributes import Attributes
from objects.errors import ObjectsError
from objects.formats import records
from secure_coap.errors import BadRequest, CoapError
from secure_coap.exchange import Request, Response
from secure_coap.numbers.content_formats import ContentFormat

MAX_OBSERVATIONS: Final = 64
"""Of one server; a further Observe is answered as the Read it also is."""
MAX_STORED: Final = 32
"""Notifications kept per observation while the server cannot be reached, unless hqmax says fewer."""
SURE: Final = 86400.0
"""Seconds after which a notification is confirmable at the latest (RFC 7641 section 4.5)."""
_TIMED: Final = frozenset({ContentFormat.SENML_CBOR, ContentFormat.SENML_JSON})
_NUMBERS: Final = 1 << 24


class Notifier(Protocol):
    """Where notifications go."""

    def notify(self, origin: Origin, response: Response, *, confirmable: bool, gone: Callable[[], None]) -> None: ...


@dataclass(frozen=True, slots=True)
class Stored:
    """A notification that could not be sent when it was due. `time`: seconds since 1970."""

    time: float
    values: notifying.Values
    response: Response


@dataclass(slots=True)
class Observation:
    """One observed path, or list of paths."""

    origin: Origin
    request: Request
    reported: Reported
    seen: notifying.Values
    """What was there at the last look."""
    looked: float
    sure_at: float
    number: int = 0
    changed: bool = False
    """Something may have changed since the last look."""
    stored: list[Stored] = field(default_factory=list)


class Observations:
    """The observations of one server. `caller` says who it is at this moment."""

    def __init__(
        self,
        dispatcher: Dispatcher,
        caller: Callable[[], Caller],
        *,
        clock: Callable[[], float],
        now: Callable[[], float],
        defaults: Callable[[], Attributes] = Attributes,
        storing: Callable[[], bool] = lambda: False,
    ) -> None:
        """`clock` is monotonic, `now` seconds since 1970; `defaults` the server account's own periods; `storing`:
        whether notifications are kept while the server cannot be reached."""
        self._dispatcher = dispatcher
        self._caller = caller
        self._clock = clock
        self._now = now
        self._defaults = defaults
        self._storing = storing
        self._by_token: dict[bytes, Observation] = {}
        self._notifier: Notifier | None = None
        self._woken = Signal()

    def __len__(self) -> int:
        return len(self._by_token)

    def answer(self, request: Request, origin: Origin) -> Response:
        """Handle any request of this server; Observe 0 begins an observation and 1 ends it."""
        plain = replace(request, observe=None)
        before = self._by_token.pop(origin.token, None)
        response = self._dispatcher.handle(plain, self._caller())
        if request.observe != 0 or not response.code.is_success or len(self._by_token) >= MAX_OBSERVATIONS:
            return response
        try:
            self._dispatcher.rules(plain, self._caller(), self._defaults())
            values = self._dispatcher.sample(plain, self._caller())
        except ObjectsError as error:
            return Response.of_error(BadRequest(str(error)))
        except CoapError:
            return response
        clock = self._clock()
        number = 0 if before is None else (before.number + 1) % _NUMBERS
        self._by_token[origin.token] = Observation(origin, plain, Reported(clock, values), values, clock, clock, number)
        self._woken.fire()
        return replace(response, observe=number)

    def clear(self) -> None:
        """A new registration: the server observes nothing yet."""
        self._by_token.clear()

    def reach(self, notifier: Notifier | None) -> None:
        """The server can be reached here from now on, or not at all (None)."""
        self._notifier = notifier
        if notifier is not None:
            for one in list(self._by_token.values()):
                self._send_stored(one)
        self._woken.fire()

    def touch(self) -> None:
        """Something on the device may have changed."""
        for one in self._by_token.values():
            one.changed = True
        if self._by_token:
            self._woken.fire()

    async def run(self) -> None:
        """Look and notify, for ever."""
        watchers = self._dispatcher.tree.watchers
        watchers.add(self.touch)
        try:
            while True:
                next_look = min((self._look_at(one) for one in self._by_token.values()), default=None)
                if next_look is None or not self._attentive:
                    await self._woken.next()
                elif (pause := next_look - self._clock()) <= 0 or not await self._woken.wait(pause):
                    self.look()
        finally:
            watchers.discard(self.touch)

    def look(self) -> None:
        """Look at everything whose moment has come."""
        clock = self._clock()
        for one in list(self._by_token.values()):
            if self._look_at(one) <= clock:
                self._look(one, clock)

    @property
    def _attentive(self) -> bool:
        """Whether there is any use in looking: somebody can be told, or what is due is kept."""
        return self._notifier is not None or self._storing()

    def _rules(self, one: Observation) -> Attributes:
        return self._dispatcher.rules(one.request, self._caller(), self._defaults())

    def _look_at(self, one: Observation) -> float:
        rules = self._rules(one)
        when = notifying.earliest_look if one.changed else notifying.look_at
        return when(rules, one.reported, one.looked)

    def _look(self, one: Observation, clock: float) -> None:
        one.looked, one.changed = clock, False
        try:
            values = self._dispatcher.sample(one.request, self._caller())
        except CoapError as error:
            # What was observed is gone: the last notification says so and ends the observation (RFC 7641, 4.2).
            self._end(one, Response.of_error(error))
            return
        seen, one.seen = one.seen, values
        if notifying.due(self._rules(one), one.reported, seen, values, clock):
            self._notify(one, values, clock)

    def _notify(self, one: Observation, values: notifying.Values, clock: float) -> None:
        response = self._dispatcher.handle(one.request, self._caller())
        if not response.code.is_success:
            self._end(one, response)
            return
        one.reported = Reported(clock, values)
        if self._notifier is not None:
            self._send(one, response)
        else:
            kept = MAX_STORED if (limit := self._rules(one).hqmax) is None else min(limit, MAX_STORED)
            one.stored.append(Stored(self._now(), values, response))
            del one.stored[: max(0, len(one.stored) - kept)]

    def _send_stored(self, one: Observation) -> None:
        """What was kept: as one series with times where the format has them, else one after the other."""
        stored, one.stored = one.stored, []
        if len(stored) > 1 and stored[0].response.content_format in _TIMED:
            content_format = stored[0].response.content_format
            series = [records.Record(path, value, each.time) for each in stored for path, value in each.values.items()]
            payload = records.encode(content_format, series, self._dispatcher.tree.model)
            self._send(one, replace(stored[0].response, payload=payload))
            return
        for each in stored:
            self._send(one, each.response)

    def _send(self, one: Observation, response: Response) -> None:
        if self._notifier is None:
            return
        clock = self._clock()
        one.number = (one.number + 1) % _NUMBERS
        confirmable = bool(self._rules(one).con) or clock - one.sure_at >= SURE
        if confirmable:
            one.sure_at = clock
        self._notifier.notify(
            one.origin,
            replace(response, observe=one.number),
            confirmable=confirmable,
            gone=lambda: self._forget(one),
        )

    def _end(self, one: Observation, response: Response) -> None:
        self._forget(one)
        if self._notifier is not None:
            self._notifier.notify(one.origin, response, confirmable=True, gone=lambda: None)

    def _forget(self, one: Observation) -> None:
        if self._by_token.get(one.origin.token) is one:
            del self._by_token[one.origin.token]
