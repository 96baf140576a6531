"""The requests of devices to a bootstrap server (LwM2M Core 1.2, 6.1.7.1 and 6.1.7.10).

POST /bs?ep=…&pct=…       Bootstrap-Request         GET /bspack?ep=…       Bootstrap-Pack-Request
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from objects.formats import Format
from secure_coap.errors import BadRequest, MethodNotAllowed, NotAcceptable, NotFound
from secure_coap.exchange import Request
from secure_coap.numbers.codes import Code

PATHS: Final = ("bs", "bspack")
MAX_QUERY: Final = 16
WRITABLE: Final = (Format.TLV, Format.SENML_CBOR, Format.SENML_JSON, Format.LWM2M_CBOR)
"""Formats of Bootstrap-Write, in the order in which they are tried: every 1.0 device takes TLV."""
PACKED: Final = (Format.SENML_CBOR, Format.SENML_JSON, Format.LWM2M_CBOR)
"""Formats of a Bootstrap-Pack."""


@dataclass(frozen=True, slots=True)
class BootstrapRequest:
    """A device asks to be bootstrapped. `preferred`: the format it would like to be written in."""

    endpoint: str | None
    preferred: Format | None = None


@dataclass(frozen=True, slots=True)
class PackRequest:
    """A device asks for everything in one answer."""

    endpoint: str | None
    accept: Format


def parse(request: Request) -> BootstrapRequest | PackRequest:
    """What a request to /bs or /bspack asks for. Raises `CoapError`."""
    if request.path == ("bs",):
        if request.method is not Code.POST:
            raise MethodNotAllowed("ask for bootstrap with POST /bs")
        query = _parameters(request)
        return BootstrapRequest(query.get("ep") or None, _preferred(query.get("pct")))
    if request.path == ("bspack",):
        if request.method is not Code.GET:
            raise MethodNotAllowed("ask for a Bootstrap-Pack with GET /bspack")
        return PackRequest(_parameters(request).get("ep") or None, _pack_format(request.accept))
    raise NotFound("the bootstrap interface is /bs and /bspack")


def _parameters(request: Request) -> dict[str, str]:
    if len(request.query) > MAX_QUERY:
        raise BadRequest("too many query parameters")
    found: dict[str, str] = {}
    for item in request.query:
        name, _, value = item.partition("=")
        if name in found:
            raise BadRequest("a query parameter is given twice")
        found[name] = value
    return found


def _preferred(text: str | None) -> Format | None:
    """A wish we cannot fulfil is no error: the device answers 4.15 to what it cannot read."""
    if text is None or not (text.isascii() and text.isdecimal() and len(text) <= 5):
        return None
    return next((one for one in WRITABLE if one == int(text)), None)


def _pack_format(accept: int | None) -> Format:
    if accept is None:
        return Format.SENML_CBOR
    found = next((one for one in PACKED if one == accept), None)
    if found is None:
        raise NotAcceptable("a Bootstrap-Pack comes in SenML CBOR (112), SenML JSON (110) or LwM2M CBOR (11544)")
    return found
