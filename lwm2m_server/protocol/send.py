"""The Send operation, sans-IO: POST /dp, values a device reports by itself (LwM2M Core 1.2, 6.4.3; 1.1 and later)."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from lwm2m_server.protocol.operations import Target
from lwm2m_server.protocol.samples import Sample, resolved
from objects.errors import ObjectsError
from objects.formats import records
from secure_coap.errors import BadRequest, MethodNotAllowed, NotFound, UnsupportedContentFormat
from secure_coap.exchange import Request
from secure_coap.numbers.codes import Code
from secure_coap.numbers.content_formats import ContentFormat

PATH: Final = "dp"
FORMATS: Final = frozenset({ContentFormat.SENML_CBOR, ContentFormat.SENML_JSON, ContentFormat.LWM2M_CBOR})


def parse(request: Request, objects: Collection[int], target: Target, now: float) -> tuple[Sample, ...]:
    """What the registered device `target` reports. `objects`: the ids it registered.

    Raises a `CoapError`: 4.04 for an object the device has not registered, 4.00 for what cannot be read.
    """
    if request.path != (PATH,):
        raise NotFound("values are sent to /dp")
    if request.method is not Code.POST:
        raise MethodNotAllowed("send values with POST /dp")
    if request.content_format not in FORMATS:
        raise UnsupportedContentFormat("send values as SenML CBOR (112), SenML JSON (110) or LwM2M CBOR (11544)")
    try:
        found = records.decode(request.content_format, None, request.payload, target.model, root=target.root)
    except ObjectsError as error:
        raise BadRequest(str(error)) from error
    if not found:
        raise BadRequest("no values")
    for record in found:
        if record.path.object not in objects:
            raise NotFound(f"object {record.path.object} is not among those registered")
    return resolved(found, now)
