"""The operator's side of a transfer: prepare, accept, offer, start, cancel (DESIGN, life cycle steps 5-7).

Every order may be repeated: what is done already stays as it is. An order stores what it decides and returns; carrying
it out is the workers' and the outbox's, which read it from the store.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

import httpx
import structlog
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from sqlalchemy.ext.asyncio import AsyncConnection

from cose.keys import authority_key
from cose.numbers import Algorithm
from device_pki.bag import encode_x5bag
from device_pki.certificates import CertificateError, load_certificate
from device_pki.fingerprints import fingerprint
from device_pki.names import endpoint_name
from device_pki.path import PathError, verify_path
from device_pki.roles import Role
from enrollment.ca_client import CaApiError, CaClient
from lwm2m_server.fleet.agreement import DTLS_PROFILE
from lwm2m_server.fleet.books import change_book
from lwm2m_server.fleet.ca_work import transfer_label
from lwm2m_server.fleet.clock import Clock
from lwm2m_server.fleet.errors import Contradiction, FleetError, NotReady, Rejected, Unknown
from lwm2m_server.fleet.inbox import MAX_BAG_ITEMS, certificates_by_fingerprint
from lwm2m_server.fleet.partners import NamedAnchor, PartnerProfile
from lwm2m_server.provider_keys import ProviderKeys
from lwm2m_server.settings import SpSettings
from lwm2m_server.store import firmware as firmware_store
from lwm2m_server.store import fleet as fleet_store
from lwm2m_server.store import partners as partner_store
from lwm2m_server.store import transfers as store
from lwm2m_server.store.database import Database
from lwm2m_server.store.fleet import Device
from lwm2m_server.store.transfers import Document, Kind, Message, Transfer
from trust_transfer.messages.device_update_info import (
    DeviceEntry,
    DeviceInfo,
    DeviceUpdateInfo,
    SoftwareState,
    split,
    transfer_id,
)
from trust_transfer.messages.errors import MessageError
from trust_transfer.messages.jws import sign_detached
from trust_transfer.messages.numbers import CertificateKind, Form, JwsTyp
from trust_transfer.messages.template import TransferTemplate
from trust_transfer.messages.transfer_message import Terms, endorsed_message, plain_message
from trust_transfer.messages.values import Authorities, Destination, SuitDigest, seq_value
from trust_transfer.provider import new, old
from trust_transfer.provider.book import BookEntry, BookError, Offer

log = structlog.get_logger()

MAX_LIST: Final = 4 * 1024 * 1024
"""Bytes of one chunk made here; half of what a partner must read."""
_DAY: Final = 86400


@dataclass(frozen=True, slots=True)
class Window:
    """When a device may switch over; seconds since 1970."""

    earliest: int
    latest: int


@dataclass(frozen=True, slots=True)
class Plan:
    """What an operator orders with `transfer prepare`. `device_windows` replaces the window for some devices."""

    group: str
    partner: str
    agreed_state: bytes
    window: Window
    form: Form = Form.ENDORSED
    device_windows: Mapping[str, Window] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Offered:
    """What `transfer offer` did: seq by device, and why the others got none."""

    seqs: Mapping[str, int]
    skipped: Mapping[str, str]


class Transfers:
    """Carries out the operator's orders. `wake_device` and `wake_partner` hear of new work."""

    def __init__(
        self,
        database: Database,
        settings: SpSettings,
        keys: ProviderKeys,
        *,
        ca: CaClient,
        anchors: Sequence[NamedAnchor],
        permanent: Sequence[x509.Certificate],
        clock: Clock,
        wake_device: Callable[[str], None],
        wake_partner: Callable[[str], None],
    ) -> None:
        self._database = database
        self._settings = settings
        self._keys = keys
        self._ca = ca
        self._anchors = tuple(anchors)
        self._permanent = tuple(permanent)
        self._clock = clock
        self._wake_device = wake_device
        self._wake_partner = wake_partner

    # ---- the old provider: the device list ------------------------------------------------------

    async def prepare(self, plan: Plan) -> bytes:
        """Make and sign the device list of a group and have it sent; returns the transfer id."""
        async with self._database.transaction() as connection:
            profile = await self._check_plan(connection, plan)
            devices = await _transferable(connection, plan)
            entries = tuple(_entry(device, plan) for device in devices)
            known = await _same_list(connection, plan, entries)
            if known is not None:
                return known
            documents = await self._list_documents(connection, plan, entries)
            cti = documents[0].transfer_id
            await store.add_transfer(connection, self._transfer(cti, plan, profile))
            for document in documents:
                await store.add_document(connection, document)
        log.info("transfer_prepared", transfer=cti.hex(), partner=plan.partner, devices=len(devices))
        self._wake_partner(plan.partner)
        return cti

    async def _check_plan(self, connection: AsyncConnection, plan: Plan) -> PartnerProfile:
        profile = await partner_store.find(connection, plan.partner)
        if profile is None:
            raise Unknown(f"partner {plan.partner!r} (add its profile with `partners add`)")
        if plan.agreed_state not in profile.agreed_states:
            raise Rejected("the agreed state is not in the partner's profile: agree on it first", "agreed_state")
        if await firmware_store.get(connection, plan.agreed_state) is None:
            raise Unknown("the agreed state's manifest (add it with `firmware add`)")
        for window in (plan.window, *plan.device_windows.values()):
            if not self._clock.seconds() < window.latest or not window.earliest < window.latest:
                raise Rejected("a window begins before it ends, and ends in the future", "window")
        return profile

    def _transfer(self, cti: bytes, plan: Plan, profile: PartnerProfile) -> Transfer:
        return Transfer(
            transfer_id=cti,
            outgoing=True,
            partner=profile.name,
            group_name=plan.group,
            form=plan.form,
            agreed_state=plan.agreed_state,
            update_first=None,
            label=None,
            created_at=self._clock.seconds(),
        )

    async def _list_documents(
        self, connection: AsyncConnection, plan: Plan, entries: Sequence[DeviceEntry]
    ) -> list[Document]:
        manifest = await firmware_store.get(connection, plan.agreed_state)
        assert manifest is not None, "checked with the plan"
        digest = SuitDigest(Algorithm.SHA_256, plan.agreed_state)
        states = (SoftwareState(digest, sequence_number=manifest.sequence_number),)
        now = self._clock.seconds()
        parts = split(entries, MAX_LIST)
        chunks = [
            DeviceUpdateInfo(part, now, states, None, plan.group, (number, len(parts))).encode()
            for number, part in enumerate(parts)
        ]
        cti, key = transfer_id(chunks), self._keys.document
        documents = []
        for number, chunk in enumerate(chunks):
            jws = sign_detached(chunk, key.private_key, key.certificate, JwsTyp.DEVICES)
            documents.append(Document(cti, Kind.DEVICES, number, True, chunk, jws, now, None))
        return documents

    # ---- the new provider: the template ---------------------------------------------------------

    async def accept(self, cti: bytes, *, update_first: bytes | None = None) -> None:
        """Register the listed devices with the own CA, expect them, sign the template and have it sent."""
        async with self._database.reading() as connection:
            transfer = await _transfer(connection, cti, outgoing=False)
            if await store.get_document(connection, cti, Kind.TEMPLATE, 0) is not None:
                return
            chunks = await _complete_list(connection, cti)
            profile = await partner_store.get(connection, transfer.partner)
            certificates = await self._listed_certificates(connection, cti, chunks)
            if update_first is not None and await firmware_store.get(connection, update_first) is None:
                raise Unknown("the firmware to update first (add it with `firmware add`)")
        agreed = _agreed_state(chunks, profile)
        label = transfer_label(self._settings.ca.label, cti)
        ca_uri = await self._register_with_ca(label, list(certificates.values()))
        template = self._template(transfer, chunks, agreed, ca_uri, update_first)
        document = Document(cti, Kind.TEMPLATE, 0, True, template, None, self._clock.seconds(), None)
        async with self._database.transaction() as connection:
            if await store.get_document(connection, cti, Kind.TEMPLATE, 0) is not None:
                return
            for endpoint, certificate in certificates.items():
                await self._expect(connection, transfer, endpoint, certificate, update_first is not None)
            await store.change_transfer(
                connection, cti, label=str(label), agreed_state=agreed, update_first=update_first
            )
            await store.add_document(connection, document)
        log.info("transfer_accepted", transfer=cti.hex(), partner=transfer.partner, devices=len(certificates))
        self._wake_partner(transfer.partner)

    async def _listed_certificates(
        self, connection: AsyncConnection, cti: bytes, chunks: Sequence[DeviceUpdateInfo]
    ) -> dict[str, x509.Certificate]:
        """The factory certificate of every listed device, by endpoint name; each beneath the permanent anchor."""
        bags = certificates_by_fingerprint(await store.find_documents(connection, cti, Kind.BAG))
        found: dict[str, x509.Certificate] = {}
        for entry in (entry for chunk in chunks for entry in chunk.entries):
            certificate = _certificate(entry, bags)
            try:
                verify_path(
                    certificate, (), anchors=self._permanent, role=Role.FACTORY_DEVICE, now=self._clock.datetime()
                )
            except PathError as error:
                raise Rejected(f"the factory certificate of {entry.info.endpoint}: {error}", "certificate") from error
            name = endpoint_name(certificate)
            if entry.info.endpoint not in {None, name} or name in found:
                raise Rejected(f"the list and the certificate of {name} do not agree", "device_list")
            found[name] = certificate
        return found

    async def _register_with_ca(self, label: UUID, certificates: Sequence[x509.Certificate]) -> str:
        ca_uri = ""
        for start in range(0, len(certificates), MAX_BAG_ITEMS):
            part = certificates[start : start + MAX_BAG_ITEMS]
            ca_uri = (await register_bag(self._ca, label, encode_x5bag([_der(one) for one in part]))).rstrip("/")
        return ca_uri

    def _template(
        self,
        transfer: Transfer,
        chunks: Sequence[DeviceUpdateInfo],
        agreed: bytes,
        ca_uri: str,
        update_first: bytes | None,
    ) -> bytes:
        infos = [entry.info for chunk in chunks for entry in chunk.entries]
        keys = Authorities(*own_authorities(self._keys))
        template = TransferTemplate(
            issuer=self._settings.name,
            audience=transfer.partner,
            not_before=min(info.earliest for info in infos),
            not_after=max(info.latest for info in infos),
            issued_at=self._clock.seconds(),
            transfer_id=transfer.transfer_id,
            destination=Destination(
                enroll_uri=ca_uri,
                update_uri=self._settings.public_uri,
                update_first=update_first is not None,
                ra_uri=None,
                agreed_state=SuitDigest(Algorithm.SHA_256, agreed),
                anchors=tuple(named.anchor for named in self._anchors),
                profile=DTLS_PROFILE,
                authorities=keys,
            ),
        )
        try:
            return template.sign(self._keys.transfer.private_key)
        except MessageError as error:
            raise Rejected.of(error) from error

    async def _expect(
        self,
        connection: AsyncConnection,
        transfer: Transfer,
        endpoint: str,
        certificate: x509.Certificate,
        update_first: bool,
    ) -> None:
        now = self._clock.seconds()
        known = await fleet_store.device(connection, endpoint)
        if known is None:
            group = transfer.group_name or "received"
            await fleet_store.add_group(connection, group)
            book = BookEntry(endpoint, fingerprint(certificate))
            label = str(self._settings.ca.label)
            row = Device(endpoint, book.fingerprint, _der(certificate), group, label, None, book)
            await fleet_store.add_device(connection, row, now)
        elif known.fingerprint != fingerprint(certificate):
            raise Contradiction(f"{endpoint} is known with another factory certificate")
        try:
            await change_book(
                connection, endpoint, lambda book: new.expect(book, transfer.transfer_id, update_first), now
            )
        except BookError as error:
            raise Contradiction(str(error)) from error

    # ---- the old provider: offers ---------------------------------------------------------------

    async def offer(self, cti: bytes) -> Offered:
        """Make, sign and book a TransferMessage for each device that has no open offer of this transfer."""
        async with self._database.transaction() as connection:
            transfer = await _transfer(connection, cti, outgoing=True)
            stored = await store.get_document(connection, cti, Kind.TEMPLATE, 0)
            if stored is None:
                raise NotReady(f"{transfer.partner} has not sent its template: it runs `transfer accept {cti.hex()}`")
            template = TransferTemplate.parse(stored.body, None)
            chunks = await _complete_list(connection, cti)
            seqs, skipped = {}, {}
            for info in (entry.info for chunk in chunks for entry in chunk.entries):
                assert info.endpoint is not None, "lists made here name every device"
                try:
                    seqs[info.endpoint] = await self._offer_one(connection, transfer, template, stored.body, info)
                except (BookError, MessageError, FleetError) as error:
                    skipped[info.endpoint] = str(error)
        for endpoint in seqs:
            self._wake_device(endpoint)
        log.info("transfer_offered", transfer=cti.hex(), offered=len(seqs), skipped=len(skipped))
        return Offered(seqs, skipped)

    async def _offer_one(
        self,
        connection: AsyncConnection,
        transfer: Transfer,
        template: TransferTemplate,
        template_raw: bytes,
        info: DeviceInfo,
    ) -> int:
        assert info.endpoint is not None
        device = await fleet_store.device(connection, info.endpoint)
        if device is None:
            raise Unknown(f"device {info.endpoint!r}")
        tenure = device.book.owned_tenure()
        for standing in tenure.open_offers:
            if standing.transfer_id == transfer.transfer_id:
                return tenure.seq(standing)
            raise Contradiction(f"an offer of transfer {standing.transfer_id.hex()} is open; cancel it first")
        now = self._clock.seconds()
        terms = Terms(
            audience=info.endpoint,
            seq=old.next_seq(device.book),
            fallback_uri=self._settings.public_uri,
            not_before=max(info.earliest, template.not_before),
            not_after=min(info.latest, template.not_after),
            issued_at=now,
        )
        if now >= min(info.latest, template.not_after):
            raise NotReady("the window has passed; prepare a new transfer")
        message = self._message(transfer, template, template_raw, terms)
        await change_book(connection, info.endpoint, _booking(terms, message, transfer, now), now)
        await store.add_message(connection, Message(transfer.transfer_id, info.endpoint, terms.seq, message))
        assert transfer.agreed_state is not None, "every outgoing transfer names one"
        await firmware_store.order_push(
            connection, info.endpoint, transfer.agreed_state, install=False, now=now, again=True
        )
        return terms.seq

    def _message(self, transfer: Transfer, template: TransferTemplate, template_raw: bytes, terms: Terms) -> bytes:
        if transfer.form == Form.ENDORSED:
            return endorsed_message(template_raw, terms, self._keys.transfer.private_key)
        return plain_message(template, terms, self._keys.transfer.private_key)

    async def start(self, cti: bytes, endpoints: Collection[str] | None = None) -> list[str]:
        """Have devices begin as soon as their window is open, without the jitter; returns whom this concerns."""
        concerned = []
        async with self._database.transaction() as connection:
            await _transfer(connection, cti, outgoing=True)
            for device in await _devices_of(connection, cti, endpoints):
                tenure = device.book.tenure
                open_seqs = {tenure.seq(one) for one in _open_offers(device, cti)} if tenure else set()
                for message in await store.find_messages(connection, transfer_id=cti, endpoint=device.endpoint):
                    if message.seq in open_seqs:
                        await store.set_start(connection, message, True)
                        concerned.append(device.endpoint)
        for endpoint in concerned:
            self._wake_device(endpoint)
        return concerned

    async def cancel(self, cti: bytes, endpoints: Collection[str] | None = None) -> list[str]:
        """Take open offers back: Cancel is repeated until the device proves how it ended."""
        concerned = []
        now = self._clock.seconds()
        async with self._database.transaction() as connection:
            await _transfer(connection, cti, outgoing=True)
            for device in await _devices_of(connection, cti, endpoints):
                for standing in _open_offers(device, cti):
                    seq = seq_value(device.book.owned_tenure().epoch, standing.n)
                    await change_book(connection, device.endpoint, _withdrawal(seq), now)
                    concerned.append(device.endpoint)
        for endpoint in concerned:
            self._wake_device(endpoint)
        log.info("transfer_cancelled", transfer=cti.hex(), devices=len(concerned))
        return concerned


