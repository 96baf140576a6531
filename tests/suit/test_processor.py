"""What processing does, and which rule each refusal names."""

from __future__ import annotations

from typing import NoReturn

import pytest

import suit
from suit import ComponentId, DeviceDescription, SuitError, SuitReason, parse_envelope
from suit.commands import Alternatives, Command, CommandSequence, Index, Nested
from suit.metadata import ComponentMetadata
from suit.numbers import CommandCode, ManifestKey, ParameterKey, ReportReason
from suit.processor import MAX_SEQUENCE_STEP, uninstall
from suit.run import MAX_STEPS
from suit.templates import IMAGE_MATCH, INVOKE, command, download, image_parameters, override, select
from tests.suit.samples import (
    CLASS,
    DEVICE,
    KEY,
    NEW,
    OLD,
    SETTINGS,
    VENDOR,
    custom,
    reset,
    run,
    signed,
    update,
    update_envelope,
)
from tests.suit.stores import IMAGE_ID, MemoryStore

CONFIGURATION, DATA = (suit.component_id(c) for c in (suit.CONFIGURATION, suit.APPLICATION_DATA))


def device_store(image: bytes | None = OLD) -> MemoryStore:
    return MemoryStore({IMAGE_ID: image, CONFIGURATION: b"theirs", DATA: b"secrets of the last provider"})


def reason_of(envelope: suit.VerifiedEnvelope, store: MemoryStore, last: int | None = None) -> SuitReason:
    before = dict(store.components)
    with pytest.raises(SuitError) as caught:
        run(envelope, store, last)
    assert store.components == before
    assert not store.staged
    return caught.value.reason


# ---- the two manifests of this product ----------------------------------------------------------


def test_a_firmware_update() -> None:
    store = device_store()
    result = run(update_envelope(), store, last=3)
    assert result == suit.ProcessResult(update().digest, 4, True, (IMAGE_ID,))
    assert store.components[IMAGE_ID] == NEW
    assert store.components[DATA] == b"secrets of the last provider"
    assert store.started == [(IMAGE_ID, None)]
    assert (store.manifest, store.sequence) == (update().digest, 4)


def test_the_same_again_changes_nothing() -> None:
    store = device_store()
    run(update_envelope(), store, last=3)
    again = run(update_envelope(), store, last=4)
    assert not again.changed
    assert again.invoked == (IMAGE_ID,)


def test_the_same_again_repairs() -> None:
    store = device_store()
    run(update_envelope(), store, last=3)
    store.components[IMAGE_ID] = b"flash gone bad"
    assert run(update_envelope(), store, last=4).changed
    assert store.components[IMAGE_ID] == NEW


@pytest.mark.parametrize("install_image", [False, True])
def test_a_reset_keeps_the_agreed_image_and_erases_the_rest(install_image: bool) -> None:
    payloads = {suit.CONFIGURATION_URI: SETTINGS, **({suit.IMAGE_URI: OLD} if install_image else {})}
    envelope = signed(reset(install_image=install_image), payloads)
    store = device_store()
    store.sequence = 40
    assert run(envelope, store, last=None).changed
    assert store.components == {IMAGE_ID: OLD, CONFIGURATION: SETTINGS, DATA: b""}
    assert store.sequence == 40


def test_a_reset_brings_the_agreed_image_back() -> None:
    envelope = signed(reset(install_image=True), {suit.CONFIGURATION_URI: SETTINGS, suit.IMAGE_URI: OLD})
    store = device_store(NEW)
    run(envelope, store)
    assert store.components[IMAGE_ID] == OLD


def test_a_reset_without_the_agreed_image_changes_nothing() -> None:
    envelope = signed(reset(), {suit.CONFIGURATION_URI: SETTINGS})
    assert reason_of(envelope, device_store(NEW)) is SuitReason.IMAGE_MISMATCH


