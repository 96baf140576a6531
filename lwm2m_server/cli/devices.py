"""`lwm2m-server devices`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from lwm2m_server.cli import observations, operations, queue
from lwm2m_server.cli.common import Config, Format, Output, Server, read_file, segment, show
from lwm2m_server.cli.operations import Endpoint

app = typer.Typer(no_args_is_help=True, help="Devices: list, show, and every operation of LwM2M on one of them.")

PAGE = 10_000
"""Devices in one answer of the server; a shorter one is the last."""
_FLEET = ("endpoint", "group", "book", "registered", "online", "state", "result")
"""Columns of a service provider's devices."""
_REGISTERED = ("endpoint", "online", "version", "binding", "queue_mode", "transport", "address", "identity")
"""Columns of registered devices, where there is no book."""


@app.command("list")
def list_devices(
    config: Config,
    group: Annotated[str | None, typer.Option(help="Only this group.")] = None,
    output: Format = Output.TABLE,
) -> None:
    """List devices: a service provider's with what the book says of them, else those that are registered."""
    server = Server(config)
    devices: list[dict[str, Any]] = []
    while page := server.get("devices", group=group, after=devices[-1]["endpoint"] if devices else None):
        devices += page
        if len(page) < PAGE:
            break
    show(output, devices, _FLEET if any("book" in device for device in devices) else _REGISTERED)


@app.command("show")
def show_device(endpoint: Endpoint, config: Config, output: Format = Output.TABLE) -> None:
    """Show one device."""
    show(output, Server(config).get(f"devices/{segment(endpoint)}"))


@app.command()
def add(
    config: Config,
    bag: Annotated[Path, typer.Option(help="x5bag or c5b of factory certificates.")],
    group: Annotated[str, typer.Option(help="Group to put the devices into; made when it does not exist.")],
    output: Format = Output.TABLE,
) -> None:
    """Register factory certificates with the CA and take the devices into the fleet; prints the CA-URI."""
    show(output, Server(config).post(f"groups/{segment(group)}/devices", content=read_file(bag)))


app.command()(operations.read)
# What looks like an option the command does not have is a value: -5.
app.command(context_settings={"ignore_unknown_options": True})(operations.write)
for _command in (
    operations.update,
    operations.execute,
    operations.create,
    operations.delete,
    operations.discover,
    operations.write_composite,
    observations.attributes,
    observations.observe,
    observations.observations,
    observations.cancel,
    observations.values,
):
    app.command()(_command)
app.add_typer(queue.app, name="queue")
