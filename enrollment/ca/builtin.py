"""The built-in authority: a key in a file or a token, and nothing that needs a network."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import TypeVar

from cryptography import x509

from cose.keys import PublicKey, UnusableKey
from cose.token_keys import TokenKey
from device_pki.issue import Issuer, Validity, factory_device, ocsp_responder, operational_device, revocation_list
from enrollment.ca.backend import CaBackendError
from enrollment.csr import CheckedCsr

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class BuiltinCa:
    """Signs with its own private key, and in a thread what may take a while."""

    issuer: Issuer
    above: tuple[x509.Certificate, ...]
    """The certificates above the CA's own, up to the root; empty for a root."""
    certificate_lifetime: timedelta
    crl_lifetime: timedelta
    hardware_type: x509.ObjectIdentifier | None = None
    """hwType of the hardwareModuleName in factory certificates; without it they have none."""
    earlier_keys: tuple[Issuer, ...] = ()
    """Keys that were replaced, with their certificates."""

    @property
    def chain(self) -> tuple[x509.Certificate, ...]:
        """The CA's own certificate, then those above."""
        return (self.issuer.certificate, *self.above)

    @property
    def earlier(self) -> tuple[x509.Certificate, ...]:
        """The certificates of the keys that were replaced."""
        return tuple(issuer.certificate for issuer in self.earlier_keys)

    @property
    def points(self) -> Collection[str]:
        """The list names none."""
        return ()

    async def issue_operational(self, csr: CheckedCsr, subject: x509.Name, now: datetime) -> x509.Certificate:
        """Issue an operational certificate that ends no later than the CA's own."""
        validity = Validity.lasting(now, self.certificate_lifetime)
        end = min(validity.not_after, self.issuer.certificate.not_valid_after_utc)
        shortened = Validity(validity.not_before, end)
        return await self._certified(lambda: operational_device(self.issuer, csr.public_key, subject, shortened))

    async def issue_factory(self, csr: CheckedCsr, now: datetime) -> x509.Certificate:
        """Issue a factory certificate without an end: a device may lie in storage for years."""
        validity, hardware = Validity.unlimited(now), self.hardware_type
        return await self._certified(
            lambda: factory_device(self.issuer, csr.public_key, csr.endpoint, validity, hardware_type=hardware)
        )

    async def issue_responder(
        self, issuer: x509.Certificate, key: PublicKey, lifetime: timedelta, now: datetime
    ) -> x509.Certificate:
        """Certify an OCSP responder, with the key whose certificates it answers for."""
        [signer] = [one for one in (self.issuer, *self.earlier_keys) if one.certificate == issuer]
        validity = Validity.lasting(now, lifetime)
        return await _signed(lambda: ocsp_responder(signer, key, "OCSP responder", validity))

    async def revocation_list(self, revoked: Mapping[int, datetime], number: int, now: datetime) -> bytes:
        """Sign a list that is fresh for `crl_lifetime`."""
        start = now.replace(microsecond=0)
        return await _signed(lambda: revocation_list(self.issuer, revoked, number, start, start + self.crl_lifetime))

    async def earlier_lists(
        self, revoked: Mapping[int, datetime], number: int, now: datetime
    ) -> Sequence[tuple[x509.Certificate, bytes]]:
        """Sign the list with each earlier key whose certificate has not expired."""
        start = now.replace(microsecond=0)
        lists = []
        for one in self.earlier_keys:
            if one.certificate.not_valid_after_utc > now:
                der = await _signed(partial(revocation_list, one, revoked, number, start, start + self.crl_lifetime))
                lists.append((one.certificate, der))
        return lists

    async def _certified(self, sign: Callable[[], x509.Certificate]) -> x509.Certificate:
        """One signature by a key in memory is done sooner than a thread is told of it; a token may be slow."""
        if isinstance(self.issuer.private_key, TokenKey):
            return await _signed(sign)
        return sign()


async def _signed(sign: Callable[[], T]) -> T:
    try:
        return await asyncio.to_thread(sign)
    except UnusableKey as error:
        raise CaBackendError(f"the CA's key: {error}") from error