def test_a_second_reset_erases_what_came_since() -> None:
    envelope = signed(reset(), {suit.CONFIGURATION_URI: SETTINGS})
    store = device_store()
    run(envelope, store)
    store.components[DATA] = b"new secrets"
    assert run(envelope, store).changed
    assert store.components[DATA] == b""


def test_after_a_restart_only_the_invocation_runs() -> None:
    store = device_store()
    run(update_envelope(), store)
    store.started.clear()
    assert suit.invoke(update_envelope(), device=DEVICE, store=store).invoked == (IMAGE_ID,)
    assert store.started == [(IMAGE_ID, None)]
    store.components[IMAGE_ID] = b"tampered"
    with pytest.raises(SuitError) as caught:
        suit.invoke(update_envelope(), device=DEVICE, store=store)
    assert caught.value.reason is SuitReason.IMAGE_MISMATCH


# ---- the rules ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("number", "last", "reason"),
    [
        (4, 4, SuitReason.SEQUENCE_TOO_LOW),
        (3, 4, SuitReason.SEQUENCE_TOO_LOW),
        (0, 0, SuitReason.SEQUENCE_TOO_LOW),
        (5 + MAX_SEQUENCE_STEP, 4, SuitReason.SEQUENCE_TOO_HIGH),
    ],
)
def test_sequence_numbers(number: int, last: int, reason: SuitReason) -> None:
    assert reason_of(update_envelope(number), device_store(), last) is reason


@pytest.mark.parametrize(("number", "last"), [(5, 4), (4 + MAX_SEQUENCE_STEP, 4), (1, None), (2**63, None)])
def test_sequence_numbers_that_pass(number: int, last: int | None) -> None:
    assert run(update_envelope(number), device_store(), last).sequence_number == number


def test_unverified_is_not_processed() -> None:
    envelope = parse_envelope(suit.sign(update(), KEY, {suit.IMAGE_URI: NEW}))
    with pytest.raises(SuitError) as caught:
        suit.process(envelope, device=DEVICE, store=device_store(), last_sequence=None)
    assert caught.value.reason is SuitReason.NOT_VERIFIED
    assert caught.value.report_reason is ReportReason.UNAUTHORISED


@pytest.mark.parametrize(
    ("device", "reason"),
    [
        (DeviceDescription(CLASS, CLASS), SuitReason.WRONG_VENDOR),
        (DeviceDescription(VENDOR, VENDOR), SuitReason.WRONG_CLASS),
    ],
)
def test_other_devices_refuse(device: DeviceDescription, reason: SuitReason) -> None:
    with pytest.raises(SuitError) as caught:
        suit.process(update_envelope(), device=device, store=device_store(), last_sequence=None)
    assert caught.value.reason is reason
    assert caught.value.report_reason is ReportReason.CONDITION_FAILED


def test_identity_must_be_checked() -> None:
    manifest = suit.Manifest(1, (IMAGE_ID,), IMAGE_MATCH, {})
    assert reason_of(signed(manifest), device_store()) is SuitReason.IDENTITY_UNCHECKED


def test_unknown_components() -> None:
    manifest = suit.Manifest.firmware_update(
        sequence_number=1, image=NEW, vendor_id=VENDOR, class_id=CLASS, component=("radio", b"\1")
    )
    assert reason_of(signed(manifest, {suit.IMAGE_URI: NEW}), device_store()) is SuitReason.COMPONENT_UNKNOWN


def install(*commands: Command, **payloads: bytes) -> suit.VerifiedEnvelope:
    return custom({ManifestKey.INSTALL: commands}, {f"#{k}": v for k, v in payloads.items()})


GOOD = image_parameters(NEW)
FETCH = download("#new")
ABORT = command(CommandCode.CONDITION_ABORT)
WRITE = command(CommandCode.DIRECTIVE_WRITE)
COPY = command(CommandCode.DIRECTIVE_COPY)
CHECK = command(CommandCode.CONDITION_CHECK_CONTENT)
UNLINK = command(CommandCode.DIRECTIVE_UNLINK)


def content(data: bytes) -> Command:
    return override({ParameterKey.CONTENT: data})


