"""`lwm2m-server oscore`: OSCORE contexts of devices."""

import json
from pathlib import Path
from typing import Annotated

import typer

from lwm2m_server.cli.common import Config, Exit, Format, Output, Server, fail, read_file, segment, show

app = typer.Typer(no_args_is_help=True, help="OSCORE contexts of devices (object 21): list, add, remove.")

_COLUMNS = ("name", "endpoint", "sender_id", "recipient_id", "id_context")


@app.command("list")
def list_contexts(
    config: Config,
    endpoint: Annotated[str | None, typer.Option(help="Only the contexts of this device.")] = None,
    output: Format = Output.TABLE,
) -> None:
    """List contexts by the identifiers the device has them with; secrets are never shown."""
    show(output, Server(config).get("oscore-contexts", endpoint=endpoint), _COLUMNS)


@app.command()
def add(
    endpoint: Annotated[str, typer.Argument(help="Endpoint name of the device.")],
    config: Config,
    context_file: Annotated[
        Path | None,
        typer.Option(
            help="JSON with the device's master_secret, sender_id, recipient_id, and if need be master_salt and "
            "id_context, in hex; without it a context is made."
        ),
    ] = None,
    output: Format = Output.TABLE,
) -> None:
    """Store a device's context, or make one and show it once. None is ever replaced: nonces would come twice."""
    context = None
    if context_file is not None:
        try:
            context = json.loads(read_file(context_file))
        except ValueError:
            fail(Exit.USAGE, f"{context_file} is not JSON")
    show(output, Server(config).post("oscore-contexts", {"endpoint": endpoint, "context": context}))


@app.command()
def remove(
    name: Annotated[str, typer.Argument(help="The context's name, as `list` shows it.")],
    config: Config,
    output: Format = Output.TABLE,
) -> None:
    """Forget a context and end its association."""
    show(output, Server(config).delete(f"oscore-contexts/{segment(name)}"))
