"""`lwm2m-server groups`."""

from typing import Annotated

import typer

from lwm2m_server.cli.common import Config, Format, Output, Server, show

app = typer.Typer(no_args_is_help=True, help="Device groups.")

Name = Annotated[str, typer.Argument(help="Name of the group.")]


@app.command("list")
def list_groups(config: Config, output: Format = Output.TABLE) -> None:
    """List groups and how many devices each has."""
    show(output, Server(config).get("groups"), ("group", "devices"))


@app.command("show")
def show_group(name: Name, config: Config, output: Format = Output.TABLE) -> None:
    """List the devices of a group."""
    devices = Server(config).get("devices", group=name)
    show(output, devices, ("endpoint", "book", "registered", "online", "state", "result"))


@app.command()
def add(name: Name, config: Config, output: Format = Output.TABLE) -> None:
    """Create a group; one that exists stays."""
    show(output, Server(config).put(f"groups/{name}"))
