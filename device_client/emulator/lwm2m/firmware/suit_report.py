"""Object 33004 (SUIT Report): what became of the last manifest, signed when it is read; and the agreement keys."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from cose.cbor import CborError
from cose.errors import CoseError
from cose.keys import PrivateKey
from cose.shared_keys import SharedKey
from device_client.emulator.lwm2m.device_object import DeviceObject
from device_client.emulator.lwm2m.instance import Arguments, Content
from device_client.emulator.software.software import Software
from device_client.emulator.storage.agreement_keys import AgreementKeys
from secure_coap.errors import BadRequest
from suit.report import MAX_NONCE
from trust_transfer.device.events import Source

MIN_NONCE: Final = 8


class ReportObject:
    """`software`: of each component; `key` gives the key that signs: one that stays with the device."""

    def __init__(self, software: Sequence[Software], keys: AgreementKeys, key: Callable[[], PrivateKey]) -> None:
        self._software = software
        self._keys = keys
        self._key = key
        self._nonce: bytes | None = None
        self._signed: tuple[bytes, bytes] | None = None

    def object(self) -> DeviceObject:
        return DeviceObject.single(
            "SUIT Report",
            readers={"Report": self._read, "Agreement Keys": self._public_keys},
            writers={"Nonce": self._write_nonce, "Group Key": self._write_group_key},
            executors={"Renew Agreement Key": self._renew},
        )

    def forget(self) -> None:
        """A restart loses the nonce."""
        self._nonce = None

    def _read(self) -> bytes | None:
        report = max(self._software, key=lambda one: one.reported_at).report
        if report is None:
            return None
        unsigned = replace(report, nonce=self._nonce)
        encoded = unsigned.encode()
        if self._signed is None or self._signed[0] != encoded:
            self._signed = encoded, unsigned.sign(self._key())
        return self._signed[1]

    def _write_nonce(self, content: Content, source: Source) -> None:
        if not isinstance(content, bytes) or not MIN_NONCE <= len(content) <= MAX_NONCE:
            raise BadRequest(f"a nonce has {MIN_NONCE} to {MAX_NONCE} bytes")
        self._nonce = content

    def _public_keys(self) -> dict[int, bytes]:
        encoded = [
            key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo) for key in self._keys.public_keys()
        ]
        return dict(enumerate(encoded))

    def _renew(self, arguments: Arguments, source: Source) -> None:
        self._keys.make()

    def _write_group_key(self, content: Content, source: Source) -> None:
        assert isinstance(content, bytes)
        try:
            self._keys.take_shared(SharedKey.decode(content))
        except (CborError, CoseError) as error:
            raise BadRequest(str(error)) from error