def soft(value: bool) -> Command:
    return override({ParameterKey.SOFT_FAILURE: value})


def nested(*commands: Command) -> Command:
    return Command(CommandCode.DIRECTIVE_RUN_SEQUENCE, Nested(commands))


def either(*sequences: CommandSequence | None) -> Command:
    return Command(CommandCode.DIRECTIVE_TRY_EACH, Alternatives(sequences))


@pytest.mark.parametrize(
    ("envelope", "reason"),
    [
        (install(override(GOOD), *download("http://example.com")), SuitReason.FETCH_NEEDED),
        (install(override(GOOD), *FETCH, new=NEW + b"x"), SuitReason.PAYLOAD_SIZE),
        (install(override(GOOD), *FETCH, new=bytes(len(NEW))), SuitReason.PAYLOAD_DIGEST),
        (install(*FETCH, new=NEW), SuitReason.PARAMETER_MISSING),
        (install(command(CommandCode.DIRECTIVE_FETCH)), SuitReason.PARAMETER_MISSING),
        (install(*IMAGE_MATCH), SuitReason.PARAMETER_MISSING),
        (install(WRITE), SuitReason.PARAMETER_MISSING),
        (install(override({ParameterKey.SOURCE_COMPONENT: 5}), COPY), SuitReason.COMPONENT_INDEX),
        (install(select(1)), SuitReason.COMPONENT_INDEX),
        (install(content(b"x"), CHECK), SuitReason.CONTENT_MISMATCH),
        (install(ABORT), SuitReason.ABORTED),
        (install(soft(True)), SuitReason.SOFT_FAILURE_MISPLACED),
        (install(either((ABORT,), (ABORT,))), SuitReason.NO_ALTERNATIVE),
        (install(either((soft(False), ABORT), None)), SuitReason.ABORTED),
        (install(nested(ABORT)), SuitReason.ABORTED),
        (install(override(GOOD), either(download("coaps://x"), None)), SuitReason.FETCH_NEEDED),
        (
            install(override({ParameterKey.DEVICE_IDENTIFIER: VENDOR}), command(CommandCode(24))),
            SuitReason.WRONG_DEVICE,
        ),
        (install(override({ParameterKey.COMPONENT_SLOT: 1}), command(CommandCode(5))), SuitReason.WRONG_SLOT),
        (install(content(b""), *[WRITE] * 200, *[nested(*[WRITE] * 250)] * 4), SuitReason.LIMIT),
    ],
)
def test_each_rule_has_its_reason(envelope: suit.VerifiedEnvelope, reason: SuitReason) -> None:
    assert reason_of(envelope, device_store()) is reason
    assert MAX_STEPS == 1024


@pytest.mark.parametrize(
    "commands",
    [
        (content(b"x"), WRITE, CHECK),
        (content(b"x"), WRITE, either((ABORT,), (CHECK,))),
        (content(b"x"), WRITE, either((ABORT,), None)),
        (content(b"x"), WRITE, nested(soft(True), ABORT)),
        (content(b"x"), WRITE, override({ParameterKey.STRICT_ORDER: False})),
        (override({ParameterKey.STRICT_ORDER: False}), nested(select(0), content(b"x"), WRITE, CHECK)),
        (override({ParameterKey.STRICT_ORDER: False}), select(0), content(b"x"), WRITE, either((CHECK,), None)),
        (either((ABORT,), (content(b"x"), WRITE))),
    ],
)
def test_what_steers(commands: CommandSequence | Command) -> None:
    store = device_store()
    run(install(*(commands if isinstance(commands, tuple) else (commands,))), store)
    assert store.components[IMAGE_ID] == b"x"


def test_slots_choose_an_alternative() -> None:
    slot = command(CommandCode.CONDITION_COMPONENT_SLOT)
    alternatives = either(
        *((override({ParameterKey.COMPONENT_SLOT: n}), slot, content(b"slot %d" % n), WRITE) for n in (0, 1))
    )
    store = device_store()
    store.slots[IMAGE_ID] = 1
    run(install(alternatives), store)
    assert store.components[IMAGE_ID] == b"slot 1"


