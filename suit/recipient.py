"""Who processes a manifest: identity, what it knows of its surroundings, keys, and whom it believes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from cose.recipients import RecipientKey
from suit.authentication import Authority
from suit.common import ComponentId
from suit.versions import Version
from suit.waiting import WaitInfo


class Surroundings(Protocol):
    """What conditions about time, power and consent ask (draft-ietf-suit-update-management). None: not known."""

    def now(self) -> int | None:
        """Seconds since 1970, by a clock the device trusts."""

    def battery(self) -> int | None:
        """mWh left."""

    def authorizes(self, priority: int | None) -> bool:
        """Whether the application lets an update of this priority happen now; lower numbers are more urgent."""

    def version(self, component: ComponentId) -> Version | None:
        """The version of what is installed in a component."""

    def has_happened(self, events: WaitInfo) -> bool:
        """Whether everything that is to be waited for has happened."""


class NothingKnown:
    """A device without clock, battery gauge and user: every such condition fails."""

    def now(self) -> int | None:
        """See `Surroundings`."""
        return None

    def battery(self) -> int | None:
        """See `Surroundings`."""
        return None

    def authorizes(self, priority: int | None) -> bool:
        """See `Surroundings`."""
        return False

    def version(self, component: ComponentId) -> Version | None:
        """See `Surroundings`."""
        return None

    def has_happened(self, events: WaitInfo) -> bool:
        """See `Surroundings`."""
        return False


@dataclass(frozen=True, slots=True)
class DeviceDescription:
    """`vendor_id`, `class_id` and `device_id` are UUIDs of 16 bytes, which the identity conditions compare with.

    `keys` open encrypted payloads. `domains` names whom a dependency may come from besides the root manifest's own
    authority: the authorities of a prefix vouch for components beneath that prefix only.
    """

    vendor_id: bytes
    class_id: bytes
    device_id: bytes | None = None
    surroundings: Surroundings = field(default_factory=NothingKnown)
    keys: tuple[RecipientKey, ...] = field(default=(), repr=False)
    domains: Mapping[ComponentId, Sequence[Authority]] = field(default_factory=dict)
    strict: bool = True
    """Whether a manifest must check vendor and class, and everything that it fetches. Laboratories, and some of the
    drafts' own examples, do without."""
