"""How a provider has devices enroll, by the names its operator gives (docs/how-to/choose-a-profile.md)."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from trust_transfer.messages.values import EnrollmentProfile

DTLS_PROFILE: Final = EnrollmentProfile(protocol=0, request=0, keygen=0)
"""EST-coaps, PKCS#10, keys made on the device."""
COMPACT_PROFILE: Final = EnrollmentProfile(protocol=1, request=1, keygen=0)
"""EST over OSCORE, C509, keys made on the device."""
AGREEABLE: Final = (DTLS_PROFILE, COMPACT_PROFILE)
"""What a template may order: rule 11 demands keys made on the device."""


class Profile(StrEnum):
    """What a template's key 8 says, and whether key 12 pins the CA's key."""

    DTLS = "dtls"
    COMPACT = "compact"
    LEAN = "lean"
    """Compact, and the CA is authenticated by its key alone, which the TransferMessage brings."""

    @property
    def enrollment(self) -> EnrollmentProfile:
        """As messages carry it."""
        return DTLS_PROFILE if self is Profile.DTLS else COMPACT_PROFILE

    @property
    def pins_key(self) -> bool:
        """Whether the CA's EDHOC key goes into the template."""
        return self is Profile.LEAN
