"""`lwm2m-server devices`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from lwm2m_server.cli.common import Config, Exit, Format, Output, Server, fail, read_file, segment, show

app = typer.Typer(no_args_is_help=True, help="Devices: list, add, read, write, execute.")

Endpoint = Annotated[str, typer.Argument(help="Endpoint name of the device.")]
ObjectPath = Annotated[str, typer.Argument(help="Where: /object/instance/resource.")]
Wait = Annotated[float, typer.Option(help="Seconds to wait for a device that is not connected.")]

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
    devices = Server(config).get("devices", group=group)
    show(output, devices, _FLEET if any("book" in device for device in devices) else _REGISTERED)


@app.command("show")
def show_device(endpoint: Endpoint, config: Config, output: Format = Output.TABLE) -> None:
    """Show one device."""
    show(output, Server(config).get(f"devices/{segment(endpoint)}"))


@app.command()
def add(
    config: Config,
    bag: Annotated[Path, typer.Option(help="x5bag of factory certificates.")],
    group: Annotated[str, typer.Option(help="Group to put the devices into; made when it does not exist.")],
    output: Format = Output.TABLE,
) -> None:
    """Register factory certificates with the CA and take the devices into the fleet; prints the CA-URI."""
    show(output, Server(config).post(f"groups/{segment(group)}/devices", content=read_file(bag)))


@app.command()
def read(endpoint: Endpoint, path: ObjectPath, config: Config, wait: Wait = 0, output: Format = Output.TABLE) -> None:
    """Read an object, instance or resource."""
    values = _operate(config, endpoint, "read", {"path": path, "wait": wait})["values"]
    show(output, values if output is Output.JSON else [{"path": name, "value": values[name]} for name in values])


@app.command()
def write(  # noqa: PLR0917 - one parameter per argument and option
    endpoint: Endpoint,
    path: ObjectPath,
    config: Config,
    value: Annotated[str | None, typer.Argument(help="The value as text.")] = None,
    hex_value: Annotated[str | None, typer.Option("--hex", help="The value in hex, for opaque resources.")] = None,
    file: Annotated[Path | None, typer.Option(help="A file that is the value, for opaque resources.")] = None,
    wait: Wait = 0,
    output: Format = Output.TABLE,
) -> None:
    """Write a resource."""
    given = [one for one in (value, hex_value, file) if one is not None]
    if len(given) != 1:
        fail(Exit.USAGE, "give the value once: as text, by --hex or by --file")
    text = read_file(file).hex() if file is not None else hex_value or value
    body = {"path": path, "value": text, "hex": value is None, "wait": wait}
    show(output, _operate(config, endpoint, "write", body))


@app.command()
def execute(  # noqa: PLR0917 - one parameter per argument and option
    endpoint: Endpoint,
    path: ObjectPath,
    config: Config,
    arguments: Annotated[list[str] | None, typer.Argument(help="Arguments 0, 1, …")] = None,
    wait: Wait = 0,
    output: Format = Output.TABLE,
) -> None:
    """Execute a resource."""
    body = {"path": path, "arguments": arguments or [], "wait": wait}
    show(output, _operate(config, endpoint, "execute", body))


@app.command()
def discover(
    endpoint: Endpoint, path: ObjectPath, config: Config, wait: Wait = 0, output: Format = Output.TABLE
) -> None:
    """List what is at a path."""
    show(output, _operate(config, endpoint, "discover", {"path": path, "wait": wait})["links"])


def _operate(config: Path, endpoint: str, operation: str, body: dict[str, Any]) -> Any:
    return Server(config).post(f"devices/{segment(endpoint)}/{operation}", body)
