"""What engines over datagrams and over streams have in common: associations, both roles, time."""

from __future__ import annotations

from secure_coap.engine.client_role import OBSERVATION_TOKEN_BYTES, ClientRole, Reception
from secure_coap.engine.conversation import conversation_of
from secure_coap.engine.events import Event
from secure_coap.engine.incoming import Incoming
from secure_coap.engine.link import Link
from secure_coap.engine.server_role import ServerRole
from secure_coap.engine.shared import Shared
from secure_coap.errors import TransportError
from secure_coap.exchange import Request, Response
from secure_coap.message import Message
from secure_coap.numbers.options import Option


class Roles:
    """Collect `outbox` and `events` after every call, and come back at `next_timer()`."""

    def __init__(self, shared: Shared, server: ServerRole) -> None:
        self._shared = shared
        self._server = server
        self._links = 0
        self.counters = shared.counters
        self.budget = shared.budget
        self.outbox = shared.outbox
        self.events: list[Event] = shared.events
        self.respond = server.respond
        """`respond(incoming, response, now)` answers a request; see `ServerRole`."""

    # --- associations ---

    def open(self, link: Link) -> None:
        """An association begins."""
        self._links += 1
        link.base = self._links << 16

    def close(self, link: Link, error: TransportError) -> None:
        """An association ended: its requests and observations fail with `error`, its memory is given back."""
        link.base = 0
        conversation, link.conversation = link.conversation, None
        if conversation is not None:
            conversation.close(error)

    def is_busy(self, link: Link, now: float) -> bool:
        """Whether closing the association would end anything."""
        if link.deferred:
            return True
        return link.conversation is not None and not link.conversation.is_over(now)

    # --- requests of peers ---

    def defer(self, incoming: Incoming, now: float) -> None:
        """The answer to a request comes later."""
        self._server.defer(incoming, now)

    def observe(self, incoming: Incoming, now: float) -> bool:
        """Let the peer observe what it asks for; False when it does not ask for it, or observes too much."""
        return self._server.observe(incoming, now)

    def is_observed(self, link: Link, token: bytes) -> bool:
        """Whether the peer observes under `token`."""
        return link.conversation is not None and token in link.conversation.observers

    def notify(self, link: Link, token: bytes, response: Response, now: float, *, confirmable: bool) -> None:
        """Tell an observer a new state; an error is the last thing told. Raises ValueError for what cannot be sent."""
        if link.conversation is not None:
            link.conversation.observers.notify(token, response, now, confirmable=confirmable)

    # --- our requests ---

    def request(self, link: Link, request: Request, now: float, token: bytes | None = None) -> int:
        """Begin a request; its events carry the returned handle.

        With `observe` 0 a success that carries Observe begins an observation under `token`. Raises
        `TooManyOutstanding`, or ValueError for a request that cannot be sent.
        """
        return conversation_of(link, self._shared, now).client.request(request, now, token)

    def new_token(self, link: Link, now: float) -> bytes:
        """A token for an observation of ours."""
        return conversation_of(link, self._shared, now).client.new_token(OBSERVATION_TOKEN_BYTES)

    def cancel(self, link: Link, handle: int, now: float) -> None:
        """Forget a request; no event follows."""
        if link.conversation is not None:
            link.conversation.client.cancel(handle, now)

    def observes(self, link: Link, token: bytes) -> bool:
        """Whether our observation is in force."""
        return link.conversation is not None and link.conversation.client.observes(token)

    def adopt(self, link: Link, token: bytes, request: Request, now: float) -> None:
        """Take up an observation of ours that was begun earlier. Raises `TooManyOutstanding`."""
        conversation_of(link, self._shared, now).client.adopt(token, request)

    def forget(self, link: Link, token: bytes, now: float) -> None:
        """End an observation of ours; the next notification is rejected."""
        if link.conversation is not None:
            link.conversation.client.forget(token, now)

    def _received_by_client(self, link: Link, message: Message, now: float) -> Reception:
        """A response that comes on its own."""
        reception = Reception.UNKNOWN
        if link.conversation is not None:
            reception = link.conversation.client.receive(message, now)
        if reception is Reception.UNKNOWN and (client := self._claimed(link, message)) is not None:
            reception = client.receive(message, now)
        return reception

    def _claimed(self, link: Link, message: Message) -> ClientRole | None:
        """Our side of the association, if the application has just adopted what this notification belongs to."""
        claim = self._shared.claim
        if claim is None or message.value(Option.OBSERVE) is None:
            return None
        claim(link, message.token)
        client = link.conversation.client if link.conversation is not None else None
        return client if client is not None and client.observes(message.token) else None

    # --- time ---

    def next_timer(self) -> float | None:
        """When `timer` must be called, if nothing else happens before."""
        return self._shared.timers.next()

    def timer(self, now: float) -> None:
        """Time has passed."""
        self._shared.timers.run(now)
