"""The engine of one association (RFC 7252, RFC 7959).

Feed it datagrams, requests, responses and the time; collect `datagrams()` and `events()` after every call and come
back at `next_timer()`. It opens no socket, reads no clock and never raises for anything a peer sends.
"""

from __future__ import annotations

from secure_coap.engine.budget import BodyBudget
from secure_coap.engine.client_role import ClientRole
from secure_coap.engine.events import Event
from secure_coap.engine.messages import MessageLayer
from secure_coap.engine.proof import AddressProof
from secure_coap.engine.rng import Rng
from secure_coap.engine.server_role import ServerRole
from secure_coap.errors import TransportError
from secure_coap.exchange import Request, Response
from secure_coap.limits import Limits
from secure_coap.numbers.parameters import TransmissionParameters


class Engine:
    """Both roles of one association. `now` is seconds of any monotonic clock, the same in every call.

    `budget` is shared by all engines of an endpoint. `proof` is given where the peer's address is unproven.
    """

    def __init__(
        self,
        *,
        rng: Rng,
        budget: BodyBudget,
        parameters: TransmissionParameters,
        limits: Limits,
        proof: AddressProof | None = None,
    ) -> None:
        self._events: list[Event] = []
        self._messages = MessageLayer(parameters, limits, rng)
        self._client = ClientRole(self._messages, limits, rng, self._events)
        self._server = ServerRole(
            self._messages, parameters=parameters, limits=limits, budget=budget, events=self._events, proof=proof
        )

    def receive(self, datagram: bytes, now: float) -> None:
        """A datagram of the peer, already decrypted."""
        message = self._messages.receive(datagram, now)
        self._pass_signals(now)
        if message is None:
            return
        if message.code.is_request:
            self._server.receive(message, len(datagram), now)
        elif self._client.receive(message, now):  # a response to an unguessable token proves the address
            self._server.proven()

    def request(self, request: Request, now: float, token: bytes | None = None) -> int:
        """Begin a request; its events carry the returned handle. Raises `TooManyOutstanding`.

        With `observe` 0 a success that carries Observe begins an observation under `token`.
        """
        return self._client.request(request, now, token)

    def observes(self, token: bytes) -> bool:
        """Whether the observation is in force."""
        return self._client.observes(token)

    def adopt(self, token: bytes, request: Request) -> None:
        """Take up an observation that was begun earlier. Raises `TooManyOutstanding`."""
        self._client.adopt(token, request)

    def forget(self, token: bytes, now: float) -> None:
        """End an observation; the next notification is answered with a Reset."""
        self._client.forget(token, now)

    def cancel(self, handle: int, now: float) -> None:
        """Forget a request; no event follows."""
        self._client.cancel(handle, now)

    def respond(self, exchange: int, response: Response, now: float) -> None:
        """Answer a `RequestArrived`."""
        self._server.respond(exchange, response, now)

    def close(self, error: TransportError) -> None:
        """The association ended: requests and observations fail with `error`, memory goes back to the budget."""
        self._client.fail_all(error)
        self._server.clear()

    def next_timer(self, now: float) -> float | None:
        """When `timer` must be called, if nothing else happens before."""
        candidates = (self._messages.next_timer(now), self._client.next_timer(), self._server.next_timer())
        return min((when for when in candidates if when is not None), default=None)

    def timer(self, now: float) -> None:
        """Time has passed."""
        self._messages.timer(now)
        self._pass_signals(now)
        self._client.timer(now)
        self._server.timer(now)

    def datagrams(self) -> list[bytes]:
        """What to send to the peer; each is returned once."""
        sent, self._messages.datagrams = self._messages.datagrams, []
        return sent

    def events(self) -> list[Event]:
        """What happened; each is returned once."""
        happened = self._events[:]
        self._events.clear()
        return happened

    @property
    def idle(self) -> bool:
        """Nothing outstanding in either direction."""
        return self._messages.idle and self._client.idle and self._server.idle

    def _pass_signals(self, now: float) -> None:
        signals, self._messages.signals = self._messages.signals, []
        for token, signal in signals:
            self._client.signal(token, signal, now)
