"""Directives: what is done to a component (section 8.4.10; firmware encryption; update management).

What came encrypted is decrypted first; what names a digest is compared with it before anything is stored.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from cose import cbor
from suit.common import ComponentId
from suit.digest import Digest
from suit.encryption import decrypt
from suit.envelope import manifest_in
from suit.errors import FetchNeeded, SuitError, SuitReason, WaitNeeded
from suit.metadata import ComponentMetadata
from suit.numbers import CommandCode, ParameterKey
from suit.payloads import INTEGRATED
from suit.run import Run
from suit.target import Measured, Target


def _fetch(target: Target) -> None:
    """Store what the device has already, or the payload of the URI: in the envelope, or got by it before this run."""
    uri = target.required(ParameterKey.URI, str)
    if (plain := _in_stock(target)) is not None:
        _put(target, plain, checked=_is_checked(target, plain))
        return
    data = target.machine.envelope.payloads.get(uri, target.run.fetched.get(uri))
    if data is None and uri.startswith(INTEGRATED):
        raise SuitError(SuitReason.PAYLOAD_MISSING, f"{uri[:80]} for {target.name}")
    if data is None:
        raise FetchNeeded(
            uri,
            component=target.name,
            arguments=target.optional(ParameterKey.FETCH_ARGUMENTS, bytes),
            size=target.optional(ParameterKey.IMAGE_SIZE, int),
            encrypted=ParameterKey.ENCRYPTION_INFO in target.parameters,
        )
    _store(target, data, signed=False)


def _in_stock(target: Target) -> bytes | None:
    """What the component shall hold, as far as the device has it anyhow; encrypted or not on its way here."""
    digest = target.optional(ParameterKey.IMAGE_DIGEST, Digest)
    return None if digest is None else target.run.stock(digest)


def _copy(target: Target) -> None:
    source, data = _source(target)
    _store(target, data, signed=source not in target.run.unchecked)


def _swap(target: Target) -> None:
    source, data = _source(target)
    own = target.run.store.read(target.component)
    if own is None:
        raise SuitError(SuitReason.STORE, f"{target.name} is empty")
    own_unchecked = target.component in target.run.unchecked
    _store(target, data, signed=source not in target.run.unchecked)
    _note_written(target.run, source, checked=not own_unchecked)
    target.run.store.write(source, own)


def _write(target: Target) -> None:
    """Content needs no digest, for it is part of the signed manifest; the digest that is set is another payload's."""
    content = target.required(ParameterKey.CONTENT, bytes)
    if ParameterKey.ENCRYPTION_INFO in target.parameters:
        _store(target, content, signed=True)
    else:
        _put(target, content, checked=True)


def _invoke(target: Target) -> None:
    target.run.store.invoke(target.component, target.optional(ParameterKey.INVOKE_ARGS, bytes))
    target.run.invoked.append(target.component)


def _wait(target: Target) -> None:
    events = target.required(ParameterKey.WAIT_INFO, dict)
    if not target.run.device.surroundings.has_happened(events):
        raise WaitNeeded(events)


def _source(target: Target) -> tuple[ComponentId, bytes]:
    number = target.required(ParameterKey.SOURCE_COMPONENT, int)
    source = target.machine.component(number)
    data = target.run.store.read(source)
    if data is None:
        raise SuitError(SuitReason.STORE, f"source component {number} is empty")
    return source, data


def _store(target: Target, data: bytes, *, signed: bool) -> None:
    """Decrypt what is encrypted, check size and digest where they are named, stage.

    `signed`: the data come from the manifest itself or have been checked. Anything else must be compared with a digest
    before the run ends; what an AEAD has authenticated counts as compared.
    """
    info = target.optional(ParameterKey.ENCRYPTION_INFO, bytes)
    if info is not None:
        data, authentic = decrypt(info, data, target.run.device.keys)
        signed = signed or authentic
    _put(target, data, checked=_is_checked(target, data) or signed)


def _put(target: Target, data: bytes, *, checked: bool) -> None:
    _note_written(target.run, target.component, checked=checked)
    metadata = target.optional(ParameterKey.COMPONENT_METADATA, ComponentMetadata)
    target.run.store.write(target.component, data, metadata)


def _note_written(run: Run, component: ComponentId, *, checked: bool) -> None:
    run.trusted.pop(component, None)
    (run.unchecked.discard if checked else run.unchecked.add)(component)


def _is_checked(target: Target, data: bytes) -> bool:
    """Whether the data were compared with a digest. Raises SuitError PAYLOAD_SIZE, PAYLOAD_DIGEST."""
    size = target.optional(ParameterKey.IMAGE_SIZE, int)
    if size is not None and len(data) != size:
        raise SuitError(SuitReason.PAYLOAD_SIZE, f"{target.name}: {len(data)} bytes, not {size}")
    digest = target.optional(ParameterKey.IMAGE_DIGEST, Digest)
    if digest is None:
        return False
    image = cbor.encode(manifest_in(data)) if target.is_dependency else data
    if not digest.matches(image):
        raise SuitError(SuitReason.PAYLOAD_DIGEST, target.name)
    return True


def _without_measurement(act: Callable[[Target], None]) -> Callable[[Target], Measured]:
    def directive(target: Target) -> Measured:
        act(target)
        return {}

    return directive


TABLE: Final[Mapping[CommandCode, Callable[[Target], Measured | None]]] = {
    code: _without_measurement(act)
    for code, act in {
        CommandCode.DIRECTIVE_FETCH: _fetch,
        CommandCode.DIRECTIVE_COPY: _copy,
        CommandCode.DIRECTIVE_SWAP: _swap,
        CommandCode.DIRECTIVE_WRITE: _write,
        CommandCode.DIRECTIVE_INVOKE: _invoke,
        CommandCode.DIRECTIVE_WAIT: _wait,
    }.items()
}
