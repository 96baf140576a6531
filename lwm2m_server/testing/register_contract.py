"""The contract of an `EnrollmentRegister`, as tests: subclass it, give a `register` fixture, run pytest.

class TestMyRegister(EnrollmentRegisterContract):
    @pytest.fixture
    async def register(self): ...
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from cryptography import x509

from cose.keys import generate_private_key, thumbprint
from device_pki.fingerprints import der, fingerprint
from device_pki.issue import Issuer, Validity, factory_device, operational_device, root_ca
from device_pki.keys import public_key
from device_pki.ocsp.responder import SerialStatus
from enrollment.register import (
    ALL,
    MAX_KEYS,
    DeviceEntry,
    EndpointTaken,
    EnrollmentRefused,
    EnrollmentRegister,
    Label,
    LabelFull,
    LabelPolicy,
    PublishedList,
    RefusalReason,
    UnknownEntry,
)

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
LATER = NOW + timedelta(days=100)
UUIDS = [UUID(int=number) for number in range(3)]


class _Ca:
    """Makes certificates; the register under test only keeps them."""

    def __init__(self) -> None:
        key = generate_private_key()
        self.issuer = Issuer(root_ca(key, "CA", Validity.unlimited(NOW)), key)

    def factory(self, endpoint: str) -> x509.Certificate:
        key = generate_private_key().public_key()
        return factory_device(self.issuer, key, endpoint, Validity.unlimited(NOW))

    def operational(self, days: int = 90) -> x509.Certificate:
        key = generate_private_key().public_key()
        validity = Validity.lasting(NOW, timedelta(days=days))
        return operational_device(self.issuer, key, self.issuer.certificate.subject, validity)


CA = _Ca()
DEVICE, OTHER = CA.factory("dev-1"), CA.factory("dev-2")


def key_of(certificate: x509.Certificate) -> bytes:
    """Return the name of a certificate's key."""
    return thumbprint(public_key(certificate))


async def _refused(register: EnrollmentRegister, entry: DeviceEntry, key: bytes, now: datetime = NOW) -> RefusalReason:
    with pytest.raises(EnrollmentRefused) as refused:
        await register.certificate_for(entry, key, now)
    return refused.value.reason


