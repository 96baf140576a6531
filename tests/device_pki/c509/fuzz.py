"""Coverage-guided fuzzing of all that reads C509: `python -m tests.device_pki.c509.fuzz FOLDER [libFuzzer options]`.

The folder is filled with certificates and requests and then with what is found. Whatever is no C509Error ends the run,
and so do an input that takes too long, a certificate that is not exactly what it is read from, and one whose native
signature verifies though nobody made it.
"""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["device_pki", "cose"]):
    from cose.cbor import encode
    from device_pki.bag import BagError, decode_c5b
    from device_pki.c509 import (
        C509Error,
        decode_certificate,
        decode_csr,
        decode_template,
        encode_certificate,
        encode_csr,
        request_natively,
        sign_natively,
    )
    from device_pki.description import describe_c509, describe_c509_csr
    from tests.device_pki.c509.samples import KEY, certificate, vector
    from tests.device_pki.c509.test_extensions import AS_DER, COMPACT
    from tests.device_pki.c509.test_request import ALTERNATIVE, REQUESTS, SUBJECT
    from tests.device_pki.c509.test_template import DEVICE

SIGNED = {sign_natively(certificate(), KEY).encoded}


def one_input(data: bytes) -> None:
    """Everything that reads what others send."""
    for read in (_certificate, _request, _template, lambda raw: decode_c5b(raw, 3)):
        try:
            read(data)
        except (C509Error, BagError):
            continue


def _certificate(data: bytes) -> None:
    decoded = decode_certificate(data)
    assert decoded.encoded == data
    assert sum(field.size for field in describe_c509(decoded).fields) == len(data)
    if not decoded.native:
        assert decode_certificate(encode_certificate(decoded.to_x509())).view == decoded.view
        return
    try:
        decoded.verify_signed_by(KEY.public_key())
    except C509Error:
        return
    assert data in SIGNED


def _request(data: bytes) -> None:
    decoded = decode_csr(data)
    assert decoded.encoded == data
    assert sum(field.size for field in describe_c509_csr(decoded).fields) == len(data)
    if not decoded.native:
        assert decode_csr(encode_csr(decoded.to_pkcs10())).view == decoded.view


def _template(data: bytes) -> None:
    assert decode_template(data).encode() == data


def seed(folder: Path) -> None:
    """Begin with a certificate for every extension, and with requests."""
    certificates = [
        certificate((extension, False)) for extension in (*(extension for extension, _ in COMPACT), *AS_DER)
    ]
    encoded = [encode_certificate(one) for one in certificates]
    requests = [encode_csr(request) for request, _ in REQUESTS]
    native = request_natively(KEY, SUBJECT, extensions=[ALTERNATIVE], challenge_password="x").encoded
    bag = encode(encoded[:2])
    for raw in (*encoded, *SIGNED, vector("~C509 type 3", 275), *requests, native, bag, DEVICE.encode()):
        (folder / hashlib.sha256(raw).hexdigest()[:16]).write_bytes(raw)


def main() -> None:
    """Fuzz until libFuzzer's options say stop."""
    seed(Path(sys.argv[1]))
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
