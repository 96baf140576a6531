"""What a provider can show of a transfer: every message byte for byte, the certificates and the public keys.

devices-<chunk>.cbor/.jws   transfer-template.cwt            transfer-message-<endpoint>.cwt
receipts-<n>.cbor/.jws      releases-<n>.cbor/.jws           transfer-report-<endpoint>.cwt
bag-<n>.cbor                manifest-<digest>.suit           *.der certificates, *.pem public keys
"""

from __future__ import annotations

import io
import re
import tarfile
from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING, Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from sqlalchemy.ext.asyncio import AsyncConnection

from lwm2m_server.fleet.errors import Unknown
from lwm2m_server.fleet.manifests import manifest_of
from lwm2m_server.fleet.partners import PartnerProfile
from lwm2m_server.provider_keys import KeyRole
from lwm2m_server.server.firmware.images import Images
from lwm2m_server.store import fleet as fleet_store
from lwm2m_server.store import partners as partner_store
from lwm2m_server.store import transfers as store
from lwm2m_server.store.fleet import Device
from lwm2m_server.store.transfers import Document, Kind, Message, Transfer
from trust_transfer.messages.device_update_info import DeviceUpdateInfo

if TYPE_CHECKING:
    from lwm2m_server.fleet.provider import ServiceProvider

_UNSAFE: Final = re.compile(r"[^A-Za-z0-9._:-]")
_ROLES: Final = (KeyRole.TRANSFER, KeyRole.DOCUMENT, KeyRole.FIRMWARE)

File = tuple[str, bytes]


def safe_name(text: str) -> str:
    """A device's name as part of a file name: what could be a path or a hidden file is replaced (security rule 33)."""
    return _UNSAFE.sub("_", text).lstrip(".") or "_"


async def evidence_archive(provider: ServiceProvider, cti: bytes) -> bytes:
    """All files as one tar archive."""
    async with provider.database.reading() as connection:
        transfer = await store.get_transfer(connection, cti)
        if transfer is None:
            raise Unknown(f"transfer {cti.hex()}")
        files = dict([file async for file in _stored_files(connection, transfer, provider.firmware.images)])
        profile = await partner_store.get(connection, transfer.partner)
    files |= dict(_own_files(provider)) | dict(_partner_files(profile))
    return _archive(files)


def _archive(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name in sorted(files):
            entry = tarfile.TarInfo(name)
            entry.size = len(files[name])
            entry.mode = 0o644
            archive.addfile(entry, io.BytesIO(files[name]))
    return buffer.getvalue()


async def _stored_files(connection: AsyncConnection, transfer: Transfer, images: Images) -> AsyncIterator[File]:
    documents = await store.find_documents(connection, transfer.transfer_id)
    for document in documents:
        for file in _document_files(document):
            yield file
    messages = await store.find_messages(connection, transfer_id=transfer.transfer_id)
    for file in _message_files(messages):
        yield file
    chunks = [DeviceUpdateInfo.decode(document.body) for document in documents if document.kind is Kind.DEVICES]
    for entry in (entry for chunk in chunks for entry in chunk.entries):
        device = await fleet_store.device_of(connection, entry.fingerprint or b"")
        if device is not None:
            for file in _device_files(device, transfer.transfer_id):
                yield file
    for digest in {transfer.agreed_state, transfer.update_first} - {None}:
        manifest = await manifest_of(connection, digest or b"")
        if manifest is not None:
            yield f"manifest-{manifest.digest.hex()[:16]}.suit", images.read(manifest)


def _document_files(document: Document) -> Iterator[File]:
    match document.kind:
        case Kind.TEMPLATE:
            yield "transfer-template.cwt", document.body
        case Kind.BAG:
            yield f"bag-{document.number}.cbor", document.body
        case kind:
            yield f"{kind}-{document.number}.cbor", document.body
            yield f"{kind}-{document.number}.jws", (document.jws or "").encode()


def _message_files(messages: list[Message]) -> Iterator[File]:
    """The last message of each device under its plain name, earlier ones with their seq."""
    last = {message.endpoint: message.seq for message in messages}
    for message in messages:
        suffix = "" if message.seq == last[message.endpoint] else f"-{message.seq}"
        yield f"transfer-message-{safe_name(message.endpoint)}{suffix}.cwt", message.body


def _device_files(device: Device, cti: bytes) -> Iterator[File]:
    name = safe_name(device.endpoint)
    yield f"factory-{name}.der", device.certificate
    reports = [
        found.report
        for tenure in device.book.tenures
        for found in (*tenure.fell_back, tenure.arrival, tenure.departure)
        if found is not None and found.transfer_id == cti
    ]
    reports += [known.report for known in device.book.released if known.transfer_id == cti]
    for number, report in enumerate(reversed(reports)):
        yield f"transfer-report-{name}{'' if number == 0 else f'-{number}'}.cwt", report


def _own_files(provider: ServiceProvider) -> Iterator[File]:
    for role in _ROLES:
        certificate = getattr(provider.keys, role.value).certificate
        yield from _certificate_files(f"{provider.settings.name}-{role}", certificate)


def _partner_files(profile: PartnerProfile) -> Iterator[File]:
    for role in _ROLES:
        yield from _certificate_files(f"{profile.name}-{role}", getattr(profile, f"{role}_certificate"))


def _certificate_files(name: str, certificate: x509.Certificate) -> Iterator[File]:
    yield f"{safe_name(name)}.der", certificate.public_bytes(Encoding.DER)
    key = certificate.public_key()
    yield f"{safe_name(name)}.pem", key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
