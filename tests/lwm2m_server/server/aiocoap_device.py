"""A device on aiocoap, over UDP without security: it registers, holds values, speaks some formats, and notifies."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiocoap.message import Message  # type: ignore[import-untyped]
from aiocoap.numbers.codes import Code as AioCode  # type: ignore[import-untyped]
from aiocoap.protocol import Context  # type: ignore[import-untyped]
from aiocoap.resource import ObservableResource  # type: ignore[import-untyped]

from objects.formats import composite, decode, encode
from objects.formats.link_format import Link, render
from objects.formats.tree import build
from objects.model import MODEL, ObjectModel
from objects.nodes import ObjectNode, walk
from objects.path import UNASSIGNED, Path
from objects.values import Value
from secure_coap.numbers.content_formats import ContentFormat

HOST = "127.0.0.1"
ALL = (ContentFormat.TEXT, ContentFormat.OCTET_STREAM, ContentFormat.LWM2M_TLV, ContentFormat.SENML_CBOR)


def values() -> dict[Path, Value]:
    """What such a device has at first."""
    return {
        Path(1, 0, 0): 101,
        Path(1, 0, 1): 60,
        Path(1, 0, 6): False,
        Path(1, 0, 7): "U",
        Path(3, 0, 0): "Example Ltd",
        Path(3, 0, 9): 95,
        Path(3, 0, 11, 0): 0,
        Path(3, 0, 14): "+00",
        Path(3303, 0, 5700): 21.5,
        Path(3442, 0, 150): b"\x00\xff",
        Path(40000, 0, 1): "own",
    }


@dataclass(eq=False)
class AiocoapDevice(ObservableResource):  # type: ignore[misc]
    """`speaks`: the content formats it takes and gives. `answer`: answers instead of the device when it returns one."""

    endpoint: str = "dev-1"
    version: str = "1.1"
    speaks: Iterable[int] = ALL
    values: dict[Path, Value] = field(default_factory=values)
    answer: Callable[[Message], Message | None] = lambda _: None
    observable: bool = True
    registers: bool = True
    model: ObjectModel = MODEL
    versions: dict[int, str] = field(default_factory=dict)
    asked: list[Message] = field(default_factory=list)
    executed: list[tuple[Path, bytes]] = field(default_factory=list)
    handle: str = ""
    vanished: bool = False

    def __post_init__(self) -> None:
        super().__init__()

    # ---- towards the server ------------------------------------------------------------------

    @asynccontextmanager
    async def running(self, server: tuple[str, int], *, port: int = 0) -> AsyncIterator[AiocoapDevice]:
        """Listening inside the block, and registered unless it is not to."""
        self.server = f"coap://{server[0]}:{server[1]}"
        self.context = await Context.create_server_context(self, bind=(HOST, port), transports=["simple6"])
        try:
            if self.registers:
                await self.register()
            yield self
        finally:
            await self.vanish()

    async def vanish(self) -> None:
        """Fall silent without a word."""
        if not self.vanished:
            self.vanished = True
            await self.context.shutdown()

    async def send(self, code: AioCode, path: str, payload: bytes = b"", content_format: int | None = None) -> Message:
        message = Message(code=code, uri=self.server + path, payload=payload, content_format=content_format)
        return await self.context.request(message).response

    async def register(self) -> None:
        versions = [Link(f"/{number}", {"ver": version}) for number, version in self.versions.items()]
        links = [
            Link("/", {"rt": "oma.lwm2m"}),
            *versions,
            *(Link(f"/{path.object}/{path.instance}") for path in self.values),
        ]
        unique = {link.target: link for link in links}.values()
        query = f"?ep={self.endpoint}&lt=300&lwm2m={self.version}&b=U"
        answer = await self.send(AioCode.POST, f"/rd{query}", render(unique).encode(), ContentFormat.LINK_FORMAT)
        assert answer.code == AioCode.CREATED, answer
        self.handle = "/".join(answer.opt.location_path)

    async def update(self) -> None:
        answer = await self.send(AioCode.POST, f"/{self.handle}")
        assert answer.code == AioCode.CHANGED, answer

    async def deregister(self) -> None:
        answer = await self.send(AioCode.DELETE, f"/{self.handle}")
        assert answer.code == AioCode.DELETED, answer

    def notify(self) -> None:
        """Tell the observers what there is now."""
        self.updated_state()

    # ---- answering ---------------------------------------------------------------------------

    async def add_observation(self, request: Message, observation: object) -> None:
        if self.observable and not self.answer(request):
            await super().add_observation(request, observation)

    async def render(self, request: Message) -> Message:
        self.asked.append(request)
        return self.answer(request) or self._answer(request)

    def _answer(self, request: Message) -> Message:
        match request.code:
            case AioCode.FETCH | AioCode.iPATCH:
                return self._composite(request)
            case AioCode.DELETE:
                gone = Path.from_segments(request.opt.uri_path)
                self.values = {path: value for path, value in self.values.items() if not gone.contains(path)}
                return Message(code=AioCode.DELETED)
        path = Path.from_segments(request.opt.uri_path)
        if request.code == AioCode.GET:
            return (
                self._discover(path) if request.opt.accept == ContentFormat.LINK_FORMAT else self._read(path, request)
            )
        if request.opt.content_format is None and request.code == AioCode.PUT:
            return Message(code=AioCode.CHANGED)
        if request.code == AioCode.POST and path.level == 3:
            self.executed.append((path, request.payload))
            return Message(code=AioCode.CHANGED)
        return self._write(path, request)

    def _read(self, path: Path, request: Message) -> Message:
        used = request.opt.accept
        if used not in self.speaks:
            return Message(code=AioCode.NOT_ACCEPTABLE)
        found = {place: value for place, value in self.values.items() if path.contains(place)}
        if not found:
            return Message(code=AioCode.NOT_FOUND)
        payload = encode(used, path, build(path, found, self.model), self.model)
        return Message(code=AioCode.CONTENT, payload=payload, content_format=used)

    def _write(self, path: Path, request: Message) -> Message:
        if request.opt.content_format not in self.speaks:
            return Message(code=AioCode.UNSUPPORTED_CONTENT_FORMAT)
        node = decode(request.opt.content_format, path, request.payload, self.model)
        if request.code == AioCode.PUT:
            self.values = {place: value for place, value in self.values.items() if not path.contains(place)}
        if isinstance(node, ObjectNode):
            return self._create(path, node)
        self.values |= dict(walk(path, node))
        return Message(code=AioCode.CHANGED)

    def _create(self, path: Path, node: ObjectNode) -> Message:
        ((number, instance),) = node.instances.items()
        place = path.child(7 if number == UNASSIGNED else number)
        self.values |= dict(walk(place, instance))
        return Message(code=AioCode.CREATED, location_path=place.segments)

    def _composite(self, request: Message) -> Message:
        used = request.opt.content_format
        if used not in self.speaks:
            return Message(code=AioCode.UNSUPPORTED_CONTENT_FORMAT)
        if request.code == AioCode.iPATCH:
            given = composite.decode_values(used, request.payload, self.model)
            self.values |= {path: value for path, value in given.items() if value is not None}
            return Message(code=AioCode.CHANGED)
        asked = composite.decode_paths(used, request.payload)
        found = {place: one for place, one in self.values.items() if any(path.contains(place) for path in asked)}
        payload = composite.encode_values(used, found, self.model)
        return Message(code=AioCode.CONTENT, payload=payload, content_format=used)

    def _discover(self, path: Path) -> Message:
        links = [Link(str(place), {"pmin": "10"}) for place in self.values if path.contains(place)]
        payload = render(links).encode()
        return Message(code=AioCode.CONTENT, payload=payload, content_format=ContentFormat.LINK_FORMAT)
