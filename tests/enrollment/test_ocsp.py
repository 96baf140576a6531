"""The OCSP responder of a CA: from its register, made once, forgotten with the next revocation."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.x509 import ocsp

from device_pki.fingerprints import fingerprint
from device_pki.ocsp.client import Answer, build_request, verify_answer
from device_pki.ocsp.identifiers import CertId
from device_pki.ocsp.responder import SerialStatus
from enrollment.ca import ocsp as responders
from enrollment.ca.ocsp import MAX_SIGNED, RESPONDER_LIFETIME, OcspAnswer, OcspResponder
from lwm2m_server.store.database import Database
from lwm2m_server.store.enrollment_register import SqlEnrollmentRegister
from lwm2m_server.testing.register_contract import DEVICE, OTHER, UUIDS, key_of
from tests.device_pki.builders import NOW, root
from tests.enrollment.world import CountingCa

CA1 = root("CA1")
LIFETIME = timedelta(minutes=5)
DAY = timedelta(days=1)


class World:
    """A responder on a register with one operational certificate."""

    def __init__(self, database: Database) -> None:
        self.register = SqlEnrollmentRegister(database)
        self.ca, self.now, self.mark, self.looked_up = CountingCa(CA1), NOW, 1, 0
        self.certificate = CA1.operational(CA1.device("dev-1")).certificate
        self.responder = self.made()

    def made(self, max_signed: int = MAX_SIGNED) -> OcspResponder:
        return OcspResponder(
            self.ca,
            self._status_of,
            mark=lambda: self.mark,
            lifetime=LIFETIME,
            clock=lambda: self.now,
            max_signed=max_signed,
        )

    async def _status_of(self, serial_number: int) -> SerialStatus:
        self.looked_up += 1
        return await self.register.serial_status(serial_number)

    async def fill(self) -> None:
        label = await self.register.add_devices("sp1", UUIDS[0], [DEVICE], NOW)
        entry = await self.register.entry(label.text, fingerprint(DEVICE))
        await self.register.record(entry, key_of(self.certificate), self.certificate, NOW)

    async def ask(self, serial: int, nonce: bytes | None = None) -> tuple[OcspAnswer, Answer]:
        named = CertId.of(serial, CA1.certificate)
        answered = await self.responder.answer(build_request(named, nonce))
        return answered, verify_answer(answered.der, named, CA1.certificate, nonce=nonce, now=self.now)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    database = await Database.open(tmp_path / "ca.db")
    made = World(database)
    await made.fill()
    yield made
    await database.close()


async def test_what_was_issued_is_good_until_it_is_revoked(world: World) -> None:
    serial = world.certificate.serial_number
    assert (await world.ask(serial))[1].status is ocsp.OCSPCertStatus.GOOD
    await world.register.revoke_serial(serial, NOW + DAY, NOW)
    world.mark += 1
    assert (await world.ask(serial))[1].status is ocsp.OCSPCertStatus.REVOKED


async def test_what_was_not_issued_is_unknown(world: World) -> None:
    assert (await world.ask(4711))[1].status is ocsp.OCSPCertStatus.UNKNOWN


async def test_factory_certificates_are_known(world: World) -> None:
    await world.register.record_factory_batch([OTHER], NOW)
    assert (await world.ask(OTHER.serial_number))[1].status is ocsp.OCSPCertStatus.GOOD


async def test_one_answer_is_for_all_without_a_nonce(world: World) -> None:
    serial = world.certificate.serial_number
    first, _ = await world.ask(serial)
    assert await world.ask(serial) == (first, (await world.ask(serial))[1])
    assert world.looked_up == 1
    with_nonce, _ = await world.ask(serial, b"n" * 32)
    assert with_nonce.fresh_until is None
    world.now = NOW + LIFETIME / 2
    again, _ = await world.ask(serial)
    assert again.made_at == world.now
    assert world.looked_up == 3


async def test_strangers_serial_numbers_are_not_kept(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor more answers than fit."""
    monkeypatch.setattr(responders, "MAX_KEPT", 1)
    for serial in (1, 1, world.certificate.serial_number, world.certificate.serial_number):
        await world.ask(serial)
    assert world.looked_up == 3
    await world.register.record_factory_batch([OTHER], NOW)
    for serial in (OTHER.serial_number, OTHER.serial_number, world.certificate.serial_number):
        await world.ask(serial)
    assert world.looked_up == 5


async def test_another_cas_certificates_are_not_answered_for(world: World) -> None:
    other = root("CA1").certificate
    answered = await world.responder.answer(build_request(CertId.of(1, other), None))
    assert refusal_of(answered) is ocsp.OCSPResponseStatus.UNAUTHORIZED
    assert world.ca.calls == world.looked_up == 0


@pytest.mark.parametrize("data", [b"", b"nonsense", bytes(3000)])
async def test_nonsense_is_malformed(world: World, data: bytes) -> None:
    assert refusal_of(await world.responder.answer(data)) is ocsp.OCSPResponseStatus.MALFORMED_REQUEST
    assert world.ca.calls == world.looked_up == 0


async def test_a_ca_that_cannot_sign_says_try_later(world: World) -> None:
    world.ca.down = True
    answered = await world.responder.answer(build_request(CertId.of(1, CA1.certificate), None))
    assert refusal_of(answered) is ocsp.OCSPResponseStatus.TRY_LATER


async def test_only_so_many_are_signed_in_a_second(world: World) -> None:
    """Whoever floods the responder does not take the CA's time; what was made before is still given."""
    world.responder = world.made(max_signed=2)
    serial = world.certificate.serial_number
    await world.ask(serial)
    await world.ask(serial, b"n" * 32)
    flooded = await world.responder.answer(build_request(CertId.of(serial, CA1.certificate), b"n" * 32))
    assert refusal_of(flooded) is ocsp.OCSPResponseStatus.TRY_LATER
    await world.ask(serial)
    world.now += timedelta(seconds=1)
    await world.ask(serial, b"n" * 32)


async def test_the_responders_certificate_is_renewed_in_time(world: World) -> None:
    await world.ask(1)
    await world.ask(2)
    assert world.ca.calls == 1
    world.now = NOW + RESPONDER_LIFETIME * 3 / 4
    await world.ask(3)
    assert world.ca.calls == 2


def refusal_of(answered: OcspAnswer) -> ocsp.OCSPResponseStatus:
    assert answered.fresh_until is None
    return ocsp.load_der_ocsp_response(answered.der).response_status
