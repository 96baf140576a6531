"""One UDP socket that speaks for a whole fleet: every device has its own loopback address (ip(7), IP_PKTINFO)."""

from __future__ import annotations

import socket
import struct
from typing import Final

IP_PKTINFO: Final = 8
"""Not in Python's socket module."""
BUFFER: Final = 64 * 1024 * 1024
FIRST_ADDRESS: Final = 0x7F010000
"""127.1.0.0: device n has the address after it by n + 1; 127.0.x.y stay with the servers."""

Ancillary = list[tuple[int, int, bytes]]


def source(device: int) -> Ancillary:
    """What makes `sendmsg` send from that device's address."""
    address = (FIRST_ADDRESS + 1 + device).to_bytes(4)
    return [(socket.IPPROTO_IP, IP_PKTINFO, struct.pack("@i", 0) + address + bytes(4))]


def destination(ancillary: Ancillary) -> int:
    """The number of the device that a datagram was for."""
    ((_, _, information),) = ancillary
    return int.from_bytes(information[8:12]) - FIRST_ADDRESS - 1


def open_socket() -> socket.socket:
    """A non-blocking socket on a free port of every loopback address, with room for what comes in a burst.

    It tells `recvmsg` which address a datagram was for.
    """
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"lo\0")
    made.bind(("0.0.0.0", 0))  # noqa: S104 - of the loopback interface only
    made.setsockopt(socket.IPPROTO_IP, IP_PKTINFO, 1)
    made.setblocking(False)
    for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
        made.setsockopt(socket.SOL_SOCKET, option, BUFFER)
    if hasattr(socket, "SO_RCVBUFFORCE"):
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUFFORCE, BUFFER)
    return made
