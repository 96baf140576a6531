"""Encrypted payloads (draft-ietf-suit-firmware-encryption): a COSE_Encrypt beside the payload distributes its key.

A payload is encrypted once, with one content key; that key is wrapped for each device (ECDH-ES with its public key, or
a key-encryption key it holds) or for a group that shares one. Whoever cannot open the key reads RECIPIENT, not garbage.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from cose import encrypt as cose_encrypt
from cose.cbor import CborError
from cose.errors import CoseError, CoseReason
from cose.numbers import Algorithm
from cose.recipients import RecipientKey, SealedFor
from suit.errors import SuitError, SuitReason

MAX_INFO: Final = 1 << 16
"""Bytes of a SUIT_Encryption_Info: a group of some 200 devices fits."""
KDF_CONTEXT: Final = b"SUIT Payload Encryption"
"""SuppPubInfo's `other` in the key derivation of ECDH-ES (section 6.2.3)."""

_REASONS: Final = {
    CoseReason.RECIPIENT: SuitReason.NOT_A_RECIPIENT,
    CoseReason.ALGORITHM: SuitReason.ALGORITHM,
    CoseReason.TAG: SuitReason.PAYLOAD_DIGEST,
}


def encrypt(
    payload: bytes, recipients: Sequence[SealedFor], algorithm: Algorithm = Algorithm.A128CTR
) -> tuple[bytes, bytes]:
    """The SUIT_Encryption_Info for these recipients, and the encrypted payload. Raises `CoseError`.

    AES-CTR, what constrained devices decrypt in place, is safe here because the digest of the plaintext is signed.
    """
    named = [replace(recipient, context=KDF_CONTEXT) for recipient in recipients]
    return cose_encrypt.encrypt(payload, named, algorithm)


def decrypt(info: bytes, payload: bytes, keys: Sequence[RecipientKey]) -> tuple[bytes, bool]:
    """The plaintext, and whether its cipher has authenticated it.

    Raises SuitError: NOT_A_RECIPIENT, ALGORITHM, PAYLOAD_DIGEST, ENCRYPTION_INFO.
    """
    try:
        parsed = cose_encrypt.Encrypt.parse(info, max_size=MAX_INFO)
    except CborError as error:
        raise SuitError(SuitReason.ENCRYPTION_INFO, str(error)) from error
    except CoseError as error:
        raise _suit_error(error) from error
    refusal = SuitError(SuitReason.NOT_A_RECIPIENT, f"{len(parsed.recipients)} recipients, {len(keys)} keys here")
    for key in keys:
        try:
            return parsed.decrypt(payload, replace(key, context=KDF_CONTEXT)), parsed.authenticates
        except CoseError as error:
            if error.reason is not CoseReason.RECIPIENT:
                refusal = _suit_error(error)
    raise refusal


def _suit_error(error: CoseError) -> SuitError:
    return SuitError(_REASONS.get(error.reason, SuitReason.ENCRYPTION_INFO), str(error))
