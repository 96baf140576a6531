"""The messages as CBOR sequences, read as strictly as they are written (RFC 9528 section 5)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from cose import cbor
from secure_coap.edhoc.errors import EdhocError, EdhocReason
from secure_coap.edhoc.id_cred import IdCred
from secure_coap.edhoc.numbers import EadLabel, ErrorCode

MAX_MESSAGE: Final = 8192
"""Bytes of a message; a certificate chain by value fits."""
MAX_EAD: Final = 16
MIN_PROOF: Final = 8
"""Bytes of the shortest MAC (section 9.3)."""
MAX_SUITES: Final = 16
SMALL: Final = tuple(bytes((value,)) for value in (*range(0x18), *range(0x20, 0x38)))
"""Identifiers that messages carry as an integer of one byte (section 3.3.2)."""


@dataclass(frozen=True, slots=True)
class Ead:
    """An item of external authorization data. A negative label on the wire is a critical one."""

    label: int
    value: bytes | None = None
    critical: bool = False

    @property
    def items(self) -> tuple[Any, ...]:
        """Label and value as they are encoded."""
        label = -self.label if self.critical else self.label
        return (label,) if self.value is None else (label, self.value)


@dataclass(frozen=True, slots=True)
class Message1:
    """`suites` ends with the selected one; those before it are preferred by the initiator."""

    method: int
    suites: tuple[int, ...]
    g_x: bytes
    c_i: bytes
    ead: tuple[Ead, ...] = ()

    def encode(self) -> bytes:
        """The message."""
        suites: Any = self.suites[0] if len(self.suites) == 1 else list(self.suites)
        return sequence(self.method, suites, self.g_x) + identifier(self.c_i) + eads(self.ead)

    @classmethod
    def decode(cls, data: bytes) -> Message1:
        """Raises `EdhocError` MALFORMED."""
        match items(data):
            case [int(method), (int() | list()) as suites, bytes(g_x), (int() | bytes()) as c_i, *ead] if _plain(
                method
            ):
                return cls(method, _suites(suites), g_x, read_identifier(c_i), read_eads(ead))
        raise EdhocError(EdhocReason.MALFORMED, "message 1")


@dataclass(frozen=True, slots=True)
class Authenticated:
    """The plaintext of messages 2 and 3: who the sender is, its proof, and what it adds."""

    id_cred: IdCred
    proof: bytes
    ead: tuple[Ead, ...] = ()

    def encode(self) -> bytes:
        """Plaintext 3, and plaintext 2 without C_R."""
        kid = self.id_cred.kid
        named = self.id_cred.encode() if kid is None else identifier(kid)
        return named + sequence(self.proof) + eads(self.ead)

    @classmethod
    def of_items(cls, found: Sequence[Any]) -> Authenticated:
        """Raises `EdhocError` MALFORMED."""
        match found:
            case [(int() | bytes() | dict()) as id_cred, bytes(proof), *ead] if len(proof) >= MIN_PROOF:
                return cls(_id_cred(id_cred), proof, read_eads(ead))
        raise EdhocError(EdhocReason.MALFORMED, "plaintext")


def decode_plaintext_2(data: bytes) -> tuple[bytes, Authenticated]:
    """C_R, and who the responder is. Raises `EdhocError` MALFORMED."""
    match items(data):
        case [(int() | bytes()) as c_r, *rest]:
            return read_identifier(c_r), Authenticated.of_items(rest)
    raise EdhocError(EdhocReason.MALFORMED, "plaintext 2")


def one_byte_string(data: bytes, what: str) -> bytes:
    """Messages 2, 3 and 4 are one byte string. Raises `EdhocError`: MALFORMED, or PEER for an error message."""
    match items(data):
        case [bytes(found)]:
            return found
        case [int(code), *info] if _plain(code):
            raise _peer_error(code, info)
    raise EdhocError(EdhocReason.MALFORMED, what)


def error_of(data: bytes) -> EdhocError:
    """What an error message says, or anything else that stands in its place."""
    try:
        one_byte_string(data, "error")
    except EdhocError as error:
        if error.reason is EdhocReason.PEER:
            return error
    return EdhocError(EdhocReason.PEER, "refused")


def _peer_error(code: int, info: Sequence[Any]) -> EdhocError:
    """An error message. Its text is the peer's: for a log, cut, and never believed."""
    if code == ErrorCode.WRONG_CIPHER_SUITE and info and isinstance(info[0], int | list):
        return EdhocError(EdhocReason.PEER, "wrong cipher suite", suites=_suites(info[0]))
    known = "unknown credential" if code == ErrorCode.UNKNOWN_CREDENTIAL else f"error {code}"
    return EdhocError(EdhocReason.PEER, known)


