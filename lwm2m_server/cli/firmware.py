"""`lwm2m-server firmware`."""

from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import typer

from lwm2m_server.cli import firmware_keys, report_keys
from lwm2m_server.cli.common import (
    Config,
    Exit,
    Format,
    Output,
    Server,
    fail,
    load_sp_settings,
    read_file,
    segment,
    show,
)
from lwm2m_server.cli.images import COLUMNS

app = typer.Typer(no_args_is_help=True, help="Firmware: build and sign manifests, update devices, follow them.")

app.add_typer(firmware_keys.app, name="keys")
app.add_typer(report_keys.app, name="report-keys")

_DIGEST = 64
"""Hex digits of a digest."""
_REPORT_COLUMNS = ("update", "endpoint", "digest", "success", "reason", "received_at")
_PUSH_COLUMNS = (
    "id", "endpoint", "component", "digest", "state", "percent", "saved", "way", "meaning", "failure", "report"
)  # fmt: skip


@app.command("list")
def list_firmware(config: Config, output: Format = Output.TABLE) -> None:
    """List the manifests that were added."""
    show(output, Server(config).get("firmware"), COLUMNS)


@app.command()
def add(
    file: Annotated[Path, typer.Argument(help="SUIT envelope signed by a firmware authority of the server.")],
    config: Config,
    output: Format = Output.TABLE,
) -> None:
    """Add a signed manifest; prints its digest."""
    show(output, Server(config).post("firmware", content=read_file(file)))


@app.command()
def build(  # noqa: PLR0917 - one parameter per option
    image: Annotated[Path, typer.Argument(help="The image.")],
    config: Config,
    version: Annotated[int, typer.Option(help="SUIT sequence number: higher than what the devices have.")],
    vendor: Annotated[UUID, typer.Option(help="Vendor identifier of the devices (UUID).")],
    device_class: Annotated[UUID, typer.Option("--class", help="Class identifier of the devices (UUID).")],
    agreed_configuration: Annotated[
        Path | None,
        typer.Option(help="Configuration of an agreed state: makes a reset-to-agreed-state manifest."),
    ] = None,
    encrypt_for_group: Annotated[
        str | None, typer.Option(help="Encrypt the image for the devices of this group.")
    ] = None,
    encrypt_for_device: Annotated[str | None, typer.Option(help="Encrypt the image for this device.")] = None,
    cipher: Annotated[
        str, typer.Option(help="ctr, which devices decrypt in place, or gcm, which authenticates too.")
    ] = "ctr",
    fetched: Annotated[
        bool,
        typer.Option("--fetched", help="Leave the image, or what it is encrypted to, here: devices fetch it."),
    ] = False,
    out: Annotated[Path | None, typer.Option(help="Also write the envelope to this file.")] = None,
    output: Format = Output.TABLE,
) -> None:
    """Build a manifest, sign it with the firmware key, and add it; prints its digest."""
    from cose.numbers import Algorithm
    from lwm2m_server.fleet.inventory import Build, build_envelope, build_fetched
    from lwm2m_server.provider_keys import KeyRole, KeysError, load_credential
    from suit.errors import SuitError

    ciphers = {"ctr": Algorithm.A128CTR, "gcm": Algorithm.A128GCM}
    if cipher not in ciphers:
        fail(Exit.USAGE, f"--cipher is {' or '.join(ciphers)}, not {cipher}")
    configuration = None if agreed_configuration is None else read_file(agreed_configuration)
    if fetched and configuration is not None:
        fail(Exit.USAGE, "an agreed state is complete in its envelope: its next provider must be able to read it")
    sealed_for: list[Any] = []
    if encrypt_for_group is not None or encrypt_for_device is not None:
        if configuration is not None:
            fail(Exit.USAGE, "an agreed state is not encrypted: its next provider must be able to read it")
        sealed_for = firmware_keys.recipients(config, encrypt_for_device, encrypt_for_group)
    wanted = Build(
        read_file(image),
        version,
        vendor.bytes,
        device_class.bytes,
        configuration,
        tuple(sealed_for),
        ciphers[cipher],
    )
    settings, payload = load_sp_settings(config), None
    try:
        key = load_credential(settings.data, KeyRole.FIRMWARE).private_key
    except KeysError as error:
        fail(Exit.SETTINGS, str(error))
    try:
        if fetched:
            envelope, payload = build_fetched(wanted, key, settings.public_uri)
        else:
            envelope = build_envelope(wanted, key)
    except SuitError as error:
        fail(Exit.USAGE, f"no manifest can be made of this: {error}")
    if out is not None:
        out.write_bytes(envelope)
    if payload is not None:
        Server(config).post("images", content=payload)
    show(output, Server(config).post("firmware", content=envelope))


