"""The least a device accepts of a transfer: set at the factory, read and raised through resource 33001/18."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from cose import cbor
from trust_transfer.messages.errors import MessageError
from trust_transfer.messages.numbers import Form, KeyOrigin, Result
from trust_transfer.messages.values import SCHEMES, EnrollmentProfile

SERVER_KEYS: Final = 0x80
"""Bit of the bitmap of protocols: a CA may make the device's operational keys (security rule 11)."""


@dataclass(frozen=True, slots=True)
class Minimum:
    """Form of the TransferMessage, origin of the factory key, enrollment protocols.

    On the wire: a CBOR array of the three numbers in this order.
    """

    form: Form = Form.ENDORSED
    key_origin: KeyOrigin = KeyOrigin.DEVICE
    """Who made the factory key. A fact, so no write changes it."""
    protocols: int = 0b01
    """Bitmap of what enrollment may be: bit p for protocol p of object 33002, and `SERVER_KEYS`."""

    def allows(self, profile: EnrollmentProfile) -> bool:
        """Whether the device may enroll like this."""
        makes_keys = profile.keygen == 0 or bool(self.protocols & SERVER_KEYS)
        return bool(self.protocols >> profile.protocol & 1) and makes_keys

    @property
    def schemes(self) -> tuple[str, ...]:
        """The schemes of the URIs the device may go to."""
        return tuple(scheme for protocol, scheme in enumerate(SCHEMES) if self.protocols >> protocol & 1)

    def raised(self, wanted: Minimum) -> Minimum:
        """`wanted`, if it is at least as strict everywhere; MessageError(BELOW_MINIMUM) otherwise."""
        if wanted.form < self.form or wanted.key_origin != self.key_origin or wanted.protocols & ~self.protocols:
            raise MessageError(Result.BELOW_MINIMUM, "the minimum can only rise")
        return wanted

    def encode(self) -> bytes:
        """The value of resource 33001/18."""
        return cbor.encode([int(self.form), int(self.key_origin), self.protocols])

    @classmethod
    def decode(cls, data: bytes) -> Minimum:
        """Read resource 33001/18; MessageError(MALFORMED) when it is anything else than three small numbers."""
        try:
            form, key_origin, protocols = cbor.decode(data, max_size=16, max_depth=1)
            return cls(Form(form), KeyOrigin(key_origin), _bitmap(protocols))
        except (ValueError, TypeError) as error:
            raise MessageError(Result.MALFORMED, f"minimum: {error}") from error


def _bitmap(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 256:
        raise ValueError("the bitmap of protocols is a number below 256")
    return value
