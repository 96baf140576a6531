"""SUIT manifests: reading the draft's example 1, and writing many, beside the bare signature operations."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import load_der_public_key

from benchmarks.results import Figure, Result, samples
from suit import templates
from suit.builder import Builder
from suit.envelope import parse_envelope, sign
from suit.manifest import Manifest
from suit.numbers import ManifestKey, ParameterKey
from suit.series import Series

ALGORITHM: Final = ec.ECDSA(hashes.SHA256())
VENDOR, CLASS = bytes(16), bytes(range(16))
EXAMPLES: Final = Path(__file__).parents[1] / "tests" / "vectors" / "suit-manifest" / "appendix_b.json"
"""draft-ietf-suit-manifest-37, Appendix B, and the public key of its envelopes."""


TURNS: Final = 20
"""Turns of a round. The fastest counts: what else the machine does only ever slows one down."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How much of it."""

    verifications: int = 2_000
    manifests: int = 10_000
    rounds: int = 9


SMOKE = Plan(verifications=5, manifests=5, rounds=1)


async def run(plan: Plan) -> Result:
    """Both sides by turns, in CPU time of this one thread."""
    raw, public = example_1()
    signature, signed = parts_of(raw)
    reading, decoding, bare_verification = _by_turns(
        (
            lambda _: parse_envelope(raw).verify(public),
            lambda _: parse_envelope(raw).verify(public).decoded(),
            lambda _: public.verify(signature, signed, ALGORITHM),
        ),
        plan.verifications,
        plan.rounds,
    )
    key, series = ec.generate_private_key(ec.SECP256R1()), Series(settings(b""))
    writing, singly, bare_signing = _by_turns(
        (
            lambda number: series.sign(key, number + 1, {0: {ParameterKey.CONTENT: b"device=%d" % number}}),
            lambda number: sign(settings(b"device=%d" % number, number + 1), key),
            lambda _: key.sign(signed, ALGORITHM),
        ),
        plan.manifests,
        plan.rounds,
    )
    verification, signing = "1.5 x the time of a verification", "2 x the time of a signature"
    return Result(
        benchmark="suit",
        title="SUIT manifests",
        peer="bare signature",
        configuration={
            "read": f"example 1 of the draft, {len(raw)} bytes: envelope, digest, P-256 signature, outline of the "
            "manifest; then every command of it, too",
            "written": f"{plan.manifests} manifests, each for one device and signed with P-256: as a series, "
            "which encodes once what they have in common, and each built anew",
            "rounds": f"{plan.rounds}, each of {TURNS} turns with the bare signature; the fastest turn counts",
        },
        figures=(
            Figure("parse and verify", "1/s", reading, bare_verification, True, verification),
            Figure("parse, verify and decode all commands", "1/s", decoding, bare_verification, True),
            Figure("author and sign a series", "1/s", writing, bare_signing, True, signing),
            Figure("author and sign one by one", "1/s", singly, bare_signing, True),
        ),
    )


def example_1() -> tuple[bytes, ec.EllipticCurvePublicKey]:
    """The signed envelope of the draft's example 1 (Appendix B.2), and the key it is signed with."""
    examples = json.loads(EXAMPLES.read_text())
    [raw] = [bytes.fromhex(row["hex"]) for row in examples["envelopes"] if row["name"] == "example1_1_signed"]
    key = load_der_public_key(bytes.fromhex(examples["public_key_spki"]))
    assert isinstance(key, ec.EllipticCurvePublicKey)
    return raw, key


def parts_of(raw: bytes) -> tuple[bytes, bytes]:
    """Signature and Sig_structure of an envelope with one ES256 block, as the bare verification takes them."""
    envelope = parse_envelope(raw)
    r, s = envelope.signatures[0][-64:-32], envelope.signatures[0][-32:]
    signed = b"\x84\x6aSignature1\x43\xa1\x01\x26\x40\x58\x24" + envelope.digest.encode()
    return encode_dss_signature(int.from_bytes(r, "big"), int.from_bytes(s, "big")), signed


def settings(content: bytes, number: int = 1) -> Manifest:
    """A manifest that writes a device's settings."""
    build = Builder(number)
    build.for_devices(VENDOR, CLASS)
    component = build.component("settings")
    if content:
        build.set(component, {ParameterKey.CONTENT: content})
    build.add(ManifestKey.INSTALL, component, templates.WRITE, templates.CHECK_CONTENT)
    return build.manifest()


def _by_turns(acts: tuple[Callable[[int], object], ...], count: int, rounds: int) -> tuple[tuple[float, ...], ...]:
    """How many of each a second: in each round, in the fastest of its turns."""
    found: list[list[float]] = [[] for _ in acts]
    per_turn = max(count // TURNS, 1)
    for _ in range(rounds):
        fastest = [0.0] * len(acts)
        for turn in range(TURNS):
            for which, act in enumerate(acts):
                began = time.thread_time()
                for number in range(turn * per_turn, (turn + 1) * per_turn):
                    act(number)
                fastest[which] = max(fastest[which], per_turn / max(time.thread_time() - began, 1e-9))
        for rates, rate in zip(found, fastest, strict=True):
            rates.append(rate)
    return tuple(map(samples, found))
