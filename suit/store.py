"""What a recipient gives the processor: who it is, and where its components lie."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

from suit.digest import Digest
from suit.errors import SuitError, SuitReason
from suit.manifest import ComponentId


@dataclass(frozen=True, slots=True)
class DeviceDescription:
    """What the identity conditions compare with: three UUIDs of 16 bytes."""

    vendor_id: bytes
    class_id: bytes
    device_id: bytes | None = None


class ComponentStore(Protocol):
    """The components of a device, changed in one step.

    Writes are staged: until `commit` nothing that runs or is read after a restart has changed, so a power cut at any
    point leaves the old state or the new one, and processing the same envelope again ends in the new one. Where a
    component lies - over the running image, or in a second slot beside it - is the store's own decision.

    Every method may raise OSError; it becomes SuitError STORE.
    """

    def supports(self, component: ComponentId) -> bool:
        """Whether the device has this component."""

    def slot(self, component: ComponentId) -> int | None:
        """The slot that a write to the component goes to; None without slots."""

    def read(self, component: ComponentId) -> bytes | None:
        """The component's bytes, staged ones before installed ones; None when there are none."""

    def write(self, component: ComponentId, data: bytes) -> None:
        """Stage new bytes."""

    def discard(self) -> None:
        """Forget what is staged, also from a run that was cut."""

    def commit(self, digest: Digest, sequence_number: int) -> None:
        """Make all staged bytes the installed ones, in one durable step, together with the manifest's digest.

        The stored sequence number becomes the higher of the old and this one: it never falls.
        """

    def installed(self) -> Digest | None:
        """The digest of the manifest committed last."""

    def invoke(self, component: ComponentId, arguments: bytes | None) -> None:
        """Start the component, now or at the next restart."""


@contextmanager
def storage_errors() -> Iterator[None]:
    """Turn the store's OSError into SuitError STORE."""
    try:
        yield
    except OSError as error:
        raise SuitError(SuitReason.STORE, str(error)) from error
