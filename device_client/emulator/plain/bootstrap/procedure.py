"""A client-initiated bootstrap from beginning to end (LwM2M Core 1.2, 6.1.2 and 6.1.7.1).

A device of LwM2M 1.2 asks for a pack first; a server that knows none is asked to write instead.
"""

from __future__ import annotations

import asyncio
from typing import Final

from device_client.emulator.log import Logger
from device_client.emulator.lwm2m.tree import ObjectTree
from device_client.emulator.plain.accounts import Account, Accounts
from device_client.emulator.plain.bootstrap.interface import FINISH, BootstrapInterface
from device_client.emulator.plain.sessions import open_session
from device_client.emulator.plain.settings import ClientSettings
from device_client.emulator.requests import ServerRequests
from device_client.emulator.transport.coap import CoapSession, Origin, SessionLost
from device_client.emulator.transport.wire import WireMeter
from objects.errors import ObjectsError
from objects.formats import composite
from objects.formats.tree import build
from objects.nodes import ObjectNode
from objects.path import Path
from objects.values import Value
from secure_coap.errors import BadRequest, CoapError
from secure_coap.exchange import Request, Response
from secure_coap.numbers.codes import Code
from secure_coap.numbers.content_formats import ContentFormat

PACK: Final = ("bspack",)
SILENCE: Final = 247.0
"""Seconds without a request of the bootstrap server after which the bootstrap has failed (EXCHANGE_LIFETIME)."""

LINGER: Final = 3.0
"""Times ACK_TIMEOUT that the session stays open after Finish: two retransmissions of it are answered."""


class Bootstrap:
    """Gets the device its accounts from its bootstrap server."""

    def __init__(
        self,
        *,
        endpoint: str,
        accounts: Accounts,
        tree: ObjectTree,
        settings: ClientSettings,
        meter: WireMeter,
        log: Logger,
    ) -> None:
        self._endpoint = endpoint
        self._accounts = accounts
        self._tree = tree
        self._settings = settings
        self._meter = meter
        self._log = log
        self._lingering: asyncio.Future[None] | None = None

    async def run(self, account: Account) -> None:
        """Once. The accounts are new when it returns, and as they were when it raises.

        Raises ChannelError, SessionLost, OSError, or the CoapError of a refusal.
        """
        settings = self._settings
        interface = BootstrapInterface(self._accounts, self._tree, settings.version, insecure=settings.insecure)
        heard = asyncio.Event()

        def answer(request: Request, origin: Origin) -> Response:
            heard.set()
            return interface.answer(request, origin)

        session = await open_session(
            account, settings.run, self._meter, ServerRequests(answer, self._log), insecure=settings.insecure
        )
        try:
            if settings.version != "1.2" or not await self._take_pack(session, interface):
                await self._ask(session)
                await self._until_finished(session, interface, heard)
        except BaseException:
            await session.close()
            raise
        self._log.info("bootstrapped", servers=[one.server for one in self._accounts.servers()])
        self._lingering = asyncio.ensure_future(self._linger(session))

    async def _linger(self, session: CoapSession) -> None:
        """Repeat the answer to Finish, should it be lost, before the session is closed."""
        await asyncio.sleep(LINGER * self._settings.run.ack_timeout)
        await session.close()

    async def _ask(self, session: CoapSession) -> None:
        query: tuple[str, ...] = (f"ep={self._endpoint}",)
        if self._settings.version != "1.0":
            query = (*query, f"pct={int(ContentFormat.SENML_CBOR)}")
        (await session.request(Request(Code.POST, FINISH, query))).raise_for_code()

    async def _until_finished(self, session: CoapSession, interface: BootstrapInterface, heard: asyncio.Event) -> None:
        ended = asyncio.ensure_future(session.closed.wait())
        try:
            while not interface.finished:
                heard.clear()
                hearing = asyncio.ensure_future(heard.wait())
                done, _ = await asyncio.wait({hearing, ended}, timeout=SILENCE, return_when=asyncio.FIRST_COMPLETED)
                hearing.cancel()
                if not interface.finished and (not done or ended.done()):
                    raise SessionLost("the bootstrap server did not finish")
        finally:
            ended.cancel()

    async def _take_pack(self, session: CoapSession, interface: BootstrapInterface) -> bool:
        """Whether the server had a pack."""
        query = (f"ep={self._endpoint}",)
        response = await session.request(Request(Code.GET, PACK, query, accept=ContentFormat.SENML_CBOR))
        if not response.code.is_success:
            self._log.info("no_bootstrap_pack", code=response.code.dotted)
            return False
        try:
            interface.put_in(self._nodes(response))
        except ObjectsError as error:
            raise BadRequest(f"the bootstrap pack cannot be taken: {error}") from error
        return True

    def _nodes(self, response: Response) -> dict[int, ObjectNode]:
        content_format = ContentFormat.SENML_CBOR if response.content_format is None else response.content_format
        by_object: dict[int, dict[Path, Value]] = {}
        for path, value in composite.decode_values(content_format, response.payload, self._tree.model).items():
            if value is not None:
                by_object.setdefault(path.object, {})[path] = value
        nodes: dict[int, ObjectNode] = {}
        for number, values in by_object.items():
            node = build(Path(number), values, self._tree.model)
            assert isinstance(node, ObjectNode)
            nodes[number] = node
        return nodes


FAILURES: Final = (SessionLost, OSError, CoapError)
"""What a bootstrap can fail with."""
