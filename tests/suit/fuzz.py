"""Coverage-guided fuzzing of parsing and processing: `python -m tests.suit.fuzz FOLDER [libFuzzer options]`.

The folder is filled with the envelopes of our fixtures and then with what is found. Signatures are taken for good, or
nothing would ever be processed. Whatever is no SuitError ends the run (no CborError, where bytes are only shown), and
so does an input that takes too long.
"""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["suit", "cose"]):
    import suit
    from cose.cbor import CborError
    from suit import edn
    from suit.encryption import decrypt
    from suit.envelope import Envelope, VerifiedEnvelope
    from suit.manifest import Outline
    from suit.payloads import named_payloads
    from suit.report import Report
    from suit.stores.memory import MemoryStore
    from suit.tool.table import steps_of
    from tests.suit import other_author as other
    from tests.suit.samples import CLASS, KEY, VENDOR, appendix_b, update_envelope
    from tests.suit.test_extensions import DOMAINS, ENCRYPTED, KEYS, MAC_KEY, MANIFESTS

DEVICE = suit.DeviceDescription(VENDOR, CLASS, strict=False)
PAYLOADS = {"http://example.com/file.bin": b"x", "http://example.com/dependent.suit": DOMAINS["example0_dependent"]}

RECIPIENTS = (
    other.wrapped(bytes(16), other.MAC_KEY, b"kid"),
    other.agreed(KEY.public_key(), other.MAC_KEY, None, b"k"),
)
MAKERS = (
    other.sign1(KEY, {4: b"kid", 1: -9}),
    other.sign((KEY, {1: -9})),
    other.mac0(other.MAC_KEY),
    other.mac(*RECIPIENTS),
)
INFOS = [bytes.fromhex(example["info"]) for example in ENCRYPTED.values()]


def one_input(data: bytes) -> None:
    """Everything that reads what others send."""
    for read in (_process, _show, _verify, edn.envelope, Report.decode, lambda raw: decrypt(raw, b"payload", KEYS)):
        try:
            read(data)
        except (suit.SuitError, CborError):
            continue


def _process(data: bytes) -> None:
    verified = _believed(suit.parse_envelope(data))
    common = verified.manifest.common
    store = MemoryStore({common.identifier(number): b"content" for number in range(common.count)})
    suit.process(verified, device=DEVICE, store=store, last_sequence=None, fetched=PAYLOADS)


def _show(data: bytes) -> None:
    envelope = suit.parse_envelope(data)
    named_payloads(envelope)
    _ = envelope.manifest.texts
    for _ in steps_of(envelope):
        continue


def _verify(data: bytes) -> None:
    """By everybody: blocks are read whole before a signature is found wrong."""
    envelope = suit.parse_envelope(data)
    for authority in (KEY.public_key(), MAC_KEY, *KEYS):
        try:
            envelope.verify(authority)
        except suit.SuitError:
            continue


def _believed(envelope: Envelope) -> VerifiedEnvelope:
    parts = (envelope.raw, envelope.digest, envelope.signatures, envelope.manifest_bytes)
    outline = Outline.read(envelope.manifest_bytes)
    return VerifiedEnvelope(*parts, envelope.severed, envelope.payloads, KEY.public_key(), outline)


def seed(folder: Path) -> None:
    """Begin with whole envelopes."""
    seeds = [example.raw for example in appendix_b()[0]]
    others = [other.envelope(b"\xa0", maker) for maker in MAKERS]
    for raw in (*seeds, *others, *INFOS, *DOMAINS.values(), *MANIFESTS.values(), update_envelope().raw):
        (folder / hashlib.sha256(raw).hexdigest()[:16]).write_bytes(raw)


def main() -> None:
    """Fuzz until libFuzzer's options say stop."""
    seed(Path(sys.argv[1]))
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
