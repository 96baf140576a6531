"""A small LwM2M client for tests, on this product's own CoAP: a dictionary of resources, told what to be."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from cose.keys import PrivateKey, thumbprint
from device_pki.identity import PeerIdentity
from device_pki.path import verify_path
from device_pki.roles import Role
from secure_coap.association import Association
from secure_coap.channels.dtls import DtlsClientConfig
from secure_coap.endpoint import CoapClient
from secure_coap.errors import CoapError, NotFound
from secure_coap.exchange import Request, Response
from secure_coap.numbers.codes import Code
from secure_coap.numbers.content_formats import ContentFormat
from secure_coap.numbers.parameters import TransmissionParameters
from trust_transfer.messages.numbers import Result, State
from trust_transfer.messages.report import TransferReport
from trust_transfer.messages.values import SuitDigest

LINKS = b"</1/0>,</3/0>,</5/0>,</33001/0>,</33002/0>,</33003/0>"


@dataclass(frozen=True, slots=True)
class DeviceIdentity:
    """A key with its certificate chain."""

    key: PrivateKey
    chain: tuple[x509.Certificate, ...]

    @property
    def certificate(self) -> x509.Certificate:
        return self.chain[0]

    @property
    def thumbprint(self) -> bytes:
        return thumbprint(self.key.public_key())


@dataclass(slots=True)
class FakeDevice:
    """One device. `resources` maps paths to values; `log` holds every operation as (method, path, payload)."""

    endpoint: str
    factory: DeviceIdentity
    server: tuple[str, int]
    anchor: x509.Certificate
    resources: dict[str, bytes] = field(default_factory=dict)
    log: list[tuple[str, str, bytes]] = field(default_factory=list)
    refuse: dict[str, CoapError] = field(default_factory=dict)
    client: CoapClient | None = None
    location: tuple[str, ...] = ()
    seen: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.set_state(State.IDLE)
        self.resources["/5/0/3"] = b"0"
        self.resources["/5/0/5"] = b"0"
        self.resources["/3/0/0"] = b"Example Ltd"

    # ---- towards the server -----------------------------------------------------------------

    async def connect(self, identity: DeviceIdentity) -> None:
        await self.close()
        assert isinstance(identity.key, ec.EllipticCurvePrivateKey)

        def verify(chain: Sequence[x509.Certificate]) -> PeerIdentity:
            now = datetime.now(UTC)
            path = verify_path(chain[0], chain[1:], anchors=[self.anchor], role=Role.SERVER, now=now, host="127.0.0.1")
            return PeerIdentity.of(path)

        self.client = await CoapClient.connect(
            *self.server,
            dtls=DtlsClientConfig(list(identity.chain), identity.key, verify),
            handler=self.handle,
            parameters=TransmissionParameters(ack_timeout=0.2, max_retransmit=6),
        )

    async def ask(self, method: Code, *path: str, query: Sequence[str] = (), payload: bytes = b"") -> Response:
        assert self.client is not None
        content_format = ContentFormat.LINK_FORMAT if payload else None
        return await self.client.request(
            Request(method, path, tuple(query), payload=payload, content_format=content_format)
        )

    async def register(self, *, lifetime: int = 60, endpoint: str | None = None, links: bytes = LINKS) -> Response:
        query = [f"ep={endpoint or self.endpoint}", f"lt={lifetime}", "lwm2m=1.1", "b=U"]
        response = await self.ask(Code.POST, "rd", query=query, payload=links)
        self.location = response.location_path
        return response

    async def update(self) -> Response:
        return await self.ask(Code.POST, *self.location)

    async def close(self) -> None:
        if self.client is not None:
            await self.client.close()
            self.client = None

    # ---- from the server --------------------------------------------------------------------

    async def handle(self, request: Request, _association: Association) -> Response:
        path = "/" + "/".join(request.path)
        self.log.append((request.method.name, path, request.payload))
        self.seen.set()
        if path in self.refuse:
            raise self.refuse[path]
        if request.method is Code.GET:
            return self._read(path, request)
        if request.method is Code.PUT:
            self._write(path, request.payload)
        elif path == "/5/0/2":
            self.resources["/5/0/3"], self.resources["/5/0/5"] = b"0", b"1"
        elif path == "/33001/0/16":
            self.set_state(State.IDLE)
        return Response(Code.CHANGED)

    def _read(self, path: str, request: Request) -> Response:
        if request.accept == ContentFormat.LINK_FORMAT:
            links = ",".join(f"<{known}>" for known in self.resources if known.startswith(path))
            return Response(Code.CONTENT, links.encode(), ContentFormat.LINK_FORMAT)
        if path not in self.resources:
            raise NotFound("no such resource")
        return Response(Code.CONTENT, self.resources[path], request.accept)

    def _write(self, path: str, payload: bytes) -> None:
        self.resources[path] = payload
        if path == "/5/0/0":
            self.resources["/5/0/3"] = b"2" if payload else b"0"
        if path == "/33001/0/0":
            self.set_state(State.ACCEPTED)

    def operations(self, method: str) -> list[str]:
        return [path for name, path, _ in self.log if name == method]

    def payloads(self, path: str) -> list[bytes]:
        return [payload for method, where, payload in self.log if where == path and method != "GET"]

    def set_state(self, state: State, result: Result = Result.NONE) -> None:
        self.resources["/33001/0/1"] = str(int(state)).encode()
        self.resources["/33001/0/2"] = str(int(result)).encode()

    def decide(self, state: State, transfer_id: bytes, seq: int, attempt: DeviceIdentity, result: Result) -> bytes:
        """Commit or fall back: the state, and the signed report as resource."""
        committed = state is State.COMMITTED
        report = TransferReport(
            endpoint=self.endpoint,
            issued_at=int(datetime.now(UTC).timestamp()),
            transfer_id=transfer_id,
            seq=seq,
            state=state,
            result=result,
            running=SuitDigest(-16, bytes(32)) if committed else None,
            anchors=(bytes(32),) if committed else None,
            attempt_key=attempt.thumbprint,
            authorities=(bytes(32),) if committed else None,
        )
        raw = report.sign(self.factory.key)
        self.set_state(state, result)
        self.resources["/33001/0/13"] = raw
        return raw


async def until(condition: object, seconds: float = 60) -> None:
    """Wait until a function, or coroutine function, answers true. `seconds` ends what will never be, however busy the
    machine."""
    assert callable(condition)
    deadline = asyncio.get_running_loop().time() + seconds
    while True:
        answer = condition()
        if asyncio.iscoroutine(answer):
            answer = await answer
        if answer:
            return
        assert asyncio.get_running_loop().time() < deadline, "not in time"
        await asyncio.sleep(0.02)
