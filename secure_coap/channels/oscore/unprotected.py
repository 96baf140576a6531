"""What a channel says itself, without protection, and all that it sends.

Unprotected are Empty messages, EDHOC's own, and errors about messages that cannot be opened (RFC 8613 section 8.2).
"""

from __future__ import annotations

from typing import Final

from secure_coap.association import Address
from secure_coap.channels.oscore.association import OscoreAssociation, response_to
from secure_coap.counters import Counters
from secure_coap.engine.proof import AMPLIFICATION
from secure_coap.exchange import RawOptions
from secure_coap.message import Message
from secure_coap.numbers.codes import Code
from secure_coap.numbers.options import Option
from secure_coap.oscore import OscoreError, OscoreReason

_FRESH: Final = ((int(Option.MAX_AGE), b""),)
"""Max-Age 0: an error about one message says nothing about the next (RFC 8613 section 8.2)."""
_COUNTERS: Final = {
    OscoreReason.CONTEXT: "unknown_contexts",
    OscoreReason.REPLAY: "replays",
    OscoreReason.DECRYPTION: "undecryptable",
    OscoreReason.MALFORMED: "malformed",
}


class Outgoing:
    """What is to be put on the network."""

    def __init__(self, counters: Counters) -> None:
        self._counters = counters
        self._datagrams: list[tuple[Address, bytes]] = []

    def put(self, datagram: bytes, remote: Address) -> None:
        """A datagram as it is."""
        self._datagrams.append((remote, datagram))

    def take(self) -> list[tuple[Address, bytes]]:
        """All of it; each is returned once."""
        taken, self._datagrams = self._datagrams, []
        return taken

    def refuse(self, message: Message, error: OscoreError, remote: Address) -> None:
        """Answer a request that cannot be opened."""
        self.count(error)
        self.reply(message, error.code, remote, _FRESH, error.reason.value.encode())

    def count(self, error: OscoreError) -> None:
        """Count why a message was refused."""
        counter = _COUNTERS.get(error.reason)
        if counter is not None:
            setattr(self._counters, counter, getattr(self._counters, counter) + 1)

    def reply(
        self,
        message: Message,
        code: Code,
        remote: Address,
        options: RawOptions = (),
        payload: bytes = b"",
    ) -> None:
        """At most three times what came, from an address that proves nothing (security rule 26)."""
        answer = response_to(message, code, options, payload)
        if len(answer.encode()) > AMPLIFICATION * len(message.encode()):
            answer = response_to(message, code)
        self.send(answer, remote)

    def send_again(self, answer: bytes, datagram: bytes, association: OscoreAssociation, remote: Address) -> None:
        """To a request that came before; where from is not looked at twice."""
        if answer and (remote == association.remote or len(answer) <= AMPLIFICATION * len(datagram)):
            self.put(answer, remote)

    def send(self, message: Message, remote: Address) -> None:
        """A message of the channel."""
        self.put(message.encode(), remote)
