"""Which enrollment profile the devices of a run leave the factory with, and which one they move to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from lwm2m_server.fleet.profiles import Profile


@dataclass(frozen=True, slots=True)
class Plan:
    """`factory`: profiles of the devices in turn. `transfer`: that of SP2's template."""

    factory: tuple[Profile, ...]
    transfer: Profile

    def shares(self, endpoints: Sequence[str]) -> dict[Profile, list[str]]:
        """Which devices leave the factory with which profile."""
        turns = len(self.factory)
        return {profile: list(endpoints[turn::turns]) for turn, profile in enumerate(self.factory)}

    @property
    def mixed(self) -> bool:
        """Whether devices have to speak both."""
        return len(self.factory) > 1


PLANS: Final[Mapping[str, Plan]] = {
    "dtls": Plan((Profile.DTLS,), Profile.DTLS),
    "compact": Plan((Profile.COMPACT,), Profile.COMPACT),
    "mixed": Plan((Profile.DTLS, Profile.COMPACT), Profile.LEAN),
}
"""By the name of the option. Of mixed devices, those with DTLS change over to OSCORE with the transfer."""
