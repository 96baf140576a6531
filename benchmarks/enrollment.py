"""Enrollments per second of processor time at a CA, both profiles, beside the cryptographic operations they cannot do
without: verifying a request and signing a certificate with PKCS#10, one key agreement and that signature with C509.

What is counted begins with a request that came out of a session and ends with the certificate stored and answered;
sessions have a benchmark of their own.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from benchmarks.results import Figure, Result, samples
from cose.keys import generate_private_key
from enrollment.c509_csr import Possession, build_c509_csr
from enrollment.csr import build_csr
from enrollment.est.client import c509_enroll_request, enroll_request
from enrollment.est.paths import CaUri
from lwm2m_server.store.database import Database
from secure_coap.exchange import Request
from tests.enrollment.world import EstWorld, Session

ALGORITHM: Final = ec.ECDSA(hashes.SHA256())
GOAL: Final = "twice the time of the bare operations"
UNDER_WAY: Final = 50
"""Requests at a time."""

Ask = Callable[[CaUri, Session], Request]


@dataclass(frozen=True, slots=True)
class Plan:
    """How much of it."""

    enrollments: int = 1_000
    """In each round, each of another device."""
    operations: int = 5_000
    rounds: int = 5


SMOKE: Final = Plan(enrollments=4, operations=4, rounds=1)


async def run(plan: Plan) -> Result:
    """Rounds in turn, so that all meet the same disturbances."""
    pkcs10: list[float] = []
    c509: list[float] = []
    bare: tuple[list[float], list[float]] = ([], [])
    for _ in range(plan.rounds):
        pkcs10.append(await _enrolled_per_second(_with_pkcs10, plan.enrollments))
        bare[0].append(_per_second(_verify_and_sign(), plan.operations))
        c509.append(await _enrolled_per_second(_with_c509, plan.enrollments))
        bare[1].append(_per_second(_agree_and_sign(), plan.operations))
    return Result(
        benchmark="enrollment",
        title="Enrollments",
        peer="bare operations",
        configuration={
            "requests": f"{plan.enrollments} devices a round, a fresh key each, {UNDER_WAY} requests under way",
            "register": "SQLite, WAL, synced before each answer; one label",
            "CA": "built in, its P-256 key in memory, certificates of the usual profile",
        },
        figures=(
            Figure("PKCS#10 to X.509 (DTLS)", "1/s", samples(pkcs10), samples(bare[0]), True, GOAL),
            Figure("C509 to C509 (OSCORE)", "1/s", samples(c509), samples(bare[1]), True, GOAL),
        ),
    )


async def _enrolled_per_second(ask: Ask, count: int) -> float:
    with tempfile.TemporaryDirectory() as folder:
        database = await Database.open(Path(folder) / "ca.db")
        world = EstWorld(database)
        devices = [world.permanent.device(f"dev-{number}") for number in range(count)]
        uri = await world.label(0, *devices)
        sessions = [world.compact(device) for device in devices]
        requests = [ask(uri, session) for session in sessions]
        places = asyncio.Semaphore(UNDER_WAY)

        async def enroll(request: Request, session: Session) -> None:
            async with places:
                (await world.ask(request, session)).raise_for_code()

        began = time.process_time()
        await asyncio.gather(*(enroll(*pair) for pair in zip(requests, sessions, strict=True)))
        used = time.process_time() - began
        await database.close()
    return count / max(used, 1e-9)


def _with_pkcs10(uri: CaUri, session: Session) -> Request:
    assert session.peer is not None and session.peer.endpoint is not None
    return enroll_request(uri, build_csr(generate_private_key(), session.peer.endpoint, session.channel_binding))


def _with_c509(uri: CaUri, session: Session) -> Request:
    assert session.responder_key is not None
    possession = Possession(session.channel_binding, session.responder_key.public_key())
    return c509_enroll_request(uri, build_c509_csr(generate_private_key(), possession))


def _verify_and_sign() -> Sequence[Callable[[], object]]:
    key, data = ec.generate_private_key(ec.SECP256R1()), bytes(200)
    public, signature = key.public_key(), key.sign(data, ALGORITHM)
    return lambda: public.verify(signature, data, ALGORITHM), lambda: key.sign(data, ALGORITHM)


def _agree_and_sign() -> Sequence[Callable[[], object]]:
    key, other = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    public, data = other.public_key(), bytes(200)
    return lambda: key.exchange(ec.ECDH(), public), lambda: key.sign(data, ALGORITHM)


def _per_second(operations: Sequence[Callable[[], object]], count: int) -> float:
    began = time.process_time()
    for _ in range(count):
        for act in operations:
            act()
    return count / max(time.process_time() - began, 1e-9)
