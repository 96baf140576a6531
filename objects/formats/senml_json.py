"""SenML in JSON (RFC 8428, section 5): the same fields by name, data in base64url."""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from typing import Any, Final

from objects.errors import FormatError, FormatReason
from objects.formats import lenient_json, senml
from objects.formats.senml import Label

_NAME_OF: Final[Mapping[int | str, str]] = {
    Label.BASE_VERSION: "bver",
    Label.BASE_NAME: "bn",
    Label.BASE_TIME: "bt",
    Label.BASE_UNIT: "bu",
    Label.BASE_VALUE: "bv",
    Label.BASE_SUM: "bs",
    Label.NAME: "n",
    Label.UNIT: "u",
    Label.VALUE: "v",
    Label.STRING_VALUE: "vs",
    Label.BOOLEAN_VALUE: "vb",
    Label.SUM: "s",
    Label.TIME: "t",
    Label.UPDATE_TIME: "ut",
    Label.DATA_VALUE: "vd",
}
"""RFC 8428, table 4."""
_LABEL_OF: Final[Mapping[str, int | str]] = {name: label for label, name in _NAME_OF.items()}

_DIGITS: Final = re.compile(r"[A-Za-z0-9_-]*")


def labelled(pack: object) -> object:
    """A pack in JSON as one with labels; what is no pack stays as it is. Raises FormatError."""
    return [_labelled(raw) for raw in pack] if isinstance(pack, list) else pack


def _labelled(raw: object) -> object:
    if not isinstance(raw, dict):
        return raw
    record = {_LABEL_OF.get(name, name): content for name, content in raw.items()}
    if Label.DATA_VALUE in record:
        record[Label.DATA_VALUE] = _data(record[Label.DATA_VALUE])
    return record


def _data(content: object) -> bytes:
    """Base64url; padding is left out, and taken where it is not."""
    digits = content.rstrip("=") if isinstance(content, str) else "*"
    if not _DIGITS.fullmatch(digits) or len(digits) % 4 == 1:
        raise FormatError(FormatReason.WRONG_TYPE, "SenML data in JSON are base64url text")
    return urlsafe_b64decode(digits + "=" * (-len(digits) % 4))


def _load(data: bytes) -> object:
    return labelled(lenient_json.load(data))


def _dump(pack: list[dict[int | str, Any]]) -> bytes:
    return lenient_json.dump([_named(record) for record in pack])


def _named(record: Mapping[int | str, Any]) -> dict[str, Any]:
    return {_NAME_OF.get(label, str(label)): _plain(content) for label, content in record.items()}


def _plain(content: Any) -> Any:
    return urlsafe_b64encode(content).rstrip(b"=").decode() if isinstance(content, bytes) else content


FORMAT: Final = senml.in_syntax(_load, _dump)
