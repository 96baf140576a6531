"""The JSON of LwM2M 1.0 (LwM2M 1.0, 6.4.4): one object around the records, other names, opaque values in base64.

{"bn":"/3/0/","e":[{"n":"0","sv":"Example Ltd"},{"n":"9","v":100}]}
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from typing import Any, Final

from objects.errors import FormatError, FormatReason
from objects.formats import lenient_json, senml
from objects.formats.senml import OBJECT_LINK, Label

_RECORDS: Final = "e"
_BASE_NAMES: Final[Mapping[int | str, str]] = {Label.BASE_NAME: "bn", Label.BASE_TIME: "bt"}
_NAMES: Final[Mapping[int | str, str]] = {
    Label.NAME: "n",
    Label.TIME: "t",
    Label.VALUE: "v",
    Label.BOOLEAN_VALUE: "bv",
    Label.STRING_VALUE: "sv",
    Label.DATA_VALUE: "sv",
    OBJECT_LINK: "ov",
}
_BASE_LABELS: Final[Mapping[str, int | str]] = {name: label for label, name in _BASE_NAMES.items()}
_LABELS: Final[Mapping[str, int | str]] = {name: label for label, name in _NAMES.items() if label != Label.DATA_VALUE}


def _load(data: bytes) -> object:
    whole = lenient_json.load(data)
    records = whole.get(_RECORDS, []) if isinstance(whole, dict) else None
    if not isinstance(records, list) or not all(isinstance(record, dict) for record in records):
        raise FormatError(FormatReason.MALFORMED, 'LwM2M JSON is an object with a list of objects "e"')
    return [_relabelled(whole, _BASE_LABELS), *(_relabelled(record, _LABELS) for record in records)]


def _relabelled(fields: Mapping[str, Any], labels: Mapping[str, int | str]) -> dict[int | str, Any]:
    return {labels[name]: content for name, content in fields.items() if name in labels}


def _dump(pack: list[dict[int | str, Any]]) -> bytes:
    whole: dict[str, Any] = {}
    for record in pack:
        whole |= {_BASE_NAMES[label]: content for label, content in record.items() if label in _BASE_NAMES}
    whole[_RECORDS] = [fields for record in pack if (fields := _named(record))]
    return lenient_json.dump(whole)


def _named(record: Mapping[int | str, Any]) -> dict[str, Any]:
    return {_NAMES[label]: _plain(content) for label, content in record.items() if label in _NAMES}


def _plain(content: Any) -> Any:
    return b64encode(content).decode() if isinstance(content, bytes) else content


FORMAT: Final = senml.in_syntax(_load, _dump, text_for_opaque=True)
