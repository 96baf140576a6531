"""What operators and partners may see, as plain values for JSON. Digests, keys and ids are hex."""

from __future__ import annotations

from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from lwm2m_server.fleet.comparison import arrival_deviations
from lwm2m_server.fleet.errors import Unknown
from lwm2m_server.fleet.transfer_lookup import listed_devices
from lwm2m_server.protocol.registrations import Registration
from lwm2m_server.store import fleet as fleet_store
from lwm2m_server.store import transfers as store
from lwm2m_server.store.fleet import Device
from lwm2m_server.store.transfers import Kind, Transfer
from trust_transfer.messages.device_update_info import DeviceUpdateInfo
from trust_transfer.messages.numbers import Form, Result, State
from trust_transfer.provider.book import BookEntry, Tenure
from trust_transfer.provider.duties import duties

View = dict[str, Any]


def device_view(device: Device, registration: Registration | None, *, online: bool, now: int) -> View:
    """One device as its operator sees it."""
    return {
        "endpoint": device.endpoint,
        "group": device.group_name,
        "fingerprint": device.fingerprint.hex(),
        "book": book_status(device.book, now),
        "registered": registration is not None and registration.expires_at >= now,
        "online": online,
        "expires_at": None if registration is None else int(registration.expires_at),
        "ca_uri": device.ca_uri,
        "state": _name(State, device.state),
        "result": _name(Result, device.result),
    }


def book_status(book: BookEntry, now: int) -> str:
    """What the book says, in one word."""
    return book.status(now).name.lower()


async def transfer_view(connection: AsyncConnection, cti: bytes, now: int, *, permanent_anchor: bytes) -> View:
    """One transfer with all its devices, as the operator sees it."""
    transfer = await store.get_transfer(connection, cti)
    if transfer is None:
        raise Unknown(f"transfer {cti.hex()}")
    summary = await transfer_summary(connection, transfer)
    devices = await fleet_store.find_devices(connection, endpoints=await _listed(connection, cti))
    views = [_transfer_device(device, transfer, now) for device in devices]
    if not transfer.outgoing:
        for device, view in zip(devices, views, strict=True):
            view["deviations"] = list(await arrival_deviations(connection, device, cti, permanent_anchor))
    return {**summary, "devices": views}


async def transfer_summary(connection: AsyncConnection, transfer: Transfer) -> View:
    """A transfer without its devices: who, what, and which documents have gone where."""
    documents = await store.find_documents(connection, transfer.transfer_id)
    return {
        "transfer": transfer.transfer_id.hex(),
        "direction": "outgoing" if transfer.outgoing else "incoming",
        "partner": transfer.partner,
        "group": transfer.group_name,
        "form": None if transfer.form is None else Form(transfer.form).name.lower(),
        "agreed_state": None if transfer.agreed_state is None else transfer.agreed_state.hex(),
        "update_first": None if transfer.update_first is None else transfer.update_first.hex(),
        "template": any(document.kind is Kind.TEMPLATE for document in documents),
        "documents": [
            {
                "kind": document.kind.value,
                "number": document.number,
                "outgoing": document.outgoing,
                "bytes": len(document.body),
                "acknowledged": document.acknowledged_at is not None if document.outgoing else True,
            }
            for document in documents
        ],
    }


async def partner_view(connection: AsyncConnection, cti: bytes, partner: str) -> View:
    """A transfer as the partner may see it: what of its own documents is stored here, and nothing of our books."""
    transfer = await store.get_transfer(connection, cti)
    if transfer is None or transfer.partner != partner:
        raise Unknown("this transfer")
    stored: dict[str, list[int]] = {}
    for document in await store.find_documents(connection, cti):
        if not document.outgoing:
            stored.setdefault(document.kind.value, []).append(document.number)
    return {"transfer": cti.hex(), "stored": stored}


async def _listed(connection: AsyncConnection, cti: bytes) -> set[str]:
    """Endpoints of a transfer's list. A list that names devices by certificate only is known once it is accepted."""
    chunks = [DeviceUpdateInfo.decode(one.body) for one in await store.find_documents(connection, cti, Kind.DEVICES)]
    return set(await listed_devices(connection, chunks))


def _transfer_device(device: Device, transfer: Transfer, now: int) -> View:
    book = device.book
    common = {
        "endpoint": device.endpoint,
        "fingerprint": device.fingerprint.hex(),
        "book": book_status(book, now),
        "owned": book.tenure is not None,
        "state": _name(State, device.state),
        "result": _name(Result, device.result),
        "duties": [type(duty).__name__ for duty in duties(book, now)],
    }
    cti = transfer.transfer_id
    return {**common, **(_given(book, cti) if transfer.outgoing else _received(book, cti))}


def _given(book: BookEntry, cti: bytes) -> View:
    """The old provider's side: offers, and how they ended."""
    offers = [(tenure, offer) for tenure in book.tenures for offer in tenure.offers if offer.transfer_id == cti]
    departure = _departure(book, cti)
    fell_back = [(tenure, one) for tenure in book.tenures for one in tenure.fell_back if one.transfer_id == cti]
    return {
        "seqs": [tenure.seq(offer) for tenure, offer in offers],
        "offers": [
            {
                "seq": tenure.seq(offer),
                "delivery": offer.delivery.name.lower(),
                "result": offer.result.name.lower(),
                "not_before": offer.not_before,
                "not_after": offer.not_after,
                "cancel": offer.cancel,
                "settled": offer.settled,
            }
            for tenure, offer in offers
        ],
        "fell_back": [
            {"seq": tenure.epoch * 65536 + one.n, "attempt_key": one.attempt_key.hex(), "released": one.released}
            for tenure, one in fell_back
        ],
        "committed": departure is not None and departure.departure is not None,
        "revoked": departure is not None and departure.departure is not None and departure.departure.revoked,
    }


def _departure(book: BookEntry, cti: bytes) -> Tenure | None:
    ended = (tenure for tenure in book.tenures if tenure.departure and tenure.departure.transfer_id == cti)
    return next(ended, None)


def _received(book: BookEntry, cti: bytes) -> View:
    """The new provider's side: attempt keys, the commit, releases."""
    arrivals = [tenure.arrival for tenure in book.tenures if tenure.arrival and tenure.arrival.transfer_id == cti]
    arrival = arrivals[0] if arrivals else None
    return {
        "expected": any(known.transfer_id == cti for known in book.awaited),
        "provisional": [key.hex() for key in book.provisional],
        "committed": arrival is not None,
        "seqs": [] if arrival is None else [arrival.seq],
        "attempt_key": None if arrival is None else arrival.attempt_key.hex(),
        "receipt_acknowledged": arrival is not None and arrival.receipted,
        "released": [
            {"attempt_key": known.key.hex(), "revoked": known.revoked}
            for known in book.released
            if known.transfer_id == cti
        ],
    }


def _name(numbers: type[State] | type[Result], value: int | None) -> str | None:
    if value is None:
        return None
    try:
        return numbers(value).name.lower()
    except ValueError:
        return str(value)
