"""`lwm2m-server groups`."""

from pathlib import Path
from typing import Annotated

import typer

from lwm2m_server.cli.common import Config, Exit, Format, Output, Server, fail, read_file, segment, show

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
def execute(  # noqa: PLR0917 - one parameter per argument and option
    name: Name,
    path: Annotated[str, typer.Argument(help="What to execute: /object/instance/resource.")],
    config: Config,
    arguments: Annotated[list[str] | None, typer.Argument(help="Arguments 0, 1, …")] = None,
    wait: Annotated[float, typer.Option(help="Seconds to wait for devices that are not connected.")] = 0,
    output: Format = Output.TABLE,
) -> None:
    """Execute a resource on every device of a group; exit code 5 when one of them failed."""
    body = {"path": path, "arguments": arguments or [], "wait": wait}
    done = Server(config).post(f"groups/{segment(name)}/execute", body)
    show(output, done)
    if done["failed"]:
        raise typer.Exit(Exit.DEVICE)


@app.command()
def trust(
    name: Name,
    files: Annotated[list[Path], typer.Argument(help="Certificates of CAs (PEM) to believe beside those of now.")],
    config: Config,
    wait: Annotated[float, typer.Option(help="Seconds to wait for devices that are not connected.")] = 0,
    output: Format = Output.TABLE,
) -> None:
    """Give every device of a group further trust anchors; exit code 5 when one of them failed. May be repeated."""
    from cryptography import x509

    from device_pki.fingerprints import der

    try:
        certificates = [der(one).hex() for file in files for one in x509.load_pem_x509_certificates(read_file(file))]
    except ValueError as error:
        fail(Exit.USAGE, f"no PEM certificate: {error}")
    done = Server(config).post(f"groups/{segment(name)}/trust", {"certificates": certificates, "wait": wait})
    show(output, done)
    if done["failed"]:
        raise typer.Exit(Exit.DEVICE)


@app.command()
def join(
    name: Name,
    endpoints: Annotated[list[str], typer.Argument(help="Endpoint names of devices.")],
    config: Config,
    output: Format = Output.TABLE,
) -> None:
    """Put devices of a plain device-management server into a group; one that is in another one leaves it."""
    server = Server(config)
    show(output, [server.put(f"groups/{segment(name)}/members/{segment(one)}") for one in endpoints])


@app.command()
def leave(
    name: Name,
    endpoints: Annotated[list[str], typer.Argument(help="Endpoint names of devices.")],
    config: Config,
    output: Format = Output.TABLE,
) -> None:
    """Take devices of a plain device-management server out of a group."""
    server = Server(config)
    show(output, [server.delete(f"groups/{segment(name)}/members/{segment(one)}") for one in endpoints])


@app.command()
def add(name: Name, config: Config, output: Format = Output.TABLE) -> None:
    """Create a group; one that exists stays."""
    show(output, Server(config).put(f"groups/{segment(name)}"))
