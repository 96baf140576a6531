"""`lwm2m-server certificate show` on files of every kind."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from typer.testing import CliRunner

from device_pki.bag import encode_c5b, encode_x5bag
from device_pki.c509 import encode_certificate, encode_csr
from device_pki.fingerprints import der, fingerprint
from device_pki.issue import natively
from lwm2m_server.cli.common import Exit
from lwm2m_server.cli.main import app
from tests.device_pki.builders import root
from tests.device_pki.c509.test_request import REQUESTS
from tests.device_pki.test_description import NATIVE_CSR

CA = root()
DEVICE = CA.device("device-1").certificate
PKCS10 = REQUESTS[1][0]
C509 = encode_certificate(DEVICE)
ARRAY_OF_11 = b"\x8b"


def armoured(label: str, data: bytes) -> bytes:
    return f"-----BEGIN {label}-----\n{base64.encodebytes(data).decode()}-----END {label}-----\n".encode()


def run(file: Path, *options: str) -> Any:
    return CliRunner().invoke(app, ["certificate", "show", str(file), *options])


@pytest.mark.parametrize(
    ("data", "kinds"),
    [
        (der(DEVICE), ["X.509 certificate"]),
        (DEVICE.public_bytes(Encoding.PEM), ["X.509 certificate"]),
        (DEVICE.public_bytes(Encoding.PEM) + CA.certificate.public_bytes(Encoding.PEM), ["X.509 certificate"] * 2),
        (C509, ["C509 certificate"]),
        (ARRAY_OF_11 + C509, ["C509 certificate"]),
        (natively(DEVICE, CA.issuer).encoded, ["C509 certificate"]),
        (armoured("C509 CERTIFICATE", C509), ["C509 certificate"]),
        (PKCS10.public_bytes(Encoding.DER), ["PKCS#10 request"]),
        (PKCS10.public_bytes(Encoding.PEM), ["PKCS#10 request"]),
        (encode_csr(PKCS10), ["C509 request"]),
        (NATIVE_CSR.encoded, ["C509 request"]),
        (encode_x5bag([der(DEVICE), der(CA.certificate)]), ["X.509 certificate"] * 2),
        (encode_c5b([C509]), ["C509 certificate"]),
    ],
)
def test_what_is_in_a_file(data: bytes, kinds: list[str], tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(data)
    result = run(file, "-o", "json")
    assert result.exit_code == 0, result.output
    shown = json.loads(result.output)
    assert [one["kind"] for one in shown] == kinds
    assert all(one["size"] == sum(field["size"] for field in one["fields"]) for one in shown)
    table = run(file)
    assert table.exit_code == 0
    assert f"{kinds[0]}, {shown[0]['size']} bytes" in table.output
    assert "device-1" in table.output


def test_the_fingerprint_is_that_of_the_bytes(tmp_path: Path) -> None:
    file = tmp_path / "device.pem"
    file.write_bytes(DEVICE.public_bytes(Encoding.PEM))
    assert fingerprint(DEVICE).hex() in run(file).output


@pytest.mark.parametrize(
    "data",
    [b"", b"hello", b"\x30\x00", b"\x8b", b"\x41", b"\x82\x41\x30\x41\x02", armoured("X", b"\x30"), bytes(2 << 20)],
)
def test_other_files(data: bytes, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(data)
    result = run(file)
    assert result.exit_code in {Exit.REFUSED, Exit.USAGE}
    assert str(file) in result.output.replace("\n", "")


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    assert run(tmp_path / "none").exit_code == Exit.USAGE
