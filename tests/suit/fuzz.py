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
    from suit.report import Report
    from suit.stores.memory import MemoryStore
    from tests.suit.samples import CLASS, KEY, VENDOR, appendix_b, update_envelope
    from tests.suit.test_extensions import DOMAINS, MANIFESTS

DEVICE = suit.DeviceDescription(VENDOR, CLASS, strict=False)
PAYLOADS = {"http://example.com/file.bin": b"x", "http://example.com/dependent.suit": DOMAINS["example0_dependent"]}


def one_input(data: bytes) -> None:
    """Everything that reads what others send."""
    for read in (_process, edn.envelope, Report.decode, lambda raw: decrypt(raw, b"payload", [])):
        try:
            read(data)
        except (suit.SuitError, CborError):
            continue


def _process(data: bytes) -> None:
    verified = _believed(suit.parse_envelope(data))
    common = verified.manifest.common
    store = MemoryStore({common.identifier(number): b"content" for number in range(common.count)})
    suit.process(verified, device=DEVICE, store=store, last_sequence=None, fetched=PAYLOADS)


def _believed(envelope: Envelope) -> VerifiedEnvelope:
    parts = (envelope.raw, envelope.digest, envelope.signatures, envelope.manifest_bytes)
    outline = Outline.read(envelope.manifest_bytes)
    return VerifiedEnvelope(*parts, envelope.severed, envelope.payloads, KEY.public_key(), outline)


def seed(folder: Path) -> None:
    """Begin with whole envelopes."""
    seeds = [example.raw for example in appendix_b()[0]]
    for raw in (*seeds, *DOMAINS.values(), *MANIFESTS.values(), update_envelope().raw):
        (folder / hashlib.sha256(raw).hexdigest()[:16]).write_bytes(raw)


def main() -> None:
    """Fuzz until libFuzzer's options say stop."""
    seed(Path(sys.argv[1]))
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
