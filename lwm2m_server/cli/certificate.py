"""`lwm2m-server certificate`: look into certificates and requests, whatever their encoding."""

from __future__ import annotations

import base64
import binascii
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from lwm2m_server.cli.common import Exit, Format, Output, fail, printable, show

if TYPE_CHECKING:
    from collections.abc import Callable

    from device_pki.description import Description

app = typer.Typer(no_args_is_help=True, help="Certificates and requests, X.509 and C509.", rich_markup_mode=None)

_MAX_FILE: Final = 1 << 20
_MAX_SHOWN: Final = 100
_ARMOUR: Final = re.compile(rb"-----BEGIN ([A-Z0-9 #]+)-----\s+([A-Za-z0-9+/=\s]+?)-----END \1-----")
_DER: Final = b"\x30"


@app.callback()
def _group() -> None:
    """Certificates and requests, X.509 and C509."""


@app.command("show")
def show_file(
    file: Annotated[Path, typer.Argument(help="Certificate, request or bag: X.509 or C509, PEM or binary.")],
    output: Format = Output.TABLE,
) -> None:
    """Show each field of the certificates or requests in FILE, and how many bytes it takes."""
    try:
        with file.open("rb") as opened:
            data = opened.read(_MAX_FILE + 1)
    except OSError as error:
        fail(Exit.USAGE, f"cannot read {file}: {error.strerror}")
    if len(data) > _MAX_FILE:
        fail(Exit.USAGE, f"{file} is larger than {_MAX_FILE} bytes")
    found = [description for part in _parts(data) for description in _described(part)]
    if not found:
        fail(Exit.REFUSED, f"{file} holds no certificate or request: neither X.509 nor C509, nor a bag of them")
    if output is Output.JSON:
        show(output, [_row(description) for description in found[:_MAX_SHOWN]])
        return
    for description in found[:_MAX_SHOWN]:
        typer.echo(printable(f"{description.kind}, {description.size} bytes, SHA-256 {description.fingerprint.hex()}"))
        show(output, _row(description)["fields"], ("name", "size", "value"))
        typer.echo()


def _row(description: Description) -> dict[str, Any]:
    fields = [{"name": field.name, "value": field.value, "size": field.size} for field in description.fields]
    return {
        "kind": description.kind,
        "size": description.size,
        "fingerprint": description.fingerprint.hex(),
        "fields": fields,
    }


def _parts(data: bytes) -> list[bytes]:
    """What is inside of each PEM armour, whatever its label says; without one the data itself."""
    armoured = [match[2] for match in _ARMOUR.finditer(data)]
    try:
        return [base64.b64decode(b"".join(body.split()), validate=True) for body in armoured] or [data]
    except binascii.Error:
        return []


def _described(data: bytes) -> list[Description]:
    """The certificate, request or bag in these bytes; nothing when there is none."""
    for read in (_x509, _pkcs10) if data[:1] == _DER else (_c509, _c509_csr, _bag):
        found = _tried(read, data)
        if found:
            return found
    return []


def _tried(read: Callable[[bytes], list[Description]], data: bytes) -> list[Description]:
    from device_pki.certificates import PARSE_ERRORS

    try:
        return read(data)
    except PARSE_ERRORS:  # not of this kind
        return []


def _x509(data: bytes) -> list[Description]:
    from device_pki.certificates import load_certificate
    from device_pki.description import describe_x509

    return [describe_x509(load_certificate(data))]


def _pkcs10(data: bytes) -> list[Description]:
    from cryptography import x509

    from device_pki.description import describe_pkcs10

    return [describe_pkcs10(x509.load_der_x509_csr(data))]


def _c509(data: bytes) -> list[Description]:
    from device_pki.c509 import decode_certificate
    from device_pki.description import describe_c509

    array_of_11 = b"\x8b"
    return [describe_c509(decode_certificate(data.removeprefix(array_of_11)))]


def _c509_csr(data: bytes) -> list[Description]:
    from device_pki.c509 import decode_csr
    from device_pki.description import describe_c509_csr

    return [describe_c509_csr(decode_csr(data))]


def _bag(data: bytes) -> list[Description]:
    """An x5bag or c5b: certificates in byte strings."""
    from cose.cbor import decode

    value = decode(data, max_size=_MAX_FILE, max_depth=2)
    members = [value] if isinstance(value, bytes) else value
    if not isinstance(members, list) or not all(isinstance(member, bytes) for member in members):
        return []
    return [one for member in members[:_MAX_SHOWN] for one in _tried(_x509 if member[:1] == _DER else _c509, member)]
