"""`lwm2m-server ca`: make a CA, certify keys, look into its register, close entries, revoke, pin providers.

Each command works on the CA's data folder and may be repeated. Errors name what helps.
"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from lwm2m_server.cli.common import Exit, Format, Output, fail, show

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from datetime import datetime

    from cryptography import x509

    from lwm2m_server.ca.directory import CaDirectory
    from lwm2m_server.ca.operator import CaOperator

T = TypeVar("T")
Row = dict[str, Any]

app = typer.Typer(no_args_is_help=True, help="A certification authority and its register.", rich_markup_mode=None)
labels = typer.Typer(no_args_is_help=True, help="Labels: which devices may enroll under which CA-URI.")
provider = typer.Typer(no_args_is_help=True, help="Service providers that may call the CA API.")
app.add_typer(labels, name="labels")
app.add_typer(provider, name="provider")


class Kind(StrEnum):
    """Where a CA stands."""

    ROOT = "root"
    INTERMEDIATE = "intermediate"
    UPSTREAM = "upstream"


class IssuedRole(StrEnum):
    """What a key may be certified for."""

    SERVER = "server"
    TRANSFER = "transfer"
    DOCUMENT = "document"
    FIRMWARE = "firmware"
    CA = "ca"


Data = Annotated[Path | None, typer.Option("--data", help="The CA's data folder.", envvar="LWM2M_CA_DATA")]
Config = Annotated[Path | None, typer.Option("--config", help="Settings file whose [ca] section names the folder.")]


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
    output: Format = Output.TABLE,
) -> None:
    """Make a CA: key, certificate, TLS identity of its API, certificate of its EST server. Also renews the latter two.

    An intermediate CA without --issuer leaves ca.csr: have it certified by `ca issue --role ca` of the other CA, and
    run this again with --certificate. For a CA elsewhere --certificate is its certificate with those above it; have
    est.csr and ra.csr certified there.
    """
    from lwm2m_server.ca.directory import CaDirectory
    from lwm2m_server.ca.setup import CaKind, Setup, set_up
    from lwm2m_server.ca.upstream_setup import set_up_upstream

    directory = CaDirectory(data)
    setup = Setup(
        directory=directory,
        name=name,
        kind=CaKind(kind.value),
        hosts=host or ["127.0.0.1", "localhost"],
        parent=None if issuer is None else CaDirectory(issuer),
        certificate=certificate,
        path_length=path_length,
        key_uri=key,
    )
    make = set_up_upstream if kind is Kind.UPSTREAM else set_up
    complete = _guarded(lambda: make(setup, _now()))
    requests = ", ".join(str(path) for path in sorted(data.glob("*.csr")))
    show(output, _ca_row(directory) if complete else {"data": str(data), "request": requests})


@app.command("issue")
def issue_certificate(  # noqa: PLR0917 - one parameter per option
    role: Annotated[IssuedRole, typer.Option("--role", help="What the key is for.")],
    csr: Annotated[Path, typer.Option("--csr", help="PKCS#10 request, PEM or DER.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="File for the certificate and the CAs above it (PEM).")],
    host: Annotated[list[str] | None, typer.Option("--host", help="A server's host, else the request's.")] = None,
    data: Data = None,
    config: Config = None,
    output: Annotated[Output, typer.Option("--output", help="How to print the result.")] = Output.TABLE,
) -> None:
    """Certify the key of a request for one role."""
    from lwm2m_server.ca.issuing import IssueRole, issue

    directory = _directory(data, config)
    made = _guarded(lambda: issue(directory, IssueRole(role.value), csr, hosts=host or [], out=out, now=_now()))
    show(output, {"file": str(out), "role": role.value, **_certificate_row(made)})


@labels.command("list")
def list_labels(data: Data = None, config: Config = None, output: Format = Output.TABLE) -> None:
    """List every label with its provider and the number of its devices."""

    async def rows(ca: CaOperator) -> list[Row]:
        return [
            {
                "uuid": str(label.uuid),
                "provider": label.provider,
                "label": label.log_name,
                "devices": devices,
                "open": opened,
            }
            for label, devices, opened in await ca.register.all_labels()
        ]

    show(output, _run(data, config, rows))


@labels.command("show")
def show_label(
    label: Annotated[str, typer.Argument(help="Label or UUID.")],
    data: Data = None,
    config: Config = None,
    output: Format = Output.TABLE,
) -> None:
    """List the devices of a label with what was issued to them."""

    async def rows(ca: CaOperator) -> list[Row]:
        found = await ca.find_label(label)
        entries = await ca.register.entries(found.text)
        result = []
        for entry in entries:
            issued = await ca.register.certificates(entry.label, entry.fingerprint)
            revoked = sum(certificate.revoked_at is not None for certificate in issued)
            result.append(_entry_row(entry) | {"certificates": len(issued), "revoked": revoked})
        return result

    show(output, _run(data, config, rows))


@labels.command("close")
def close_entry(  # noqa: PLR0917 - one parameter per option
    label: Annotated[str, typer.Argument(help="Label or UUID.")],
    device: Annotated[str, typer.Argument(help="Fingerprint of the factory certificate, or the endpoint name.")],
    revoke: Annotated[bool, typer.Option("--revoke", help="Also revoke what was issued under the label.")] = False,
    data: Data = None,
    config: Config = None,
    output: Format = Output.TABLE,
) -> None:
    """Remove one device's entry: it may not enroll under this label any more."""

    async def row(ca: CaOperator) -> Row:
        return _entry_row(await ca.close_entry(label, device, revoke=revoke))

    show(output, _run(data, config, row))


