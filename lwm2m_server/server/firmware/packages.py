"""What a device is sent of an image: all of it, or a SUIT envelope without the payloads the device has already.

Integrated payloads are no part of what is signed, so an envelope is as authentic without them. What a device has is
known from the reports it has signed and from what it was brought; one that lacks it after all is sent everything.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Final

from lwm2m_server.protocol.firmware import Update
from lwm2m_server.server.firmware.errors import UnknownFirmware
from lwm2m_server.server.firmware.images import Images
from lwm2m_server.store import suit as store
from lwm2m_server.store.database import Database
from lwm2m_server.store.images import Image, Kind
from suit.digest import Digest
from suit.envelope import Envelope, assemble, parse_envelope
from suit.errors import SuitError
from suit.numbers import DigestAlgorithm
from suit.payloads import named_payloads, payloads_without_texts

WORTH: Final = 64
"""Bytes of the smallest payload that is left out."""
DELIVERIES: Final = 4
"""The latest manifests of a device that count as still on it."""
_REMEMBERED: Final = 64
"""Manifests whose payloads are remembered."""


@dataclass(frozen=True, slots=True)
class Package:
    """The bytes a device is sent; `left_out`: the URIs of the payloads that are not among them."""

    image: Image
    left_out: tuple[str, ...]
    body: bytes
    sha256: bytes


@dataclass(frozen=True, slots=True)
class _Contents:
    """`integrated`: what of an envelope is worth leaving out, where the manifest names its digest; `texts`: whether
    dependencies in it carry texts for people, which are never sent."""

    integrated: Mapping[str, Digest]
    texts: bool


@dataclass(slots=True)
class _Held:
    package: Package
    holders: int = 0


class Packages:
    """The packages of all devices; those with the same payloads left out share their bytes."""

    def __init__(self, database: Database, images: Images) -> None:
        self._database = database
        self._images = images
        self._held: dict[tuple[bytes, tuple[str, ...]], _Held] = {}
        self._known_contents: OrderedDict[bytes, _Contents] = OrderedDict()

    async def decide(self, update: Update) -> Update:
        """The update with what is left out for this device. Raises OSError, `UnknownFirmware`."""
        image = await self._images.get(update.order.digest)
        left_out: tuple[str, ...] = ()
        if image.kind is Kind.SUIT and not update.whole and (integrated := self._contents(image).integrated):
            known = await self._known(update.order.endpoint)
            left_out = tuple(sorted(uri for uri, digest in integrated.items() if digest in known))
        with self.holding(image, left_out) as package:
            size = len(package.body)
        return replace(update, left_out=left_out, size=size, saved=image.size - size)

    async def _known(self, endpoint: str) -> set[Digest]:
        """What the device has: what it has measured and signed, and what the manifests it was brought name."""
        async with self._database.reading() as connection:
            known = await store.measured(connection, endpoint, DELIVERIES)
            delivered = await store.delivered(connection, endpoint, DELIVERIES)
        for digest in delivered:
            known.add(Digest(DigestAlgorithm.SHA_256, digest))
            try:
                manifest = await self._images.get(digest)
            except UnknownFirmware:
                continue
            known |= set(self._contents(manifest).integrated.values())
        return known

    def _contents(self, image: Image) -> _Contents:
        found = self._known_contents.get(image.digest)
        if found is None:
            raw = self._images.read(image)
            found = self._known_contents[image.digest] = _contents_of(parse_envelope(raw, len(raw)))
        self._known_contents.move_to_end(image.digest)
        while len(self._known_contents) > _REMEMBERED:
            self._known_contents.popitem(last=False)
        return found

    # --- bytes ---

    @contextmanager
    def holding(self, image: Image, left_out: tuple[str, ...]) -> Iterator[Package]:
        """The package, one buffer for all who hold it at the same time. Raises OSError."""
        package = self.hold(image, left_out)
        try:
            yield package
        finally:
            self.release(package)

    def hold(self, image: Image, left_out: tuple[str, ...]) -> Package:
        """Like `holding`, until `release`."""
        key = image.digest, left_out
        held = self._held.get(key)
        if held is None:
            held = self._held[key] = _Held(self._make(image, left_out))
        held.holders += 1
        return held.package

    def release(self, package: Package) -> None:
        """Give back what `hold` gave; the last one frees the memory."""
        key = package.image.digest, package.left_out
        held = self._held[key]
        held.holders -= 1
        if not held.holders:
            del self._held[key]
            if package.sha256 == package.image.sha256:
                self._images.release(package.image)

    def _make(self, image: Image, left_out: tuple[str, ...]) -> Package:
        if not left_out and not (image.kind is Kind.SUIT and self._contents(image).texts):
            return Package(image, (), self._images.hold(image), image.sha256)
        raw = self._images.read(image)
        envelope = parse_envelope(raw, len(raw))
        members = envelope.members | payloads_without_texts(envelope)
        for uri in left_out:
            del members[uri]
        body = assemble(envelope.manifest_bytes, envelope.digest, list(envelope.signatures), members)
        return Package(image, left_out, body, hashlib.sha256(body).digest())


def _contents_of(envelope: Envelope) -> _Contents:
    try:
        named, texts = named_payloads(envelope), bool(payloads_without_texts(envelope))
    except SuitError:  # a section or dependency that is none: it is the device that says so
        return _Contents({}, texts=False)
    large = (uri for uri, payload in envelope.payloads.items() if len(payload) >= WORTH)
    return _Contents({uri: digest for uri in large if (digest := named.get(uri)) is not None}, texts)
