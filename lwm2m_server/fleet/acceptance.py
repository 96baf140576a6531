"""The new provider's step: register the listed devices with the own CA, expect them, sign the template (step 6)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import structlog
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from sqlalchemy.ext.asyncio import AsyncConnection

from cose.keys import authority_key
from cose.numbers import Algorithm
from device_pki.directory import CertificateDirectory
from device_pki.fingerprints import fingerprint
from device_pki.names import endpoint_name
from device_pki.path import PathError, verify_path
from device_pki.roles import Role
from enrollment.ca_client import CaClient
from lwm2m_server.clock import Clock
from lwm2m_server.fleet.books import change_book
from lwm2m_server.fleet.ca_registration import CaPlace, register_certificates
from lwm2m_server.fleet.ca_work import transfer_label
from lwm2m_server.fleet.errors import Contradiction, Rejected, Unknown
from lwm2m_server.fleet.factory_certificates import by_fingerprint, certificate_of
from lwm2m_server.fleet.manifests import manifest_of
from lwm2m_server.fleet.partners import NamedAnchor, PartnerProfile
from lwm2m_server.fleet.profiles import Profile
from lwm2m_server.fleet.transfer_lookup import complete_list, find_transfer
from lwm2m_server.known_certificates import remember
from lwm2m_server.provider_keys import ProviderKeys
from lwm2m_server.settings import SpSettings
from lwm2m_server.store import fleet as fleet_store
from lwm2m_server.store import partners as partner_store
from lwm2m_server.store import transfers as store
from lwm2m_server.store.database import Database
from lwm2m_server.store.fleet import Device
from lwm2m_server.store.transfers import Document, Kind, Transfer
from trust_transfer.messages.device_update_info import (
    DeviceUpdateInfo,
)
from trust_transfer.messages.errors import MessageError
from trust_transfer.messages.template import TransferTemplate
from trust_transfer.messages.values import Authorities, Destination, EnrollmentProfile, SuitDigest
from trust_transfer.provider import new
from trust_transfer.provider.book import BookEntry, BookError

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _Place:
    """Where devices go by the profile that was chosen."""

    profile: EnrollmentProfile
    enroll_uri: str
    update_uri: str
    pinned_key: bytes | None


class Acceptance:
    """Accepts transfers that partners have announced. `wake_partner` hears of a template that is to be sent."""

    def __init__(
        self,
        database: Database,
        settings: SpSettings,
        keys: ProviderKeys,
        *,
        ca: CaClient,
        anchors: Sequence[NamedAnchor],
        permanent: Sequence[x509.Certificate],
        known: CertificateDirectory,
        clock: Clock,
        wake_partner: Callable[[str], None],
    ) -> None:
        self._database = database
        self._settings = settings
        self._keys = keys
        self._ca = ca
        self._anchors = tuple(anchors)
        self._permanent = tuple(permanent)
        self._known = known
        self._clock = clock
        self._wake_partner = wake_partner

    async def accept(self, cti: bytes, *, update_first: bytes | None = None, profile: Profile = Profile.DTLS) -> None:
        """Register the listed devices with the own CA, expect them, sign the template and have it sent.

        `profile`: how they enroll and register here.
        """
        async with self._database.reading() as connection:
            transfer = await find_transfer(connection, cti, outgoing=False)
            if await _accepted_before(connection, transfer, update_first):
                return
            chunks = await complete_list(connection, cti)
            partner = await partner_store.get(connection, transfer.partner)
            certificates = await self._listed_certificates(connection, cti, chunks)
            if update_first is not None and await manifest_of(connection, update_first) is None:
                raise Unknown("the firmware to update first (add it with `firmware add`)")
        agreed = _agreed_state(chunks, partner)
        label = transfer_label(self._settings.ca.label, cti)
        place = await register_certificates(
            self._ca, self._settings.ca, label, [_der(certificate) for certificate in certificates.values()]
        )
        template = self._template(transfer, chunks, agreed, self._place(place, profile), update_first)
        document = Document(cti, Kind.TEMPLATE, 0, True, template, None, self._clock.seconds(), None)
        async with self._database.transaction() as connection:
            if await _accepted_before(connection, await find_transfer(connection, cti, outgoing=False), update_first):
                return
            for endpoint, certificate in certificates.items():
                await self._expect(connection, transfer, endpoint, certificate, update_first is not None)
            await store.change_transfer(
                connection, cti, label=str(label), agreed_state=agreed, update_first=update_first
            )
            await store.add_document(connection, document)
        await remember(self._known, certificates.values())
        log.info("transfer_accepted", transfer=cti.hex(), partner=transfer.partner, devices=len(certificates))
        self._wake_partner(transfer.partner)

    async def _listed_certificates(
        self, connection: AsyncConnection, cti: bytes, chunks: Sequence[DeviceUpdateInfo]
    ) -> dict[str, x509.Certificate]:
        """The factory certificate of every listed device, by endpoint name; each beneath the permanent anchor."""
        bags = by_fingerprint(bag.body for bag in await store.find_documents(connection, cti, Kind.BAG))
        found: dict[str, x509.Certificate] = {}
        for entry in (entry for chunk in chunks for entry in chunk.entries):
            certificate = certificate_of(entry, bags)
            try:
                verify_path(
                    certificate, (), anchors=self._permanent, role=Role.FACTORY_DEVICE, now=self._clock.datetime()
                )
            except PathError as error:
                raise Rejected(f"the factory certificate of {entry.name}: {error}", "certificate") from error
            name = endpoint_name(certificate)
            if entry.info.endpoint not in {None, name} or name in found:
                raise Rejected(f"the list and the certificate of {name} do not agree", "device_list")
            found[name] = certificate
        return found

    def _template(
        self,
        transfer: Transfer,
        chunks: Sequence[DeviceUpdateInfo],
        agreed: bytes,
        place: _Place,
        update_first: bytes | None,
    ) -> bytes:
        infos = [entry.info for chunk in chunks for entry in chunk.entries]
        keys = Authorities(*_own_authorities(self._keys))
        template = TransferTemplate(
            issuer=self._settings.name,
            audience=transfer.partner,
            not_before=min(info.earliest for info in infos),
            not_after=max(info.latest for info in infos),
            issued_at=self._clock.seconds(),
            transfer_id=transfer.transfer_id,
            destination=Destination(
                enroll_uri=place.enroll_uri,
                update_uri=place.update_uri,
                update_first=update_first is not None,
                ra_uri=None,
                agreed_state=SuitDigest(Algorithm.SHA_256, agreed),
                anchors=tuple(named.anchor for named in self._anchors),
                profile=place.profile,
                authorities=keys,
                pinned_key=place.pinned_key,
            ),
        )
        try:
            return template.sign(self._keys.transfer.private_key)
        except MessageError as error:
            raise Rejected.of(error) from error

    def _place(self, ca: CaPlace, profile: Profile) -> _Place:
        """Raises `Rejected` for a profile that this server or its CA does not serve."""
        own = self._settings.public_uri if profile is Profile.DTLS else self._settings.oscore_uri
        if not own:
            raise Rejected("this server does not serve the compact profile: set oscore_bind and oscore_uri in [sp]")
        return _Place(profile.enrollment, ca.uri(profile), own, ca.pinned_key(profile))

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
            group = f"{transfer.partner}:{transfer.group_name or 'received'}"  # never one of our own groups
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


async def _accepted_before(connection: AsyncConnection, transfer: Transfer, update_first: bytes | None) -> bool:
    """Whether this very order was carried out already; raises `Contradiction` when another one was."""
    if await store.get_document(connection, transfer.transfer_id, Kind.TEMPLATE, 0) is None:
        return False
    if transfer.update_first != update_first:
        named = "no update" if transfer.update_first is None else f"the update {transfer.update_first.hex()}"
        raise Contradiction(f"the transfer was accepted with {named} before enrollment; that cannot be changed")
    return True


def _own_authorities(keys: ProviderKeys) -> tuple[bytes, bytes]:
    """The provider's own transfer and firmware authority keys."""
    transfer, firmware = keys.transfer.private_key.public_key(), keys.firmware.private_key.public_key()
    return authority_key(transfer), authority_key(firmware)


def _agreed_state(chunks: Sequence[DeviceUpdateInfo], profile: PartnerProfile) -> bytes:
    """The agreed state the list names; it has to be one of the partner profile's."""
    for state in (state for chunk in chunks for state in chunk.software_states or ()):
        if state.digest.alg == Algorithm.SHA_256 and state.digest.digest in profile.agreed_states:
            return state.digest.digest
    raise Rejected("the device list names no agreed state of the partner's profile", "agreed_state")


def _der(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.DER)
