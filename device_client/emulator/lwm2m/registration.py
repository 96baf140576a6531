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
QUEUE: Final = "Q"


class Registration:
    """One registration over one session. Every method raises the CoapError of a refusal, or SessionLost."""

    def __init__(self, session: CoapSession, location: tuple[str, ...]) -> None:
        self.session = session
        self._location = location

    @classmethod
    async def register(
        cls,
        session: CoapSession,
        endpoint: str,
        lifetime: int,
        links: Sequence[Link],
        *,
        version: str = VERSION,
        queue_mode: bool = False,
    ) -> Registration:
        """Register for `lifetime` seconds as a device of this version of LwM2M; returns once the server has answered
        2.01."""
        # Before 1.1 queue mode was a binding of its own (LwM2M 1.0, 5.3.1.1; Core 1.2, 6.2.1).
        early = version == "1.0"
        binding = BINDING + QUEUE if early and queue_mode else BINDING
        queue = (QUEUE,) if queue_mode and not early else ()
        request = Request(
            Code.POST,
            (RD,),
            (f"ep={endpoint}", f"lt={lifetime}", f"lwm2m={version}", f"b={binding}", *queue),
            payload=render(links).encode(),
            content_format=ContentFormat.LINK_FORMAT,
        )
        response = (await session.request(request)).raise_for_code()
        if response.code is not Code.CREATED or not response.location_path:
            raise SessionLost("the answer to a Register is 2.01 with a location")
        return cls(session, response.location_path)

    async def update(self, lifetime: int | None = None, links: Sequence[Link] | None = None) -> None:
        """Say that the device is still there; with another lifetime (s) or other links when they have changed."""
        query = () if lifetime is None else (f"lt={lifetime}",)
        payload = b"" if links is None else render(links).encode()
        content_format = None if links is None else ContentFormat.LINK_FORMAT
        request = Request(Code.POST, self._location, query, payload, content_format=content_format)
        (await self.session.request(request)).raise_for_code()

    def over(self, session: CoapSession) -> Registration:
        """The same registration, continued over another session."""
        return Registration(session, self._location)

    async def deregister(self) -> None:
        (await self.session.request(Request(Code.DELETE, self._location))).raise_for_code()