# ---- shared pieces ------------------------------------------------------------------------------


async def register_bag(ca: CaClient, label: UUID, bag: bytes) -> str:
    """Register an x5bag with the own CA; returns the CA-URI. All of it or an error."""
    try:
        result = await ca.put_label(label, bag)
    except CaApiError as error:
        raise (NotReady if error.temporary else Rejected)(f"the CA answered {error}") from error
    except httpx.HTTPError as error:
        raise NotReady(f"the CA cannot be reached ({error!r}); try again") from error
    if result.refused:
        first = result.refused[0]
        raise Rejected(
            f"the CA refused {len(result.refused)} certificates; {first.fingerprint.hex()[:16]}…: {first.reason}",
            "refused_by_ca",
        )
    return result.ca_uri


def own_authorities(keys: ProviderKeys) -> tuple[bytes, bytes]:
    """The provider's own transfer and firmware authority keys."""
    transfer, firmware = keys.transfer.private_key.public_key(), keys.firmware.private_key.public_key()
    return authority_key(transfer), authority_key(firmware)


async def _transfer(connection: AsyncConnection, cti: bytes, *, outgoing: bool) -> Transfer:
    transfer = await store.get_transfer(connection, cti)
    if transfer is None:
        raise Unknown(f"transfer {cti.hex()}")
    if transfer.outgoing is not outgoing:
        raise Contradiction(f"transfer {cti.hex()} {'comes from' if outgoing else 'goes to'} {transfer.partner}")
    return transfer


