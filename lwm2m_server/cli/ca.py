"""`lwm2m-server ca`: make a CA, certify keys, list what it issued, revoke.

Each command works on the CA's data folder and may be repeated. Errors name what helps.
"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lwm2m_server.cli import ca_labels, ca_providers, ca_rollover
from lwm2m_server.cli.ca_common import (
    Config,
    Data,
    DryRun,
    Limit,
    Row,
    certificate_row,
    directory_of,
    guarded,
    now,
    time_text,
    with_register,
)
from lwm2m_server.cli.common import Exit, Format, Output, fail, show

if TYPE_CHECKING:
    from lwm2m_server.ca.directory import CaDirectory
    from lwm2m_server.ca.operator import CaOperator

app = typer.Typer(no_args_is_help=True, help="A certification authority and its register.", rich_markup_mode=None)
app.add_typer(ca_labels.app, name="labels")
app.add_typer(ca_providers.app, name="provider")
app.command("renew")(ca_rollover.renew)
app.command("roll")(ca_rollover.roll)


class Kind(StrEnum):
    """Where a CA stands."""

    ROOT = "root"
    INTERMEDIATE = "intermediate"
    UPSTREAM = "upstream"


class CertificateProfile(StrEnum):
    """How much certificates say (docs/reference/certificates.md)."""

    FULL = "full"
    MINIMAL = "minimal"


class IssuedRole(StrEnum):
    """What a key may be certified for."""

    SERVER = "server"
    TRANSFER = "transfer"
    DOCUMENT = "document"
    FIRMWARE = "firmware"
    CA = "ca"


@app.command("init")
def init(  # noqa: PLR0917 - one parameter per option
    data: Annotated[Path, typer.Option("--data", help="The CA's data folder.", envvar="LWM2M_CA_DATA")],
    name: Annotated[str, typer.Option("--name", help="commonName of the CA.")] = "CA",
    kind: Annotated[Kind, typer.Option("--kind", help="A root, certified by another CA, or elsewhere.")] = Kind.ROOT,
    issuer: Annotated[Path | None, typer.Option("--issuer", help="Data folder of the CA that certifies it.")] = None,
    certificate: Annotated[Path | None, typer.Option("--certificate", help="What `ca issue` made of ca.csr.")] = None,
    host: Annotated[
        list[str] | None, typer.Option("--host", help="Host name or address of the CA; repeatable.")
    ] = None,
    path_length: Annotated[int | None, typer.Option("--path-length", min=0, help="CAs that may follow below.")] = None,
    key: Annotated[str | None, typer.Option("--key", help="pkcs11: URI of the CA's key in a token.")] = None,
    profile: Annotated[
        CertificateProfile | None, typer.Option("--profile", help="How much its certificates say from now on.")
    ] = None,
    dry_run: DryRun = False,
    output: Format = Output.TABLE,
) -> None:
    """Make a CA: key, certificate, TLS identity of its API, certificate of its EST server. Also renews the latter two.

    An intermediate CA without --issuer leaves ca.csr: have it certified by `ca issue --role ca` of the other CA, and
    run this again with --certificate. For a CA elsewhere --certificate is its certificate with those above it; have
    est.csr and ra.csr certified there.
    """
    from device_pki.issue import Profile
    from lwm2m_server.ca.directory import CaDirectory
    from lwm2m_server.ca.setup import CaKind, Setup, set_up
    from lwm2m_server.ca.upstream_setup import set_up_upstream

    directory = CaDirectory(data)
    if dry_run:
        show(output, {"data": str(data), "missing": [path.name for path in directory.missing()]})
        return
    setup = Setup(
        directory=directory,
        name=name,
        kind=CaKind(kind.value),
        hosts=host or ["127.0.0.1", "localhost"],
        parent=None if issuer is None else CaDirectory(issuer),
        certificate=certificate,
        path_length=path_length,
        key_uri=key,
        profile=None if profile is None else Profile(profile.value),
    )
    make = set_up_upstream if kind is Kind.UPSTREAM else set_up
    complete = guarded(lambda: make(setup, now()))
    requests = ", ".join(str(path) for path in sorted(data.glob("*.csr")))
    show(output, _ca_row(directory) if complete else {"data": str(data), "request": requests})


@app.command("issue")
def issue_certificate(  # noqa: PLR0917 - one parameter per option
    role: Annotated[IssuedRole, typer.Option("--role", help="What the key is for.")],
    csr: Annotated[Path, typer.Option("--csr", help="PKCS#10 request, PEM or DER.")],
    out: Annotated[Path, typer.Option("--out", help="File for the certificate and the CAs above it (PEM).")],
    host: Annotated[list[str] | None, typer.Option("--host", help="A server's host, else the request's.")] = None,
    data: Data = None,
    config: Config = None,
    dry_run: DryRun = False,
    output: Format = Output.TABLE,
) -> None:
    """Certify the key of a request for one role."""
    from lwm2m_server.ca.issuing import IssueRole, issue, wanted

    directory = directory_of(data, config)
    if dry_run:
        name, hosts = guarded(lambda: wanted(directory, IssueRole(role.value), csr, host or []))
        show(output, {"file": str(out), "role": role.value, "subject": f"CN={name}", "hosts": hosts})
        return
    made = guarded(lambda: issue(directory, IssueRole(role.value), csr, hosts=host or [], out=out, now=now()))
    show(output, {"file": str(out), "role": role.value, **certificate_row(made)})


@app.command("list")
def list_certificates(  # noqa: PLR0917 - one parameter per option
    label: Annotated[str | None, typer.Option(help="Only under this label (or its UUID).")] = None,
    endpoint: Annotated[str | None, typer.Option(help="Only of this device.")] = None,
    serial: Annotated[str | None, typer.Option(help="Only the one with this serial number (hex).")] = None,
    factory: Annotated[
        bool, typer.Option("--factory", help="Factory certificates, which a permanent CA issues.")
    ] = False,
    data: Data = None,
    config: Config = None,
    limit: Limit = 100,
    output: Format = Output.TABLE,
) -> None:
    """List the certificates issued to devices, the oldest first: operational ones, or those of the factory."""
    from lwm2m_server.ca.directory import CaDirectoryError
    from lwm2m_server.store.enrollment_listing import CertificateFilter

    async def made_at_the_factory(ca: CaOperator) -> list[Row]:
        return [
            {
                "endpoint": one.endpoint,
                "serial": f"{one.certificate.serial_number:x}",
                "issued": time_text(one.issued_at),
            }
            | certificate_row(one.certificate)
            for one in await ca.factory_certificates(endpoint, limit)
        ]

    async def rows(ca: CaOperator) -> list[Row]:
        text = None if label is None else (await ca.find_label(label)).text
        try:
            number = None if serial is None else int(serial, 16)
        except ValueError as error:
            raise CaDirectoryError(f"{serial!r} is no serial number: give its hex digits") from error
        wanted = CertificateFilter(label=text, endpoint=endpoint, serial_number=number)
        return [
            {
                "endpoint": one.endpoint,
                "serial": f"{one.issued.serial_number:x}",
                "issued": time_text(one.issued_at),
                "not_after": time_text(one.issued.not_after),
                "revoked": time_text(one.issued.revoked_at),
                "label": one.issued.label[:6],
                "fingerprint": one.issued.fingerprint.hex(),
            }
            for one in await ca.certificates(wanted, limit)
        ]

    if factory and (label is not None or serial is not None):
        fail(Exit.USAGE, "factory certificates belong to no label and are found by --endpoint")
    show(output, with_register(data, config, made_at_the_factory if factory else rows))


@app.command("revoke")
def revoke(
    certificate: Annotated[str, typer.Argument(help="Certificate of this CA (PEM), or a fingerprint of `ca list`.")],
    data: Data = None,
    config: Config = None,
    dry_run: DryRun = False,
    output: Format = Output.TABLE,
) -> None:
    """Revoke a certificate, and publish the list that says so."""

    async def row(ca: CaOperator) -> Row:
        found = await ca.find_certificate(certificate)
        if not dry_run:
            await ca.revoke(found)
        return certificate_row(found) | {"revoked": not dry_run}

    show(output, with_register(data, config, row))


@app.command("crl")
def show_crl(
    out: Annotated[
        Path | None, typer.Option("--out", help="File for the list (DER); FILE.pem: also by earlier keys of the CA.")
    ] = None,
    data: Data = None,
    config: Config = None,
    output: Format = Output.TABLE,
) -> None:
    """Show the newest revocation list, signing it if something was revoked since."""
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding

    from cose.files import write_durably

    async def row(ca: CaOperator) -> Row:
        lists = await ca.crls()
        crl = x509.load_der_x509_crl(lists[0])
        if out is not None and out.suffix == ".pem":
            armoured = [x509.load_der_x509_crl(der).public_bytes(Encoding.PEM) for der in lists]
            write_durably(out, b"".join(armoured), 0o644)
        elif out is not None:
            write_durably(out, lists[0], 0o644)
        return {
            "number": crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number,
            "revoked": len(crl),
            "this_update": time_text(crl.last_update_utc),
            "next_update": time_text(crl.next_update_utc),
        }

    show(output, with_register(data, config, row))


def _ca_row(directory: CaDirectory) -> Row:
    from device_pki.fingerprints import fingerprint
    from lwm2m_server.ca.directory import read_certificates

    certificate = directory.chain()[0]
    https = read_certificates(directory.https.certificate)[0]
    return {
        "data": str(directory.root),
        "certificate": str(directory.certificate),
        "https_certificate": str(directory.https.certificate),
        "https_fingerprint": fingerprint(https).hex(),
        **certificate_row(certificate),
    }
