"""Carrying out an order that was stored: one call of `Device`, its result as it is kept."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from lwm2m_server.protocol.order_values import attributes_of, instance_path
from lwm2m_server.protocol.orders import Operation, Order
from lwm2m_server.protocol.queue import Answer
from lwm2m_server.protocol.trees import node_at, plain
from lwm2m_server.server.device import Device
from objects.formats import Format, composite, decode, encode
from objects.model import ObjectModel
from objects.path import Path
from objects.values import Value
from secure_coap.numbers.codes import Code

_ASKING: Final = frozenset({Operation.READ, Operation.DISCOVER, Operation.READ_COMPOSITE})
_OBSERVING: Final = frozenset({Operation.OBSERVE, Operation.OBSERVE_COMPOSITE})


async def carry_out(device: Device, order: Order, model: ObjectModel) -> Answer:
    """Do it. Raises what the device's methods raise."""
    if order.operation in _ASKING:
        return await _ask(device, order, model)
    if order.operation in _OBSERVING:
        return await _observe(device, order, model)
    if order.operation is Operation.CREATE:
        values = plain(decode(Format.SENML_CBOR, instance_path(order.path), order.content, model))
        return Answer(Code.CREATED, content=str(await device.create(order.path, values)).encode())
    await _tell(device, order, model)
    return Answer(Code.DELETED if order.operation is Operation.DELETE else Code.CHANGED)


async def _ask(device: Device, order: Order, model: ObjectModel) -> Answer:
    path = order.path
    if order.operation is Operation.READ_COMPOSITE:
        return _values(await device.read_composite(*order.paths), model)
    if order.operation is Operation.DISCOVER:
        found = [{"path": str(one.path), **one.attributes.link()} for one in await device.discover(path)]
        return Answer(Code.CONTENT, content=json.dumps(found).encode())
    node = node_at(path, await device.read(path))
    return Answer(Code.CONTENT, content=encode(Format.SENML_CBOR, path, node, model))


async def _tell(device: Device, order: Order, model: ObjectModel) -> None:
    path = order.path
    match order.operation:
        case Operation.WRITE:
            await device.write(path, plain(decode(Format.SENML_CBOR, path, order.content, model)))
        case Operation.UPDATE:
            await device.update(path, plain(decode(Format.SENML_CBOR, path, order.content, model)))
        case Operation.EXECUTE:
            await device.execute(path, *(order.arguments[digit] for digit in sorted(order.arguments)))
        case Operation.DELETE:
            await device.delete(path)
        case Operation.WRITE_ATTRIBUTES:
            await device.write_attributes(path, attributes_of(order.attributes))
        case Operation.WRITE_COMPOSITE:
            values: Mapping[Any, Value | None] = composite.decode_values(Format.SENML_CBOR, order.content, model)
            await device.write_composite(values)
        case _:
            raise AssertionError(order.operation)


async def _observe(device: Device, order: Order, model: ObjectModel) -> Answer:
    """The observation stands; its first values are the answer."""
    attributes = attributes_of(order.attributes) if order.attributes else None
    if order.operation is Operation.OBSERVE:
        subscription = await device.observe(order.path, attributes)
    else:
        subscription = await device.observe_composite(*order.paths, attributes=attributes)
    try:
        return _values((await anext(subscription)).values, model)
    finally:
        subscription.close()


def _values(values: Mapping[Path, Value | None], model: ObjectModel) -> Answer:
    return Answer(Code.CONTENT, content=composite.encode_values(Format.SENML_CBOR, values, model))
