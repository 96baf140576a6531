"""A manifest for people: CBOR in extended diagnostic notation, with the names of the draft as comments.

Byte strings that hold CBOR are shown as what they hold, `<< … >>`. The output is meant to be read and compared, line by
line; the draft's own examples look like it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from enum import IntEnum
from typing import Any, Final

from cose import cbor
from cose.cbor import Tagged
from cose.numbers import Header
from suit.numbers import (
    CommandCode,
    CommonKey,
    ComponentTextKey,
    DependencyKey,
    EnvelopeKey,
    ManifestKey,
    ParameterKey,
    TextKey,
)

INDENT: Final = "  "
_MAX_DEPTH: Final = 24
_WORDS: Final = {"None": "null", "True": "true", "False": "false"}

Show = Callable[[Any, str], str]


def envelope(raw: bytes) -> str:
    """An envelope, tagged or not. Raises `CborError`."""
    item = cbor.decode(raw, max_size=len(raw), max_depth=_MAX_DEPTH)
    if isinstance(item, Tagged):
        return f"/ SUIT_Envelope_Tagged / {item.tag}({_envelope(item.value, '')})"
    return _envelope(item, "")


def manifest(data: bytes) -> str:
    """An encoded manifest. Raises `CborError`."""
    return _manifest(cbor.decode(data, max_size=len(data), max_depth=_MAX_DEPTH), "")


def plain(item: Any, indent: str = "") -> str:
    """Any decoded item."""
    inner = indent + INDENT
    match item:
        case bytes():
            shown = _bytes(item)
        case str():
            shown = _text(item)
        case Tagged():
            shown = f"{item.tag}({plain(item.value, indent)})"
        case list():
            shown = _list((plain(member, inner) for member in item), indent)
        case dict():
            lines = (f"{plain(key)}: {plain(value, inner)}" for key, value in item.items())
            shown = _block("{", lines, "}", indent)
        case _:
            shown = _WORDS.get(repr(item), repr(item))
    return shown


def name(number: IntEnum) -> str:
    """The draft's name: `condition-image-match`."""
    return number.name.lower().replace("_", "-")


# ---- pieces -------------------------------------------------------------------------------------


def _bytes(data: bytes) -> str:
    readable = data and all(0x20 <= byte < 0x7F and byte != 0x27 for byte in data)
    return f"'{data.decode()}'" if readable else f"h'{data.hex()}'"


