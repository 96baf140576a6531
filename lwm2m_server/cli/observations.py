"""Observing one device: `lwm2m-server devices attributes|observe|observations|cancel|values`."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from lwm2m_server.cli.common import Config, Format, Output, Server, moment, printable, segment, show
from lwm2m_server.cli.operations import Endpoint, ObjectPaths, Timeout, Wait, order

Given = Annotated[list[str] | None, typer.Option("--attribute", "-a", help="When to notify: pmin=10, gt=21.5, st=1, …")]


def attributes(  # noqa: PLR0917 - one parameter per argument and option
    endpoint: Endpoint,
    path: Annotated[str, typer.Argument(help="Where they are to hold: an object, an instance or a resource.")],
    given: Annotated[list[str], typer.Argument(help="pmin=10, gt=21.5, …; a name alone takes it away.")],
    config: Config,
    wait: Wait = 0,
    timeout: Timeout = None,
    output: Format = Output.TABLE,
) -> None:
    """Set when a device notifies (Write-Attributes)."""
    body = {"path": path, "attributes": _attributes(given), "wait": wait, "timeout": timeout}
    show(output, order(config, endpoint, "write-attributes", body))


def observe(  # noqa: PLR0917 - one parameter per argument and option
    endpoint: Endpoint,
    paths: ObjectPaths,
    config: Config,
    given: Given = None,
    keep: Annotated[bool, typer.Option("--keep", help="Leave the observation standing at the end.")] = False,
    wait: Wait = 0,
    timeout: Timeout = None,
    output: Format = Output.TABLE,
) -> None:
    """Print values as the device notifies of them, until Ctrl-C; several paths are observed together."""
    body = {"paths": paths, "composite": len(paths) > 1, "attributes": _attributes(given or [])}
    began = order(config, endpoint, "observe", {**body, "wait": wait, "timeout": timeout})
    number = began["observation"]
    with _ending(config, endpoint, number, cancel_it=began["new"] and not keep):
        for line in Server(config).lines(f"devices/{segment(endpoint)}/notifications", observation=number):
            _print(line, output)


def observations(endpoint: Endpoint, config: Config, output: Format = Output.TABLE) -> None:
    """List the observations of a device."""
    columns = ("observation", "paths", "composite", "attributes", "state")
    show(output, Server(config).get(f"devices/{segment(endpoint)}/observations"), columns)


def cancel(
    endpoint: Endpoint,
    number: Annotated[int, typer.Argument(help="Number of the observation.")],
    config: Config,
    output: Format = Output.TABLE,
) -> None:
    """End an observation."""
    show(output, Server(config).delete(f"devices/{segment(endpoint)}/observations/{number}"))


def values(endpoint: Endpoint, config: Config, output: Format = Output.TABLE) -> None:
    """Show the newest value of each resource the device has notified of or sent by itself."""
    show(output, Server(config).get(f"devices/{segment(endpoint)}/values"), ("path", "name", "value", "at"))


@contextmanager
def _ending(config: Path, endpoint: str, number: int, *, cancel_it: bool) -> Iterator[None]:
    """Ctrl-C is the way to end it, and no failure."""
    try:
        yield
    except KeyboardInterrupt:
        if cancel_it:
            Server(config).delete(f"devices/{segment(endpoint)}/observations/{number}")


def _print(line: Any, output: Output) -> None:
    if output is Output.JSON:
        typer.echo(json.dumps(line))
        return
    for row in line["values"]:
        typer.echo(printable(f"{moment(row['at'])}  {row['path']:<16}  {row['name'] or '-':<40}  {row['value']}"))


def _attributes(given: list[str]) -> dict[str, str | None]:
    parts = (one.partition("=") for one in given)
    return {name: value if equals else None for name, equals, value in parts}
