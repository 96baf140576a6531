"""The device's side of the registration interface (LwM2M Core 1.2, 6.2)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from device_client.emulator.transport.coap import CoapSession, SessionLost
from objects.formats.link_format import Link, render
from secure_coap.exchange import Request
from secure_coap.numbers.codes import Code
from secure_coap.numbers.content_formats import ContentFormat

RD: Final = "rd"
VERSION: Final = "1.1"
BINDING: Final = "U"


class Registration:
    """One registration over one session. Every method raises the CoapError of a refusal, or SessionLost."""

    def __init__(self, session: CoapSession, location: tuple[str, ...]) -> None:
        self.session = session
        self._location = location

    @classmethod
    async def register(cls, session: CoapSession, endpoint: str, lifetime: int, links: Sequence[Link]) -> Registration:
        """Register for `lifetime` seconds; returns once the server has answered 2.01."""
        request = Request(
            Code.POST,
            (RD,),
            (f"ep={endpoint}", f"lt={lifetime}", f"lwm2m={VERSION}", f"b={BINDING}"),
            payload=render(links).encode(),
            content_format=ContentFormat.LINK_FORMAT,
        )
        response = (await session.request(request)).raise_for_code()
        if response.code is not Code.CREATED or not response.location_path:
            raise SessionLost("the answer to a Register is 2.01 with a location")
        return cls(session, response.location_path)

    async def update(self, lifetime: int | None = None) -> None:
        """Say that the device is still there; with another lifetime (s) when it has changed."""
        query = () if lifetime is None else (f"lt={lifetime}",)
        (await self.session.request(Request(Code.POST, self._location, query))).raise_for_code()

    async def deregister(self) -> None:
        (await self.session.request(Request(Code.DELETE, self._location))).raise_for_code()