class EnrollmentRegisterContract:
    """Rules 11, 16 and 19 of protocol.md, and security rule 23."""

    async def _added(
        self, register: EnrollmentRegister, devices: Sequence[x509.Certificate] = (DEVICE,)
    ) -> tuple[Label, DeviceEntry]:
        label = await register.add_devices("sp1", UUIDS[0], devices, NOW)
        return label, await register.entry(label.text, fingerprint(devices[0]))

    async def _issue(self, register: EnrollmentRegister, entry: DeviceEntry, days: int = 90) -> x509.Certificate:
        certificate = CA.operational(days)
        stored = await register.record(entry, key_of(certificate), certificate, NOW)
        assert stored == der(certificate)
        return certificate

    async def test_a_label_belongs_to_one_provider(self, register: EnrollmentRegister) -> None:
        """The same UUID of another provider is another label; a label keeps its text."""
        first = await register.add_devices("sp1", UUIDS[0], [DEVICE], NOW)
        assert await register.add_devices("sp1", UUIDS[0], [OTHER], LATER) == first
        assert await register.label("sp1", UUIDS[0]) == first
        second = await register.add_devices("sp2", UUIDS[0], [DEVICE], NOW)
        assert second.text != first.text
        with pytest.raises(UnknownEntry):
            await register.label("sp2", UUIDS[1])

    async def test_entries_are_found_by_label_and_certificate(self, register: EnrollmentRegister) -> None:
        """An entry opens with its label; nothing else finds it."""
        label, entry = await self._added(register)
        assert entry == DeviceEntry(label.text, fingerprint(DEVICE), "dev-1", der(DEVICE), open=True)
        for text, device in ((label.text, fingerprint(OTHER)), ("x" * 22, fingerprint(DEVICE))):
            with pytest.raises(EnrollmentRefused) as refused:
                await register.entry(text, device)
            assert refused.value.reason is RefusalReason.UNKNOWN

    async def test_a_closed_entry_stays_closed(self, register: EnrollmentRegister) -> None:
        """Only an order opens it again, no repeated bag."""
        label, entry = await self._added(register)
        for _ in range(2):
            await register.set_entry(label.text, entry.fingerprint, open_=False, revoke=None, now=NOW)
        assert await _refused(register, entry, bytes(32)) is RefusalReason.CLOSED
        await register.add_devices("sp1", UUIDS[0], [DEVICE], LATER)
        assert await _refused(register, entry, bytes(32)) is RefusalReason.CLOSED
        await register.set_entry(label.text, entry.fingerprint, open_=True, revoke=None, now=NOW)
        assert await register.certificate_for(entry, bytes(32), NOW) is None

    async def test_an_unknown_entry_cannot_be_set(self, register: EnrollmentRegister) -> None:
        """Neither under another label nor for another device."""
        label, _ = await self._added(register)
        with pytest.raises(UnknownEntry):
            await register.set_entry(label.text, fingerprint(OTHER), open_=False, revoke=ALL, now=NOW)

    async def test_a_policy_belongs_to_its_label(self, register: EnrollmentRegister) -> None:
        """Set before or after the devices come, and seen with every entry."""
        label, _ = await self._added(register)
        assert await register.policy(label.text) == LabelPolicy()
        policy = LabelPolicy(max_devices=5, max_keys=2, not_after=LATER, server_keys=True, device_rate=1, label_rate=9)
        assert await register.set_policy("sp1", UUIDS[0], policy, NOW) == label
        other = await register.set_policy("sp1", UUIDS[1], LabelPolicy(max_keys=1), NOW)
        assert await register.add_devices("sp1", UUIDS[1], [DEVICE], NOW) == other
        assert await register.policy(label.text) == policy
        assert (await register.entry(label.text, fingerprint(DEVICE))).policy == policy
        assert (await register.entry(other.text, fingerprint(DEVICE))).policy.max_keys == 1
        with pytest.raises(UnknownEntry):
            await register.policy("x" * 22)

    async def test_a_full_label_takes_nothing_more(self, register: EnrollmentRegister) -> None:
        """All of a bag or nothing; known devices are no news."""
        await register.set_policy("sp1", UUIDS[0], LabelPolicy(max_devices=1), NOW)
        label, _ = await self._added(register)
        with pytest.raises(LabelFull):
            await register.add_devices("sp1", UUIDS[0], [DEVICE, OTHER], NOW)
        with pytest.raises(EnrollmentRefused):
            await register.entry(label.text, fingerprint(OTHER))
        assert await register.add_devices("sp1", UUIDS[0], [DEVICE], NOW) == label

    async def test_an_expired_label_gives_no_certificates(self, register: EnrollmentRegister) -> None:
        """Not even the ones it gave before."""
        _, entry = await self._added(register)
        certificate = await self._issue(register, entry, days=200)
        await register.set_policy("sp1", UUIDS[0], LabelPolicy(not_after=LATER), NOW)
        assert await register.certificate_for(entry, key_of(certificate), NOW) == der(certificate)
        assert await _refused(register, entry, key_of(certificate), LATER) is RefusalReason.EXPIRED

    async def test_a_label_may_allow_fewer_keys(self, register: EnrollmentRegister) -> None:
        """Than sixteen."""
        _, entry = await self._added(register)
        await register.set_policy("sp1", UUIDS[0], LabelPolicy(max_keys=1), NOW)
        await self._issue(register, entry)
        assert await _refused(register, entry, bytes(32)) is RefusalReason.TOO_MANY_KEYS

    async def test_a_device_finds_its_open_labels(self, register: EnrollmentRegister) -> None:
        """The newest first, closed ones not at all."""
        first, entry = await self._added(register)
        second = await register.add_devices("sp2", UUIDS[1], [DEVICE], LATER)
        assert await register.open_labels(entry.fingerprint) == [second.text, first.text]
        await register.set_entry(second.text, entry.fingerprint, open_=False, revoke=None, now=NOW)
        assert await register.open_labels(entry.fingerprint) == [first.text]
        assert await register.open_labels(fingerprint(OTHER)) == []

    async def test_the_same_key_gets_the_same_certificate(self, register: EnrollmentRegister) -> None:
        """An earlier certificate of a key wins, also over one made meanwhile."""
        _, entry = await self._added(register)
        certificate = await self._issue(register, entry)
        key = key_of(certificate)
        assert await register.certificate_for(entry, key, NOW) == der(certificate)
        assert await register.record(entry, key, CA.operational(), NOW) == der(certificate)

    async def test_an_expired_certificate_is_replaced(self, register: EnrollmentRegister) -> None:
        """A key that is not released may be certified again."""
        _, entry = await self._added(register)
        certificate = await self._issue(register, entry)
        assert await register.certificate_for(entry, key_of(certificate), LATER) is None
        newer = CA.operational(days=200)
        assert await register.record(entry, key_of(certificate), newer, LATER) == der(newer)

    async def test_sixteen_live_keys_are_the_most(self, register: EnrollmentRegister) -> None:
        """Expired ones make room; known ones are still answered."""
        _, entry = await self._added(register)
        issued = [await self._issue(register, entry) for _ in range(MAX_KEYS)]
        assert await _refused(register, entry, bytes(32)) is RefusalReason.TOO_MANY_KEYS
        with pytest.raises(EnrollmentRefused):
            await register.record(entry, bytes(32), CA.operational(), NOW)
        assert await register.certificate_for(entry, key_of(issued[0]), NOW) == der(issued[0])
        assert await register.certificate_for(entry, bytes(32), LATER) is None

    async def test_revoking_all_releases_every_key_of_this_label(self, register: EnrollmentRegister) -> None:
        """And of no other label, and no other device."""
        label, entry = await self._added(register, [DEVICE, OTHER])
        other = await register.entry(label.text, fingerprint(OTHER))
        next_label = await register.add_devices("sp1", UUIDS[1], [DEVICE], NOW)
        next_entry = await register.entry(next_label.text, fingerprint(DEVICE))
        revoked = [await self._issue(register, entry) for _ in range(2)]
        kept = [await self._issue(register, other), await self._issue(register, next_entry)]
        await register.set_entry(label.text, entry.fingerprint, open_=True, revoke=ALL, now=NOW)
        listed = (await register.revocations(NOW)).entries
        assert listed == {certificate.serial_number: NOW for certificate in revoked}
        assert await _refused(register, entry, key_of(revoked[0])) is RefusalReason.RELEASED
        for owner, certificate in zip((other, next_entry), kept, strict=True):
            assert await register.certificate_for(owner, key_of(certificate), NOW) == der(certificate)

    async def test_releasing_one_key_leaves_the_others(self, register: EnrollmentRegister) -> None:
        """Also a key that was never seen is refused from then on."""
        label, entry = await self._added(register)
        gone, kept = [await self._issue(register, entry) for _ in range(2)]
        for key in (key_of(gone), bytes(32)):
            await register.set_entry(label.text, entry.fingerprint, open_=True, revoke=key, now=NOW)
            assert await _refused(register, entry, key) is RefusalReason.RELEASED
        assert await register.certificate_for(entry, key_of(kept), NOW) == der(kept)
        assert set((await register.revocations(NOW)).entries) == {gone.serial_number}

    async def test_what_is_closed_meanwhile_is_not_recorded(self, register: EnrollmentRegister) -> None:
        """A certificate on its way when the entry closes is never given out."""
        label, entry = await self._added(register)
        await register.set_entry(label.text, entry.fingerprint, open_=False, revoke=ALL, now=NOW)
        with pytest.raises(EnrollmentRefused):
            await register.record(entry, bytes(32), CA.operational(), NOW)

    async def test_issued_certificates_are_found(self, register: EnrollmentRegister) -> None:
        """By fingerprint, with their revocation."""
        label, entry = await self._added(register)
        certificate = await self._issue(register, entry)
        issued = await register.issued(fingerprint(certificate))
        assert (issued.label, issued.device, issued.certificate) == (label.text, entry.fingerprint, der(certificate))
        assert issued.key_thumbprint == key_of(certificate) and issued.revoked_at is None
        await register.set_entry(label.text, entry.fingerprint, open_=False, revoke=ALL, now=NOW)
        assert (await register.issued(fingerprint(certificate))).revoked_at == NOW
        with pytest.raises(EnrollmentRefused):
            await register.issued(bytes(32))

    async def test_revocations_have_a_mark_that_grows(self, register: EnrollmentRegister) -> None:
        """A repetition adds nothing; the first time counts; expired ones leave the list."""
        before = await register.revocations(NOW)
        largest = 2**159 - 1
        await register.revoke_serial(largest, NOW + timedelta(days=1), NOW)
        first = await register.revocations(NOW)
        assert first.mark > before.mark and first.entries == {largest: NOW}
        await register.revoke_serial(largest, NOW + timedelta(days=1), NOW + timedelta(hours=1))
        assert await register.revocations(NOW) == first
        assert (await register.revocations(LATER)).entries == {}

    async def test_a_serial_number_is_known_when_a_device_has_it(self, register: EnrollmentRegister) -> None:
        """Revoked or not; any other is unknown, which is never good."""
        assert await register.serial_status(DEVICE.serial_number) == SerialStatus(False)
        await register.record_factory_batch([DEVICE], NOW)
        assert await register.serial_status(DEVICE.serial_number) == SerialStatus(True)
        await register.revoke_serial(DEVICE.serial_number, LATER, NOW)
        assert await register.serial_status(DEVICE.serial_number) == SerialStatus(True, NOW)

    async def test_the_newest_list_is_kept(self, register: EnrollmentRegister) -> None:
        """A number is used once, so that two processes cannot publish different lists under it."""
        assert await register.published_list() is None
        first, second = (PublishedList(number, 0, bytes([number]), NOW, LATER) for number in (1, 2))
        assert await register.publish(first)
        assert not await register.publish(first)
        assert await register.publish(second)
        assert not await register.publish(first)
        assert await register.published_list() == second

    async def test_a_batch_is_recorded_whole_or_not_at_all(self, register: EnrollmentRegister) -> None:
        """One name, one key, one certificate."""
        await register.record_factory_batch([DEVICE], NOW)
        assert await register.factory_certificates([key_of(DEVICE), key_of(OTHER)]) == {key_of(DEVICE): der(DEVICE)}
        assert await register.endpoint_keys(["dev-1", "dev-2"]) == {"dev-1": key_of(DEVICE)}
        again = factory_device(CA.issuer, public_key(DEVICE), "dev-1", Validity.unlimited(NOW))
        await register.record_factory_batch([again], NOW)
        assert await register.factory_certificates([key_of(DEVICE)]) == {key_of(DEVICE): der(DEVICE)}
        with pytest.raises(EndpointTaken):
            await register.record_factory_batch([OTHER, CA.factory("dev-1")], NOW)
        assert await register.factory_certificates([key_of(OTHER)]) == {}
        assert await register.endpoint_keys(["dev-2"]) == {}
