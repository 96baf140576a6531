"""Which requests are going on over an association, each way, and what its messages are bound to.

Retransmission and deduplication belong to the layer below OSCORE (RFC 7252 section 4): what was sealed is sent again as
it was, and a request that comes twice gets the same datagram in return without being opened again.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from secure_coap.message import HEADER
from secure_coap.oscore import RequestBinding, SecurityContext

_REQUESTS: Final = 128
"""Requests of one side that are remembered at the same time."""


class Exchange:
    """One request of either side. `token` and `mid` are those of its message.

    `inner` and `outer`: the last message of ours that belongs to it, before and after protection.
    """

    __slots__ = (
        "at",
        "binding",
        "context",
        "doubtful",
        "inner",
        "latest",
        "mid",
        "outer",
        "overtaken",
        "seen",
        "settled",
        "stays",
        "token",
    )

    def __init__(self, token: bytes, mid: int, context: SecurityContext, binding: RequestBinding, now: float) -> None:
        self.token = token
        self.mid = mid
        self.context = context
        self.binding = binding
        self.at = now
        self.inner = b""
        self.outer = b""
        self.seen = 0
        """Of the peer's request: hash of the datagram."""
        self.settled = False
        """Ours: the response came. The peer's: its nonce has been used for a response."""
        self.stays = False
        """It is an observation: more may follow."""
        self.latest: int | None = None
        """Of what we observe: the highest sequence number among its notifications (RFC 8613 section 7.4.1)."""
        self.overtaken = b""
        """The last answer to an earlier request with the same token; should it be sent again, it belongs to that."""
        self.doubtful = False
        """An earlier request with the same token has no answer yet: one that only names the token may be for it."""

    def sealed(self, inner: bytes, outer: bytes) -> bytes:
        """Remember what was sent."""
        self.inner, self.outer = inner, outer
        return outer

    def is_sent_again(self, inner: bytes) -> bool:
        """Whether that is the message that was sealed last."""
        return self.inner == inner


class Exchanges:
    """Those of one side, the oldest first. An observation stays until it gives way to newer ones."""

    __slots__ = ("_by_mid", "_by_token", "_observations")

    def __init__(self, observations: int) -> None:
        self._by_token: OrderedDict[bytes, Exchange] = OrderedDict()
        self._by_mid: dict[int, Exchange] = {}
        self._observations = observations

    def __len__(self) -> int:
        return len(self._by_token)

    def add(self, exchange: Exchange) -> None:
        """A new one; it takes the place of an older one with its token."""
        earlier = self._by_token.get(exchange.token)
        if earlier is not None:
            exchange.overtaken = earlier.inner
            exchange.doubtful = earlier.doubtful or not earlier.settled
            self._forget(earlier)
        while len(self._by_token) >= _REQUESTS:
            self._forget(self._oldest())
        self._by_token[exchange.token] = exchange
        self._by_mid[exchange.mid] = exchange

    def of_token(self, token: bytes) -> Exchange | None:
        """The newest with that token."""
        return self._by_token.get(token)

    def of_mid(self, mid: int) -> Exchange | None:
        """The newest whose request had that Message ID."""
        return self._by_mid.get(mid)

    def repeated(self, datagram: bytes) -> Exchange | None:
        """What a datagram belongs to that has come before."""
        known = self._by_mid.get(datagram[2] << 8 | datagram[3]) if len(datagram) >= HEADER else None
        return known if known is not None and known.seen == hash(datagram) else None

    def sent(self, mid: int) -> bool:
        """Whether the last message of one of them had this Message ID."""
        tail = mid.to_bytes(2, "big")
        return any(exchange.inner[2:HEADER] == tail for exchange in self._by_token.values())

    def observed(self, exchange: Exchange, *, stays: bool) -> None:
        """An observation goes on, or is none any more. The one without news for longest gives way."""
        if stays and not exchange.stays:
            staying = [one for one in self._by_token.values() if one.stays]
            if len(staying) >= self._observations:
                staying[0].stays = False
        exchange.stays = stays
        if self._by_token.get(exchange.token) is exchange:
            self._by_token.move_to_end(exchange.token)

    def forget_before(self, moment: float) -> None:
        """Forget what is older, but for observations."""
        for exchange in [one for one in self._by_token.values() if one.at < moment and not one.stays]:
            self._forget(exchange)

    def _oldest(self) -> Exchange:
        return next((one for one in self._by_token.values() if not one.stays), next(iter(self._by_token.values())))

    def _forget(self, exchange: Exchange | None) -> None:
        if exchange is None:
            return
        if self._by_token.get(exchange.token) is exchange:
            del self._by_token[exchange.token]
        if self._by_mid.get(exchange.mid) is exchange:
            del self._by_mid[exchange.mid]
