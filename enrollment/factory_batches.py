"""Certifying the requests of a production batch: all of them, or none with a reason for each that is wrong."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509

from enrollment.ca.backend import CaBackend
from enrollment.csr import CheckedCsr, CsrError, check_factory_csr
from enrollment.register import EnrollmentRegister


@dataclass(frozen=True, slots=True)
class RefusedCsr:
    """One request of a batch that cannot be certified."""

    index: int
    """Its place in the batch, from 0."""
    reason: str


class BatchRefused(Exception):
    """Nothing of the batch was certified."""

    def __init__(self, refused: Sequence[RefusedCsr]) -> None:
        super().__init__(f"{len(refused)} requests cannot be certified; correct them and send the batch again")
        self.refused = tuple(refused)


async def certify_batch(
    register: EnrollmentRegister, ca: CaBackend, csrs: Sequence[bytes], now: datetime
) -> list[bytes]:
    """Return a factory certificate (DER) per request, in their order; raise `BatchRefused`.

    A key that has a certificate gets the same one again, so that a batch may be repeated.
    """
    checked = await _check(register, csrs)
    known = [await register.factory_certificate(csr.key_thumbprint) for csr in checked]
    issued: dict[int, x509.Certificate] = {
        index: await ca.issue_factory(csr, now) for index, csr in enumerate(checked) if known[index] is None
    }
    if issued:
        await register.record_factory_batch(list(issued.values()), now)
    return [await _stored(register, csr) for csr in checked]


async def _stored(register: EnrollmentRegister, csr: CheckedCsr) -> bytes:
    certificate = await register.factory_certificate(csr.key_thumbprint)
    if certificate is None:
        raise LookupError("a certificate just recorded is gone from the register")
    return certificate


async def _check(register: EnrollmentRegister, csrs: Sequence[bytes]) -> list[CheckedCsr]:
    checked: dict[int, CheckedCsr] = {}
    refused: dict[int, str] = {}
    for index, data in enumerate(csrs):
        try:
            checked[index] = check_factory_csr(data)
        except CsrError as error:
            refused[index] = str(error)
    names = Counter(csr.endpoint for csr in checked.values())
    keys = Counter(csr.key_thumbprint for csr in checked.values())
    for index, csr in checked.items():
        if names[csr.endpoint] > 1 or keys[csr.key_thumbprint] > 1:
            refused[index] = "the endpoint name or the key comes twice in the batch"
        elif await register.endpoint_key(csr.endpoint) not in {None, csr.key_thumbprint}:
            refused[index] = f"endpoint name: {csr.endpoint} is certified for another key"
    if refused:
        raise BatchRefused([RefusedCsr(index, refused[index]) for index in sorted(refused)])
    return list(checked.values())
