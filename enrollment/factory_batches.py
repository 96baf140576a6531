"""Certifying the requests of a production batch: all of them, or none with a reason for each that is wrong."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from cryptography import x509

from enrollment.c509_csr import check_factory_c509_csr
from enrollment.ca.backend import CaBackend
from enrollment.csr import CheckedCsr, CsrError, check_factory_csr
from enrollment.register import EnrollmentRegister

_SEQUENCE: Final = b"\x30"
"""The first octet of every PKCS#10 request, and of no C509 request."""
_AT_ONCE: Final = 32
"""Certificates an authority is asked for side by side."""
_CHECKED_TOGETHER: Final = 250
"""Requests one thread checks."""


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

    A key that has a certificate gets the same one again, so that a batch may be repeated. Requests are PKCS#10 or C509.
    """
    checked = await check_batch(csrs)
    await _check_names(register, checked)
    keys = [csr.key_thumbprint for csr in checked]
    known = await register.factory_certificates(keys)
    issued = await _issue(ca, [csr for csr in checked if csr.key_thumbprint not in known], now)
    if issued:
        await register.record_factory_batch(issued, now)
        # The same batch may have come twice at a time: what was stored first counts.
        known = await register.factory_certificates(keys)
    return [known[key] for key in keys]


async def check_batch(csrs: Sequence[bytes]) -> list[CheckedCsr]:
    """Return what the requests ask for; raise `BatchRefused` unless each is good and none comes twice."""
    parts = (csrs[start : start + _CHECKED_TOGETHER] for start in range(0, len(csrs), _CHECKED_TOGETHER))
    results = [
        one for part in await asyncio.gather(*(asyncio.to_thread(_check_all, part) for part in parts)) for one in part
    ]
    checked = {index: one for index, one in enumerate(results) if isinstance(one, CheckedCsr)}
    refused = {index: str(one) for index, one in enumerate(results) if isinstance(one, CsrError)}
    refused |= dict.fromkeys(_repeated(checked), "the endpoint name or the key comes twice in the batch")
    _refuse(refused)
    return list(checked.values())


def _check_all(csrs: Sequence[bytes]) -> list[CheckedCsr | CsrError]:
    return [_check(csr) for csr in csrs]


def _check(csr: bytes) -> CheckedCsr | CsrError:
    try:
        return check_factory_csr(csr) if csr[:1] == _SEQUENCE else check_factory_c509_csr(csr)
    except CsrError as error:
        return error


def _repeated(checked: dict[int, CheckedCsr]) -> Iterator[int]:
    names = Counter(csr.endpoint for csr in checked.values())
    keys = Counter(csr.key_thumbprint for csr in checked.values())
    return (index for index, csr in checked.items() if names[csr.endpoint] > 1 or keys[csr.key_thumbprint] > 1)


async def _check_names(register: EnrollmentRegister, checked: Sequence[CheckedCsr]) -> None:
    holders = await register.endpoint_keys([csr.endpoint for csr in checked])
    _refuse(
        {
            index: f"endpoint name: {csr.endpoint} is certified for another key"
            for index, csr in enumerate(checked)
            if holders.get(csr.endpoint, csr.key_thumbprint) != csr.key_thumbprint
        }
    )


def _refuse(reasons: dict[int, str]) -> None:
    if reasons:
        raise BatchRefused([RefusedCsr(index, reasons[index]) for index in sorted(reasons)])


async def _issue(ca: CaBackend, csrs: Sequence[CheckedCsr], now: datetime) -> list[x509.Certificate]:
    issued: list[x509.Certificate] = []
    for start in range(0, len(csrs), _AT_ONCE):
        issued += await asyncio.gather(*(ca.issue_factory(csr, now) for csr in csrs[start : start + _AT_ONCE]))
    return issued
