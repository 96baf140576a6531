"""Every rule has a manifest that breaks it, is refused by its own name, and leaves the device as it was."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

import suit
from cose import cbor, sign1
from cose.recipients import RecipientKey, SealedFor
from suit import ComponentId, DeviceDescription, Digest, Manifest, SuitError, SuitReason
from suit.commands import Alternatives, Command, CommandSequence, CopyParameters, Nested
from suit.encryption import encrypt
from suit.envelope import assemble
from suit.numbers import CommandCode, ManifestKey, ParameterKey, VersionComparison, WaitEvent
from suit.processor import uninstall
from suit.records import Log
from suit.report import report_of, verify_report
from suit.templates import command, download, identity_check, image_parameters, override, select
from suit.versions import VersionMatch
from tests.suit.samples import CLASS, DEVICE, KEY, NEW, OLD, VENDOR, update
from tests.suit.stores import IMAGE_ID, MemoryStore

OTHER = ec.derive_private_key(0xBEEF, ec.SECP256R1())
GOOD = override(image_parameters(NEW))
FETCH = command(CommandCode.DIRECTIVE_FETCH)
PAYLOADS = {"#image": NEW}


@dataclass(frozen=True)
class Case:
    """An envelope, and what it meets."""

    raw: bytes
    device: DeviceDescription = DEVICE
    last: int | None = 3
    components: Mapping[ComponentId, bytes | None] | None = None

    def __call__(self) -> None:
        store = MemoryStore(dict(self.components or {IMAGE_ID: OLD}))
        before = dict(store.components)
        try:
            envelope = suit.parse_envelope(self.raw).verify(KEY.public_key())
            suit.process(envelope, device=self.device, store=store, last_sequence=self.last)
        finally:
            assert store.components == before
            assert not store.staged
            assert not store.started


def raw(manifest: Manifest, **payloads: bytes) -> bytes:
    return suit.sign(manifest, KEY, {**PAYLOADS, **payloads})


def of(*commands: Command, shared: CommandSequence = (), **others: Any) -> Case:
    """A manifest whose install section are these commands."""
    shared = (*identity_check(VENDOR, CLASS), *shared)
    return Case(raw(Manifest(9, (IMAGE_ID,), shared, {ManifestKey.INSTALL: commands})), **others)


def encoded(change: Callable[[dict[int, Any]], object], **others: Any) -> Case:
    """The update, its manifest's map changed to what no builder makes, and signed."""
    fields = cbor.decode(update().encode())
    change(fields)
    manifest = cbor.encode(fields)
    digest = suit.digest.of_element(manifest)
    block = sign1.create(digest.encode(), KEY, protected={}, detached=True)
    return Case(assemble(manifest, digest, [block], PAYLOADS), **others)


def install_is(*items: Any) -> Callable[[dict[int, Any]], object]:
    return lambda fields: fields.update({20: cbor.encode(list(items))})


def with_parameter(key: ParameterKey, value: Any, code: CommandCode) -> Case:
    return of(override({key: value}), command(code))


def dependent(dependency: bytes, *commands: Command, trusted: bool = True, prefix: ComponentId = (b"p",)) -> Case:
    """A manifest with a dependency at its prefix, whose envelope is in the envelope."""
    digest = suit.parse_envelope(dependency).digest
    got = override({ParameterKey.IMAGE_DIGEST: digest, ParameterKey.URI: "#dependency"})
    sections = {ManifestKey.DEPENDENCY_RESOLUTION: (got, FETCH), ManifestKey.INSTALL: commands}
    manifest = Manifest(9, (), (), sections, dependencies={0: prefix})
    domains = {prefix: (OTHER.public_key(),)} if trusted else {}
    there: dict[ComponentId, bytes | None] = {prefix: None, (*prefix, b"a"): None}
    return Case(raw(manifest, **{"#dependency": dependency}), replace(DEVICE, domains=domains), 3, there)


def part(*commands: Command, component: ComponentId = (b"a",), key: Any = OTHER) -> bytes:
    """A dependency for one component."""
    sections = {ManifestKey.INSTALL: commands}
    return suit.sign(Manifest(1, (component,), identity_check(VENDOR, CLASS), sections), key, PAYLOADS)


def nested(depth: int) -> Command:
    inner = (command(CommandCode.CONDITION_ABORT),)
    for _ in range(depth):
        inner = (Command(CommandCode.DIRECTIVE_RUN_SEQUENCE, Nested(inner)),)
    return inner[0]


