"""Send: the device tells a server values without being asked (LwM2M Core 1.2, 6.4.6)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from device_client.emulator.lwm2m.caller import Caller
from device_client.emulator.lwm2m.tree import ObjectTree
from objects.formats import records
from objects.path import Path
from secure_coap.exchange import Request
from secure_coap.numbers.codes import Code
from secure_coap.numbers.content_formats import ContentFormat

DP: Final = ("dp",)


def send_request(tree: ObjectTree, paths: Sequence[Path], caller: Caller, now: int) -> Request | None:
    """The request that tells this server what is at `paths` at `now` (seconds since 1970); None if nothing is there."""
    values = tree.values(paths, caller)
    if not values:
        return None
    payload = records.encode(
        ContentFormat.SENML_CBOR, [records.Record(path, value, now) for path, value in values.items()], tree.model
    )
    return Request(Code.POST, DP, payload=payload, content_format=ContentFormat.SENML_CBOR)
