"""The registry of manifests: immutable, each by its digest, with who signed it and what it is about."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cose.keys import PublicKey, thumbprint
from lwm2m_server.fleet.errors import Rejected, Unknown
from lwm2m_server.fleet.manifests import manifest_of
from lwm2m_server.provider_keys import KeyRole
from lwm2m_server.server.firmware.images import Images
from lwm2m_server.store import suit as store
from lwm2m_server.store import transfers as transfer_store
from lwm2m_server.store.database import Database
from lwm2m_server.store.images import Image, Kind
from lwm2m_server.store.suit import Signed, StoredReport
from suit.commands import decode_sequence, uris
from suit.digest import Digest
from suit.envelope import Envelope, VerifiedEnvelope, including, parse_envelope, without
from suit.errors import SuitError
from suit.manifest import SEVERABLE_SEQUENCES, Manifest
from suit.numbers import DigestAlgorithm, ManifestKey


@dataclass(frozen=True, slots=True)
class Payload:
    """A payload a manifest names. `size` in bytes of one in the envelope, None for one that is fetched."""

    uri: str
    size: int | None


@dataclass(frozen=True, slots=True)
class Registered:
    """A manifest with all that is known of it. `signed` is None for one added before that was kept."""

    image: Image
    signed: Signed | None
    manifest: Manifest
    payloads: tuple[Payload, ...]
    severed: tuple[ManifestKey, ...]
    reports: tuple[StoredReport, ...]


class ManifestRegistry:
    """Adds and shows manifests; they are removed as images are. `authorities`: the keys whose manifests are taken."""

    def __init__(self, database: Database, images: Images, authorities: Sequence[PublicKey]) -> None:
        self._database = database
        self._images = images
        self._authorities = authorities

    async def add(self, raw: bytes) -> Image:
        """Keep an envelope that an authority has signed; the same manifest again changes nothing. Raises `Rejected`.

        Texts for people are kept beside what devices are sent.
        """
        key, envelope = self._verified(raw)
        digest = envelope.digest
        if digest.alg != DigestAlgorithm.SHA_256:
            raise Rejected("manifests are named by their SHA-256 digest", "suit")
        sent = without(envelope, {ManifestKey.TEXT})
        image = await self._images.add_suit(sent, digest.digest, envelope.sequence_number)
        async with self._database.transaction() as connection:
            texts = envelope.severed.get(ManifestKey.TEXT)
            await store.add_signed(connection, Signed(digest.digest, thumbprint(key), KeyRole.FIRMWARE.value, texts))
        return image

    def _verified(self, raw: bytes) -> tuple[PublicKey, VerifiedEnvelope]:
        """Whose it is, and the envelope. Raises `Rejected` with what the last authority's key found wrong."""
        reason = "no key is named whose manifests are taken; set firmware_authorities"
        try:
            envelope = parse_envelope(raw)
        except SuitError as error:
            raise Rejected(str(error), "suit") from error
        for key in self._authorities:
            try:
                return key, envelope.verify(key).decoded()
            except SuitError as error:
                reason = str(error)
        raise Rejected(reason, "suit")

    async def get(self, digest: bytes) -> Registered:
        """A manifest. Raises `UnknownFirmware`, `Unknown` for an image that is none."""
        image = await self._images.get(digest)
        if image.kind is not Kind.SUIT:
            raise Unknown("a manifest of this digest; it is an image of another kind")
        async with self._database.reading() as connection:
            signed = await store.signed(connection, digest)
            reports = await store.reports(connection, digest=digest)
        raw = self._whole(image, signed)
        envelope = parse_envelope(raw, len(raw))
        return Registered(
            image, signed, envelope.manifest, _payloads(envelope), tuple(sorted(envelope.severed)), tuple(reports)
        )

    async def handed_over(self, cti: bytes, digest: bytes, partner: str) -> bytes:
        """The envelope of the manifest this provider has named to a partner in a transfer's device list.

        Raises `Unknown` for every other manifest, transfer and partner alike.
        """
        async with self._database.reading() as connection:
            transfer = await transfer_store.get_transfer(connection, cti)
            given = transfer is not None and transfer.outgoing and transfer.partner == partner
            named = given and transfer is not None and transfer.agreed_state == digest
            image = await manifest_of(connection, digest) if named else None
            signed = await store.signed(connection, digest)
        if image is None:
            raise Unknown("this manifest")
        return self._whole(image, signed)

    def _whole(self, image: Image, signed: Signed | None) -> bytes:
        """The envelope as it was added, byte for byte: encodings are deterministic."""
        sent = self._images.read(image)
        if signed is None or signed.texts is None:
            return sent
        return including(parse_envelope(sent, len(sent)), {ManifestKey.TEXT: signed.texts})


def _payloads(envelope: Envelope) -> tuple[Payload, ...]:
    """What lies in the envelope, and what its sequences name."""
    manifest = envelope.manifest
    sequences = [sequence for sequence in manifest.sequences.values() if not isinstance(sequence, Digest)]
    severed = [key for key in SEVERABLE_SEQUENCES if key in envelope.severed]
    sequences += [decode_sequence(envelope.severed[key], key.name) for key in severed]
    named = {uri: Payload(uri, len(payload)) for uri, payload in envelope.payloads.items()}
    for uri in sorted(uris(manifest.shared, *sequences)):
        named.setdefault(uri, Payload(uri, None))
    return tuple(named.values())
