"""Profiles the tests share, and a device that obeys bootstrap."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from lwm2m_server.protocol.bootstrap.profile import Profile
from objects import formats
from objects.formats.link_format import Link, render
from objects.model import MODEL
from objects.nodes import Node
from objects.path import Path
from secure_coap.errors import CoapError, NotFound
from secure_coap.exchange import Request, Response
from secure_coap.numbers.codes import Code

KEY = bytes(range(16))


def account(number: int = 101, **security: Any) -> dict[str, Any]:
    secured = security.get("mode", "psk") in {"psk", "x509", "est"}
    return {
        "uri": f"coap{'s' if secured else ''}://dm.example:568{number % 10}",
        "short_server_id": number,
        "security": security or {"mode": "psk", "identity": "dev-1", "key": KEY.hex()},
    }


def profile(*accounts: dict[str, Any], **more: Any) -> Profile:
    return Profile.parse(json.dumps({"accounts": accounts or (account(),), **more}))


class Device:
    """The objects of a device between Bootstrap-Request and Bootstrap-Finish.

    Instance 0/0 is its bootstrap account. `formats`: what it can read; `answer` may answer before the device does.
    """

    def __init__(
        self,
        instances: dict[Path, int | None] | None = None,
        readable: tuple[int, ...] = (formats.Format.TLV,),
        answer: Callable[[Request], Response | None] = lambda request: None,
    ) -> None:
        self.present: dict[Path, int | None] = {Path(0, 0): None} if instances is None else dict(instances)
        self.written: dict[Path, Node] = {}
        self.finished = False
        self.asked: list[Request] = []
        self._readable = readable
        self._answer = answer

    def handle(self, request: Request) -> Response:
        self.asked.append(request)
        try:
            return self._answer(request) or self._handle(request)
        except CoapError as error:
            return Response.of_error(error)

    def _handle(self, request: Request) -> Response:
        if request.method is Code.GET and not request.path:
            return Response(Code.CONTENT, render(self._links()).encode(), content_format=40)
        if request.path == ("bs",):
            self.finished = True
            return Response(Code.CHANGED)
        path = Path.from_segments(request.path)
        if request.method is Code.DELETE:
            if self.present.pop(path, 0) == 0:
                raise NotFound
            return Response(Code.DELETED)
        if request.content_format not in self._readable:
            return Response(Code.UNSUPPORTED_CONTENT_FORMAT)
        assert request.content_format is not None
        self.written[path] = formats.decode(request.content_format, path, request.payload, MODEL)
        return Response(Code.CHANGED)

    def _links(self) -> list[Link]:
        return [Link(str(path), {} if ssid is None else {"ssid": str(ssid)}) for path, ssid in self.present.items()]
