"""Device lists: chunks, the transfer id, and what a list must not say."""

from __future__ import annotations

import dataclasses
import hashlib
from typing import Any

import pytest

from cose.cbor import decode, encode
from tests.trust_transfer.messages.samples import DEVICES, NOW, sha
from trust_transfer.messages.device_update_info import (
    DeviceEntry,
    DeviceInfo,
    DeviceUpdateInfo,
    split,
    transfer_id,
)
from trust_transfer.messages.errors import MessageError
from trust_transfer.messages.numbers import CertificateKind, Result


def _entry(number: int, size: int = 300) -> DeviceEntry:
    return DeviceEntry(CertificateKind.X509, bytes([number]) * size, DeviceInfo(NOW, NOW + 60))


def _result(document: dict[int, Any]) -> Result:
    with pytest.raises(MessageError) as caught:
        DeviceUpdateInfo.decode(encode(document))
    return caught.value.result


def test_the_transfer_id_hashes_the_chunks_in_their_order() -> None:
    chunks = [b"first", b"second"]
    expected = hashlib.sha256(hashlib.sha256(b"first").digest() + hashlib.sha256(b"second").digest()).digest()[:16]
    assert transfer_id(chunks) == expected
    assert transfer_id(chunks[::-1]) != expected
    assert transfer_id([b"firstsecond"]) != expected


def test_a_list_is_split_in_order_and_every_chunk_fits() -> None:
    entries = [_entry(number) for number in range(20)]
    parts = split(entries, 1500)
    assert [entry for part in parts for entry in part] == entries
    assert len(parts) == 5
    for number, part in enumerate(parts):
        info = DeviceUpdateInfo(part, NOW, chunk=(number, len(parts)))
        assert len(info.encode()) <= 1500


def test_an_entry_that_does_not_fit_is_named() -> None:
    with pytest.raises(MessageError) as caught:
        split([_entry(1), _entry(2, 2000)], 1500)
    assert caught.value.result is Result.TOO_LARGE
    assert split([], 1500) == ()


def test_fingerprints_of_entries() -> None:
    info = DeviceInfo(NOW, NOW)
    assert DeviceEntry(CertificateKind.X509, b"der", info).fingerprint == sha("der")
    assert DeviceEntry(CertificateKind.FINGERPRINT, sha("der"), info).fingerprint == sha("der")
    assert DeviceEntry(CertificateKind.C509, b"c509", info).fingerprint is None


@pytest.mark.parametrize(
    ("changes", "result"),
    [
        ({0: 2}, Result.MALFORMED),
        ({1: []}, Result.MALFORMED),
        ({2: []}, Result.MALFORMED),
        ({2: [{0: [-16, bytes(32)]}], 1: [[[0, b"c"], {0: 0, 1: 0, 2: [1]}]]}, Result.MALFORMED),
        ({1: [[[3, b"c"], {0: 0, 1: 0}]]}, Result.MALFORMED),
        ({1: [[[2, b"short"], {0: 0, 1: 0}]]}, Result.MALFORMED),
        ({1: [[[0, b""], {0: 0, 1: 0}]]}, Result.MALFORMED),
        ({1: [[[0, b"c"], {0: 1, 1: 0}]]}, Result.WINDOW),
        ({1: [[[0, b"c"], {0: 0, 1: 0, 8: 0}]]}, Result.UNKNOWN_TYP_OR_CLAIM),
        ({6: [1, 1]}, Result.MALFORMED),
        ({6: [0, 0]}, Result.MALFORMED),
        ({7: 0}, Result.UNKNOWN_TYP_OR_CLAIM),
    ],
)
def test_what_a_list_must_not_say(changes: dict[int, Any], result: Result) -> None:
    assert _result(decode(DEVICES.encode()) | changes) is result


def test_size_is_bounded() -> None:
    with pytest.raises(MessageError) as caught:
        DeviceUpdateInfo.decode(DEVICES.encode(), max_size=100)
    assert caught.value.result is Result.TOO_LARGE


def test_a_list_nobody_would_accept_is_not_made() -> None:
    with pytest.raises(MessageError):
        dataclasses.replace(DEVICES, entries=()).encode()
