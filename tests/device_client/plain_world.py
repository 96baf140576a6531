"""A standard client and a small LwM2M server on the product's CoAP stack, both in this process."""

from __future__ import annotations

import asyncio
import random
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from device_client.emulator.log import device_logger
from device_client.emulator.plain.device import PlainDevice
from device_client.emulator.plain.settings import ClientSettings
from device_client.emulator.settings import RunSettings
from device_client.emulator.storage.files import DeviceFiles
from objects.formats import Format, decode, encode
from objects.model import MODEL
from objects.nodes import Node, Resource
from objects.path import Path
from objects.values import Value
from secure_coap.association import Association
from secure_coap.channels.dtls import DtlsServerConfig
from secure_coap.endpoint import CoapServer
from secure_coap.errors import CoapError, NotFound, TransportError
from secure_coap.exchange import Request, Response
from secure_coap.numbers.codes import Code
from secure_coap.numbers.parameters import TransmissionParameters
from secure_coap.observation import Observation

HOST = "127.0.0.1"
PATIENCE = 60.0
FAST = TransmissionParameters(ack_timeout=0.3)
QUICK = RunSettings(ack_timeout=0.3, max_retransmit=2, handshake_timeout=3.0, retry_min=0.05, retry_max=0.2)


def quick(**members: Any) -> ClientSettings:
    """Settings of a client that is quick about everything and whose world stands still."""
    return ClientSettings(**{"endpoint": "sensor", "run": QUICK, "lifetime": 60, "period": 3600.0, **members})


@dataclass
class Contact:
    """A Register, Update or Deregister as it came."""

    request: Request
    association: Association

    def query(self, name: str) -> str | None:
        for one in self.request.query:
            key, _, value = one.partition("=")
            if key == name:
                return value
        return None


@dataclass
class Peer:
    """An LwM2M server: it takes every client, and can be told to forget or refuse them."""

    server: CoapServer = field(init=False)
    contacts: list[Contact] = field(default_factory=list)
    location: str = ""
    refuse: Callable[[Contact], CoapError | None] = lambda contact: None
    heard: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def port(self) -> int:
        return self.server.address[1]

    def handle(self, request: Request, association: Association) -> Response:
        contact = Contact(request, association)
        self.contacts.append(contact)
        self.heard.set()
        if (error := self.refuse(contact)) is not None:
            raise error
        match request.method, request.path:
            case Code.POST, ("rd",):
                self.location = secrets.token_hex(4)
                return Response(Code.CREATED, location_path=("rd", self.location))
            case Code.POST, ("dp",):
                return Response(Code.CHANGED)
            case _, ("rd", location) if location == self.location:
                return Response(Code.DELETED if request.method is Code.DELETE else Code.CHANGED)
        raise NotFound

    async def contact(self, number: int) -> Contact:
        """Wait for the so many-th contact, counted from 1."""
        async with asyncio.timeout(PATIENCE):
            while len(self.contacts) < number:
                self.heard.clear()
                await self.heard.wait()
        return self.contacts[number - 1]

    async def ask(self, method: Code, path: str, **members: Any) -> Response:
        """A request to the client over the association it spoke on last."""
        segments = tuple(path.strip("/").split("/")) if path != "/" else ()
        request = Request(method, segments, **members)
        return await asyncio.wait_for(self.server.request(self.contacts[-1].association, request), PATIENCE)

    async def read(self, path: str, accept: int | None = None) -> Node:
        response = (await self.ask(Code.GET, path, accept=accept)).raise_for_code()
        assert response.content_format is not None
        return decode(response.content_format, Path.parse(path), response.payload, MODEL)

    async def write(self, path: str, value: Value, content_format: int = Format.TLV) -> Response:
        place = Path.parse(path)
        payload = encode(content_format, place, Resource(place.ids[-1], value), MODEL)
        return await self.ask(Code.PUT, path, payload=payload, content_format=content_format)

    async def observe(self, path: str, **members: Any) -> Observed:
        observed = Observed()
        segments = tuple(filter(None, path.split("/")))
        request = Request(Code.GET if segments else Code.FETCH, segments, observe=0, **members)
        observed.first, observed.observation = await self.server.observe(
            self.contacts[-1].association, request, observed.take
        )
        return observed


@dataclass
class Observed:
    """An observation and what came of it."""

    first: Response = field(init=False)
    observation: Observation = field(init=False)
    notifications: asyncio.Queue[Response | TransportError] = field(default_factory=asyncio.Queue)

    def take(self, notification: Response | TransportError) -> None:
        self.notifications.put_nowait(notification)

    async def next(self) -> Response:
        notification = await asyncio.wait_for(self.notifications.get(), PATIENCE)
        assert isinstance(notification, Response), notification
        return notification


@dataclass
class Client:
    """A client that runs."""

    device: PlainDevice
    off: asyncio.Event
    task: asyncio.Task[None]

    @classmethod
    def start(cls, settings: ClientSettings, files: DeviceFiles | None = None) -> Client:
        name = next(settings.endpoints())
        device = PlainDevice(name, settings, device_logger(name), random.Random(1), files)
        off = asyncio.Event()
        return cls(device, off, asyncio.create_task(device.run(off)))

    async def switch_off(self) -> None:
        self.off.set()
        await asyncio.wait_for(self.task, PATIENCE)

    async def cut_power(self) -> None:
        self.task.cancel()
        await asyncio.wait({self.task})


@asynccontextmanager
async def peer(dtls: DtlsServerConfig | None = None, port: int = 0) -> AsyncIterator[Peer]:
    made = Peer()
    made.server = await CoapServer.bind(HOST, port, dtls=dtls, handler=made.handle, parameters=FAST)
    try:
        yield made
    finally:
        await made.server.close()
        # The event loop lets go of the port in its next round.
        await asyncio.sleep(0)


@asynccontextmanager
async def registered(files: DeviceFiles | None = None, **members: Any) -> AsyncIterator[tuple[Peer, Client]]:
    """A server and a client that has just registered with it."""
    async with peer() as server:
        client = Client.start(quick(server=f"coap://{HOST}:{server.port}", **members), files)
        try:
            await server.contact(1)
            await server.ask(Code.GET, "/3/0/0")
            yield server, client
        finally:
            await client.cut_power()
