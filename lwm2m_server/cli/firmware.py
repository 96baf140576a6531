"""`lwm2m-server firmware`."""

from pathlib import Path
from typing import Annotated
from uuid import UUID

import typer

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

app = typer.Typer(no_args_is_help=True, help="Firmware: build and sign manifests, push them.")

_PUSH_COLUMNS = ("endpoint", "digest", "install", "state", "result")


@app.command("list")
def list_firmware(config: Config, output: Format = Output.TABLE) -> None:
    """List the manifests that were added."""
    show(output, Server(config).get("firmware"), ("digest", "sequence_number", "bytes"))


@app.command()
def add(
    file: Annotated[Path, typer.Argument(help="SUIT envelope signed by this provider's firmware key.")],
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
    out: Annotated[Path | None, typer.Option(help="Also write the envelope to this file.")] = None,
    output: Format = Output.TABLE,
) -> None:
    """Build a manifest, sign it with the firmware key, and add it; prints its digest."""
    from lwm2m_server.fleet.inventory import Build, build_envelope
    from lwm2m_server.provider_keys import KeyRole, KeysError, load_credential
    from suit.errors import SuitError

    configuration = None if agreed_configuration is None else read_file(agreed_configuration)
    wanted = Build(read_file(image), version, vendor.bytes, device_class.bytes, configuration)
    try:
        key = load_credential(load_sp_settings(config).data, KeyRole.FIRMWARE).private_key
    except KeysError as error:
        fail(Exit.SETTINGS, str(error))
    try:
        envelope = build_envelope(wanted, key)
    except SuitError as error:
        fail(Exit.USAGE, f"no manifest can be made of this: {error}")
    if out is not None:
        out.write_bytes(envelope)
    show(output, Server(config).post("firmware", content=envelope))


@app.command()
def push(  # noqa: PLR0917 - one parameter per option
    digest: Annotated[str, typer.Argument(help="Digest of the manifest.")],
    config: Config,
    group: Annotated[str | None, typer.Option(help="Push to the devices of this group.")] = None,
    device: Annotated[str | None, typer.Option(help="Push to this device.")] = None,
    install: Annotated[bool, typer.Option(help="Install it; else the device only keeps the manifest.")] = True,
    output: Format = Output.TABLE,
) -> None:
    """Push a manifest to a group or a device, now or when each is connected."""
    body = {"group": group, "device": device, "install": install}
    show(output, Server(config).post(f"firmware/{segment(digest)}/pushes", body))


@app.command()
def status(config: Config, output: Format = Output.TABLE) -> None:
    """Show how far every push is."""
    show(output, Server(config).get("firmware/pushes"), _PUSH_COLUMNS)