def encrypted(info: bytes | None = None, keys: tuple[RecipientKey, ...] = ()) -> Case:
    made, ciphertext = encrypt(NEW, [SealedFor(OTHER.public_key(), b"device")])
    source = override({ParameterKey.URI: "#image", ParameterKey.ENCRYPTION_INFO: info or made})
    manifest = Manifest(9, (IMAGE_ID,), identity_check(VENDOR, CLASS), {ManifestKey.INSTALL: (GOOD, source, FETCH)})
    return Case(raw(manifest, **{"#image": ciphertext}), replace(DEVICE, keys=keys))


def unverified() -> None:
    envelope = suit.parse_envelope(suit.sign(update(), KEY, PAYLOADS))
    suit.process(envelope, device=DEVICE, store=MemoryStore(), last_sequence=None)


def not_installed() -> None:
    verified = suit.parse_envelope(suit.sign(update(), KEY, PAYLOADS)).verify(KEY.public_key())
    uninstall(verified, device=DEVICE, store=MemoryStore())


class _Full(MemoryStore):
    def write(self, *_: Any, **__: Any) -> None:
        raise OSError("no space left on device")


def full() -> None:
    verified = suit.parse_envelope(suit.sign(update(), KEY, PAYLOADS)).verify(KEY.public_key())
    suit.process(verified, device=DEVICE, store=_Full(), last_sequence=3)


def nested_in_try(inner: Command) -> Command:
    return Command(CommandCode.DIRECTIVE_TRY_EACH, Alternatives(((inner,), None)))


CONTENT = override({ParameterKey.CONTENT: b"x"})
ANY_ORDER = override({ParameterKey.STRICT_ORDER: False})
FROM_ITSELF = override({ParameterKey.SOURCE_COMPONENT: 0})
COPY = command(CommandCode.DIRECTIVE_COPY)
ABORT = command(CommandCode.CONDITION_ABORT)
PROCESS = command(CommandCode.DIRECTIVE_PROCESS_DEPENDENCY)
WRITE = command(CommandCode.DIRECTIVE_WRITE)
GONE = replace(update(), sequences={ManifestKey.INSTALL: Digest.of(b"")})
SIGNED = suit.sign(update(), KEY, PAYLOADS)
DEPENDENCY = part(CONTENT, WRITE)
EMPTY: dict[ComponentId, bytes | None] = {IMAGE_ID: None}
ON_DEVICE = replace(DEVICE, keys=(RecipientKey(OTHER, b"device"),))

