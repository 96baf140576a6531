"""The servers a measured device talks to, as they run in production, each with a tap in front of it."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

from device_pki.fingerprints import fingerprint
from enrollment.est.paths import EST_ROOT, CaUri
from enrollment.factory_bags import register_bag
from lwm2m_server.ca.operator import opened
from lwm2m_server.fleet.definitions import TRANSFER
from lwm2m_server.roles.ca import running_ca
from lwm2m_server.server.server import Lwm2mServer
from lwm2m_server.settings import Address, CaSettings
from lwm2m_server.sizes.column import Message, Operation
from lwm2m_server.sizes.conditions import CA_HOST, ENDPOINT, SP2
from lwm2m_server.sizes.nominal import until_nominal
from lwm2m_server.sizes.parties import Parties
from lwm2m_server.sizes.tap import Datagram, Tap
from objects.definition import ResourceDefinition
from secure_coap.association import Association
from secure_coap.channels.dtls import DtlsServerConfig
from secure_coap.channels.oscore import OscoreServerConfig
from secure_coap.endpoint import CoapClient
from secure_coap.exchange import Request, Response
from secure_coap.numbers import Code, ContentFormat

_LOOPBACK = "127.0.0.1"
_MESSAGE = TRANSFER["Transfer Message"]
_ENDORSER = TRANSFER["Endorser"]


@dataclass(frozen=True, slots=True)
class Taps:
    """In front of a CA's EST server."""

    dtls: Tap
    oscore: Tap


@asynccontextmanager
async def serving_ca(parties: Parties, *, by_reference: bool = False) -> AsyncIterator[Taps]:
    """CA2 with its EST server, for both profiles; the device is registered with it.

    `by_reference`: in EDHOC it only names its certificate.
    """
    await new_label(parties)
    settings = CaSettings(
        name="ca2",
        data=parties.ca2.root,
        bind=Address(_LOOPBACK, 0),
        public_uri=f"coaps://{CA_HOST}",
        oscore_bind=Address(_LOOPBACK, 0),
        oscore_uri=f"coap://{CA_HOST}",
        oscore_reference=by_reference,
        api_bind=Address(_LOOPBACK, 0),
        permanent_anchors=(parties.permanent.certificate,),
    )
    async with running_ca(settings) as running:
        assert running.oscore is not None, "it was asked for"
        taps = Taps(await Tap.between(running.est), await Tap.between(running.oscore))
        try:
            yield taps
        finally:
            await taps.dtls.close()
            await taps.oscore.close()


async def new_label(parties: Parties) -> CaUri:
    """A fresh label at CA2, the only one under which the device may enroll."""
    now, device = datetime.now(UTC), parties.device.certificate
    async with opened(parties.ca2) as ca:
        former = await ca.register.open_labels(fingerprint(device))
        bag = await register_bag(
            ca.register, [device], provider=SP2, uuid=uuid4(), anchors=parties.permanent.chain(), now=now
        )
        for one in former:
            await ca.register.set_entry(one, fingerprint(device), open_=False, revoke=None, now=now)
    return CaUri(CA_HOST, 0, (EST_ROOT, bag.label.text))


@dataclass(frozen=True, slots=True)
class Delivering:
    """SP1's LwM2M server, and the tap in front of it."""

    server: Lwm2mServer
    tap: Tap

    async def write(self, client: CoapClient, message: bytes, endorser: bytes) -> tuple[Operation, Operation]:
        """Register the device behind `client`, write the message to it, then the endorser's certificate."""
        await _register(client)
        delivery = await until_nominal(lambda: self._write(_MESSAGE, message), _answered_at_once)
        return delivery, await until_nominal(lambda: self._write(_ENDORSER, endorser), _answered_at_once)

    async def _write(self, resource: ResourceDefinition, value: bytes) -> Operation:
        await self.tap.take()
        await self.server.device(ENDPOINT).write(resource, value)
        return exchange(await self.tap.take(), "2.04 Changed", "Write")


def exchange(passed: Sequence[Datagram], sent: str, received: str) -> Operation:
    """What passed, under the names of what the device sent and received."""
    return Operation([Message(sent if one.sent else received, len(one.data), one.sent) for one in passed])


def _answered_at_once(operation: Operation) -> bool:
    return len(operation.messages) == 2


@asynccontextmanager
async def delivering(
    dtls: DtlsServerConfig | None = None, oscore: OscoreServerConfig | None = None
) -> AsyncIterator[Delivering]:
    """SP1's LwM2M server on an empty store."""
    with tempfile.TemporaryDirectory() as folder:
        async with Lwm2mServer.open(Path(folder)) as server:
            tap = await Tap.between(await server.bind(_LOOPBACK, 0, dtls=dtls, oscore=oscore))
            try:
                yield Delivering(server, tap)
            finally:
                await tap.close()


async def _register(client: CoapClient) -> None:
    links = f"</{TRANSFER.id}/0>".encode()
    query = (f"ep={ENDPOINT}", "lt=600", "lwm2m=1.1", "b=U")
    request = Request(Code.POST, ("rd",), query, links, content_format=ContentFormat.LINK_FORMAT)
    (await client.request(request)).raise_for_code()


def take_anything(request: Request, _association: Association) -> Response:
    """A device that accepts whatever is written to it."""
    return Response(Code.CHANGED)