def _text(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return '"' + "".join(one if one.isprintable() else f"\\u{ord(one):04x}" for one in escaped) + '"'


def _block(opening: str, lines: Iterator[str], closing: str, indent: str) -> str:
    inner = [f"{indent}{INDENT}{line}" for line in lines]
    if not inner:
        return opening + closing
    return opening + "\n" + ",\n".join(inner) + f"\n{indent}{closing}"


def _list(members: Iterator[str], indent: str) -> str:
    found = list(members)
    line = f"[{', '.join(found)}]"
    return line if len(line) < 80 and "\n" not in line else _block("[", iter(found), "]", indent)


def _embedded(show: Show) -> Show:
    """A byte string with CBOR in it; one without is shown as it is."""

    def embedded(item: Any, indent: str) -> str:
        if not isinstance(item, bytes):
            return show(item, indent) if isinstance(item, list) else plain(item, indent)
        try:
            inside = cbor.decode(item, max_size=len(item), max_depth=_MAX_DEPTH, array_keys=True, any_order=True)
        except cbor.CborError:
            return plain(item, indent)
        return f"<< {show(inside, indent)} >>"

    return embedded


def _map(registry: type[IntEnum], shows: Mapping[int, Show]) -> Show:
    """A map whose keys have names."""

    def mapping(item: Any, indent: str) -> str:
        if not isinstance(item, dict):
            return plain(item, indent)
        inner = indent + INDENT
        return _block("{", (_entry(registry, shows, key, value, inner) for key, value in item.items()), "}", indent)

    return mapping


def _entry(registry: type[IntEnum], shows: Mapping[int, Show], key: Any, value: Any, indent: str) -> str:
    comment = f"/ {name(registry(key))} / " if isinstance(key, int) and key in list(registry) else ""
    shown = _array_key(key) if isinstance(key, tuple) else plain(key)
    return f"{comment}{shown}: {shows.get(key, plain)(value, indent)}"


def _array_key(key: tuple[Any, ...]) -> str:
    return f"[{', '.join(map(plain, key))}]"


# ---- the structure ------------------------------------------------------------------------------


def _command_name(code: Any) -> str:
    if not isinstance(code, int) or code not in list(CommandCode):
        return ""
    known = CommandCode(code)
    return f"/ {name(known)} / "


def _sequence(item: Any, indent: str) -> str:
    if not isinstance(item, list) or len(item) % 2 or not all(isinstance(code, int) for code in item[::2]):
        return plain(item, indent)
    inner = indent + INDENT
    pairs = zip(item[::2], item[1::2], strict=True)
    return _block("[", (f"{_command_name(c)}{c}, {_ARGUMENTS.get(c, plain)(a, inner)}" for c, a in pairs), "]", indent)


def _alternatives(item: Any, indent: str) -> str:
    if not isinstance(item, list):
        return plain(item, indent)
    inner = indent + INDENT
    return _block("[", (_embedded(_sequence)(one, inner) for one in item), "]", indent)


def _components(item: Any, indent: str) -> str:
    return _list((plain(one) for one in item), indent) if isinstance(item, list) else plain(item, indent)


def _cose(item: Any, indent: str) -> str:
    """A COSE message: the protected header opened, everything else as it is."""
    if not isinstance(item, Tagged) or not isinstance(item.value, list) or len(item.value) < 3:
        return plain(item, indent)
    inner = indent + INDENT
    protected, unprotected, *rest = item.value
    headers = _map(Header, {})
    lines = [f"/ protected / {_embedded(headers)(protected, inner)}", f"/ unprotected / {headers(unprotected, inner)}"]
    return f"{item.tag}({_block('[', iter([*lines, *(plain(one, inner) for one in rest)]), ']', indent)})"


def _authentication(item: Any, indent: str) -> str:
    if not isinstance(item, list) or not item:
        return plain(item, indent)
    inner = indent + INDENT
    digest, *blocks = item
    shown = [f"/ digest / {_embedded(plain)(digest, inner)}", *(_embedded(_cose)(block, inner) for block in blocks)]
    return _block("[", iter(shown), "]", indent)


_PARAMETERS: Final = _map(
    ParameterKey,
    {
        ParameterKey.IMAGE_DIGEST: _embedded(plain),
        ParameterKey.VERSION: _embedded(plain),
        ParameterKey.WAIT_INFO: _embedded(plain),
        ParameterKey.COMPONENT_METADATA: _embedded(plain),
        ParameterKey.ENCRYPTION_INFO: _embedded(_cose),
    },
)
_ARGUMENTS: Final[Mapping[int, Show]] = {
    CommandCode.DIRECTIVE_OVERRIDE_PARAMETERS: _PARAMETERS,
    CommandCode.DIRECTIVE_SET_PARAMETERS: _PARAMETERS,
    CommandCode.DIRECTIVE_TRY_EACH: _alternatives,
    CommandCode.DIRECTIVE_RUN_SEQUENCE: _embedded(_sequence),
}


def _dependencies(item: Any, indent: str) -> str:
    if not isinstance(item, dict):
        return plain(item, indent)
    inner = indent + INDENT
    show = _map(DependencyKey, {})
    return _block("{", (f"{number}: {show(value, inner)}" for number, value in item.items()), "}", indent)


_COMMON: Final = _map(
    CommonKey,
    {
        CommonKey.COMPONENTS: _components,
        CommonKey.SHARED_SEQUENCE: _embedded(_sequence),
        CommonKey.DEPENDENCIES: _dependencies,
    },
)
_COMPONENT_TEXTS: Final = _map(ComponentTextKey, {})


def _text_map(item: Any, indent: str) -> str:
    if not isinstance(item, dict):
        return plain(item, indent)
    inner = indent + INDENT
    return _block("{", (f"{plain(key)}: {_language(value, inner)}" for key, value in item.items()), "}", indent)


def _language(item: Any, indent: str) -> str:
    if not isinstance(item, dict):
        return plain(item, indent)
    inner = indent + INDENT

    def line(key: Any, value: Any) -> str:
        show = _COMPONENT_TEXTS if isinstance(key, tuple) else plain
        return _entry(TextKey, {key: show}, key, value, inner)

    return _block("{", (line(key, value) for key, value in item.items()), "}", indent)


_SECTIONS: Final[Mapping[int, Show]] = {
    int(key): _embedded(_sequence)
    for key in (
        ManifestKey.VALIDATE,
        ManifestKey.LOAD,
        ManifestKey.INVOKE,
        ManifestKey.DEPENDENCY_RESOLUTION,
        ManifestKey.PAYLOAD_FETCH,
        ManifestKey.CANDIDATE_VERIFICATION,
        ManifestKey.INSTALL,
        ManifestKey.UNINSTALL,
    )
} | {int(ManifestKey.TEXT): _embedded(_text_map)}
_manifest: Final = _map(
    ManifestKey,
    {**_SECTIONS, ManifestKey.COMMON: _embedded(_COMMON), ManifestKey.SET_VERSION: _embedded(plain)},
)
_envelope: Final = _map(
    EnvelopeKey,
    {
        **_SECTIONS,
        EnvelopeKey.AUTHENTICATION_WRAPPER: _embedded(_authentication),
        EnvelopeKey.MANIFEST: _embedded(_manifest),
    },
)
