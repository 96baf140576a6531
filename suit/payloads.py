"""Which image a manifest wants at each URI it fetches from, read from its commands without running them.

So a sender can leave out payloads a recipient has already, and a recipient sees before it begins which ones it lacks.
Integrated payloads are no part of what is signed: an envelope without some of them is as authentic as before.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from suit.commands import (
    Alternatives,
    Command,
    CommandSequence,
    CopyParameters,
    Index,
    Nested,
    Override,
    OverrideMultiple,
    decode_sequence,
)
from suit.digest import Digest, of_element
from suit.envelope import Envelope, assemble, parse_envelope
from suit.numbers import CommandCode, ManifestKey, ParameterKey
from suit.parameters import ParameterValue

INTEGRATED: Final = "#"
"""What the URI of a payload in the envelope begins with."""
_ORDER: Final = (
    ManifestKey.DEPENDENCY_RESOLUTION,
    ManifestKey.PAYLOAD_FETCH,
    ManifestKey.CANDIDATE_VERIFICATION,
    ManifestKey.INSTALL,
    ManifestKey.VALIDATE,
    ManifestKey.LOAD,
    ManifestKey.INVOKE,
)
"""Parameters last from one section to the next."""


def named_payloads(envelope: Envelope) -> dict[str, Digest | None]:
    """The digest of what is stored from each URI: of the plaintext, or of the manifest in it for a dependency.

    None where the manifest names no digest or several. Severed sequences count as far as the envelope has them.
    Raises SuitError.
    """
    manifest = envelope.manifest
    found: dict[str, set[Digest | None]] = {}
    walk = _Walk({number: {} for number in range(manifest.common.count)})
    for key in _ORDER:
        section = manifest.sequences.get(key, ())
        if isinstance(section, Digest):
            section = decode_sequence(envelope.severed[key], key.name) if key in envelope.severed else ()
        for uri, digest in (*walk.run(manifest.shared, (0,)), *walk.run(section, (0,))):
            found.setdefault(uri, set()).add(digest)
    return {uri: next(iter(digests)) if len(digests) == 1 else None for uri, digests in found.items()}


def payloads_without_texts(envelope: Envelope) -> dict[str, bytes]:
    """The dependencies in an envelope that carry severed texts, without these; deeper ones likewise. Raises SuitError.

    A dependency is named by its manifest's digest, so it is as good without them.
    """
    found: dict[str, bytes] = {}
    for uri, digest in named_payloads(envelope).items():
        payload = envelope.payloads.get(uri)
        if payload is None or digest is None or digest.matches(payload):
            continue
        inner = parse_envelope(payload)
        if of_element(inner.manifest_bytes, digest.alg) != digest:
            continue
        members = inner.members | payloads_without_texts(inner)
        members.pop(ManifestKey.TEXT, None)
        shorter = assemble(inner.manifest_bytes, inner.digest, list(inner.signatures), members)
        if len(shorter) < len(payload):
            found[uri] = shorter
    return found


@dataclass(slots=True)
class _Walk:
    """The parameters of each component, as they stand along one procedure."""

    parameters: dict[int, dict[ParameterKey, ParameterValue]]

    def run(self, sequence: CommandSequence, indices: tuple[int, ...]) -> Iterator[tuple[str, Digest | None]]:
        """What is fetched, with its digest. Every alternative counts as taken."""
        for command in sequence:
            match command.argument:
                case Index(numbers, every):
                    indices = tuple(self.parameters) if every else numbers
                case Alternatives(sequences):
                    for alternative in sequences:
                        yield from self.run(alternative or (), indices)
                case Nested(inner):
                    yield from self.run(inner, indices)
                case _ if command.code is CommandCode.DIRECTIVE_FETCH:
                    yield from self._fetched(indices)
                case _:
                    self._set_parameters(command, indices)

    def _set_parameters(self, command: Command, indices: tuple[int, ...]) -> None:
        match command.argument:
            case Override(values) if command.code is CommandCode.DIRECTIVE_SET_PARAMETERS:
                for number in indices:
                    self._set((number,), {**values, **self.parameters.get(number, {})})
            case Override(values):
                self._set(indices, values)
            case OverrideMultiple(components):
                for number, values in components.items():
                    self._set((number,), values)
            case CopyParameters(sources):
                for source, keys in sources.items():
                    known = self.parameters.get(source, {})
                    self._set(indices, {key: known[key] for key in keys if key in known})
            case _:
                pass

    def _fetched(self, indices: tuple[int, ...]) -> Iterator[tuple[str, Digest | None]]:
        for number in indices:
            values = self.parameters.get(number, {})
            uri, digest = values.get(ParameterKey.URI), values.get(ParameterKey.IMAGE_DIGEST)
            if isinstance(uri, str):
                yield uri, digest if isinstance(digest, Digest) else None

    def _set(self, indices: tuple[int, ...], values: Mapping[ParameterKey, ParameterValue]) -> None:
        for number in indices:
            self.parameters.setdefault(number, {}).update(values)
