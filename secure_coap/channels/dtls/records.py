"""DTLS record and handshake headers (RFC 6347 sections 4.1 and 4.2.2): just enough to route and to cut."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

DTLS_1_2: Final = 0xFEFD
RECORD_HEADER: Final = 13
HANDSHAKE_HEADER: Final = 12
MAX_HANDSHAKE_MESSAGE: Final = 16 * 1024
"""Claimed length of one handshake message; a chain is at most 8 KiB (security rule 21)."""
_RANDOM: Final = slice(HANDSHAKE_HEADER + 2, HANDSHAKE_HEADER + 34)


class ContentType(IntEnum):
    """What a record carries."""

    CHANGE_CIPHER_SPEC = 20
    ALERT = 21
    HANDSHAKE = 22
    APPLICATION_DATA = 23


class HandshakeType(IntEnum):
    """Handshake messages (RFC 5246 section 7.4, RFC 6347 section 4.3.2)."""

    HELLO_REQUEST = 0
    CLIENT_HELLO = 1
    SERVER_HELLO = 2
    HELLO_VERIFY_REQUEST = 3
    CERTIFICATE = 11
    SERVER_KEY_EXCHANGE = 12
    CERTIFICATE_REQUEST = 13
    SERVER_HELLO_DONE = 14
    CERTIFICATE_VERIFY = 15
    CLIENT_KEY_EXCHANGE = 16
    FINISHED = 20


class AlertLevel(IntEnum):
    """RFC 5246 section 7.2."""

    WARNING = 1
    FATAL = 2


class Alert(IntEnum):
    """The alerts that are sent or understood in an open session (RFC 5246 section 7.2)."""

    CLOSE_NOTIFY = 0
    NO_RENEGOTIATION = 100


@dataclass(frozen=True, slots=True)
class Record:
    """One record with its header."""

    data: bytes

    @property
    def type(self) -> int:
        """The content type."""
        return self.data[0]

    @property
    def epoch(self) -> int:
        """0 is unprotected."""
        return int.from_bytes(self.data[3:5], "big")

    @property
    def client_random(self) -> bytes | None:
        """The random of an unfragmented, unprotected ClientHello; None for every other record."""
        body = self.data[RECORD_HEADER:]
        if (
            self.type != ContentType.HANDSHAKE
            or self.epoch
            or len(body) < _RANDOM.stop
            or body[0] != HandshakeType.CLIENT_HELLO
        ):
            return None
        whole = int.from_bytes(body[1:4], "big") == int.from_bytes(body[9:12], "big") == len(body) - HANDSHAKE_HEADER
        return body[_RANDOM] if whole and body[6:9] == bytes(3) else None

    @property
    def is_sane_handshake(self) -> bool:
        """Whether an unprotected handshake record holds fragments that are not empty, fit, and claim a bounded length.

        An empty fragment belongs to an empty message only (ServerHelloDone).
        """
        position = RECORD_HEADER
        while position < len(self.data):
            header = self.data[position : position + HANDSHAKE_HEADER]
            if len(header) < HANDSHAKE_HEADER:
                return False
            length, offset, size = (int.from_bytes(header[at : at + 3], "big") for at in (1, 6, 9))
            if length > MAX_HANDSHAKE_MESSAGE or offset + size > length or (size == 0 and length > 0):
                return False
            position += HANDSHAKE_HEADER + size
        return position == len(self.data) > RECORD_HEADER


def is_one_record_of_data(datagram: bytes) -> bool:
    """Whether this is one whole record of application data, as nearly every datagram of an open session is."""
    return (
        len(datagram) > RECORD_HEADER
        and datagram[0] == ContentType.APPLICATION_DATA
        and int.from_bytes(datagram[11:13], "big") == len(datagram) - RECORD_HEADER
    )


def split_records(data: bytes) -> Iterator[Record]:
    """The records of a datagram, or of OpenSSL's output. Ends silently at what is no DTLS 1.x record."""
    position = 0
    while position + RECORD_HEADER <= len(data) and data[position + 1] == 0xFE:
        end = position + RECORD_HEADER + int.from_bytes(data[position + 11 : position + 13], "big")
        if end > len(data):
            return
        yield Record(data[position:end])
        position = end


def pack(records: Iterable[Record], mtu: int) -> list[bytes]:
    """Datagrams of whole records, filled up to `mtu` bytes where records allow it."""
    datagrams: list[bytearray] = []
    for record in records:
        if not datagrams or len(datagrams[-1]) + len(record.data) > mtu:
            datagrams.append(bytearray())
        datagrams[-1] += record.data
    return [bytes(datagram) for datagram in datagrams]
