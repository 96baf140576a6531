"""The envelope: manifest, signatures over its digest, severed elements, integrated payloads (sections 8.2 and 8.3)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final

from cose import cbor
from suit import authentication, decoding
from suit.authentication import MAX_BLOCKS, Author, Authority
from suit.commands import CommandSequence, decode_sequence, uris
from suit.digest import Digest, of_element
from suit.errors import SuitError, SuitReason
from suit.manifest import SEVERABLE_KEYS, Manifest, parse_manifest
from suit.numbers import EnvelopeKey, ManifestKey, SuitTag

MAX_SIZE: Final = 1 << 16
"""Bytes of an envelope without integrated images."""
MAX_SIZE_WITH_IMAGE: Final = (1 << 20) + MAX_SIZE
"""Bytes of an envelope that carries an image of up to 1 MiB."""
MAX_PAYLOADS: Final = 16
_SEVERABLE: Final = tuple((EnvelopeKey(key), key) for key in SEVERABLE_KEYS)


@dataclass(frozen=True, slots=True)
class Envelope:
    """A parsed envelope. Nothing in it may be believed before `verify`; its manifest is not even parsed before."""

    raw: bytes
    digest: Digest
    signatures: tuple[bytes, ...]
    manifest_bytes: bytes
    severed: Mapping[ManifestKey, bytes]
    payloads: Mapping[str, bytes]

    @property
    def manifest(self) -> Manifest:
        """The manifest. Raises SuitError when it is malformed."""
        return parse_manifest(self.manifest_bytes)

    @property
    def members(self) -> dict[ManifestKey | str, bytes]:
        """What is in it beside manifest and authentication: severed elements and payloads."""
        return dict(self.severed) | dict(self.payloads)

    @property
    def sequence_number(self) -> int:
        """The manifest's sequence number. Raises SuitError when the manifest is malformed."""
        return self.manifest.sequence_number

    def verify(self, authority: Authority) -> VerifiedEnvelope:
        """This envelope as one that `authority` vouches for.

        Raises SuitError: DIGEST when the manifest or a severed element is not the signed one, SIGNATURE when no block
        is the authority's, ALGORITHM for one in an unknown algorithm, and what the manifest's parsing raises.
        """
        if of_element(self.manifest_bytes, self.digest.alg) != self.digest:
            raise SuitError(SuitReason.DIGEST, "manifest")
        authentication.check(self.digest, self.signatures, authority)
        manifest = self.manifest
        _check_severed(self.severed, manifest)
        parts = (self.raw, self.digest, self.signatures, self.manifest_bytes, self.severed, self.payloads)
        return VerifiedEnvelope(*parts, authority, manifest)


@dataclass(frozen=True, slots=True)
class VerifiedEnvelope(Envelope):
    """An envelope whose signature, digest and severed elements were found right; made by `Envelope.verify` only."""

    authority: Authority
    """Who vouched for it."""
    parsed: Manifest

    @property
    def manifest(self) -> Manifest:
        """The manifest."""
        return self.parsed

    def sequence(self, key: ManifestKey) -> CommandSequence:
        """The commands of one section, from the manifest or severed; empty when there are none.

        Raises SuitError SEVERED when the element was severed and is gone.
        """
        found = self.manifest.sequences.get(key, ())
        if not isinstance(found, Digest):
            return found
        if key not in self.severed:
            raise SuitError(SuitReason.SEVERED, key.name)
        return decode_sequence(self.severed[key], key.name)


def parse_envelope(raw: bytes, max_size: int = MAX_SIZE_WITH_IMAGE) -> Envelope:
    """An envelope of at most `max_size` bytes. Raises SuitError: TOO_LARGE, MALFORMED, LIMIT."""
    if len(raw) > max_size:
        raise SuitError(SuitReason.TOO_LARGE, f"{len(raw)} bytes, at most {max_size}")
    item = decoding.decode(raw, "envelope")
    if not isinstance(item, cbor.Tagged) or item.tag != SuitTag.ENVELOPE:
        raise SuitError(SuitReason.MALFORMED, f"an envelope has tag {SuitTag.ENVELOPE.value}")
    fields = decoding.mapping(item.value, "envelope")
    payloads = {key: decoding.octets(value, "payload") for key, value in fields.items() if isinstance(key, str)}
    numbered = {key: value for key, value in fields.items() if not isinstance(key, str)}
    members = decoding.known_keys(numbered, EnvelopeKey, "envelope")
    digest, signatures = _authentication(members.get(EnvelopeKey.AUTHENTICATION_WRAPPER))
    if len(payloads) > MAX_PAYLOADS:
        raise SuitError(SuitReason.LIMIT, f"more than {MAX_PAYLOADS} payloads")
    return Envelope(
        raw=bytes(raw),
        digest=digest,
        signatures=signatures,
        manifest_bytes=decoding.octets(members.get(EnvelopeKey.MANIFEST), "manifest"),
        severed=_severed(members),
        payloads=payloads,
    )


