"""The provider's own devices and groups, and the manifests it builds: what its operator adds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from cose.keys import PrivateKey
from cose.numbers import Algorithm
from cose.recipients import SealedFor
from device_pki.directory import CertificateDirectory
from device_pki.fingerprints import fingerprint
from device_pki.names import endpoint_name
from device_pki.path import PathError, verify_path
from device_pki.roles import Role
from enrollment.ca_client import CaClient
from lwm2m_server.clock import Clock
from lwm2m_server.fleet.ca_registration import CaPlace, register_certificates
from lwm2m_server.fleet.errors import Contradiction, Rejected, Unknown
from lwm2m_server.fleet.factory_certificates import read_bag
from lwm2m_server.known_certificates import remember
from lwm2m_server.server.firmware.pulls import PATH
from lwm2m_server.settings import SpSettings
from lwm2m_server.store import fleet as store
from lwm2m_server.store.database import Database
from lwm2m_server.store.fleet import Device
from suit.builder import Builder
from suit.encryption import encrypt
from suit.envelope import sign
from suit.manifest import Manifest
from suit.templates import CONFIGURATION_URI, IMAGE, IMAGE_URI
from trust_transfer.provider.book import from_factory

MAX_ADDED: Final = 20_000
"""Certificates in the largest bag an operator adds at once."""


@dataclass(frozen=True, slots=True)
class AddedDevices:
    """What `devices add` did."""

    place: CaPlace
    endpoints: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Build:
    """What a firmware manifest is made of. `configuration` makes it an agreed state.

    `sealed_for`: whom the image is encrypted for; nobody when it is not.
    """

    image: bytes
    sequence_number: int
    vendor_id: bytes
    class_id: bytes
    configuration: bytes | None = None
    sealed_for: tuple[SealedFor, ...] = ()
    cipher: Algorithm = Algorithm.A128CTR


class Inventory:
    """Adds devices. Adding the same again changes nothing."""

    def __init__(
        self,
        database: Database,
        settings: SpSettings,
        *,
        ca: CaClient,
        permanent: Sequence[x509.Certificate],
        known: CertificateDirectory,
        clock: Clock,
    ) -> None:
        self._database = database
        self._settings = settings
        self._ca = ca
        self._permanent = tuple(permanent)
        self._known = known
        self._clock = clock

    async def add_devices(self, bag: bytes, group: str) -> AddedDevices:
        """Take factory certificates into the fleet: registered with the own CA first, then booked as owned."""
        certificates = self._factory_certificates(bag)
        async with self._database.reading() as connection:
            for name, certificate in certificates.items():
                _check_own(await store.device(connection, name), certificate)
        ders = [certificate.public_bytes(Encoding.DER) for certificate in certificates.values()]
        place = await register_certificates(self._ca, self._settings.ca, self._settings.ca.label, ders)
        async with self._database.transaction() as connection:
            await store.add_group(connection, group)
            for name, certificate in certificates.items():
                known = await store.device(connection, name)
                _check_own(known, certificate)
                if known is None:
                    await store.add_device(connection, self._new(name, certificate, group, place.dtls_uri), self._now())
                else:
                    await store.change_device(connection, name, group_name=group)
        await remember(self._known, certificates.values())
        return AddedDevices(place, tuple(certificates))

    def _factory_certificates(self, bag: bytes) -> dict[str, x509.Certificate]:
        found: dict[str, x509.Certificate] = {}
        for certificate in read_bag(bag, MAX_ADDED):
            try:
                verify_path(
                    certificate, (), anchors=self._permanent, role=Role.FACTORY_DEVICE, now=self._clock.datetime()
                )
            except PathError as error:
                raise Rejected(f"a certificate of the bag is no factory certificate: {error}", "bag") from error
            found[endpoint_name(certificate)] = certificate
        return found

    def _new(self, name: str, certificate: x509.Certificate, group: str, ca_uri: str) -> Device:
        book = from_factory(name, fingerprint(certificate), self._now())
        der = certificate.public_bytes(Encoding.DER)
        return Device(name, book.fingerprint, der, group, str(self._settings.ca.label), ca_uri, book)

    async def owned(self, endpoints: Sequence[str] | None, group: str | None) -> list[str]:
        """Those of the named devices, or of a group, that are this provider's now. Raises `Unknown` for none."""
        async with self._database.reading() as connection:
            devices = await store.find_devices(connection, group=group, endpoints=endpoints)
        owned = [device.endpoint for device in devices if device.book.tenure is not None]
        if not owned:
            raise Unknown("an owned device by that name or group")
        return owned

    def _now(self) -> int:
        return self._clock.seconds()


def _check_own(known: Device | None, certificate: x509.Certificate) -> None:
    """Raise `Contradiction` for a device that is not this provider's from the factory on, and still is.

    The label of added devices is closed with the stay that began with them (rule 16): no other device may be in it.
    """
    if known is None:
        return
    if known.fingerprint != fingerprint(certificate):
        raise Contradiction(f"{known.endpoint} is known with another factory certificate")
    if known.book.tenure is None:
        raise Contradiction(f"{known.endpoint} is not owned here; it comes by a transfer, not by being added")
    if known.book.tenures[0].arrival is not None:
        raise Contradiction(f"{known.endpoint} came by a transfer and is registered with the CA already")


def build_envelope(build: Build, key: PrivateKey) -> bytes:
    """Build and sign a manifest: a firmware update, encrypted or not, or with a configuration an agreed state.

    What it installs is in the envelope.
    """
    if build.sealed_for:
        return _encrypted(build, key)
    if build.configuration is None:
        manifest = Manifest.firmware_update(
            sequence_number=build.sequence_number,
            image=build.image,
            vendor_id=build.vendor_id,
            class_id=build.class_id,
        )
        return sign(manifest, key, {IMAGE_URI: build.image})
    manifest = Manifest.reset_to(
        sequence_number=build.sequence_number,
        image=build.image,
        configuration=build.configuration,
        vendor_id=build.vendor_id,
        class_id=build.class_id,
        install_image=True,
    )
    return sign(manifest, key, {IMAGE_URI: build.image, CONFIGURATION_URI: build.configuration})


def build_fetched(build: Build, key: PrivateKey, server: str) -> tuple[bytes, bytes]:
    """A signed firmware update, encrypted or not, and its payload, which lies beside it.

    Devices fetch the payload by its digest from `server` (`coaps://host:port`), which must have it as an image.
    """
    info, payload = encrypt(build.image, build.sealed_for, build.cipher) if build.sealed_for else (None, build.image)
    uri = f"{server.rstrip('/')}/{PATH}/{sha256(payload).hexdigest()}"
    return sign(_update(build, uri, info), key), payload


def _encrypted(build: Build, key: PrivateKey) -> bytes:
    info, ciphertext = encrypt(build.image, build.sealed_for, build.cipher)
    return sign(_update(build, IMAGE_URI, info), key, {IMAGE_URI: ciphertext})


def _update(build: Build, uri: str, encryption_info: bytes | None) -> Manifest:
    made = Builder(build.sequence_number)
    made.for_devices(build.vendor_id, build.class_id)
    component = made.component(*IMAGE)
    made.install(component, build.image, uri=uri, encryption_info=encryption_info)
    made.start(component)
    return made.manifest()
