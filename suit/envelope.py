"""The envelope: manifest, signatures over its digest, severed elements, integrated payloads (sections 8.2 and 8.3)."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, Self

from cose import cbor
from suit import authentication, decoding
from suit.authentication import MAX_BLOCKS, Author, Authority
from suit.commands import CommandSequence, decode_sequence, uris
from suit.digest import Digest, of_element
from suit.errors import SuitError, SuitReason
from suit.manifest import SEVERABLE_KEYS, SEVERABLE_SEQUENCES, Manifest, Outline, parse_manifest
from suit.numbers import EnvelopeKey, ManifestKey, SuitTag

MAX_SIZE: Final = 1 << 16
"""Bytes of an envelope without integrated images."""
MAX_SIZE_WITH_IMAGE: Final = (1 << 20) + MAX_SIZE
"""Bytes of an envelope that carries an image of up to 1 MiB."""
MAX_PAYLOADS: Final = 16
_SEVERED: Final = {EnvelopeKey(key): key for key in SEVERABLE_KEYS}
"""Severed elements have the same key in both maps."""


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

        Of the manifest no more is read than its outline. Raises SuitError: DIGEST when the manifest or a severed
        element is not the signed one, SIGNATURE when no block is the authority's, ALGORITHM for one in an unknown
        algorithm, MALFORMED and VERSION for an outline that is none.
        """
        if not self.digest.matches_element(self.manifest_bytes):
            raise SuitError(SuitReason.DIGEST, "manifest")
        authentication.check(self.digest, self.signatures, authority)
        outline = Outline.read(self.manifest_bytes)
        _check_severed(self.severed, outline.severed)
        parts = (self.raw, self.digest, self.signatures, self.manifest_bytes, self.severed, self.payloads)
        return VerifiedEnvelope(*parts, authority, outline)


@dataclass(frozen=True)
class VerifiedEnvelope(Envelope):
    """An envelope whose signature, digest and severed elements were found right; made by `Envelope.verify` only.

    What it says is decoded once, when it is first asked for; `decoded` asks for all of it.
    """

    authority: Authority
    """Who vouched for it."""
    outline: Outline

    @property
    def sequence_number(self) -> int:
        """The manifest's sequence number."""
        return self.outline.sequence_number

    @cached_property
    def manifest(self) -> Manifest:
        """The manifest. Raises SuitError when it is malformed."""
        return self.outline.manifest()

    @cached_property
    def _sequences(self) -> Mapping[ManifestKey, CommandSequence | Digest]:
        severed = {key: data for key, data in self.severed.items() if key in SEVERABLE_SEQUENCES}
        return {**self.manifest.sequences, **{key: decode_sequence(severed[key], key.name) for key in severed}}

    def decoded(self) -> Self:
        """This envelope, once its manifest and every command of it, severed ones too, have been decoded.

        Whoever acts on an envelope, or keeps it for others, asks for this first. Raises SuitError.
        """
        _ = self._sequences
        return self

    def sequence(self, key: ManifestKey) -> CommandSequence:
        """The commands of one section, from the manifest or severed; empty when there are none.

        Raises SuitError: SEVERED when the element was severed and is gone, and what decoding raises.
        """
        found = self._sequences.get(key, ())
        if isinstance(found, Digest):
            raise SuitError(SuitReason.SEVERED, key.name)
        return found


def parse_envelope(raw: bytes, max_size: int = MAX_SIZE_WITH_IMAGE) -> Envelope:
    """An envelope of at most `max_size` bytes. Raises SuitError: TOO_LARGE, MALFORMED, LIMIT."""
    if len(raw) > max_size:
        raise SuitError(SuitReason.TOO_LARGE, f"{len(raw)} bytes, at most {max_size}")
    item = decoding.decode(raw, "envelope")
    if not isinstance(item, cbor.Tagged) or item.tag != SuitTag.ENVELOPE:
        raise SuitError(SuitReason.MALFORMED, f"an envelope has tag {SuitTag.ENVELOPE.value}")
    fields = decoding.mapping(item.value, "envelope")
    payloads: dict[str, bytes] = {}
    numbered: dict[Any, bytes] = {}
    for key, value in fields.items():
        (payloads if isinstance(key, str) else numbered)[key] = decoding.octets(value, "member of an envelope")
    if len(payloads) > MAX_PAYLOADS:
        raise SuitError(SuitReason.LIMIT, f"more than {MAX_PAYLOADS} payloads")
    members = decoding.known_keys(numbered, EnvelopeKey, "envelope")
    digest, signatures = _authentication(members.pop(EnvelopeKey.AUTHENTICATION_WRAPPER, None))
    manifest = decoding.octets(members.pop(EnvelopeKey.MANIFEST, None), "manifest")
    severed = {_SEVERED[key]: element for key, element in members.items()}
    return Envelope(bytes(raw), digest, signatures, manifest, severed, payloads)


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
    sequences = [sequence for sequence in manifest.sequences.values() if not isinstance(sequence, Digest)]
    check_payloads(uris(manifest.shared, *sequences), integrated)
    _check_severed(severed or {}, manifest.element)
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
    blocks = [digest.encode(), *signatures]
    wrapper = cbor.array_head(len(blocks)) + b"".join(map(cbor.encode_bytes, blocks))
    content = {EnvelopeKey.AUTHENTICATION_WRAPPER: wrapper, EnvelopeKey.MANIFEST: manifest, **members}
    return cbor.encode(cbor.Tagged(SuitTag.ENVELOPE, content))


def check_payloads(named: Collection[str], integrated: Mapping[str, bytes]) -> None:
    """Raise SuitError PAYLOAD_MISSING when one of the `named` URIs is to lie in the envelope and does not; LIMIT."""
    missing = [uri for uri in named if uri.startswith("#") and uri not in integrated]
    if missing:
        raise SuitError(SuitReason.PAYLOAD_MISSING, ", ".join(sorted(missing)))
    if len(integrated) > MAX_PAYLOADS:
        raise SuitError(SuitReason.LIMIT, f"more than {MAX_PAYLOADS} payloads")


def _check_severed(severed: Mapping[ManifestKey, bytes], named: Callable[[ManifestKey], object]) -> None:
    """`named`: what the manifest has under the key of an element."""
    for key, element in severed.items():
        digest = named(key)
        if not isinstance(digest, Digest):
            raise SuitError(SuitReason.MALFORMED, f"{key.name} is in the envelope but not severed")
        if not digest.matches_element(element):
            raise SuitError(SuitReason.DIGEST, f"severed {key.name}")


def _authentication(wrapper: Any) -> tuple[Digest, tuple[bytes, ...]]:
    data = decoding.octets(wrapper, "authentication wrapper")
    blocks = decoding.array(decoding.decode(data, "authentication wrapper"), "authentication wrapper")
    if not 1 <= len(blocks) <= 1 + MAX_BLOCKS:
        raise SuitError(SuitReason.LIMIT, f"a digest and at most {MAX_BLOCKS} authentication blocks")
    digest, *signatures = [decoding.octets(block, "authentication block") for block in blocks]
    return Digest.decode(digest), tuple(signatures)
