"""Whether a manifest is for this device: its components are the device's, and it checks vendor and class.

Asked of the root manifest before anything begins, and of each dependency before it is processed.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from suit.common import ComponentId
from suit.errors import SuitError, SuitReason
from suit.manifest import Manifest
from suit.numbers import CommandCode
from suit.recipient import DeviceDescription
from suit.store import ComponentStore

_IDENTITY_CHECKS: Final = frozenset({CommandCode.CONDITION_VENDOR_IDENTIFIER, CommandCode.CONDITION_CLASS_IDENTIFIER})


def check_applies(
    manifest: Manifest,
    device: DeviceDescription,
    store: ComponentStore,
    *,
    prefix: ComponentId = (),
    reserved: Collection[ComponentId] = (),
) -> None:
    """Raise SuitError IDENTITY_UNCHECKED, COMPONENT_UNKNOWN, COMPONENT_FORBIDDEN.

    `prefix` is what the identifiers of its components begin with; `reserved` are components out of its reach. A
    manifest without components of its own, only dependencies, leaves the identity to them.
    """
    named = manifest.components and device.strict
    if named and not {command.code for command in manifest.shared} >= _IDENTITY_CHECKS:
        raise SuitError(SuitReason.IDENTITY_UNCHECKED)
    for number in range(manifest.common.count):
        component = prefix + manifest.common.identifier(number)
        if component in reserved:
            raise SuitError(SuitReason.COMPONENT_FORBIDDEN, repr(component)[:80])
        if not store.supports(component):
            raise SuitError(SuitReason.COMPONENT_UNKNOWN, repr(component)[:80])
