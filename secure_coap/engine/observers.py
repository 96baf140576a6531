"""What one peer observes of us: registrations and notifications (RFC 7641 section 4)."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from secure_coap.engine.bodies import Body, ServedBodies
from secure_coap.engine.events import ObserverGone
from secure_coap.engine.incoming import Key
from secure_coap.engine.link import Link
from secure_coap.engine.options import response_options
from secure_coap.engine.sender import Outgoing, Sender, Signal
from secure_coap.engine.shared import Shared
from secure_coap.exchange import Response

_CONFIRM_AFTER: Final = 86_400.0
"""A peer that has not acknowledged for this long may be gone: the next notification is confirmable (section 4.5)."""
_NUMBERS: Final = 1 << 24


class _Observer:
    """One registration. `last` is the message in the air or sent last, `waiting` the state to tell when it has arrived.

    Only the newest state matters, so a confirmable notification is never queued behind another (section 4.5.2).
    """

    __slots__ = ("confirmed_at", "key", "last", "number", "unconfirmed", "waiting")

    def __init__(self, key: Key, number: int, now: float) -> None:
        self.key = key
        self.number = number
        self.confirmed_at = now
        self.last: Outgoing | None = None
        self.unconfirmed = False
        self.waiting: Response | None = None


class Observers:
    """The observers of one peer, by token."""

    def __init__(self, link: Link, sender: Sender, served: ServedBodies, shared: Shared) -> None:
        self._link = link
        self._sender = sender
        self._served = served
        self._shared = shared
        self._observers: dict[bytes, _Observer] = {}

    def __len__(self) -> int:
        return len(self._observers)

    def __contains__(self, token: bytes) -> bool:
        return token in self._observers

    def add(self, token: bytes, key: Key, now: float) -> bool:
        """Register the request that `key` stands for; False when the peer observes too much already."""
        former = self._observers.get(token)
        if former is None and len(self._observers) >= self._shared.limits.observations:
            self._shared.counters.no_room += 1
            return False
        self._observers[token] = _Observer(key, 0 if former is None else former.number, now)
        return True

    def next_number(self, token: bytes) -> int:
        """The sequence number of the next notification; each is greater than the one before (section 4.4)."""
        observer = self._observers[token]
        observer.number = (observer.number + 1) % _NUMBERS
        return observer.number

    def notify(self, token: bytes, response: Response, now: float, *, confirmable: bool) -> None:
        """Tell a new state; an error is the last thing told. Raises ValueError for what cannot be sent."""
        observer = self._observers.get(token)
        if observer is None:
            return
        if observer.unconfirmed:
            observer.waiting = response
            return
        if response.code.is_success:
            response = replace(response, observe=self.next_number(token))
        else:
            del self._observers[token]
        body = Body(response.code, tuple(response_options(response)), response.payload, response.download)
        if len(body.payload) <= self._sender.whole_body:
            encoded = body.whole()
        else:
            encoded = self._served.begin(observer.key, body, None, self._sender.block_exponent, now)
        self._send(token, observer, Outgoing(response.code, token, encoded, None), now, confirmable=confirmable)

    def _send(self, token: bytes, observer: _Observer, message: Outgoing, now: float, *, confirmable: bool) -> None:
        def told(signal: Signal, at: float) -> None:
            self._told(token, observer, signal, at)

        message.told = told
        if observer.last is not None:
            self._sender.forget(observer.last, now)
        observer.last = message
        confirmable = self._sender.confirms and (confirmable or now >= observer.confirmed_at + _CONFIRM_AFTER)
        observer.unconfirmed = confirmable
        self._sender.send(message, now, confirmable=confirmable)

    def _told(self, token: bytes, observer: _Observer, signal: Signal, now: float) -> None:
        if self._observers.get(token) is not observer:
            return
        observer.unconfirmed = False
        if signal is not Signal.ACKNOWLEDGED:
            self.remove(token, now)
            return
        observer.confirmed_at = now
        waiting, observer.waiting = observer.waiting, None
        if waiting is not None:
            self.notify(token, waiting, now, confirmable=True)

    def remove(self, token: bytes, now: float) -> None:
        """The peer no longer wants to know, or is gone."""
        observer = self._observers.pop(token, None)
        if observer is None:
            return
        if observer.last is not None:
            self._sender.forget(observer.last, now)
        self._shared.events.append(ObserverGone(self._link, token))

    def clear(self) -> None:
        """The association ended."""
        self._shared.events += [ObserverGone(self._link, token) for token in self._observers]
        self._observers.clear()