@app.command("revoke")
def revoke(
    certificate: Annotated[Path, typer.Argument(help="Certificate of this CA (PEM).")],
    data: Data = None,
    config: Config = None,
    output: Format = Output.TABLE,
) -> None:
    """Revoke a certificate, and publish the list that says so."""

    async def row(ca: CaOperator) -> Row:
        return _certificate_row(await ca.revoke(certificate)) | {"revoked": True}

    show(output, _run(data, config, row))


@app.command("crl")
def show_crl(
    out: Annotated[Path | None, typer.Option("--out", help="File for the list (DER).")] = None,
    data: Data = None,
    config: Config = None,
    output: Format = Output.TABLE,
) -> None:
    """Show the newest revocation list, signing it if something was revoked since."""
    from cryptography import x509

    from cose.files import write_durably

    async def row(ca: CaOperator) -> Row:
        der = await ca.crl()
        if out is not None:
            write_durably(out, der, 0o644)
        crl = x509.load_der_x509_crl(der)
        return {
            "number": crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number,
            "revoked": len(crl),
            "this_update": _time(crl.last_update_utc),
            "next_update": "" if crl.next_update_utc is None else _time(crl.next_update_utc),
        }

    show(output, _run(data, config, row))


@provider.command("add")
def add(
    name: Annotated[str, typer.Argument(help="The provider's name in this CA.")],
    certificate: Annotated[Path, typer.Argument(help="Its TLS certificate (PEM), which is pinned.")],
    data: Data = None,
    config: Config = None,
    output: Format = Output.TABLE,
) -> None:
    """Let a provider call the CA API with this very certificate."""
    from lwm2m_server.ca.providers import add_provider

    directory = _directory(data, config)
    pinned = _guarded(lambda: add_provider(directory, name, certificate))
    show(output, {"provider": name, **_certificate_row(pinned)})


@provider.command("list")
def list_providers(data: Data = None, config: Config = None, output: Format = Output.TABLE) -> None:
    """List the providers pinned in the data folder."""
    from lwm2m_server.ca.directory import read_certificates

    directory = _directory(data, config)
    paths = sorted(directory.providers.glob("*.pem"))
    rows = _guarded(lambda: [{"provider": p.stem, **_certificate_row(read_certificates(p)[0])} for p in paths])
    show(output, rows)


def _directory(data: Path | None, config: Path | None) -> CaDirectory:
    from lwm2m_server.ca.directory import CaDirectory
    from lwm2m_server.settings import SettingsError, load_settings

    if data is not None:
        return CaDirectory(data)
    if config is None:
        fail(Exit.USAGE, "name the CA: --data FOLDER, or --config FILE with a section [ca]")
    try:
        settings = load_settings(config)
    except SettingsError as error:
        fail(Exit.SETTINGS, str(error))
    if settings.ca is None:
        fail(Exit.SETTINGS, f"{config} has no section [ca]: this command is for CAs")
    return CaDirectory(settings.ca.data)


def _run(data: Path | None, config: Path | None, action: Callable[[CaOperator], Awaitable[T]]) -> T:
    import asyncio

    from lwm2m_server.ca.operator import opened
    from lwm2m_server.settings import load_settings

    directory = _directory(data, config)
    settings = None if config is None else load_settings(config).ca

    async def run() -> T:
        async with opened(directory, settings) as ca:
            return await action(ca)

    return _guarded(lambda: asyncio.run(run()))


def _guarded(action: Callable[[], T]) -> T:
    from lwm2m_server.ca.directory import CaDirectoryError

    try:
        return action()
    except (CaDirectoryError, OSError) as error:
        fail(Exit.REFUSED, str(error))


def _now() -> datetime:
    from datetime import UTC, datetime

    return datetime.now(UTC)


def _time(time: datetime) -> str:
    return f"{time:%Y-%m-%dT%H:%M:%SZ}"


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
        **_certificate_row(certificate),
    }


def _certificate_row(certificate: x509.Certificate) -> Row:
    from device_pki.fingerprints import fingerprint

    return {
        "subject": certificate.subject.rfc4514_string(),
        "fingerprint": fingerprint(certificate).hex(),
        "not_after": _time(certificate.not_valid_after_utc),
    }


def _entry_row(entry: Any) -> Row:
    return {
        "endpoint": entry.endpoint,
        "fingerprint": entry.fingerprint.hex(),
        "enroll": "open" if entry.open else "closed",
    }
