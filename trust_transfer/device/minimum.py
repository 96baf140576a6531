"""The least a device accepts of a transfer: set at the factory, read and raised through resource 33001/18."""

from __future__ import annotations

from dataclasses import dataclass

from cose import cbor
from trust_transfer.messages.errors import MessageError
from trust_transfer.messages.numbers import Form, KeyOrigin, Result


@dataclass(frozen=True, slots=True)
class Minimum:
    """Form of the TransferMessage, origin of the factory key, enrollment protocols.

    On the wire: a CBOR array of the three numbers in this order.
    """

    form: Form = Form.ENDORSED
    key_origin: KeyOrigin = KeyOrigin.DEVICE
    """Who made the factory key. A fact, so no write changes it."""
    protocols: int = 0b01
    """Bitmap of the enrollment protocols allowed; bit p for protocol p of object 33002."""

    def allows_protocol(self, protocol: int) -> bool:
        """Whether a transfer may order enrollment by this protocol."""
        return bool(self.protocols >> protocol & 1)

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
