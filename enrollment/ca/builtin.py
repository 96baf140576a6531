"""The built-in authority: a key file, and nothing that needs a network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography import x509

from cose.keys import PublicKey
from device_pki.issue import Issuer, Validity, factory_device, operational_device, revocation_list


@dataclass(frozen=True, slots=True)
class BuiltinCa:
    """Signs with a private key held in memory."""

    issuer: Issuer
    above: tuple[x509.Certificate, ...]
    """The certificates above the CA's own, up to the root; empty for a root."""
    certificate_lifetime: timedelta
    crl_lifetime: timedelta
    hardware_type: x509.ObjectIdentifier | None = None
    """hwType of the hardwareModuleName in factory certificates; without it they have none."""

    @property
    def chain(self) -> tuple[x509.Certificate, ...]:
        """The CA's own certificate, then those above."""
        return (self.issuer.certificate, *self.above)

    async def issue_operational(self, key: PublicKey, subject: x509.Name, now: datetime) -> x509.Certificate:
        """Issue an operational certificate that ends no later than the CA's own."""
        validity = Validity.lasting(now, self.certificate_lifetime)
        end = min(validity.not_after, self.issuer.certificate.not_valid_after_utc)
        return operational_device(self.issuer, key, subject, Validity(validity.not_before, end))

    async def issue_factory(self, key: PublicKey, endpoint: str, now: datetime) -> x509.Certificate:
        """Issue a factory certificate without an end: a device may lie in storage for years."""
        validity = Validity.unlimited(now)
        return factory_device(self.issuer, key, endpoint, validity, hardware_type=self.hardware_type)

    async def revocation_list(self, revoked: Mapping[int, datetime], number: int, now: datetime) -> bytes:
        """Sign a list that is fresh for `crl_lifetime`."""
        start = now.replace(microsecond=0)
        return revocation_list(self.issuer, revoked, number, start, start + self.crl_lifetime)
