"""What a device that arrived has signed, against what its transfer's template says (security rule 19)."""

from __future__ import annotations

from cryptography import x509
from sqlalchemy.ext.asyncio import AsyncConnection

from device_pki.keys import public_key
from lwm2m_server.store import transfers as store
from lwm2m_server.store.fleet import Device
from lwm2m_server.store.transfers import Kind
from trust_transfer.messages.report import TransferReport
from trust_transfer.messages.template import TransferTemplate
from trust_transfer.provider.comparison import deviations


async def arrival_deviations(
    connection: AsyncConnection, device: Device, cti: bytes, permanent_anchor: bytes
) -> tuple[str, ...]:
    """In words, each thing of the committed report of this transfer that is not as agreed; empty without a report.

    `permanent_anchor`: fingerprint of the anchor every device keeps.
    """
    arrivals = [tenure.arrival for tenure in device.book.tenures if tenure.arrival]
    arrival = next((one for one in arrivals if one.transfer_id == cti), None)
    template = await store.get_document(connection, cti, Kind.TEMPLATE, 0)
    if arrival is None or template is None:
        return ()
    factory_key = public_key(x509.load_der_x509_certificate(device.certificate))
    destination = TransferTemplate.parse(template.body, None).destination
    return deviations(TransferReport.parse(arrival.report, factory_key), destination, permanent_anchor)
