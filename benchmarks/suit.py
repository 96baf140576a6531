"""SUIT manifests: reading and verifying one, and writing many, beside the bare signature operations."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from benchmarks.results import Figure, Result, samples
from suit.builder import Builder
from suit.envelope import parse_envelope, sign
from suit.manifest import Manifest

ALGORITHM: Final = ec.ECDSA(hashes.SHA256())
IMAGE: Final = bytes(34768)
VENDOR, CLASS = bytes(16), bytes(range(16))


@dataclass(frozen=True, slots=True)
class Plan:
    """How much of it."""

    verifications: int = 2_000
    manifests: int = 10_000
    rounds: int = 5


SMOKE = Plan(verifications=5, manifests=5, rounds=1)


async def run(plan: Plan) -> Result:
    """Both sides by turns, in CPU time of this one thread."""
    key = ec.generate_private_key(ec.SECP256R1())
    public, raw = key.public_key(), sign(example(), key)
    parsed = parse_envelope(raw)
    signature = parsed.signatures[0][-64:]
    der = encode_dss_signature(int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big"))
    signed = b"\x84\x6aSignature1\x43\xa1\x01\x28\x40\x58\x24" + parsed.digest.encode()
    verified = plan.verifications, plan.rounds
    reading = _per_second(lambda _: parse_envelope(raw).verify(public), *verified)
    bare_verification = _per_second(lambda _: public.verify(der, signed, ALGORITHM), *verified)
    written = plan.manifests, plan.rounds
    writing = _per_second(lambda number: sign(for_device(number), key), *written)
    bare_signing = _per_second(lambda _: key.sign(signed, ALGORITHM), *written)
    return Result(
        benchmark="suit",
        title="SUIT manifests",
        peer="bare signature",
        configuration={
            "read": f"example 1 of the draft, {len(raw)} bytes: envelope, signature and manifest, P-256",
            "written": f"{plan.manifests} manifests, one per device, each signed with P-256",
        },
        figures=(
            Figure("parse and verify", "1/s", reading, bare_verification, True, "1.5 x the time of a verification"),
            Figure("author and sign", "1/s", writing, bare_signing, True, "2 x the time of a signature"),
        ),
    )


def example() -> Manifest:
    """Example 1 of the draft: an image from a URI."""
    return Manifest.firmware_update(
        sequence_number=1, image=IMAGE, vendor_id=VENDOR, class_id=CLASS, uri="http://example.com/file.bin"
    )


def for_device(number: int) -> Manifest:
    """A manifest for one device: its own settings."""
    build = Builder(number + 1)
    build.for_devices(VENDOR, CLASS)
    build.write(build.component("settings"), b"device=%d" % number)
    return build.manifest()


def _per_second(act: Callable[[int], object], count: int, rounds: int) -> tuple[float, ...]:
    found = []
    for _ in range(rounds):
        began = time.thread_time()
        for number in range(count):
            act(number)
        found.append(count / max(time.thread_time() - began, 1e-9))
    return samples(found)
