"""Many manifests that differ in a few parameters, one for each device say; what is the same is encoded once.

    series = Series(build.manifest())
    for number, device in enumerate(devices, first):
        envelope = series.sign(key, number, {settings.index: {ParameterKey.CONTENT: device.settings}})

What differs is set at the end of the shared sequence, so it holds in every section.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from cose import cbor
from suit import authentication, decoding
from suit.authentication import Author
from suit.commands import CommandSequence, encode_command, uris
from suit.digest import Digest, of_element
from suit.envelope import assemble, check_payloads
from suit.errors import SuitError, SuitReason
from suit.manifest import Manifest
from suit.numbers import CommonKey, ManifestKey, ParameterKey
from suit.parameters import Parameters
from suit.templates import override, select

_FIRST_KEYS: Final = (ManifestKey.ENCODING_VERSION, ManifestKey.SEQUENCE_NUMBER, ManifestKey.COMMON)
"""Elements that every manifest has, and that come first."""
_COMMON_KEY: Final = cbor.encode(ManifestKey.COMMON)


class Series:
    """What all manifests of a series have in common is `manifest`; its sequence number does not matter."""

    def __init__(self, manifest: Manifest) -> None:
        encoded, common = manifest.encode(), manifest.common.encode()
        fields = decoding.decode(encoded, "manifest")
        others = [cbor.encode(key) + cbor.encode(value) for key, value in fields.items() if key not in _FIRST_KEYS]
        number = cbor.encode(manifest.sequence_number)
        sequences = [sequence for sequence in manifest.sequences.values() if not isinstance(sequence, Digest)]
        self._manifest = manifest
        self._count = manifest.common.count
        # The encoded manifest, in pieces: head and version | number | key of common data, common data | the others.
        self._end = b"".join(others)
        self._begin = encoded[: -len(number + _COMMON_KEY + cbor.encode_bytes(common) + self._end)]
        # Common data, in pieces: all before the shared sequence | its commands, without the head that counts them.
        whole = decoding.decode(common, "common") | {int(CommonKey.SHARED_SEQUENCE): b""}
        self._common = cbor.encode(whole)[: -len(cbor.encode_bytes(b""))]
        self._shared = b"".join(map(encode_command, manifest.shared))
        self._uris = tuple(uris(manifest.shared, *sequences))

    def encode(self, sequence_number: int, parameters: Mapping[int, Parameters]) -> bytes:
        """One encoded manifest; `parameters` are its own, by component index.

        Raises SuitError COMPONENT_INDEX for a component the manifest does not have.
        """
        if not parameters:
            return replace(self._manifest, sequence_number=sequence_number).encode()
        own = self._own(parameters)
        head = cbor.array_head(2 * (len(self._manifest.shared) + len(own)))
        shared = head + self._shared + b"".join([encode_command(command) for command in own])
        common = cbor.encode_bytes(self._common + cbor.encode_bytes(shared))
        return b"".join((self._begin, cbor.encode(sequence_number), _COMMON_KEY, common, self._end))

    def sign(
        self,
        author: Author,
        sequence_number: int,
        parameters: Mapping[int, Parameters],
        payloads: Mapping[str, bytes] | None = None,
    ) -> bytes:
        """One envelope, as `suit.sign` makes it of the whole manifest. Raises SuitError."""
        own = [str(values[ParameterKey.URI]) for values in parameters.values() if ParameterKey.URI in values]
        check_payloads((*self._uris, *own), payloads or {})
        encoded = self.encode(sequence_number, parameters)
        digest = of_element(encoded)
        return assemble(encoded, digest, [authentication.authenticate(digest, author)], payloads or {})

    def _own(self, parameters: Mapping[int, Parameters]) -> CommandSequence:
        if self._count == 1 and parameters.keys() == {0}:
            return (override(dict(parameters[0])),)
        if any(not 0 <= index < self._count for index in parameters):
            raise SuitError(SuitReason.COMPONENT_INDEX, f"{sorted(parameters)} of {self._count} components")
        return tuple(
            command for index in sorted(parameters) for command in (select(index), override(dict(parameters[index])))
        )
