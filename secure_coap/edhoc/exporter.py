"""What a finished session gives the application: keys (RFC 9528 section 4.2 and appendix A.1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from secure_coap.edhoc.kdf import expand
from secure_coap.edhoc.numbers import ExporterLabel, KdfLabel
from secure_coap.edhoc.suites import HASH_LENGTH

MASTER_SECRET_LENGTH: Final = 16
MASTER_SALT_LENGTH: Final = 8
_EDHOC_UNIQUE: Final = b"EDHOC Unique"
_CHANNEL_BINDING_LENGTH: Final = 32


@dataclass(slots=True, repr=False)
class Exporter:
    """Derives keys from PRK_out; `update` moves on to new ones, and the old ones cannot be derived any more."""

    prk_out: bytes

    def export(self, label: int, context: bytes, length: int) -> bytes:
        """EDHOC_Exporter: `length` bytes for the label."""
        prk = expand(self.prk_out, KdfLabel.PRK_EXPORTER, b"", HASH_LENGTH)
        return expand(prk, label, context, length)

    def oscore(self) -> tuple[bytes, bytes]:
        """Master Secret and Master Salt of the OSCORE context."""
        return (
            self.export(ExporterLabel.OSCORE_MASTER_SECRET, b"", MASTER_SECRET_LENGTH),
            self.export(ExporterLabel.OSCORE_MASTER_SALT, b"", MASTER_SALT_LENGTH),
        )

    def channel_binding(self) -> bytes:
        """32 bytes that only the two ends of this session know, for proof of possession in what it carries.

        It is "edhoc-unique" of EST over OSCORE, whose label is not registered yet: one for private use stands in.
        """
        return self.export(ExporterLabel.EDHOC_UNIQUE, _EDHOC_UNIQUE, _CHANNEL_BINDING_LENGTH)

    def update(self, context: bytes) -> None:
        """EDHOC_KeyUpdate (appendix H): both sides call it with the same context."""
        self.prk_out = expand(self.prk_out, KdfLabel.KEY_UPDATE, context, HASH_LENGTH)