@app.command()
def push(  # noqa: PLR0917 - one parameter per option
    config: Config,
    digest: Annotated[str | None, typer.Argument(help="Digest of the image or manifest.")] = None,
    group: Annotated[str | None, typer.Option(help="Update the devices of this group.")] = None,
    device: Annotated[str | None, typer.Option(help="Update this device.")] = None,
    component: Annotated[
        list[str] | None,
        typer.Option(help="/5/0, an instance of /33629, or for several together INSTANCE=DIGEST of each."),
    ] = None,
    method: Annotated[str, typer.Option(help="auto, push, or pull: the device fetches it.")] = "auto",
    severity: Annotated[int | None, typer.Option(help="0 critical, 1 mandatory, 2 optional.")] = None,
    deferrable: Annotated[int | None, typer.Option(help="Seconds a device's user may put it off.")] = None,
    install: Annotated[bool, typer.Option(help="Install it; else it is only delivered.")] = True,
    again: Annotated[bool, typer.Option(help="Also where the same was done before.")] = False,
    output: Format = Output.TABLE,
) -> None:
    """Update a group or a device with an image, now or when each is connected."""
    body = {
        "group": group,
        "device": device,
        "install": install,
        "method": method,
        "severity": severity,
        "deferrable": deferrable,
        "again": again,
    }
    several = dict(one.split("=", 1) for one in component or () if "=" in one)
    if several and digest is None and len(several) == len(component or ()):
        show(output, Server(config).post("firmware/pushes", {**body, "components": several}))
        return
    if digest is None or several or len(component or ()) > 1:
        fail(Exit.USAGE, "name one image by its digest, or several as --component /33629/0=DIGEST")
    place = {"component": component[0]} if component else {}
    show(output, Server(config).post(f"firmware/{segment(digest)}/pushes", {**body, **place}))


@app.command()
def status(
    config: Config,
    device: Annotated[str | None, typer.Option(help="Only this device.")] = None,
    image: Annotated[str | None, typer.Option(help="Only the image of this digest.")] = None,
    follow: Annotated[bool, typer.Option(help="Show the progress until every update has ended.")] = False,
    output: Format = Output.TABLE,
) -> None:
    """Show how far every update is."""
    server = Server(config)
    if follow:
        from lwm2m_server.cli.firmware_progress import follow as follow_updates

        updates = follow_updates(server, device, image)
    else:
        updates = server.get("firmware/pushes", device=device, image=image)
    show(output, updates, _PUSH_COLUMNS)


@app.command("show")
def show_firmware(
    what: Annotated[str, typer.Argument(help="A manifest's digest, or an update's id.")],
    config: Config,
    output: Format = Output.TABLE,
) -> None:
    """Show a manifest with who signed it, or one update of one component."""
    path = (
        f"firmware/pushes/{segment(what)}" if what.isdecimal() and len(what) < _DIGEST else f"firmware/{segment(what)}"
    )
    show(output, Server(config).get(path))


@app.command()
def reports(
    config: Config,
    device: Annotated[str | None, typer.Option(help="Only this device.")] = None,
    image: Annotated[str | None, typer.Option(help="Only about the manifest of this digest.")] = None,
    output: Format = Output.TABLE,
) -> None:
    """Show what devices have signed about the manifests they processed."""
    show(output, Server(config).get("firmware/reports", device=device, image=image), _REPORT_COLUMNS)


@app.command()
def cancel(
    number: Annotated[int, typer.Argument(help="The update's id.")], config: Config, output: Format = Output.TABLE
) -> None:
    """Take an update back, with the components it is installed with; one that is being installed goes on."""
    show(output, Server(config).delete(f"firmware/pushes/{number}"), _PUSH_COLUMNS)
