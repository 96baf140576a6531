"""The contract of a `CaBackend`, as tests: subclass it, give a `ca` fixture, run pytest."""

from __future__ import annotations

from datetime import UTC, datetime

from cryptography import x509

from cose.keys import generate_private_key
from device_pki.names import device_subject, endpoint_name
from device_pki.path import verify_path
from device_pki.revocation import RevocationList, parse_crl
from device_pki.roles import Role
from enrollment.ca.backend import CaBackend
from enrollment.csr import CheckedCsr, build_csr, check_factory_csr


def request(endpoint: str = "dev-1") -> CheckedCsr:
    """A checked request of a device with a fresh key."""
    return check_factory_csr(build_csr(generate_private_key(), endpoint))


class CaBackendContract:
    """What enrollment relies on."""

    @property
    def now(self) -> datetime:
        """When the tests call; a backend that asks a real authority overrides nothing."""
        return datetime.now(UTC).replace(microsecond=0)

    async def test_an_operational_certificate_verifies_under_the_ca(self, ca: CaBackend) -> None:
        """Subject and key as ordered, for a while."""
        csr = request()
        issued = await ca.issue_operational(csr, device_subject("dev-1"), self.now)
        verify_path(issued, [], anchors=[ca.chain[0]], role=Role.OPERATIONAL_DEVICE, now=self.now)
        assert (issued.subject, issued.public_key()) == (device_subject("dev-1"), csr.public_key)
        assert self.now < issued.not_valid_after_utc <= ca.chain[0].not_valid_after_utc

    async def test_serial_numbers_differ(self, ca: CaBackend) -> None:
        """A revocation hits one certificate."""
        csr = request()
        issued = [await ca.issue_operational(csr, device_subject("dev-1"), self.now) for _ in range(8)]
        assert len({certificate.serial_number for certificate in issued}) == 8

    async def test_a_revocation_list_is_complete_and_fresh(self, ca: CaBackend) -> None:
        """Signed by the CA itself; a later one has no lower number."""
        subject = device_subject("dev-1")
        first, second, good = [(await ca.issue_operational(request(), subject, self.now)).serial_number for _ in "123"]
        earlier = await self.listed(ca, 1, first)
        later = await self.listed(ca, earlier.number + 1, first, second)
        assert first in earlier.serials and not {second, good} & earlier.serials
        assert {first, second} <= later.serials and good not in later.serials
        assert later.number > earlier.number
        assert later.next_update > self.now
        assert (await self.listed(ca, later.number + 1, first, second)).serials == later.serials

    async def listed(self, ca: CaBackend, number: int, *serials: int) -> RevocationList:
        """The list that names `serials`, verified."""
        now = self.now
        der = await ca.revocation_list(dict.fromkeys(serials, now), number, now)
        return parse_crl(der, ca.chain[0], self.now, points=ca.points)


class FactoryCaContract(CaBackendContract):
    """What is relied on where the CA is a permanent one, too."""

    async def test_a_factory_certificate_verifies_under_the_ca(self, ca: CaBackend) -> None:
        """Named by its endpoint, with a hardware name that is not critical."""
        issued = await ca.issue_factory(request(), self.now)
        verify_path(issued, [], anchors=[ca.chain[0]], role=Role.FACTORY_DEVICE, now=self.now)
        assert endpoint_name(issued) == "dev-1"
        assert not issued.extensions.get_extension_for_class(x509.SubjectAlternativeName).critical
