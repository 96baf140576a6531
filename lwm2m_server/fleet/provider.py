"""A service provider put together: the store, the services on it, and what wakes what."""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx
from cryptography import x509

from device_pki.directory import CertificateDirectory
from device_pki.fingerprints import fingerprint
from device_pki.path import PathError, verify_path
from device_pki.roles import Role
from enrollment.ca_client import CaClient
from lwm2m_server.api.mutual_tls import pin, pinned_client, pinned_client_context
from lwm2m_server.clock import Clock
from lwm2m_server.fleet.acceptance import Acceptance
from lwm2m_server.fleet.admission import BookAdmission
from lwm2m_server.fleet.books import Books
from lwm2m_server.fleet.ca_work import CaWork
from lwm2m_server.fleet.device_lists import DeviceLists
from lwm2m_server.fleet.device_work import DeviceWork
from lwm2m_server.fleet.errors import Contradiction
from lwm2m_server.fleet.inbox import Inbox
from lwm2m_server.fleet.inventory import Inventory
from lwm2m_server.fleet.manifest_registry import ManifestRegistry
from lwm2m_server.fleet.offer_delivery import OfferDelivery
from lwm2m_server.fleet.offers import Offers
from lwm2m_server.fleet.outbox import Outbox
from lwm2m_server.fleet.partners import NamedAnchor, PartnerProfile
from lwm2m_server.fleet.suit_reports import SuitReports
from lwm2m_server.fleet.trust import DeviceTrust
from lwm2m_server.known_certificates import remember_stored
from lwm2m_server.protocol.registration_limits import RegistrationLimits
from lwm2m_server.provider_keys import Credential, KeyRole, ProviderKeys, certificate_path, key_path, read_chain
from lwm2m_server.server.events import Registered, Updated
from lwm2m_server.server.firmware.service import Firmware
from lwm2m_server.server.revocation import DeviceRevocation
from lwm2m_server.server.server import Lwm2mServer
from lwm2m_server.server.workers import Workers
from lwm2m_server.settings import SpSettings
from lwm2m_server.store import fleet as fleet_store
from lwm2m_server.store import partners as partner_store
from lwm2m_server.store.database import Database
from secure_coap.association import Transport
from secure_coap.numbers.parameters import TransmissionParameters
from trust_transfer.messages.numbers import AnchorRole

CA_KEY = "ca"
"""The one key of the CA worker."""
FIRMWARE = "firmware"
"""The folder of images."""


@dataclass(frozen=True, slots=True)
class OwnAnchors:
    """The CA certificates this provider works with."""

    operational: tuple[x509.Certificate, ...]
    permanent: tuple[x509.Certificate, ...]

    @classmethod
    def load(cls, settings: SpSettings) -> OwnAnchors:
        """Read the files the settings name."""
        return cls(_read(settings.operational_anchors), _read(settings.permanent_anchors))

    def named(self, server: Credential, clock: Clock) -> tuple[NamedAnchor, ...]:
        """The operational anchors as templates and profiles name them: they authenticate our EST and LwM2M servers."""
        named = []
        for anchor in self.operational:
            roles = AnchorRole.ENROLL | AnchorRole.UPDATE
            if self._beneath_permanent(anchor, server, clock):
                roles |= AnchorRole.BENEATH_PERMANENT
            named.append(NamedAnchor(roles, anchor))
        return tuple(named)

    def _beneath_permanent(self, anchor: x509.Certificate, server: Credential, clock: Clock) -> bool:
        """Whether a path from the anchor to the permanent CA can be shown with what our server presents."""
        if anchor in self.permanent:
            return False
        above = [certificate for certificate in server.chain[1:] if certificate != anchor]
        try:
            verify_path(anchor, above, anchors=self.permanent, role=Role.CA, now=clock.datetime())
        except PathError:
            return False
        return True


def _read(paths: Sequence[Path]) -> tuple[x509.Certificate, ...]:
    return tuple(certificate for path in paths for certificate in read_chain(path))


