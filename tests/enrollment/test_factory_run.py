"""Production runs: batches, a journal, and going on after being killed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

import pytest
from cryptography import x509

from cose.keys import PrivateKey, generate_private_key, thumbprint
from device_pki.c509 import request_natively
from device_pki.issue import Issuer, Validity, factory_device, root_ca
from device_pki.keys import public_key
from device_pki.names import device_subject
from enrollment.csr import build_csr, check_factory_csr
from enrollment.factory_batches import BatchRefused, check_batch
from enrollment.factory_run import FactoryRun, RunError, key_of

COUNT, BATCH = 7, 2
NOW = datetime(2027, 1, 1, tzinfo=UTC)


@cache
def keys() -> list[PrivateKey]:
    return [generate_private_key() for _ in range(COUNT)]


@cache
def requests() -> list[bytes]:
    """The last one in C509."""
    made = [build_csr(key, f"dev-{number}") for number, key in enumerate(keys()[:-1])]
    return [*made, request_natively(keys()[-1], device_subject("dev-last")).encoded]


@cache
def issuer() -> Issuer:
    key = generate_private_key()
    return Issuer(root_ca(key, "permanent", Validity.lasting(NOW, timedelta(days=1))), key)


class Authority:
    """Gives a key the same certificate again, as the CA API does."""

    def __init__(self) -> None:
        self.issued: dict[bytes, x509.Certificate] = {}
        self.batches: list[int] = []

    async def certify(self, batch: Sequence[bytes]) -> list[x509.Certificate]:
        self.batches.append(len(batch))
        return [self._certify(one) for one in await check_batch(batch)]

    def _certify(self, csr: object) -> x509.Certificate:
        assert hasattr(csr, "public_key") and hasattr(csr, "endpoint")
        made = factory_device(issuer(), csr.public_key, csr.endpoint, Validity.unlimited(NOW))
        return self.issued.setdefault(thumbprint(csr.public_key), made)


class Killed(Exception):
    """The run ended here."""


def run_at(folder: Path, wanted: Sequence[bytes] | None = None) -> FactoryRun:
    return FactoryRun(requests() if wanted is None else wanted, folder / "bag.journal", BATCH)


async def test_a_run_gives_every_key_its_certificate_in_order(tmp_path: Path) -> None:
    run, authority, told = run_at(tmp_path), Authority(), list[int]()
    assert run.resume() == 0
    await run.go_on(authority.certify, told.append)
    assert [thumbprint(public_key(x509.load_der_x509_certificate(one))) for one in run.certificates] == [
        thumbprint(key.public_key()) for key in keys()
    ]
    assert (authority.batches, told) == ([2, 2, 2, 1], [2, 4, 6, 7])
    run.finish()
    assert list(tmp_path.iterdir()) == []


async def test_a_run_killed_anywhere_goes_on_without_a_second_certificate(tmp_path: Path) -> None:
    """The journal is cut at many places, as a kill or a power cut may leave it."""
    whole, authority = run_at(tmp_path), Authority()
    whole.resume()
    await whole.go_on(authority.certify, lambda _: None)
    written = (tmp_path / "bag.journal").read_bytes()
    issued = dict(authority.issued)
    head = len("factory1") + 32
    for end in range(head, len(written), 37):
        (tmp_path / "bag.journal").write_bytes(written[:end])
        again = run_at(tmp_path)
        before = again.resume()
        assert before % BATCH == 0 and again.certificates == whole.certificates[:before]
        authority.batches.clear()
        await again.go_on(authority.certify, lambda _: None)
        assert again.certificates == whole.certificates
        assert sum(authority.batches) == COUNT - before
    assert authority.issued == issued


async def test_a_batch_that_fails_leaves_what_was_there(tmp_path: Path) -> None:
    run, authority = run_at(tmp_path), Authority()
    run.resume()

    async def failing(batch: Sequence[bytes]) -> list[x509.Certificate]:
        if len(authority.batches) == 2:
            raise Killed
        return await authority.certify(batch)

    with pytest.raises(Killed):
        await run.go_on(failing, lambda _: None)
    assert run_at(tmp_path).resume() == 4


def test_a_journal_of_other_requests_is_not_taken(tmp_path: Path) -> None:
    run_at(tmp_path).resume()
    with pytest.raises(RunError, match="other requests"):
        run_at(tmp_path, requests()[1:]).resume()


async def test_certificates_for_other_keys_are_not_believed(tmp_path: Path) -> None:
    run, authority = run_at(tmp_path), Authority()
    run.resume()

    async def swapped(batch: Sequence[bytes]) -> list[x509.Certificate]:
        return list(reversed(await authority.certify(batch)))

    async def too_few(batch: Sequence[bytes]) -> list[x509.Certificate]:
        return (await authority.certify(batch))[1:]

    with pytest.raises(RunError, match="another key"):
        await run.go_on(swapped, lambda _: None)
    with pytest.raises(RunError, match="2 requests with 1"):
        await run.go_on(too_few, lambda _: None)
    assert run_at(tmp_path).resume() == 0


@pytest.mark.parametrize("request_", [b"", b"\x30", b"\x87", b"no request"])
def test_bytes_that_are_no_request(request_: bytes) -> None:
    with pytest.raises(RunError, match="neither PKCS#10 nor C509"):
        key_of(request_)


async def test_a_batch_names_each_request_that_is_wrong() -> None:
    signed = bytearray(requests()[0])
    signed[-1] ^= 1
    c509 = bytearray(requests()[-1])
    c509[-1] ^= 1
    wrong = [requests()[1], bytes(signed), b"\x30", bytes(c509), requests()[1]]
    with pytest.raises(BatchRefused) as refused:
        await check_batch(wrong)
    assert [one.index for one in refused.value.refused] == [0, 1, 2, 3, 4]
    assert "twice" in refused.value.refused[0].reason


async def test_both_forms_of_a_request_ask_for_the_same() -> None:
    key = keys()[0]
    (one,) = await check_batch([request_natively(key, device_subject("dev-0")).encoded])
    other = check_factory_csr(build_csr(key, "dev-0"))
    assert (one.endpoint, one.key_thumbprint, one.pkcs10) == (other.endpoint, other.key_thumbprint, None)
