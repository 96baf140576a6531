"""`lwm2m-server demo`."""

from pathlib import Path
from typing import Annotated

import typer

EXIT_STOPPED = 130
"""What a shell reports for a program that Ctrl-C ended."""


def demo(  # noqa: PLR0917 - one parameter per option
    devices: Annotated[
        int, typer.Option(min=4, max=1000, help="How many devices; three are made to end otherwise.")
    ] = 8,
    hierarchy: Annotated[str, typer.Option(help="CA hierarchy of the paper's Fig. 1: a, b, c or d.")] = "c",
    form: Annotated[str, typer.Option(help="TransferMessages in the endorsed or the plain form.")] = "endorsed",
    profile: Annotated[str, typer.Option(help="How devices enroll: dtls, compact, or both of them mixed.")] = "dtls",
    update_first: Annotated[
        bool, typer.Option("--update-first", help="SP2 updates devices before they enroll.")
    ] = False,
    loss: Annotated[float, typer.Option(min=0, max=0.3, help="Share of datagrams dropped, repeated, reordered.")] = 0.0,
    chaos: Annotated[
        int | None, typer.Option(help="Kill processes at random moments; the seed of the choices.")
    ] = None,
    keep: Annotated[Path | None, typer.Option(help="Leave every message, certificate, key and log here.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON, on the last line.")] = False,
) -> None:
    """Run the whole life cycle: two providers, three CAs and a fleet, as separate processes on this machine."""
    import asyncio
    import json

    from rich.console import Console

    from lwm2m_server.demo.hierarchy import HIERARCHIES
    from lwm2m_server.demo.operators import StoryFailed
    from lwm2m_server.demo.plan import PLANS
    from lwm2m_server.demo.processes import CommandFailed, ProcessFailed
    from lwm2m_server.demo.run import Options, run_demo
    from lwm2m_server.demo.world import StartFailed

    if hierarchy not in HIERARCHIES:
        raise typer.BadParameter("a, b, c or d", param_hint="--hierarchy")
    if form not in {"endorsed", "plain"}:
        raise typer.BadParameter("endorsed or plain", param_hint="--form")
    if profile not in PLANS:
        raise typer.BadParameter("dtls, compact or mixed", param_hint="--profile")
    if keep is not None and keep.exists() and any(keep.iterdir()):
        raise typer.BadParameter(f"{keep} is not empty; name a new directory", param_hint="--keep")
    console = Console(stderr=as_json)
    options = Options(devices, hierarchy, form, PLANS[profile], update_first, loss, chaos, keep)
    try:
        result = asyncio.run(run_demo(options, console))
    except (asyncio.CancelledError, KeyboardInterrupt) as error:
        typer.echo("stopped; all processes of the demo have ended", err=True)
        raise typer.Exit(EXIT_STOPPED) from error
    except (StoryFailed, StartFailed, ProcessFailed, CommandFailed) as error:
        typer.echo(f"{error}\nRun it again with --keep DIR and look into DIR/logs.", err=True)
        raise typer.Exit(1) from error
    result.show(console)
    if as_json:
        typer.echo(json.dumps(result.as_json()))
    raise typer.Exit(0 if result.as_expected else 1)
