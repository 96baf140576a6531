"""`lwm2m-server firmware report-keys`."""

from pathlib import Path
from typing import Annotated

import typer

from lwm2m_server.cli.common import Config, Format, Output, Server, read_file, segment, show

app = typer.Typer(
    no_args_is_help=True, help="Keys that devices without certificates sign reports with (a server of role dm)."
)

Device = Annotated[str, typer.Option(help="Whose it is.")]
_COLUMNS = ("endpoint", "added_at")


@app.command()
def add(
    file: Annotated[Path, typer.Argument(help="Public key, P-256 or Ed25519, PEM.")],
    config: Config,
    device: Device,
    output: Format = Output.TABLE,
) -> None:
    """Verify a device's reports by this key; it replaces the one before."""
    body = {"public_key": read_file(file).decode("ascii", "replace")}
    show(output, Server(config).put_json(f"report-keys/{segment(device)}", body))


@app.command("list")
def list_keys(config: Config, output: Format = Output.TABLE) -> None:
    """List all keys."""
    show(output, Server(config).get("report-keys"), _COLUMNS)


@app.command()
def remove(config: Config, device: Device, output: Format = Output.TABLE) -> None:
    """Believe no report any more that is signed with this device's key."""
    show(output, Server(config).delete(f"report-keys/{segment(device)}"))
