"""What a recipient gives the processor to work on: its components."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from suit.common import ComponentId
from suit.digest import Digest
from suit.errors import SuitError, SuitReason
from suit.metadata import ComponentMetadata


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

    def write(self, component: ComponentId, data: bytes, metadata: ComponentMetadata | None = None) -> None:
        """Stage new bytes."""

    def unlink(self, component: ComponentId) -> None:
        """Stage that this manifest needs the component no longer; a component nobody needs is removed."""

    def begin(self, digest: Digest, sequence_number: int) -> None:
        """Forget what is staged, also from a run that was cut; then store durably that this manifest is being tried.

        From now on only it and manifests with higher sequence numbers may be.
        """

    def attempted(self) -> Digest | None:
        """The digest `begin` was called with last."""

    def discard(self) -> None:
        """Forget what is staged."""

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
