"""SUIT reports: what a device did with a manifest, signed by the device (draft-ietf-suit-report)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from cose import cbor
from cose.algorithms import VerificationKey
from cose.errors import CoseError
from cose.keys import PrivateKey
from cose.sign1 import Sign1, create
from suit import decoding, parameters
from suit.common import ComponentId, parse_component
from suit.digest import Digest
from suit.errors import SuitError, SuitReason
from suit.numbers import (
    SYSTEM_COMPONENT_ID,
    CapabilityKey,
    CommandCode,
    ManifestKey,
    ParameterKey,
    ReportKey,
    ReportReason,
)
from suit.records import MAX_RECORDS, Entry, Log, Record, SystemProperties

MAX_SIZE: Final = 1 << 16
"""Bytes of a signed report."""
MAX_NONCE: Final = 64
MAX_URI: Final = 2048
_MAX_LIST: Final = 256


@dataclass(frozen=True, slots=True)
class Failure:
    """Why processing ended. `code` is the processor's own number, `record` the command that failed."""

    reason: ReportReason
    code: int
    record: Record


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a processor can do. `components`: an identifier, and whether everything beneath it is meant too."""

    components: tuple[tuple[ComponentId, bool], ...]
    algorithms: tuple[int, ...]
    commands: tuple[int, ...] = tuple(sorted(CommandCode))
    parameters: tuple[int, ...] = tuple(sorted(ParameterKey))


@dataclass(frozen=True, slots=True)
class Report:
    """`failure` is None after success. `uri` and `digest` name the root manifest; `nonce` makes the report fresh."""

    digest: Digest
    uri: str = ""
    nonce: bytes | None = None
    entries: tuple[Entry, ...] = ()
    failure: Failure | None = None
    capabilities: Capabilities | None = None

    def encode(self) -> bytes:
        """The encoded report, unsigned."""
        optional: dict[int, Any] = {
            ReportKey.NONCE: self.nonce,
            ReportKey.CAPABILITY_REPORT: None if self.capabilities is None else _capabilities_item(self.capabilities),
        }
        return cbor.encode(
            {
                ReportKey.REFERENCE: [self.uri, self.digest.item],
                ReportKey.RECORDS: [_entry_item(entry) for entry in self.entries],
                ReportKey.RESULT: True if self.failure is None else _failure_item(self.failure),
                **{key: value for key, value in optional.items() if value is not None},
            }
        )

    def sign(self, key: PrivateKey) -> bytes:
        """The report as a COSE_Sign1."""
        return create(self.encode(), key, protected={})

    @classmethod
    def decode(cls, data: bytes) -> Report:
        """From its encoding. Raises SuitError."""
        fields = decoding.known_keys(decoding.mapping(decoding.decode(data, "report"), "report"), ReportKey, "report")
        uri, digest = _reference(fields.get(ReportKey.REFERENCE))
        records = decoding.array(fields.get(ReportKey.RECORDS), "records")
        if len(records) > MAX_RECORDS:
            raise SuitError(SuitReason.LIMIT, f"more than {MAX_RECORDS} records")
        capabilities = fields.get(ReportKey.CAPABILITY_REPORT)
        return cls(
            digest=digest,
            uri=uri,
            nonce=_nonce(fields.get(ReportKey.NONCE)),
            entries=tuple(_entry(item) for item in records),
            failure=_failure(fields.get(ReportKey.RESULT)),
            capabilities=None if capabilities is None else _capabilities(capabilities),
        )


def verify_report(data: bytes, key: VerificationKey) -> Report:
    """The report `key` has signed. Raises SuitError: SIGNATURE, or what is wrong with the report."""
    try:
        payload = Sign1.parse(data, max_size=MAX_SIZE, any_order=True).verify(key)
    except (CoseError, cbor.CborError) as error:
        raise SuitError(SuitReason.SIGNATURE, f"report: {error}") from error
    return Report.decode(payload)


def report_of(
    digest: Digest,
    log: Log,
    error: SuitError | None,
    *,
    uri: str | None = None,
    nonce: bytes | None = None,
    capabilities: Capabilities | None = None,
) -> Report:
    """The report on one run. What failed outside of any command is recorded at the manifest's beginning."""
    failure = None
    if error is not None:
        record = log.failure or Record((), ManifestKey.COMMON, 0, 0, error.measured)
        failure = Failure(error.report_reason, _code(error.reason), record)
    return Report(digest, uri or "", nonce, tuple(log.entries), failure, capabilities)


