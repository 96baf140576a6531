"""`lwm2m-server credentials`: pre-shared keys of devices."""

from pathlib import Path
from typing import Annotated

import typer

from lwm2m_server.cli.common import Config, Exit, Format, Output, Server, fail, read_file, segment, show

app = typer.Typer(no_args_is_help=True, help="Pre-shared keys of devices: list, add, remove.")

Identity = Annotated[str, typer.Argument(help="PSK identity, as the device names it in the handshake.")]


@app.command("list")
def list_keys(config: Config, output: Format = Output.TABLE) -> None:
    """List PSK identities and the endpoint names they prove; keys are never shown."""
    show(output, Server(config).get("credentials"), ("identity", "endpoint"))


@app.command()
def add(
    identity: Identity,
    config: Config,
    endpoint: Annotated[str | None, typer.Option(help="Endpoint name of the device; without it the identity.")] = None,
    key_file: Annotated[Path | None, typer.Option(help="File with the key in hex; without it one is made.")] = None,
    output: Format = Output.TABLE,
) -> None:
    """Store a device's key, or make one and show it once; an earlier key of the identity is replaced."""
    body = {} if endpoint is None else {"endpoint": endpoint}
    if key_file is not None:
        try:
            body["key"] = read_file(key_file).decode("ascii").strip()
        except UnicodeDecodeError:
            fail(Exit.USAGE, f"{key_file} does not hold a key in hex")
    show(output, Server(config).put_json(f"credentials/{segment(identity)}", body))


@app.command()
def remove(identity: Identity, config: Config, output: Format = Output.TABLE) -> None:
    """Forget a device's key and end the sessions it opened."""
    show(output, Server(config).delete(f"credentials/{segment(identity)}"))