async def _complete_list(connection: AsyncConnection, cti: bytes) -> list[DeviceUpdateInfo]:
    documents = await store.find_documents(connection, cti, Kind.DEVICES)
    chunks = [DeviceUpdateInfo.decode(document.body) for document in documents]
    count = (chunks[0].chunk or (0, 1))[1] if chunks else 1
    if len(chunks) != count:
        raise NotReady(f"{len(chunks)} of {count} chunks of the device list are here; wait for the rest")
    return chunks


async def _transferable(connection: AsyncConnection, plan: Plan) -> list[Device]:
    devices = [device for device in await fleet_store.find_devices(connection, group=plan.group) if device.book.tenure]
    if not devices:
        raise Unknown(f"an owned device in group {plan.group!r}")
    if foreign := plan.device_windows.keys() - {device.endpoint for device in devices}:
        raise Unknown(f"device {min(foreign)!r} in group {plan.group!r}")
    return devices


def _entry(device: Device, plan: Plan) -> DeviceEntry:
    window = plan.device_windows.get(device.endpoint, plan.window)
    tenure = device.book.owned_tenure()
    info = DeviceInfo(
        window.earliest,
        window.latest,
        software=(0,),
        endpoint=device.endpoint,
        seq=seq_value(tenure.epoch, tenure.last_n),
    )
    return DeviceEntry(CertificateKind.X509, device.certificate, info)


