"""`lwm2m-device`: make, install, run and look at emulated devices. Only typer is imported before a command runs."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from cryptography import x509

MAX_DEVICES = 100_000

app = typer.Typer(
    name="lwm2m-device",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    add_completion=False,
)
factory_app = typer.Typer(no_args_is_help=True, help="Make devices and install what they leave the factory with.")
app.add_typer(factory_app, name="factory")

Data = Annotated[Path, typer.Option("--data", help="Directory that holds one directory per device.")]


@app.callback()
def _group() -> None:
    """Emulated LwM2M devices that move between providers."""


@factory_app.command("make")
def make(
    data: Data,
    count: Annotated[int, typer.Option("--count", min=1, max=MAX_DEVICES, help="How many new devices.")],
    csrs: Annotated[Path, typer.Option("--csrs", help="File for the requests: a CBOR array of DER PKCS#10.")],
    prefix: Annotated[str, typer.Option("--prefix", help="What endpoint names begin with.")] = "urn:dev:os:32473-",
) -> None:
    """Let new devices make their keys and certificate requests."""
    from cose import cbor
    from device_client.emulator import factory

    with _complaints():
        requests = factory.make(data, count, prefix)
        csrs.write_bytes(cbor.encode(requests))
    typer.echo(f"{len(requests)} devices made in {data}; have the permanent CA certify {csrs}")


@factory_app.command("install")
def install(
    *,
    data: Data,
    certificates: Annotated[Path, typer.Option("--certificates", help="x5bag of the factory certificates.")],
    permanent_anchor: Annotated[Path, typer.Option("--permanent-anchor", help="Permanent CA's certificate (PEM).")],
    ca_uri: Annotated[str, typer.Option("--ca-uri", help="CA-URI of the first provider's CA.")],
    ca_anchor: Annotated[Path, typer.Option("--ca-anchor", help="Certificate (PEM) that CA authenticates by.")],
    server_uri: Annotated[str, typer.Option("--server-uri", help="The first provider's LwM2M server.")],
    server_anchor: Annotated[Path, typer.Option("--server-anchor", help="Certificate (PEM) it authenticates by.")],
    transfer_authority: Annotated[Path, typer.Option("--transfer-authority", help="Public key (PEM).")],
    firmware_authority: Annotated[Path, typer.Option("--firmware-authority", help="Public key (PEM).")],
    vendor_id: Annotated[str, typer.Option("--vendor-id", help="SUIT vendor identifier, 32 hex digits.")],
    class_id: Annotated[str, typer.Option("--class-id", help="SUIT class identifier, 32 hex digits.")],
    image: Annotated[Path, typer.Option("--image", help="The firmware image the device leaves the factory with.")],
    minimum_form: Annotated[str, typer.Option("--minimum-form", help="endorsed or plain.")] = "endorsed",
    lab: Annotated[bool, typer.Option("--lab", help="Allow loopback and link-local URIs.")] = False,
    lifetime: Annotated[int, typer.Option("--lifetime", min=1, help="LwM2M lifetime, seconds.")] = 86400,
    endorser: Annotated[list[Path] | None, typer.Option("--endorser", help="Endorser certificate (PEM).")] = None,
    profile: Annotated[str, typer.Option("--profile", help="How it enrolls at first: dtls or compact.")] = "dtls",
    also: Annotated[str | None, typer.Option("--also", help="The other profile, where it may be moved to.")] = None,
    server_keys: Annotated[bool, typer.Option("--server-keys", help="CAs make its operational keys.")] = False,
) -> None:
    """Install factory certificates and first trust on devices that were made here."""
    import time

    from cose.keys import authority_key, load_public_key
    from device_client.emulator import factory
    from device_client.emulator.storage.identity import Installed
    from device_pki.bag import decode_x5bag

    with _complaints():
        bag = decode_x5bag(certificates.read_bytes(), max_items=MAX_DEVICES)
        firmware = image.read_bytes()
        common = Installed(
            certificate=bag[0],
            permanent_anchor=_certificate(permanent_anchor),
            ca_uri=ca_uri,
            ca_anchor=_certificate(ca_anchor),
            server_uri=server_uri,
            server_anchor=_certificate(server_anchor),
            transfer_authority=authority_key(load_public_key(transfer_authority)),
            firmware_authority=authority_key(load_public_key(firmware_authority)),
            minimum_form=_form(minimum_form),
            lab=lab,
            vendor_id=_uuid(vendor_id),
            class_id=_uuid(class_id),
            lifetime=lifetime,
            installed_at=int(time.time()),
            endorsers=tuple(_certificate(path) for path in endorser or []),
            profile=factory.profile_of(profile, server_keys=server_keys),
            protocols=factory.protocols_of({profile, also or profile}, server_keys=server_keys),
        )
        for certificate in bag:
            factory.install(data, replace(common, certificate=certificate), firmware)
    typer.echo(f"{len(bag)} devices installed in {data}")


@app.command("run")
def run(
    *,
    data: Annotated[Path | None, typer.Option("--data", help="Directory that holds one directory per device.")] = None,
    select: Annotated[list[str] | None, typer.Option("--select", help="Endpoint name; may be repeated.")] = None,
    first: Annotated[int, typer.Option("--first", min=0, help="Number of the first device, by sorted name.")] = 0,
    count: Annotated[int | None, typer.Option("--count", min=1, max=MAX_DEVICES, help="How many devices.")] = None,
    ack_timeout: Annotated[float, typer.Option("--ack-timeout", help="CoAP ACK_TIMEOUT, seconds.")] = 2.0,
    max_retransmit: Annotated[int, typer.Option("--max-retransmit", min=0, help="CoAP MAX_RETRANSMIT.")] = 4,
    handshake_timeout: Annotated[float, typer.Option("--handshake-timeout", help="DTLS handshake, seconds.")] = 30.0,
    retry_min: Annotated[float, typer.Option("--retry-min", help="First pause between attempts, seconds.")] = 0.2,
    retry_max: Annotated[float, typer.Option("--retry-max", help="Longest pause between attempts, seconds.")] = 60.0,
    lifetime: Annotated[int | None, typer.Option("--lifetime", min=1, help="LwM2M lifetime, seconds.")] = None,
    renew_at: Annotated[float, typer.Option("--renew-at", help="Share of a certificate's lifetime.")] = 2 / 3,
    uvloop: Annotated[bool, typer.Option("--uvloop", help="Use uvloop's event loop.")] = False,
    server: Annotated[str | None, typer.Option("--server", help="Any LwM2M server: run standard clients.")] = None,
    bootstrap: Annotated[str | None, typer.Option("--bootstrap", help="Bootstrap server's URI.")] = None,
    endpoint: Annotated[str | None, typer.Option("--endpoint", help="The client, or what names begin with.")] = None,
    psk_identity: Annotated[str | None, typer.Option("--psk-identity", help="Identity of the pre-shared key.")] = None,
    psk_key_file: Annotated[Path | None, typer.Option("--psk-key-file", help="File with the key, in hex.")] = None,
    certificate: Annotated[Path | None, typer.Option("--certificate", help="The client's certificate (PEM).")] = None,
    key: Annotated[Path | None, typer.Option("--key", help="Its private key (PEM).")] = None,
    anchor: Annotated[Path | None, typer.Option("--anchor", help="Certificate (PEM) of the server or its CA.")] = None,
    version: Annotated[str, typer.Option("--version", help="LwM2M version: 1.0, 1.1 or 1.2.")] = "1.1",
    queue_mode: Annotated[bool, typer.Option("--queue-mode", help="Sleep between Updates.")] = False,
    awake: Annotated[float, typer.Option("--awake", help="Seconds awake after an exchange.")] = 93.0,
    objects: Annotated[str | None, typer.Option("--objects", help="Objects beside 0 to 3, by commas.")] = None,
    insecure: Annotated[bool, typer.Option("--insecure", help="Let coap:// leave this machine.")] = False,
    firmware_authority: Annotated[
        Path | None, typer.Option("--firmware-authority", help="Public key (PEM): packages are SUIT envelopes.")
    ] = None,
    vendor_id: Annotated[str | None, typer.Option("--vendor-id", help="SUIT vendor identifier, 32 hex digits.")] = None,
    class_id: Annotated[str | None, typer.Option("--class-id", help="SUIT class identifier, 32 hex digits.")] = None,
    install_seconds: Annotated[float, typer.Option("--install-seconds", help="How long an update takes.")] = 1.0,
    send: Annotated[str | None, typer.Option("--send", help="Paths to send the server unasked, by commas.")] = None,
    send_every: Annotated[float, typer.Option("--send-every", help="Seconds between two Sends.")] = 60.0,
    jitter: Annotated[float, typer.Option("--jitter", help="Start the devices over so many seconds.")] = 0.0,
    period: Annotated[float, typer.Option("--period", help="Seconds between changes of what sensors measure.")] = 5.0,
) -> None:
    """Run devices in this process until SIGTERM or SIGINT; events are JSON lines on stderr.

    With --data alone: the devices that were made and installed there, which can move between providers. With --server
    or --bootstrap: standard clients of any LwM2M server.
    """
    import asyncio

    from device_client.emulator import fleet, log
    from device_client.emulator.plain import options
    from device_client.emulator.settings import RunSettings

    with _complaints():
        settings = RunSettings(
            ack_timeout=ack_timeout,
            max_retransmit=max_retransmit,
            handshake_timeout=handshake_timeout,
            retry_min=retry_min,
            retry_max=retry_max,
            lifetime=lifetime,
            renew_at=renew_at,
        )
        if server is None and bootstrap is None:
            if data is None or endpoint is not None:
                raise ValueError("name a server (--server, --bootstrap) for --endpoint, or installed devices (--data)")
            names = fleet.choose(data, select or [], first, count)
            devices = {name: fleet.installed(data, name, settings) for name in names}
        else:
            if select or first or endpoint is None:
                raise ValueError("--server and --bootstrap need --endpoint; --select and --first are for --data alone")
            credentials = options.credentials(psk_identity, psk_key_file, certificate, key, anchor)
            client = options.client(
                endpoint=endpoint,
                count=count or 1,
                server=server,
                bootstrap=bootstrap,
                credentials=credentials,
                version=version,
                lifetime=lifetime or 86400,
                queue_mode=queue_mode,
                awake=awake,
                objects=objects,
                insecure=insecure,
                send=send,
                send_every=send_every,
                jitter=jitter,
                firmware_authority=firmware_authority,
                vendor_id=b"" if vendor_id is None else _uuid(vendor_id),
                class_id=b"" if class_id is None else _uuid(class_id),
                install_seconds=install_seconds,
                period=period,
                run=settings,
            )
            devices = {name: fleet.standard(name, client, data) for name in client.endpoints()}
        log.configure()
        with asyncio.Runner(loop_factory=_uvloop() if uvloop else None) as runner:
            runner.run(fleet.run(devices))


@app.command("keys")
def keys(
    data: Data,
    endpoint: Annotated[str, typer.Option("--endpoint", help="The device, or standard client.")],
    report: Annotated[bool, typer.Option("--report", help="The key of its SUIT reports instead.")] = False,
) -> None:
    """Print public keys of a device as PEM; a standard client that was never run makes them now.

    Agreement keys are what firmware is encrypted for. A device with a certificate signs reports with the key of that.
    """
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    from device_client.emulator.factory import device_files
    from device_client.emulator.plain.signing import SigningKey
    from device_client.emulator.storage.agreement_keys import AgreementKeys

    with _complaints():
        files = device_files(data, endpoint)
        files.make()
        if report:
            found = [SigningKey(files, lambda: None).get().public_key()]
        else:
            agreement = AgreementKeys(files)
            agreement.make_first()
            found = [*agreement.public_keys()]
    for key in found:
        typer.echo(key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode(), nl=False)


@app.command("status")
def status(
    data: Data,
    output: Annotated[str, typer.Option("-o", "--output", help="table or json.")] = "table",
    select: Annotated[list[str] | None, typer.Option("--select", help="Endpoint name; may be repeated.")] = None,
) -> None:
    """Say what the devices' own files say."""
    import json

    from device_client.emulator import status as device_status

    with _complaints():
        found = device_status.statuses(data, select or ())
    match output:
        case "json":
            typer.echo(json.dumps(found))
        case "table":
            _print_table(found)
        case _:
            _fail("-o is table or json")


