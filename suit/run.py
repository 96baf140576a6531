"""One run of the processor over a root manifest and all it depends on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

from suit.authentication import Authority
from suit.common import ComponentId
from suit.digest import Digest
from suit.envelope import VerifiedEnvelope
from suit.errors import SuitError, SuitReason
from suit.numbers import ParameterKey
from suit.parameters import ParameterValue
from suit.recipient import DeviceDescription
from suit.records import Log
from suit.store import ComponentStore

MAX_STEPS: Final = 1024
"""Commands run in one procedure, counted for each component they apply to."""
MAX_DEPENDENCY_DEPTH: Final = 4

Stock: TypeAlias = Callable[[Digest], bytes | None]
"""What a device has already, by its digest; of an envelope by its manifest's. It need not be fetched."""


def nothing_in_stock(digest: Digest) -> bytes | None:
    """For devices that keep nothing but their components."""
    return None


class Run:
    """What all manifests of a run share. Parameters begin empty; `fetched` are payloads that were got by their URI."""

    def __init__(
        self,
        device: DeviceDescription,
        store: ComponentStore,
        authority: Authority,
        *,
        fetched: Mapping[str, bytes] | None = None,
        stock: Stock = nothing_in_stock,
        log: Log | None = None,
    ) -> None:
        self.device = device
        self.store = store
        self.authority = authority
        self.fetched = fetched or {}
        self.stock = stock
        self.log = log or Log()
        self.invoked: list[ComponentId] = []
        self.trusted: dict[ComponentId, VerifiedEnvelope] = {}
        """Dependencies whose integrity was checked, until something is written there."""
        self.unchecked: set[ComponentId] = set()
        """Components that hold what was fetched and not yet compared with anything that is signed."""
        self._parameters: dict[ComponentId, dict[ParameterKey, ParameterValue]] = {}
        self._steps = 0

    def count(self) -> None:
        """One more step. Raises SuitError LIMIT."""
        self._steps += 1
        if self._steps > MAX_STEPS:
            raise SuitError(SuitReason.LIMIT, f"more than {MAX_STEPS} steps")

    def parameters(self, component: ComponentId) -> dict[ParameterKey, ParameterValue]:
        """The parameters of a component as they stand."""
        return self._parameters.setdefault(component, {})