async def _same_list(connection: AsyncConnection, plan: Plan, entries: tuple[DeviceEntry, ...]) -> bytes | None:
    """The transfer that was prepared with the very same plan, if there is one."""
    for transfer in await store.all_transfers(connection):
        same = (transfer.outgoing, transfer.partner, transfer.group_name, transfer.form, transfer.agreed_state)
        if same == (True, plan.partner, plan.group, plan.form, plan.agreed_state):
            chunks = await _complete_list(connection, transfer.transfer_id)
            if tuple(entry for chunk in chunks for entry in chunk.entries) == entries:
                return transfer.transfer_id
    return None


def _certificate(entry: DeviceEntry, bags: Mapping[bytes, x509.Certificate]) -> x509.Certificate:
    if entry.kind is CertificateKind.X509:
        try:
            return load_certificate(entry.certificate)
        except CertificateError as error:
            raise Rejected(f"the factory certificate of {entry.info.endpoint}: {error}", "certificate") from error
    if entry.kind is CertificateKind.C509:
        raise Rejected("C509 factory certificates belong to the compact profile", "certificate")
    if entry.certificate not in bags:
        raise NotReady(f"the factory certificate {entry.certificate.hex()[:16]}… is in no bag yet; wait for the bags")
    return bags[entry.certificate]


