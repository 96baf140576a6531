"""Operations on one device: `lwm2m-server devices read|write|update|execute|create|delete|discover|write-composite`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from lwm2m_server.cli.common import Config, Exit, Format, Output, Server, fail, read_file, segment, show

Endpoint = Annotated[str, typer.Argument(help="Endpoint name of the device.")]
ObjectPath = Annotated[str, typer.Argument(help="Where: /object/instance/resource.")]
ObjectPaths = Annotated[list[str], typer.Argument(help="Where: /object/instance/resource.")]
Wait = Annotated[float, typer.Option(help="Seconds to wait for a device that is not connected.")]
Timeout = Annotated[float | None, typer.Option(help="Seconds to wait for its answer.")]
Assignments = Annotated[list[str], typer.Argument(help="ID=VALUE, or ID/INSTANCE=VALUE of a multiple resource.")]
TypeName = Annotated[
    str | None, typer.Option("--type", help="The values' type where no definition says it: Integer, Float, Opaque, …")
]


def read(  # noqa: PLR0917 - one parameter per argument and option
    endpoint: Endpoint,
    paths: ObjectPaths,
    config: Config,
    wait: Wait = 0,
    timeout: Timeout = None,
    output: Format = Output.TABLE,
) -> None:
    """Read an object, instance or resource; several paths are read together, in one exchange."""
    limits = {"wait": wait, "timeout": timeout}
    if len(paths) == 1:
        answer = order(config, endpoint, "read", {"path": paths[0], **limits})
    else:
        answer = order(config, endpoint, "read-composite", {"paths": paths, **limits})
    rows = answer["values"]
    if output is Output.JSON:
        show(output, {row["path"]: row["value"] for row in rows})
    else:
        show(output, rows, ("path", "name", "value"))


def write(  # noqa: PLR0917 - one parameter per argument and option
    endpoint: Endpoint,
    path: ObjectPath,
    config: Config,
    value: Annotated[str | None, typer.Argument(help="The value as text; an opaque one in hex.")] = None,
    hex_value: Annotated[str | None, typer.Option("--hex", help="The value in hex, for opaque resources.")] = None,
    file: Annotated[Path | None, typer.Option(help="A file that is the value, for opaque resources.")] = None,
    kind: TypeName = None,
    wait: Wait = 0,
    timeout: Timeout = None,
    output: Format = Output.TABLE,
) -> None:
    """Write a resource."""
    given = [one for one in (value, hex_value, file) if one is not None]
    if len(given) != 1:
        fail(Exit.USAGE, "give the value once: as text, by --hex or by --file")
    text = read_file(file).hex() if file is not None else hex_value or value
    kind = kind if value is not None else "Opaque"
    body = {"path": path, "value": text, "type": kind, "wait": wait, "timeout": timeout}
    show(output, order(config, endpoint, "write", body))


def update(  # noqa: PLR0917 - one parameter per argument and option
    endpoint: Endpoint,
    path: Annotated[str, typer.Argument(help="Where: /object/instance.")],
    values: Assignments,
    config: Config,
    kind: TypeName = None,
    wait: Wait = 0,
    timeout: Timeout = None,
    output: Format = Output.TABLE,
) -> None:
    """Write several resources of an instance; the others stay."""
    body = {"path": path, "value": _tree(values), "type": kind, "wait": wait, "timeout": timeout}
    show(output, order(config, endpoint, "update", body))


def execute(  # noqa: PLR0917 - one parameter per argument and option
    endpoint: Endpoint,
    path: ObjectPath,
    config: Config,
    arguments: Annotated[list[str] | None, typer.Argument(help="Arguments 0, 1, …")] = None,
    wait: Wait = 0,
    timeout: Timeout = None,
    output: Format = Output.TABLE,
) -> None:
    """Execute a resource."""
    body = {"path": path, "arguments": arguments or [], "wait": wait, "timeout": timeout}
    show(output, order(config, endpoint, "execute", body))


def create(  # noqa: PLR0917 - one parameter per argument and option
    endpoint: Endpoint,
    path: Annotated[str, typer.Argument(help="/object, to be numbered by the device, or /object/instance.")],
    config: Config,
    values: Annotated[list[str] | None, typer.Argument(help="ID=VALUE, or ID/INSTANCE=VALUE.")] = None,
    kind: TypeName = None,
    wait: Wait = 0,
    timeout: Timeout = None,
    output: Format = Output.TABLE,
) -> None:
    """Make an object instance; prints its path."""
    body = {"path": path, "value": _tree(values or []), "type": kind, "wait": wait, "timeout": timeout}
    show(output, order(config, endpoint, "create", body))


def delete(  # noqa: PLR0917 - one parameter per argument and option
    endpoint: Endpoint,
    path: Annotated[str, typer.Argument(help="Where: /object/instance.")],
    config: Config,
    wait: Wait = 0,
    timeout: Timeout = None,
    output: Format = Output.TABLE,
) -> None:
    """Remove an object instance."""
    show(output, order(config, endpoint, "delete", {"path": path, "wait": wait, "timeout": timeout}))


def discover(  # noqa: PLR0917 - one parameter per argument and option
    endpoint: Endpoint,
    path: ObjectPath,
    config: Config,
    depth: Annotated[int | None, typer.Option(help="Levels to show, 0 to 3; for devices of LwM2M 1.2.")] = None,
    wait: Wait = 0,
    timeout: Timeout = None,
    output: Format = Output.TABLE,
) -> None:
    """List what is at a path, and the attributes in force."""
    body = {"path": path, "depth": depth, "wait": wait, "timeout": timeout}
    show(output, order(config, endpoint, "discover", body)["links"], ("path", "name", "attributes"))


def write_composite(  # noqa: PLR0917 - one parameter per argument and option
    endpoint: Endpoint,
    values: Annotated[list[str], typer.Argument(help="/object/instance/resource=VALUE.")],
    config: Config,
    wait: Wait = 0,
    timeout: Timeout = None,
    output: Format = Output.TABLE,
) -> None:
    """Write resources of several objects at once: all or none."""
    given = dict(_assignment(one) for one in values)
    show(output, order(config, endpoint, "write-composite", {"values": given, "wait": wait, "timeout": timeout}))


def order(config: Path, endpoint: str, operation: str, body: dict[str, Any]) -> Any:
    """Have the server do it; returns its answer."""
    return Server(config).post(f"devices/{segment(endpoint)}/{operation}", body)


def _tree(values: list[str]) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for name, value in map(_assignment, values):
        number, slash, instance = name.partition("/")
        if slash:
            several = tree.setdefault(number, {})
            if not isinstance(several, dict):
                fail(Exit.USAGE, f"resource {number} is given as one value and as several")
            several[instance] = value
        else:
            tree[number] = value
    return tree


def _assignment(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        fail(Exit.USAGE, f"{text!r} names no value: write ID=VALUE")
    return name, value