def _code(reason: SuitReason) -> int:
    """Our own number of a reason: its place in the list, which only grows."""
    return list(SuitReason).index(reason)


# ---- items --------------------------------------------------------------------------------------


def _entry_item(entry: Entry) -> Any:
    if isinstance(entry, SystemProperties):
        return {SYSTEM_COMPONENT_ID: list(entry.component), **parameters.to_item(entry.properties)}
    return _record_item(entry)


def _record_item(record: Record) -> list[Any]:
    properties = parameters.to_item(record.properties)
    return [list(record.manifest), int(record.section), record.offset, record.component, properties]


def _failure_item(failure: Failure) -> dict[int, Any]:
    return {
        ReportKey.RESULT_CODE: failure.code,
        ReportKey.RESULT_RECORD: _record_item(failure.record),
        ReportKey.RESULT_REASON: int(failure.reason),
    }


def _capabilities_item(found: Capabilities) -> dict[int, Any]:
    return {
        CapabilityKey.COMPONENTS: [[*component, *([True] if more else [])] for component, more in found.components],
        CapabilityKey.COMMANDS: list(found.commands),
        CapabilityKey.PARAMETERS: list(found.parameters),
        CapabilityKey.ALGORITHMS: list(found.algorithms),
    }


# ---- parsing ------------------------------------------------------------------------------------

_Reference: TypeAlias = tuple[str, Digest]


def _reference(item: Any) -> _Reference:
    match decoding.array(item, "reference"):
        case [str(uri), list(digest)] if len(uri) <= MAX_URI:
            return uri, Digest.from_item(digest)
    raise SuitError(SuitReason.MALFORMED, "a reference is an array of URI and digest")


def _nonce(item: Any) -> bytes | None:
    if item is None:
        return None
    nonce = decoding.octets(item, "nonce")
    if len(nonce) > MAX_NONCE:
        raise SuitError(SuitReason.LIMIT, f"a nonce of more than {MAX_NONCE} bytes")
    return nonce


def _entry(item: Any) -> Entry:
    if isinstance(item, dict):
        properties = dict(item)
        component = parse_component(properties.pop(SYSTEM_COMPONENT_ID, None))
        return SystemProperties(component, parameters.parse(properties))
    return _record(item)


def _record(item: Any) -> Record:
    match decoding.array(item, "record"):
        case [list(manifest), section, offset, component, dict(properties)]:
            known = decoding.registered(section, ManifestKey)
            if known is None:
                raise SuitError(SuitReason.MALFORMED, f"record of section {section!r:.20}")
            return Record(
                tuple(decoding.integer(number, "manifest of a record") for number in manifest),
                known,
                decoding.integer(offset, "offset"),
                decoding.integer(component, "component index"),
                parameters.parse(properties) if properties else {},
            )
    raise SuitError(SuitReason.MALFORMED, "a record is an array of five")


def _failure(item: Any) -> Failure | None:
    if item is True:
        return None
    fields = decoding.known_keys(decoding.mapping(item, "result"), ReportKey, "result")
    reason = decoding.registered(fields.get(ReportKey.RESULT_REASON), ReportReason)
    if reason is None:
        raise SuitError(SuitReason.MALFORMED, "a result without a registered reason")
    code = decoding.signed(fields.get(ReportKey.RESULT_CODE), "result code")
    return Failure(reason, code, _record(fields.get(ReportKey.RESULT_RECORD)))


def _capabilities(item: Any) -> Capabilities:
    """Lists this product does not know are left aside: they may name extensions of others."""
    fields = decoding.mapping(item, "capability report")
    components = decoding.array(fields.get(CapabilityKey.COMPONENTS), "component capabilities")
    return Capabilities(
        components=tuple(_component_capability(component) for component in components[:_MAX_LIST]),
        algorithms=_numbers(fields, CapabilityKey.ALGORITHMS),
        commands=_numbers(fields, CapabilityKey.COMMANDS),
        parameters=_numbers(fields, CapabilityKey.PARAMETERS),
    )


def _component_capability(item: Any) -> tuple[ComponentId, bool]:
    parts = decoding.array(item, "component capability")
    more = parts[-1:] == [True] and parts[-1] is True
    return parse_component(parts[:-1] if more else parts), more


def _numbers(fields: Mapping[Any, Any], key: CapabilityKey) -> tuple[int, ...]:
    found: Iterable[Any] = decoding.array(fields.get(key), f"capability {key.name}")[:_MAX_LIST]
    return tuple(decoding.signed(number, f"capability {key.name}") for number in found)