# ---- CBOR sequences -----------------------------------------------------------------------------


def sequence(*values: Any) -> bytes:
    """Values one after the other."""
    return b"".join(cbor.encode(value) for value in values)


def items(data: bytes) -> list[Any]:
    """The items of a deterministic CBOR sequence. Raises `EdhocError` MALFORMED."""
    if len(data) > MAX_MESSAGE:
        raise EdhocError(EdhocReason.MALFORMED, f"more than {MAX_MESSAGE} bytes")
    try:
        return cbor.decode_sequence(data, max_size=MAX_MESSAGE)
    except cbor.CborError as error:
        raise EdhocError(EdhocReason.MALFORMED, str(error)) from error


def identifier(value: bytes) -> bytes:
    """A byte string that is itself the encoding of a small integer is sent as that integer (section 3.3.2)."""
    return value if value in SMALL else cbor.encode(value)


def read_identifier(item: int | bytes) -> bytes:
    """The identifier of an item. Raises `EdhocError` MALFORMED."""
    if isinstance(item, bytes):
        if item in SMALL:
            raise EdhocError(EdhocReason.MALFORMED, "an identifier in its longer form")
        return item
    if not -24 <= item <= 23 or not _plain(item):
        raise EdhocError(EdhocReason.MALFORMED, "an identifier out of range")
    return cbor.encode(item)


def _id_cred(item: int | bytes | dict[Any, Any]) -> IdCred:
    if not isinstance(item, dict):
        return IdCred.of_kid(read_identifier(item))
    found = IdCred(item)
    if not item or found.kid is not None or any(isinstance(label, bytes) for label in item):
        raise EdhocError(EdhocReason.MALFORMED, "ID_CRED")
    return found


def _suites(item: int | list[Any]) -> tuple[int, ...]:
    found = (item,) if isinstance(item, int) else tuple(item)
    if not all(isinstance(suite, int) and _plain(suite) for suite in found) or len(found) > MAX_SUITES:
        raise EdhocError(EdhocReason.MALFORMED, "cipher suites")
    if isinstance(item, list) and len(found) < 2:
        raise EdhocError(EdhocReason.MALFORMED, "one cipher suite in an array")
    return found


def _plain(value: int) -> bool:
    return not isinstance(value, bool)


# ---- EAD ----------------------------------------------------------------------------------------


def eads(found: Sequence[Ead]) -> bytes:
    """All items as a sequence."""
    return b"".join(sequence(*ead.items) for ead in found)


def read_eads(found: Sequence[Any]) -> tuple[Ead, ...]:
    """Items of the end of a message, padding left out. Raises `EdhocError` MALFORMED."""
    result: list[Ead] = []
    rest = list(found)
    while rest:
        label = rest.pop(0)
        if not isinstance(label, int) or not _plain(label) or len(result) >= MAX_EAD:
            raise EdhocError(EdhocReason.MALFORMED, "EAD")
        value = rest.pop(0) if rest and isinstance(rest[0], bytes) else None
        result.append(Ead(abs(label), value, critical=label < 0))
    return tuple(result)


def refuse_critical(found: Sequence[Ead], understood: Sequence[int]) -> tuple[Ead, ...]:
    """The items without padding. Raises `EdhocError` CRITICAL_EAD for one that is not understood (section 3.8)."""
    for ead in found:
        if ead.critical and ead.label not in understood:
            raise EdhocError(EdhocReason.CRITICAL_EAD, str(ead.label))
    return tuple(ead for ead in found if ead.label != EadLabel.PADDING)
