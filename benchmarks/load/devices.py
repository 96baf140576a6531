"""Devices that take firmware, as a process of its own: many registered devices behind one socket.

The arguments are the server's port and the number of devices. It prints one JSON object a line: `{"registered": n}`,
then `{"uri": ...}` for every Package URI written, and `{"delivered": n}` whenever all devices hold a new package.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from typing import Final

from benchmarks.load.datagrams import MESSAGE_ID, registration
from benchmarks.load.socket import destination, open_socket, source
from secure_coap.engine.blocks import Block
from secure_coap.exchange import RawOptions
from secure_coap.message import Message, MessageType, decode
from secure_coap.numbers import Code, Option

LIFETIME: Final = 86400
BUFFER: Final = 4096
ANCILLARY: Final = 64
IDLE, DOWNLOADING, DOWNLOADED = b"0", b"1", b"2"
PACKAGE, PACKAGE_URI, STATE, RESULT, DELIVERY = b"0", b"1", b"3", b"5", b"9"
PUSH_AND_PULL: Final = b"2"
_NONE: RawOptions = ()


@dataclass(slots=True)
class Device:
    """One device's Firmware Update object."""

    state: bytes = IDLE
    received: int = 0


class Devices:
    """All of them; a device is known by the address it is spoken to."""

    def __init__(self, port: int, count: int) -> None:
        self._server = ("127.0.0.1", port)
        self._socket = open_socket()
        self._socket.setblocking(True)
        self._devices = [Device() for _ in range(count)]
        self._delivered = 0

    def run(self) -> None:
        """Register, then answer for ever."""
        waiting = set(range(len(self._devices)))
        for device in waiting:
            datagram = registration(device, LIFETIME)
            datagram[MESSAGE_ID] = (1).to_bytes(2)
            self._send(device, bytes(datagram))
        while True:
            data, device = self._receive()
            message = decode(data)
            if message.code == Code.CREATED:
                waiting.discard(device)
                if message.type is MessageType.CON:
                    self._send(device, Message.empty(MessageType.ACK, message.mid).encode())
                if not waiting:
                    _tell(registered=len(self._devices))
            elif 0 < message.code < 0x20:
                self._send(device, self._answer(self._devices[device], message).encode())

    def _answer(self, device: Device, request: Message) -> Message:
        path = b"/".join(request.values(Option.URI_PATH))
        resource = path.removeprefix(b"5/0/")
        code, payload, options = Code.NOT_FOUND, b"", _NONE
        if request.code == Code.GET:
            known = {STATE: device.state, RESULT: b"0", DELIVERY: PUSH_AND_PULL}.get(resource)
            if known is not None:
                code, payload, options = Code.CONTENT, known, ((int(Option.CONTENT_FORMAT), b""),)
        elif resource == PACKAGE:
            code, options = self._take(device, request)
        elif resource == PACKAGE_URI:
            code, device.state = Code.CHANGED, DOWNLOADING
            _tell(uri=request.payload.decode())
        return Message(MessageType.ACK, code, request.mid, request.token, options, payload)

    def _take(self, device: Device, request: Message) -> tuple[Code, RawOptions]:
        """A block of the package, or all of it; an empty one takes the device back to the beginning."""
        value = request.value(Option.BLOCK1)
        if value is None:
            device.state, device.received = (DOWNLOADED if request.payload else IDLE), 0
            return Code.CHANGED, ()
        block = Block.decode(value)
        if block.number == 0:
            device.state, device.received = DOWNLOADING, 0
        if block.offset == device.received:
            device.received += len(request.payload)
            if not block.more:
                device.state = DOWNLOADED
                self._delivered += 1
                if self._delivered % len(self._devices) == 0:
                    _tell(delivered=len(self._devices), bytes=device.received)
        return (Code.CONTINUE if block.more else Code.CHANGED), ((int(Option.BLOCK1), value),)

    def _send(self, device: int, datagram: bytes) -> None:
        self._socket.sendmsg((datagram,), source(device), 0, self._server)

    def _receive(self) -> tuple[bytes, int]:
        datagram, ancillary, _, _ = self._socket.recvmsg(BUFFER, ANCILLARY)
        return datagram, destination(ancillary)


def _tell(**members: object) -> None:
    print(json.dumps(members), flush=True)


if __name__ == "__main__":
    Devices(int(sys.argv[1]), int(sys.argv[2])).run()