BROKEN: dict[SuitReason, list[Callable[[], None]]] = {
    SuitReason.MALFORMED: [
        Case(SIGNED + b"\0"),
        Case(b"\xd8\x6b" + SIGNED[2:-1]),
        encoded(lambda fields: fields.update({99: 1})),
        encoded(lambda fields: fields.update({2: -1})),
        encoded(lambda fields: fields.update({20: b"\x80"})),
        encoded(install_is(3)),
        encoded(install_is(3, 16)),
        encoded(install_is(20, {})),
        encoded(install_is(15, [cbor.encode([14, 15])])),
        encoded(install_is(15, [None, cbor.encode([14, 15])])),
        encoded(install_is(20, {3: b"\x80"})),
        encoded(install_is(20, {1: bytes(15)})),
        encoded(install_is(20, {28: cbor.encode([1, [-1, 2]])})),
        encoded(install_is(20, {28: cbor.encode([6, [1]])})),
        encoded(install_is(20, {29: cbor.encode({})})),
        encoded(install_is(20, {30: cbor.encode({5: 4})})),
        encoded(lambda fields: fields.update({7: [-16, bytes(32)]})),  # validate cannot be severed
    ],
    SuitReason.TOO_LARGE: [Case(raw(update(), more=bytes(suit.MAX_SIZE_WITH_IMAGE)))],
    SuitReason.LIMIT: [
        of(nested(4)),
        of(*[ABORT] * 257),
        encoded(install_is(12, list(range(65)))),
        encoded(lambda fields: fields.update({3: cbor.encode({2: [[b"a"]] * 17})})),
        lambda: Case(raw(update(), **{f"#{number}": b"" for number in range(16)}))(),
        of(CONTENT, *[WRITE] * 200, *[Command(CommandCode.DIRECTIVE_RUN_SEQUENCE, Nested((WRITE,) * 250))] * 4),
    ],
    SuitReason.VERSION: [encoded(lambda fields: fields.update({1: 2}))],
    SuitReason.DIGEST: [
        Case(SIGNED.replace(update().encode(), replace(update(), sequence_number=5).encode())),
        Case(assemble(GONE.encode(), GONE.digest, [*suit.parse_envelope(raw(GONE)).signatures], {20: b"\x82\x03\x0f"})),
    ],
    SuitReason.SIGNATURE: [
        Case(suit.sign(update(), OTHER, PAYLOADS)),
        Case(assemble(update().encode(), update().digest, [], PAYLOADS)),
    ],
    SuitReason.ALGORITHM: [
        of(override({ParameterKey.IMAGE_DIGEST: Digest(-99, b"")}), *download("#image")),
        Case(assemble(update().encode(), Digest(-99, b""), [], PAYLOADS)),
    ],
    SuitReason.SEVERED: [Case(raw(GONE))],
    SuitReason.SEQUENCE_TOO_LOW: [Case(SIGNED, last=4), Case(SIGNED, last=5)],
    SuitReason.SEQUENCE_TOO_HIGH: [Case(raw(update(4 + 65536)))],
    SuitReason.IDENTITY_UNCHECKED: [
        Case(raw(replace(update(), shared=identity_check(VENDOR, CLASS)[:2]))),
        dependent(suit.sign(Manifest(1, ((b"a",),), (), {ManifestKey.INSTALL: (CONTENT, WRITE)}), OTHER), PROCESS),
    ],
    SuitReason.COMMAND_UNSUPPORTED: [encoded(install_is(99, 15)), encoded(install_is(-1, 15))],
    SuitReason.COMMAND_MISPLACED: [
        of(GOOD, shared=(FETCH,)),
        of(GOOD, shared=(Command(CommandCode.DIRECTIVE_TRY_EACH, Alternatives(((WRITE,), None))),)),
    ],
    SuitReason.PARAMETER_UNSUPPORTED: [encoded(install_is(20, {99: 1}))],
    SuitReason.PARAMETER_MISSING: [
        *(of(command(code)) for code in CommandCode if code.name.startswith("CONDITION_IMAGE")),
        of(Command(CommandCode.DIRECTIVE_COPY_PARAMETERS, CopyParameters({0: (ParameterKey.CONTENT,)}))),
    ],
    SuitReason.COMPONENT_UNKNOWN: [
        Case(SIGNED, components={(b"other",): None}),
        dependent(part(CONTENT, WRITE, component=(b"elsewhere",)), PROCESS),
    ],
    SuitReason.COMPONENT_INDEX: [of(select(1)), with_parameter(ParameterKey.SOURCE_COMPONENT, 1, CommandCode(22))],
    SuitReason.WRONG_VENDOR: [Case(SIGNED, DeviceDescription(CLASS, CLASS))],
    SuitReason.WRONG_CLASS: [Case(SIGNED, DeviceDescription(VENDOR, VENDOR))],
    SuitReason.WRONG_DEVICE: [
        with_parameter(ParameterKey.DEVICE_IDENTIFIER, VENDOR, CommandCode.CONDITION_DEVICE_IDENTIFIER)
    ],
    SuitReason.WRONG_SLOT: [with_parameter(ParameterKey.COMPONENT_SLOT, 1, CommandCode.CONDITION_COMPONENT_SLOT)],
    SuitReason.WRONG_VERSION: [
        with_parameter(ParameterKey.VERSION, VersionMatch(VersionComparison.EQUAL, (1,)), CommandCode.CONDITION_VERSION)
    ],
    SuitReason.IMAGE_MATCHES: [
        with_parameter(ParameterKey.IMAGE_DIGEST, Digest.of(OLD), CommandCode.CONDITION_IMAGE_NOT_MATCH)
    ],
    SuitReason.TOO_LATE: [with_parameter(ParameterKey.USE_BEFORE, 1, CommandCode.CONDITION_USE_BEFORE)],
    SuitReason.BATTERY_LOW: [with_parameter(ParameterKey.MINIMUM_BATTERY, 1, CommandCode.CONDITION_MINIMUM_BATTERY)],
    SuitReason.NOT_AUTHORIZED: [of(command(CommandCode.CONDITION_UPDATE_AUTHORIZED))],
    SuitReason.IMAGE_MISMATCH: [
        with_parameter(ParameterKey.IMAGE_DIGEST, Digest.of(NEW), CommandCode.CONDITION_IMAGE_MATCH)
    ],
    SuitReason.CONTENT_MISMATCH: [of(CONTENT, command(CommandCode.CONDITION_CHECK_CONTENT))],
    SuitReason.ABORTED: [of(ABORT, CONTENT, WRITE), of(CONTENT, WRITE, ABORT), of(CONTENT, WRITE, nested(3))],
    SuitReason.NO_ALTERNATIVE: [of(Command(CommandCode.DIRECTIVE_TRY_EACH, Alternatives(((ABORT,), (ABORT,)))))],
    SuitReason.ORDER: [
        of(ANY_ORDER, FROM_ITSELF, COPY),
        of(ANY_ORDER, Command(CommandCode.DIRECTIVE_RUN_SEQUENCE, Nested((ABORT,)))),
        of(ANY_ORDER, Command(CommandCode.DIRECTIVE_RUN_SEQUENCE, Nested((select(0), select(0))))),
        of(ANY_ORDER, Command(CommandCode.DIRECTIVE_RUN_SEQUENCE, Nested((select(0), nested_in_try(select(0)))))),
    ],
    SuitReason.SOFT_FAILURE_MISPLACED: [of(override({ParameterKey.SOFT_FAILURE: True}))],
    SuitReason.FETCH_NEEDED: [of(GOOD, *download("coaps://elsewhere/image"))],
    SuitReason.WAIT_NEEDED: [with_parameter(ParameterKey.WAIT_INFO, {WaitEvent.POWER: 1}, CommandCode.DIRECTIVE_WAIT)],
    SuitReason.ENCRYPTION_INFO: [encrypted(b"\x00", ON_DEVICE.keys), encrypted(b"\xd8\x60\x80", ON_DEVICE.keys)],
    SuitReason.NOT_A_RECIPIENT: [encrypted(), encrypted(keys=(RecipientKey(KEY, b"other"),))],
    SuitReason.NOT_A_DEPENDENCY: [of(PROCESS), of(command(CommandCode.CONDITION_IS_DEPENDENCY))],
    SuitReason.DEPENDENCY_MISSING: [
        Case(
            raw(Manifest(9, (), (), {ManifestKey.INSTALL: (PROCESS,)}, dependencies={0: (b"p",)})),
            components={(b"p",): None},
        )
    ],
    SuitReason.DEPENDENCY_INTEGRITY: [
        dependent(DEPENDENCY, PROCESS, trusted=False),
        dependent(part(CONTENT, WRITE, key=ec.derive_private_key(7, ec.SECP256R1())), PROCESS),
        dependent(DEPENDENCY, override({ParameterKey.IMAGE_DIGEST: Digest.of(b"")}), PROCESS),
    ],
    SuitReason.DEPENDENCY_UNPROCESSED: [dependent(DEPENDENCY, command(CommandCode.CONDITION_DEPENDENCY_INTEGRITY))],
    SuitReason.COMPONENT_FORBIDDEN: [dependent(part(CONTENT, WRITE, component=()), PROCESS)],
    SuitReason.PAYLOAD_UNCHECKED: [of(override({ParameterKey.URI: "#image"}), FETCH)],
    SuitReason.PAYLOAD_SIZE: [
        of(override({**image_parameters(NEW), ParameterKey.IMAGE_SIZE: len(NEW) - 1}), *download("#image"))
    ],
    SuitReason.PAYLOAD_DIGEST: [of(override(image_parameters(bytes(len(NEW)))), *download("#image"))],
    SuitReason.PAYLOAD_MISSING: [lambda: Case(suit.sign(update(), KEY))()],
    SuitReason.STORE: [
        full,
        of(override({ParameterKey.SOURCE_COMPONENT: 0}), command(CommandCode.DIRECTIVE_COPY), components=EMPTY),
    ],
    SuitReason.NOT_VERIFIED: [unverified],
    SuitReason.NOT_INSTALLED: [not_installed],
}