COMPONENTS: tuple[ComponentId, ...] = (IMAGE_ID, CONFIGURATION, DATA)


def several(section: CommandSequence, shared: CommandSequence = ()) -> suit.VerifiedEnvelope:
    manifest = reset()
    return signed(suit.Manifest(9, COMPONENTS, (*manifest.shared, *shared), {ManifestKey.INSTALL: section}))


def test_several_components_need_an_index() -> None:
    assert reason_of(several((ABORT,)), device_store()) is SuitReason.COMPONENT_INDEX


def test_commands_apply_to_lists_and_to_all() -> None:
    every = Command(CommandCode.DIRECTIVE_SET_COMPONENT_INDEX, Index(all=True))
    store = device_store()
    run(several((select(0, 2), content(b"some"), WRITE)), store)
    assert list(store.components.values()) == [b"some", b"theirs", b"some"]
    run(several((every, content(b"all"), either((WRITE,), None))), store)
    assert list(store.components.values()) == [b"all"] * 3


def test_copy_and_swap() -> None:
    parameters = override({**image_parameters(OLD), ParameterKey.SOURCE_COMPONENT: 0})
    store = device_store()
    run(several((select(2), parameters, COPY)), store)
    assert (store.components[DATA], store.components[IMAGE_ID]) == (OLD, OLD)
    store = device_store()
    run(several((select(2), parameters, command(CommandCode.DIRECTIVE_SWAP))), store)
    assert (store.components[IMAGE_ID], store.components[DATA]) == (b"secrets of the last provider", OLD)


@pytest.mark.parametrize("code", [CommandCode.DIRECTIVE_COPY, CommandCode.DIRECTIVE_SWAP])
@pytest.mark.parametrize("empty", [IMAGE_ID, DATA])
def test_nothing_can_be_copied_from_nowhere(code: CommandCode, empty: ComponentId) -> None:
    parameters = override({**image_parameters(OLD), ParameterKey.SOURCE_COMPONENT: 0})
    store = device_store()
    store.components[empty] = None
    envelope = several((select(2), parameters, command(code)))
    if empty == DATA and code is CommandCode.DIRECTIVE_COPY:
        assert run(envelope, store).changed
    else:
        assert reason_of(envelope, store) is SuitReason.STORE


def test_invoke_hands_arguments_on() -> None:
    store = device_store()
    run(custom({ManifestKey.INVOKE: (override({ParameterKey.INVOKE_ARGS: b"-v"}), *INVOKE)}), store)
    assert store.started == [(IMAGE_ID, b"-v")]


def test_an_uninstallation_that_fails_removes_nothing() -> None:
    install_section, uninstall_section = (content(b"x"), WRITE), (UNLINK, ABORT)
    verified = custom({ManifestKey.INSTALL: install_section, ManifestKey.UNINSTALL: uninstall_section})
    store = device_store()
    run(verified, store)
    with pytest.raises(SuitError) as caught:
        uninstall(verified, device=DEVICE, store=store)
    assert caught.value.reason is SuitReason.ABORTED
    assert store.components[IMAGE_ID] == b"x"
    assert not store.staged


def test_a_severed_install_that_is_gone() -> None:
    manifest = update()
    gone = suit.Manifest(4, manifest.components, manifest.shared, {ManifestKey.INSTALL: suit.Digest.of(b"")})
    assert reason_of(signed(gone), device_store()) is SuitReason.SEVERED


class FullStore(MemoryStore):
    def write(self, component: ComponentId, data: bytes, metadata: ComponentMetadata | None = None) -> NoReturn:
        raise OSError("no space left on device")


def test_a_store_that_fails() -> None:
    store = FullStore({IMAGE_ID: OLD})
    assert reason_of(update_envelope(), store) is SuitReason.STORE
    assert store.components[IMAGE_ID] == OLD