@contextmanager
def _complaints() -> Iterator[None]:
    """What the caller can mend becomes one line on stderr and exit code 1."""
    try:
        yield
    except (OSError, ValueError) as error:
        _fail(str(error))


def _fail(problem: str) -> NoReturn:
    typer.echo(f"lwm2m-device: {problem}", err=True)
    raise typer.Exit(1)


def _certificate(path: Path) -> x509.Certificate:
    from cryptography import x509

    try:
        return x509.load_pem_x509_certificate(path.read_bytes())
    except ValueError as error:
        raise ValueError(f"{path} is no certificate in PEM") from error


def _form(name: str) -> int:
    from trust_transfer.messages.numbers import Form

    try:
        return Form[name.upper()]
    except KeyError as error:
        raise ValueError("--minimum-form is endorsed or plain") from error


def _uuid(text: str) -> bytes:
    from uuid import UUID

    try:
        return UUID(text).bytes
    except ValueError as error:
        raise ValueError(f"a SUIT identifier is a UUID (32 hex digits), not {text!r}") from error


def _uvloop() -> Callable[[], asyncio.AbstractEventLoop]:
    import uvloop

    return uvloop.new_event_loop


def _print_table(found: Sequence[Mapping[str, Any]]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    columns = ("endpoint", "state", "result", "epoch", "burned", "server_uri", "enroll_uri")
    table = Table(*columns)
    for one in found:
        table.add_row(*(Text(str(one.get(column, ""))) for column in columns))
    Console().print(table)


def main() -> None:
    """Entry point of the `lwm2m-device` command."""
    app()
