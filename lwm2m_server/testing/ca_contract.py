"""The contract of a `CaBackend`, as tests: subclass it, give a `ca` fixture, run pytest."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from cryptography import x509

from cose.keys import generate_private_key
from device_pki.names import device_subject, endpoint_name
from device_pki.path import verify_path
from device_pki.revocation import parse_crl
from device_pki.roles import Role
from enrollment.ca.backend import CaBackend


class CaBackendContract:
    """What enrollment relies on."""

    @property
    def now(self) -> datetime:
        """When the tests call; a backend that asks a real authority overrides nothing."""
        return datetime.now(UTC).replace(microsecond=0)

    async def test_an_operational_certificate_verifies_under_the_ca(self, ca: CaBackend) -> None:
        """Subject and key as ordered, for a while."""
        key = generate_private_key().public_key()
        issued = await ca.issue_operational(key, device_subject("dev-1"), self.now)
        verify_path(issued, [], anchors=[ca.chain[0]], role=Role.OPERATIONAL_DEVICE, now=self.now)
        assert (issued.subject, issued.public_key()) == (device_subject("dev-1"), key)
        assert self.now < issued.not_valid_after_utc <= ca.chain[0].not_valid_after_utc

    async def test_a_factory_certificate_verifies_under_the_ca(self, ca: CaBackend) -> None:
        """Named by its endpoint, with a hardware name that is not critical."""
        key = generate_private_key().public_key()
        issued = await ca.issue_factory(key, "dev-1", self.now)
        verify_path(issued, [], anchors=[ca.chain[0]], role=Role.FACTORY_DEVICE, now=self.now)
        assert endpoint_name(issued) == "dev-1"
        assert not issued.extensions.get_extension_for_class(x509.SubjectAlternativeName).critical

    async def test_serial_numbers_differ(self, ca: CaBackend) -> None:
        """A revocation hits one certificate."""
        key = generate_private_key().public_key()
        issued = [await ca.issue_operational(key, device_subject("dev-1"), self.now) for _ in range(8)]
        assert len({certificate.serial_number for certificate in issued}) == 8

    async def test_a_revocation_list_is_complete_and_fresh(self, ca: CaBackend) -> None:
        """Signed by the CA itself, with the number asked for."""
        revoked = {7: self.now, 2**158: self.now - timedelta(days=1)}
        parsed = parse_crl(await ca.revocation_list(revoked, 5, self.now), ca.chain[0], self.now)
        assert (parsed.number, parsed.serials) == (5, frozenset(revoked))
        assert parsed.next_update > self.now