def manifest_in(raw: bytes) -> bytes:
    """The encoded manifest in an envelope. Raises SuitError."""
    return parse_envelope(raw).manifest_bytes


def sign(
    manifest: Manifest,
    author: Author,
    payloads: Mapping[str, bytes] | None = None,
    severed: Mapping[ManifestKey, bytes] | None = None,
) -> bytes:
    """An envelope with `manifest` authenticated by `author`.

    P-256 keys sign with ESP256, Ed25519 keys with Ed25519, shared keys authenticate with HMAC 256.
    `payloads` are integrated under their URIs. Raises SuitError PAYLOAD_MISSING when the manifest refers to a payload
    in the envelope (`#…`) that is not given, DIGEST when a severed element is not the manifest's.
    """
    integrated = dict(payloads or {})
    missing = _integrated_uris(manifest) - integrated.keys()
    if missing:
        raise SuitError(SuitReason.PAYLOAD_MISSING, ", ".join(sorted(missing)))
    if len(integrated) > MAX_PAYLOADS:
        raise SuitError(SuitReason.LIMIT, f"more than {MAX_PAYLOADS} payloads")
    _check_severed(severed or {}, manifest)
    encoded = manifest.encode()
    digest = of_element(encoded)
    block = authentication.authenticate(digest, author)
    return assemble(encoded, digest, [block], {**(severed or {}), **integrated})


def countersign(envelope: Envelope, author: Author) -> bytes:
    """The envelope with the author's block beside those that are there. Raises SuitError LIMIT for one too many."""
    if len(envelope.signatures) >= MAX_BLOCKS:
        raise SuitError(SuitReason.LIMIT, f"at most {MAX_BLOCKS} authentication blocks")
    block = authentication.authenticate(envelope.digest, author)
    return assemble(envelope.manifest_bytes, envelope.digest, [*envelope.signatures, block], envelope.members)


def without(envelope: Envelope, keys: Collection[ManifestKey]) -> bytes:
    """The envelope without these severed elements: smaller, and as authentic as before."""
    members = {key: value for key, value in envelope.members.items() if key not in keys}
    return assemble(envelope.manifest_bytes, envelope.digest, list(envelope.signatures), members)


def including(envelope: Envelope, severed: Mapping[ManifestKey, bytes]) -> bytes:
    """The envelope with severed elements put back: `without` undone, byte for byte."""
    members = envelope.members | dict(severed)
    return assemble(envelope.manifest_bytes, envelope.digest, list(envelope.signatures), members)


def assemble(manifest: bytes, digest: Digest, signatures: list[bytes], members: Mapping[Any, bytes]) -> bytes:
    """The bytes of an envelope of these parts; `members` are severed elements and payloads."""
    wrapper = cbor.encode([digest.encode(), *signatures])
    content = {EnvelopeKey.AUTHENTICATION_WRAPPER: wrapper, EnvelopeKey.MANIFEST: manifest, **members}
    return cbor.encode(cbor.Tagged(SuitTag.ENVELOPE, content))


def _check_severed(severed: Mapping[ManifestKey, bytes], manifest: Manifest) -> None:
    for key, element in severed.items():
        digest = manifest.element(key)
        if not isinstance(digest, Digest):
            raise SuitError(SuitReason.MALFORMED, f"{key.name} is in the envelope but not severed")
        if of_element(element, digest.alg) != digest:
            raise SuitError(SuitReason.DIGEST, f"severed {key.name}")


def _severed(members: Mapping[EnvelopeKey, Any]) -> dict[ManifestKey, bytes]:
    """Severed elements have the same key in both maps."""
    return {key: decoding.octets(members[there], key.name) for there, key in _SEVERABLE if there in members}


def _authentication(wrapper: Any) -> tuple[Digest, tuple[bytes, ...]]:
    data = decoding.octets(wrapper, "authentication wrapper")
    blocks = decoding.array(decoding.decode(data, "authentication wrapper"), "authentication wrapper")
    if not 1 <= len(blocks) <= 1 + MAX_BLOCKS:
        raise SuitError(SuitReason.LIMIT, f"a digest and at most {MAX_BLOCKS} authentication blocks")
    digest, *signatures = (decoding.octets(block, "authentication block") for block in blocks)
    return Digest.decode(digest), tuple(signatures)


def _integrated_uris(manifest: Manifest) -> set[str]:
    sequences = [s for s in manifest.sequences.values() if not isinstance(s, Digest)]
    return {uri for uri in uris(manifest.shared, *sequences) if uri.startswith("#")}
