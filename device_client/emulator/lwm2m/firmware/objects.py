"""Objects 5 (Firmware Update) and 33629 (Advanced Firmware Update): components as servers see them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from device_client.emulator.lwm2m.device_object import DeviceObject
from device_client.emulator.lwm2m.firmware.component import Component
from device_client.emulator.lwm2m.firmware.fetching import PROTOCOLS
from device_client.emulator.lwm2m.firmware.packages import PackageRefused
from device_client.emulator.lwm2m.instance import Arguments, Content, TableInstance
from objects.definition import ObjectDefinition
from objects.firmware import DeliveryMethod, Severity, UpdateResult, UpdateState
from objects.model import ObjectModel
from objects.values import ObjectLink
from secure_coap.errors import BadRequest, MethodNotAllowed
from trust_transfer.device.events import Source

SEVERITY: Final = Severity.MANDATORY
"""The default of resource 11."""
_LINK: Final = re.compile(r"</33629/(\d{1,5})>")


def firmware_update(model: ObjectModel, component: Component) -> DeviceObject:
    """Object 5 over one component."""
    definition = model["Firmware Update"]
    tables = _tables(component)
    tables["readers"] |= {"PkgName": lambda: component.name, "PkgVersion": lambda: component.now.version}
    tables["executors"]["Update"] = lambda arguments, source: _update([component])
    return DeviceObject(definition, {0: _instance(definition, tables)})


def advanced_firmware_update(model: ObjectModel, components: Sequence[Component]) -> DeviceObject:
    """Object 33629 over several components: each is updated alone, or with those that an Update links to it."""
    definition = model["Advanced Firmware Update"]

    def instance(number: int) -> TableInstance:
        own = components[number]
        tables = _tables(own)

        def update(arguments: Arguments, source: Source) -> None:
            linked = [n for n in _linked(arguments, len(components)) if n != number]
            together = [own, *(components[n] for n in linked)]
            if any(one.now.state is not UpdateState.DOWNLOADED for one in together):
                own.fail(UpdateResult.CONFLICTING_STATE)
            _update(together)

        tables["readers"] |= {
            "PkgVersion": lambda: own.now.version,
            "Component Name": lambda: own.name,
            "Current Version": lambda: own.now.version,
            "Linked Instances": dict,
            "Conflicting Instances": lambda: _conflicts(own, components, definition.id),
        }
        tables["executors"]["Update"] = update
        return _instance(definition, tables)

    return DeviceObject(definition, {number: instance(number) for number in range(len(components))})


def _tables(component: Component) -> dict[str, dict[str, Any]]:
    """What both objects have."""
    severity, defer = int(SEVERITY), 0

    def write_package(content: Content, source: Source) -> None:
        _settled(component)
        assert isinstance(content, bytes)
        try:
            component.take(content)
        except PackageRefused as refusal:
            raise BadRequest(str(refusal)) from refusal

    def write_uri(content: Content, source: Source) -> None:
        _settled(component)
        try:
            component.fetch_from(str(content))
        except PackageRefused as refusal:
            raise BadRequest(str(refusal)) from refusal

    def cancel(arguments: Arguments, source: Source) -> None:
        if component.now.state not in (UpdateState.DOWNLOADING, UpdateState.DOWNLOADED):
            raise MethodNotAllowed("there is nothing to cancel")
        component.reset(UpdateResult.CANCELLED)

    def write_severity(content: Content, source: Source) -> None:
        nonlocal severity
        assert isinstance(content, int)
        severity = content

    def write_defer(content: Content, source: Source) -> None:
        nonlocal defer
        assert isinstance(content, int)
        defer = content

    return {
        "readers": {
            "Package URI": lambda: component.now.uri,
            "State": lambda: int(component.now.state),
            "Update Result": lambda: int(component.now.result),
            "Firmware Update Protocol Support": lambda: {int(one): int(one) for one in PROTOCOLS},
            "Firmware Update Delivery Method": lambda: int(DeliveryMethod.BOTH),
            "Severity": lambda: severity,
            "Last State Change Time": lambda: component.now.changed_at,
            "Maximum Defer Period": lambda: defer,
        },
        "writers": {
            "Package": write_package,
            "Package URI": write_uri,
            "Severity": write_severity,
            "Maximum Defer Period": write_defer,
        },
        "executors": {"Cancel": cancel},
    }


def _instance(definition: ObjectDefinition, tables: Mapping[str, Mapping[str, Any]]) -> TableInstance:
    """With those of the tables' resources that the object has in this version."""
    names = {one.name for one in definition.resources.values()}
    return TableInstance(
        definition, **{key: {n: one for n, one in table.items() if n in names} for key, table in tables.items()}
    )


def _settled(component: Component) -> None:
    if component.now.state is UpdateState.UPDATING:
        raise MethodNotAllowed("an update is running")


def _update(together: Sequence[Component]) -> None:
    if any(one.now.state is not UpdateState.DOWNLOADED for one in together):
        raise MethodNotAllowed("load a package first")
    for one in together:
        one.update()


def _linked(arguments: Arguments, count: int) -> list[int]:
    """The instances argument 0 lists as links: `0='</33629/1>,</33629/2>'`."""
    text = arguments.get(0)
    if text is None:
        return []
    numbers = [int(number) for number in _LINK.findall(text)]
    if not numbers or any(number >= count for number in numbers) or _LINK.sub("", text).strip(","):
        raise BadRequest("argument 0 lists instances of object 33629 as links")
    return numbers


def _conflicts(own: Component, components: Sequence[Component], number: int) -> Mapping[int, ObjectLink]:
    """Components in the midst of an update of their own."""
    busy = [n for n, one in enumerate(components) if one is not own and one.now.state is UpdateState.UPDATING]
    return {n: ObjectLink(number, n) for n in busy}
