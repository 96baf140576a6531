"""Revocation of many certificates: looking one up, publishing them all, and answering OCSP."""

from __future__ import annotations

import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from benchmarks.results import Figure, Result, samples
from cose.keys import PrivateKey, generate_private_key
from device_pki.issue import Issuer, Validity, operational_device, revocation_list, root_ca
from device_pki.names import device_subject
from device_pki.ocsp.client import build_request
from device_pki.ocsp.identifiers import CertId
from device_pki.ocsp.responder import SerialStatus
from device_pki.revocation import RevocationIndex
from enrollment.ca.builtin import BuiltinCa
from enrollment.ca.ocsp import OcspResponder

NOW: Final = datetime.now(UTC).replace(microsecond=0)
DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Plan:
    """How much of it."""

    revoked: int = 100_000
    look_ups: int = 100_000
    linear: int = 200
    answers: int = 10_000
    rounds: int = 5


SMOKE = Plan(revoked=10, look_ups=5, linear=5, answers=5, rounds=1)


async def run(plan: Plan) -> Result:
    """In CPU time of this process's threads."""
    key = generate_private_key()
    ca = Issuer(root_ca(key, "CA", Validity.lasting(NOW, 365 * DAY)), key)
    device = operational_device(
        ca, generate_private_key().public_key(), device_subject("dev-1"), Validity.lasting(NOW, DAY)
    )
    stride = (2**159 - 1) // plan.revoked
    revoked = {number * stride + 1: NOW for number in range(plan.revoked)}
    index = RevocationIndex()
    der = b""

    def sign() -> None:
        nonlocal der
        der = revocation_list(ca, revoked, 1, NOW, NOW + DAY)

    signing = _seconds(sign, plan.rounds)
    taking = _seconds(lambda: index.add(der, ca.certificate, NOW), plan.rounds)
    parsed = x509.load_der_x509_crl(der)
    looking = _rates(lambda _: index.status(device, NOW, ca.certificate), plan.look_ups, plan.rounds)
    linear = _rates(
        lambda _: parsed.get_revoked_certificate_by_serial_number(device.serial_number), plan.linear, plan.rounds
    )
    fresh, kept, bare = await _answers(ca, key, plan)
    return Result(
        benchmark="revocation",
        title=f"{plan.revoked:,} revoked certificates",
        peer="cryptography alone",
        configuration={
            "look-up": "a certificate that is not revoked, in the index; beside it, in the parsed list",
            "OCSP": "from request to answer in one process, without HTTP and without a store; beside it, bare P-256 "
            "signatures",
            "list": f"{len(der):,} bytes",
        },
        figures=(
            Figure("look-ups in the index", "1/s", looking, linear, True, "the same for any number"),
            Figure("OCSP answers signed, with a nonce", "1/s", fresh, bare, True),
            Figure("OCSP answers made before", "1/s", kept, (), True),
            Figure("sign the list", "s", signing, (), False),
            Figure("verify the list and index it", "s", taking, (), False),
        ),
    )


async def _answers(
    ca: Issuer, key: PrivateKey, plan: Plan
) -> tuple[tuple[float, ...], tuple[float, ...], tuple[float, ...]]:
    responder = OcspResponder(
        BuiltinCa(ca, (), DAY, DAY),
        _issued,
        mark=lambda: 1,
        lifetime=timedelta(minutes=5),
        clock=lambda: NOW,
        max_signed=sys.maxsize,
    )
    named = CertId.of(7, ca.certificate)
    with_nonce, without = build_request(named, bytes(32)), build_request(named, None)
    await responder.answer(without)
    fresh = await _async_rates(lambda: responder.answer(with_nonce), plan.answers, plan.rounds)
    kept = await _async_rates(lambda: responder.answer(without), plan.answers, plan.rounds)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    algorithm = ec.ECDSA(hashes.SHA256())
    return fresh, kept, _rates(lambda _: key.sign(without, algorithm), plan.answers, plan.rounds)


async def _issued(_serial: int) -> SerialStatus:
    return SerialStatus(True)


def _seconds(act: Callable[[], object], rounds: int) -> tuple[float, ...]:
    return tuple(1 / rate for rate in _rates(lambda _: act(), 1, rounds))


def _rates(act: Callable[[int], object], count: int, rounds: int) -> tuple[float, ...]:
    found: list[float] = []
    for _ in range(rounds):
        began = time.process_time()
        for number in range(count):
            act(number)
        found.append(_rate(count, began))
    return samples(found)


async def _async_rates(act: Callable[[], Awaitable[object]], count: int, rounds: int) -> tuple[float, ...]:
    found: list[float] = []
    for _ in range(rounds):
        began = time.process_time()
        for _ in range(count):
            await act()
        found.append(_rate(count, began))
    return samples(found)


def _rate(count: int, began: float) -> float:
    return count / max(time.process_time() - began, 1e-9)
