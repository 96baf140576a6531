"""What a store remembers beside the contents: one record, replaced in one durable step.

Everything that must change together is in it, so that replacing it is the commit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from cose import cbor
from suit.common import ComponentId
from suit.digest import Digest
from suit.errors import SuitError
from suit.metadata import ComponentMetadata

MAX_RECORD: Final = 1 << 16


@dataclass(frozen=True, slots=True)
class Content:
    """What a component holds. `slot`: which of its slots, 0 where there is one; `size` in bytes."""

    slot: int
    size: int
    sha256: bytes
    metadata: ComponentMetadata | None = None


@dataclass(frozen=True, slots=True)
class State:
    """`tried` and `sequence`: what `ComponentStore.begin` was told last, and the highest number of all."""

    manifest: Digest | None = None
    tried: Digest | None = None
    sequence: int = 0
    contents: Mapping[ComponentId, Content] = field(default_factory=dict)

    def encode(self) -> bytes:
        """The encoded record."""
        contents = [[list(component), *_content_item(content)] for component, content in self.contents.items()]
        return cbor.encode([_digest_item(self.manifest), _digest_item(self.tried), self.sequence, contents])

    @classmethod
    def decode(cls, data: bytes) -> State:
        """From its encoding. Raises OSError when it is damaged."""
        try:
            manifest, tried, sequence, contents = cbor.decode(data, max_size=MAX_RECORD)
            return cls(
                _digest(manifest),
                _digest(tried),
                sequence,
                {tuple(name): _content(*members) for name, *members in contents},
            )
        except (cbor.CborError, SuitError, TypeError, ValueError) as error:
            raise OSError("the record of what is installed is damaged: install the device again") from error


def _digest_item(digest: Digest | None) -> Any:
    return None if digest is None else digest.item


def _digest(item: Any) -> Digest | None:
    return None if item is None else Digest.from_item(item)


def _content_item(content: Content) -> list[Any]:
    metadata = None if content.metadata is None else content.metadata.encode()
    return [content.slot, content.size, content.sha256, metadata]


def _content(slot: int, size: int, sha256: bytes, metadata: bytes | None) -> Content:
    return Content(slot, size, sha256, None if metadata is None else ComponentMetadata.decode(metadata))
