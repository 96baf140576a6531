"""`lwm2m-server devices queue`."""

from typing import Annotated, Any

import typer

from lwm2m_server.cli.common import Config, Exit, Format, Output, Server, fail, segment, show
from lwm2m_server.cli.operations import Endpoint

app = typer.Typer(
    no_args_is_help=True, help="Operations that wait until a device is awake; they outlive the server's process."
)

_COLUMNS = ("id", "operation", "paths", "state", "priority", "attempts", "code", "detail")


@app.command()
def add(  # noqa: PLR0917 - one parameter per argument and option
    endpoint: Endpoint,
    operation: Annotated[
        str, typer.Argument(help="read, write, update, execute, create, delete, discover, observe, …")
    ],
    paths: Annotated[list[str], typer.Argument(help="Where: /object/instance/resource; composite ones take several.")],
    config: Config,
    value: Annotated[str | None, typer.Option(help="What is written: text, or JSON by id for an instance.")] = None,
    argument: Annotated[list[str] | None, typer.Option(help="Arguments of execute, in order.")] = None,
    attributes: Annotated[str, typer.Option(help="Of write-attributes and observe: pmin=10&pmax=60.")] = "",
    priority: Annotated[int, typer.Option(help="0 to 100; higher goes first.")] = 0,
    expires_in: Annotated[float | None, typer.Option(help="Seconds after which it is not begun any more.")] = None,
    output: Format = Output.TABLE,
) -> None:
    """Have an operation carried out when the device is awake, at once if it is."""
    body: dict[str, Any] = {
        "operation": operation,
        "paths": [] if operation == "write-composite" else paths,
        "value": _value(value),
        "arguments": argument or [],
        "attributes": attributes,
        "priority": priority,
        "expires_in": expires_in,
    }
    show(output, Server(config).post(f"devices/{segment(endpoint)}/queue", body))


def _value(text: str | None) -> Any:
    """JSON where it is an object, else the text itself."""
    if text is None or not text.lstrip().startswith("{"):
        return text
    import json

    try:
        return json.loads(text)
    except ValueError as error:
        fail(Exit.USAGE, f"--value is no JSON: {error}")


@app.command("list")
def list_queue(endpoint: Endpoint, config: Config, output: Format = Output.TABLE) -> None:
    """List what waits for a device, and outcomes that are still kept, the newest first."""
    show(output, Server(config).get(f"devices/{segment(endpoint)}/queue"), _COLUMNS)


@app.command("show")
def show_entry(
    endpoint: Endpoint,
    number: Annotated[int, typer.Argument(help="The entry's id.")],
    config: Config,
    output: Format = Output.TABLE,
) -> None:
    """Show one entry with what the device answered."""
    show(output, Server(config).get(f"devices/{segment(endpoint)}/queue/{number}"))


@app.command()
def cancel(
    endpoint: Endpoint,
    number: Annotated[int, typer.Argument(help="The entry's id.")],
    config: Config,
    output: Format = Output.TABLE,
) -> None:
    """Take an entry back; one that is on its way or has ended stays as it is."""
    show(output, Server(config).delete(f"devices/{segment(endpoint)}/queue/{number}"))
