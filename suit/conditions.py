"""Conditions: what must hold of the device and of a component (section 8.4.9; update management, "Extension Commands").

Each returns what it measured; one that fails says what it found instead, for the report.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping
from typing import Any, Final

from cose import cbor
from suit.digest import Digest
from suit.envelope import manifest_in
from suit.errors import ConditionFailed, SuitReason
from suit.numbers import CommandCode, ParameterKey
from suit.target import Measured, Target
from suit.versions import VersionMatch


def _require(holds: bool, reason: SuitReason, target: Target, measured: Measured | None = None) -> Measured:
    if not holds:
        raise ConditionFailed(reason, target.name, measured)
    return measured or {}


def _vendor(target: Target) -> Measured:
    found = target.required(ParameterKey.VENDOR_IDENTIFIER, object)
    own = target.run.device.vendor_id
    return _require(found == own, SuitReason.WRONG_VENDOR, target, {ParameterKey.VENDOR_IDENTIFIER: own})


def _class(target: Target) -> Measured:
    found = target.required(ParameterKey.CLASS_IDENTIFIER, bytes)
    own = target.run.device.class_id
    return _require(found == own, SuitReason.WRONG_CLASS, target, {ParameterKey.CLASS_IDENTIFIER: own})


def _device(target: Target) -> Measured:
    found = target.required(ParameterKey.DEVICE_IDENTIFIER, bytes)
    own = target.run.device.device_id
    measured: Measured = {} if own is None else {ParameterKey.DEVICE_IDENTIFIER: own}
    return _require(found == own, SuitReason.WRONG_DEVICE, target, measured)


def _image_of(target: Target) -> bytes | None:
    """What the digest of a component is taken over; of an envelope it is the manifest in it (trust domains, 5.2)."""
    data = target.run.store.read(target.component)
    if data is None or not target.is_dependency:
        return data
    return cbor.encode(manifest_in(data))


def _found(target: Target, data: bytes | None) -> Measured:
    if data is None:
        return {}
    return {ParameterKey.IMAGE_DIGEST: Digest.of(data, target.digest().alg), ParameterKey.IMAGE_SIZE: len(data)}


def _image_match(target: Target) -> Measured:
    digest, data = target.digest(), _image_of(target)
    matches = data is not None and digest.matches(data)
    measured = _require(matches, SuitReason.IMAGE_MISMATCH, target, _found(target, data))
    target.run.unchecked.discard(target.component)
    return measured


def _image_not_match(target: Target) -> Measured:
    digest, data = target.digest(), _image_of(target)
    differs = data is None or not digest.matches(data)
    return _require(differs, SuitReason.IMAGE_MATCHES, target, _found(target, data))


def _check_content(target: Target) -> Measured:
    content = target.required(ParameterKey.CONTENT, bytes)
    data = target.run.store.read(target.component)
    _require(data is not None and hmac.compare_digest(data, content), SuitReason.CONTENT_MISMATCH, target)
    target.run.unchecked.discard(target.component)
    return {}


def _slot(target: Target) -> Measured:
    found = target.required(ParameterKey.COMPONENT_SLOT, int)
    own = target.run.store.slot(target.component)
    measured: Measured = {} if own is None else {ParameterKey.COMPONENT_SLOT: own}
    return _require(found == own, SuitReason.WRONG_SLOT, target, measured)


def _abort(target: Target) -> Measured:
    raise ConditionFailed(SuitReason.ABORTED, target.name)


def _use_before(target: Target) -> Measured:
    limit, now = target.required(ParameterKey.USE_BEFORE, int), target.run.device.surroundings.now()
    measured: Measured = {} if now is None else {ParameterKey.USE_BEFORE: now}
    return _require(now is not None and now < limit, SuitReason.TOO_LATE, target, measured)


def _minimum_battery(target: Target) -> Measured:
    wanted, left = target.required(ParameterKey.MINIMUM_BATTERY, int), target.run.device.surroundings.battery()
    measured: Measured = {} if left is None else {ParameterKey.MINIMUM_BATTERY: left}
    return _require(left is not None and left >= wanted, SuitReason.BATTERY_LOW, target, measured)


def _update_authorized(target: Target) -> Measured:
    priority = target.optional(ParameterKey.UPDATE_PRIORITY, int)
    return _require(target.run.device.surroundings.authorizes(priority), SuitReason.NOT_AUTHORIZED, target)


def _version(target: Target) -> Measured:
    wanted: Any = target.required(ParameterKey.VERSION, VersionMatch)
    own = target.run.device.surroundings.version(target.component)
    return _require(own is not None and wanted.holds(own), SuitReason.WRONG_VERSION, target)


TABLE: Final[Mapping[CommandCode, Callable[[Target], Measured | None]]] = {
    CommandCode.CONDITION_VENDOR_IDENTIFIER: _vendor,
    CommandCode.CONDITION_CLASS_IDENTIFIER: _class,
    CommandCode.CONDITION_DEVICE_IDENTIFIER: _device,
    CommandCode.CONDITION_IMAGE_MATCH: _image_match,
    CommandCode.CONDITION_IMAGE_NOT_MATCH: _image_not_match,
    CommandCode.CONDITION_CHECK_CONTENT: _check_content,
    CommandCode.CONDITION_COMPONENT_SLOT: _slot,
    CommandCode.CONDITION_ABORT: _abort,
    CommandCode.CONDITION_USE_BEFORE: _use_before,
    CommandCode.CONDITION_MINIMUM_BATTERY: _minimum_battery,
    CommandCode.CONDITION_UPDATE_AUTHORIZED: _update_authorized,
    CommandCode.CONDITION_VERSION: _version,
}