def _agreed_state(chunks: Sequence[DeviceUpdateInfo], profile: PartnerProfile) -> bytes:
    """The agreed state the list names; it has to be one of the partner profile's."""
    for state in (state for chunk in chunks for state in chunk.software_states or ()):
        if state.digest.alg == Algorithm.SHA_256 and state.digest.digest in profile.agreed_states:
            return state.digest.digest
    raise Rejected("the device list names no agreed state of the partner's profile", "agreed_state")


async def _devices_of(connection: AsyncConnection, cti: bytes, endpoints: Collection[str] | None) -> list[Device]:
    listed = {
        entry.info.endpoint
        for chunk in await _complete_list(connection, cti)
        for entry in chunk.entries
        if entry.info.endpoint is not None
    }
    if endpoints is not None:
        if foreign := set(endpoints) - listed:
            raise Unknown(f"device {min(foreign)!r} in transfer {cti.hex()}")
        listed = set(endpoints)
    return await fleet_store.find_devices(connection, endpoints=listed)


def _open_offers(device: Device, cti: bytes) -> list[Offer]:
    tenure = device.book.tenure
    return [offer for offer in tenure.open_offers if offer.transfer_id == cti] if tenure else []


def _booking(terms: Terms, message: bytes, transfer: Transfer, now: int) -> Callable[[BookEntry], BookEntry]:
    not_before, not_after = terms.not_before, terms.not_after
    assert not_before is not None and not_after is not None

    def book_offer(book: BookEntry) -> BookEntry:
        return old.offer(
            book,
            terms.seq,
            message,
            transfer_id=transfer.transfer_id,
            not_before=not_before,
            not_after=not_after,
            now=now,
        )

    return book_offer


def _withdrawal(seq: int) -> Callable[[BookEntry], BookEntry]:
    return lambda book: old.withdraw(book, seq)


def _der(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.DER)