class ServiceProvider:
    """Everything between the sockets and the store."""

    def __init__(self, settings: SpSettings, keys: ProviderKeys, database: Database, clock: Clock) -> None:
        self.settings = settings
        self.keys = keys
        self.database = database
        self.clock = clock
        self.factory_certificates = CertificateDirectory()
        """Of every device in the book: EDHOC's references to them are found here."""
        self.anchors = OwnAnchors.load(settings)
        self.named_anchors = self.anchors.named(keys.dtls, clock)
        self.partner_tls: ssl.SSLContext | None = None
        self._partner_names: frozenset[str] = frozenset()
        self._windows_seen = clock.seconds()
        self._clients: dict[str, tuple[bytes, httpx.AsyncClient]] = {}
        https = certificate_path(settings.data, KeyRole.HTTPS), key_path(settings.data, KeyRole.HTTPS)
        self._https = https
        self.ca = CaClient(settings.ca.api, pinned_client_context(*https, read_chain(settings.ca.certificate)[0]))
        self._assemble()

    def _assemble(self) -> None:
        settings, database, clock = self.settings, self.database, self.clock
        self.revocation = DeviceRevocation(
            self.anchors.operational,
            clock,
            points={settings.ca.crl_distribution_point} - {""},
            responders=dict.fromkeys(self.anchors.operational, settings.ca.ocsp) if settings.ca.ocsp else None,
        )
        self.trust = DeviceTrust(self.revocation, self.anchors.permanent, settings.data / "crls.cbor", clock)
        self.server = Lwm2mServer(
            database,
            admission=BookAdmission(database, self.trust, clock, backdate=settings.ca.backdate),
            ready=self.trust.ready,
            limits=RegistrationLimits(**settings.registration.model_dump()),
            clock=clock,
            parameters=TransmissionParameters(
                ack_timeout=settings.coap.ack_timeout, max_retransmit=settings.coap.max_retransmit
            ),
            queue=settings.queue,
        )
        self.firmware = Firmware(self.server, settings.data / FIRMWARE, settings.firmware, wake=self._wake_device)
        self.books = Books(database, clock)
        self.device_work = DeviceWork(
            database,
            self.books,
            server=self.server,
            offers=OfferDelivery(database, self.books),
            firmware=self.firmware,
            reports=SuitReports(database, clock),
            clock=clock,
            permanent_anchor=self.permanent_anchor,
            on_book_changed=self.wake_duties,
        )
        self.device_workers = Workers(self.device_work.run, settings.retry_max)
        self.outbox = Outbox(database, self.keys.document, self._client_for, clock, batch_delay=settings.batch_delay)
        self.partner_workers = Workers(self.outbox.run, settings.retry_max)
        ca_work = CaWork(database, self.books, self.ca, self.trust, label=settings.ca.label, clock=clock)
        self.ca_work = ca_work
        self.ca_workers = Workers(ca_work.run, settings.retry_max)
        for event in (Registered, Updated):
            self.server.events.on(event, lambda heard: self.device_workers.wake(heard.endpoint))
        self.inbox = Inbox(database, settings, clock, self.wake_duties)
        authority = self.keys.firmware.private_key.public_key()
        self.manifests = ManifestRegistry(database, self.firmware.images, [authority])
        self.inventory = Inventory(
            database,
            settings,
            ca=self.ca,
            permanent=self.anchors.permanent,
            known=self.factory_certificates,
            clock=clock,
        )
        self.device_lists = DeviceLists(database, self.keys.document, clock, self.partner_workers.wake)
        self.acceptance = Acceptance(
            database,
            settings,
            self.keys,
            ca=self.ca,
            anchors=self.named_anchors,
            permanent=self.anchors.permanent,
            known=self.factory_certificates,
            clock=clock,
            wake_partner=self.partner_workers.wake,
        )
        self.offers = Offers(
            database,
            self.keys.transfer.private_key,
            self._uri_for,
            clock=clock,
            wake_device=self.device_workers.wake,
        )

    @property
    def permanent_anchor(self) -> bytes:
        """Fingerprint of the permanent CA's certificate, which every device keeps."""
        return fingerprint(self.anchors.permanent[0])

    def _uri_for(self, endpoint: str) -> str:
        """Where a device comes back to: over what it registered with last."""
        registration = self.server.registrations.get(endpoint)
        by_oscore = registration is not None and registration.transport is Transport.OSCORE
        return self.settings.oscore_uri if by_oscore and self.settings.oscore_uri else self.settings.public_uri

    def _client_for(self, profile: PartnerProfile) -> httpx.AsyncClient:
        """One client per partner; a replaced certificate makes a new one."""
        pinned = fingerprint(profile.https_certificate)
        known = self._clients.get(profile.name)
        if known is not None and known[0] == pinned and str(known[1].base_url).rstrip("/") == profile.uri:
            return known[1]
        client = pinned_client(*self._https, profile.https_certificate, base_url=profile.uri)
        self._clients[profile.name] = (pinned, client)
        return client

    def _wake_device(self, endpoint: str) -> None:
        self.device_workers.wake(endpoint)

    def wake_duties(self) -> None:
        """A book has changed: its duties may concern the CA and any partner."""
        self.ca_workers.wake(CA_KEY)
        for name in self._partner_names:
            self.partner_workers.wake(name)

    async def reload_partners(self) -> list[PartnerProfile]:
        """Read the partners from the store, after one was added."""
        async with self.database.reading() as connection:
            profiles = await partner_store.everyone(connection)
        self._partner_names = frozenset(profile.name for profile in profiles)
        return profiles

    async def add_partner(self, profile: PartnerProfile) -> None:
        """Store a partner and let it in from now on."""
        async with self.database.transaction() as connection:
            same = await partner_store.by_https(connection, fingerprint(profile.https_certificate))
            if same is not None and same.name != profile.name:
                raise Contradiction(f"{same.name} has the same TLS certificate; each partner has its own")
            if self.partner_tls is not None:
                pin(self.partner_tls, profile.https_certificate)
            await partner_store.put(connection, profile)
        await self.reload_partners()
        self.partner_workers.wake(profile.name)

    async def resume(self) -> None:
        """After a start: everything the store says is still to be done is taken up again."""
        await self.reload_partners()
        self.trust.load()
        self.wake_duties()

    async def know_devices(self) -> None:
        """Have every device's factory certificate at hand for EDHOC."""
        async with self.database.reading() as connection:
            await remember_stored(self.factory_certificates, fleet_store.factory_certificates(connection))

    async def wake_windows(self) -> None:
        """Look after connected devices whose window has begun (a start is due) or ended (a Cancel is, rule 7).

        Devices that are not connected are looked after when they appear, so nothing needs to be known from before.
        """
        now = self.clock.seconds()
        async with self.database.reading() as connection:
            concerned = await fleet_store.endpoints_at_window(connection, self._windows_seen, now)
        self._windows_seen = now
        for endpoint in concerned:
            if self.server.sessions.is_online(endpoint):
                self.device_workers.wake(endpoint)

    async def close(self) -> None:
        """Stop all work; nothing is lost, it is resumed at the next start."""
        for workers in (self.device_workers, self.partner_workers, self.ca_workers):
            await workers.close()
        await self.ca.close()
        await self.revocation.ocsp.close()
        for _, client in self._clients.values():
            await client.aclose()