def test_no_rule_is_left_out() -> None:
    assert set(BROKEN) == set(SuitReason)


def test_reasons_keep_their_numbers_in_reports() -> None:
    numbers = {reason: number for number, reason in enumerate(SuitReason)}
    known = {SuitReason.MALFORMED: 0, SuitReason.NO_ALTERNATIVE: 29, SuitReason.COMPONENT_FORBIDDEN: 46}
    assert {reason: numbers[reason] for reason in known} == known


@pytest.mark.parametrize(
    ("reason", "case"),
    [
        pytest.param(reason, case, id=f"{reason.name}-{number}")
        for reason, cases in BROKEN.items()
        for number, case in enumerate(cases)
    ],
)
def test_each_violation_is_named(reason: SuitReason, case: Callable[[], None]) -> None:
    with pytest.raises(SuitError) as caught:
        case()
    assert caught.value.reason is reason, caught.value
    reported = verify_report(report_of(update().digest, Log(), caught.value).sign(KEY), KEY.public_key())
    assert reported.failure is not None
    assert (reported.digest, reported.failure.reason) == (update().digest, caught.value.report_reason)


def test_one_for_other_devices_uses_up_no_sequence_number() -> None:
    store = MemoryStore()
    verified = suit.parse_envelope(SIGNED).verify(KEY.public_key())
    with pytest.raises(SuitError):
        suit.process(verified, device=DeviceDescription(CLASS, CLASS), store=store, last_sequence=3)
    assert (store.sequence, store.tried) == (0, None)
