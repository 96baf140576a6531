"""`lwm2m-server bootstrap`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from lwm2m_server.cli.common import Config, Exit, Format, Output, Server, fail, read_file, segment, show

app = typer.Typer(no_args_is_help=True, help="Bootstrap: profiles, who gets which, and how it went.")

Name = Annotated[str, typer.Argument(help="Name of the profile.")]
Device = Annotated[str | None, typer.Option(help="For this device.")]
Group = Annotated[str | None, typer.Option(help="For the devices of this group.")]
Everyone = Annotated[bool, typer.Option("--everyone", help="For whoever has no profile and whose group has none.")]


@app.command()
def add(
    name: Name,
    file: Annotated[Path, typer.Argument(help="The profile (JSON): accounts, keys, access control.")],
    config: Config,
    output: Format = Output.TABLE,
) -> None:
    """Store a profile; one of that name is replaced for everyone who gets it."""
    Server(config).put(f"bootstrap/profiles/{segment(name)}", read_file(file))
    show(output, {"profile": name})


@app.command("list")
def list_profiles(config: Config, output: Format = Output.TABLE) -> None:
    """List profiles and who gets each."""
    show(output, Server(config).get("bootstrap/profiles"), ("profile", "servers", "for"))


@app.command("show")
def show_profile(name: Name, config: Config, output: Format = Output.TABLE) -> None:
    """Show a profile without its keys."""
    show(output, Server(config).get(f"bootstrap/profiles/{segment(name)}"))


@app.command()
def remove(name: Name, config: Config, output: Format = Output.TABLE) -> None:
    """Remove a profile; nobody gets it any more."""
    show(output, Server(config).delete(f"bootstrap/profiles/{segment(name)}"))


@app.command()
def assign(  # noqa: PLR0917 - one parameter per argument and option
    name: Name,
    config: Config,
    device: Device = None,
    group: Group = None,
    everyone: Everyone = False,
    output: Format = Output.TABLE,
) -> None:
    """Give a profile to a device, a group or everyone else. A device's own comes before its group's."""
    subject = _subject(device, group, everyone=everyone)
    show(output, Server(config).put_json(f"bootstrap/profiles/{segment(name)}/for", subject))


@app.command()
def unassign(
    config: Config,
    device: Device = None,
    group: Group = None,
    everyone: Everyone = False,
    output: Format = Output.TABLE,
) -> None:
    """Take its profile from a device, a group or everyone else."""
    show(output, Server(config).post("bootstrap/unassign", _subject(device, group, everyone=everyone)))


@app.command()
def trigger(
    endpoint: Annotated[str, typer.Argument(help="Endpoint name of the device.")],
    config: Config,
    wait: Annotated[float, typer.Option(help="Seconds to wait for a device that is not connected.")] = 0,
    output: Format = Output.TABLE,
) -> None:
    """Have a registered device bootstrap again."""
    show(output, Server(config).post(f"bootstrap/trigger/{segment(endpoint)}", {"wait": wait}))


@app.command()
def outcomes(config: Config, output: Format = Output.TABLE) -> None:
    """Show how the last bootstrap of each device ended."""
    show(output, Server(config).get("bootstrap/outcomes"), ("endpoint", "profile", "at", "success", "detail"))


def _subject(device: str | None, group: str | None, *, everyone: bool) -> dict[str, Any]:
    if (device is not None) + (group is not None) + everyone != 1:
        fail(Exit.USAGE, "say whom once: --device NAME, --group NAME or --everyone")
    return {"device": device} if device is not None else {"group": group} if group is not None else {}
