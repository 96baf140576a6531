"""`lwm2m-server partners`."""

from pathlib import Path
from typing import Annotated

import typer

from lwm2m_server.cli.common import Config, Format, Output, Server, read_file, segment, show

app = typer.Typer(no_args_is_help=True, help="Other providers: their profiles, and our own for them.")


@app.command()
def add(
    profile: Annotated[Path, typer.Argument(help="The partner's profile (TOML), as it exported it.")],
    config: Config,
    output: Format = Output.TABLE,
) -> None:
    """Add a partner, or replace its profile. Check the file with the partner first: it pins its keys."""
    show(output, Server(config).put("partners", read_file(profile)))


@app.command("list")
def list_partners(config: Config, output: Format = Output.TABLE) -> None:
    """List partners."""
    show(output, Server(config).get("partners"))


@app.command("show")
def show_partner(name: Annotated[str, typer.Argument(help="Name of the partner.")], config: Config) -> None:
    """Print a partner's profile as it was added."""
    typer.echo(Server(config).text(f"partners/{segment(name)}"), nl=False)


@app.command()
def export(
    config: Config,
    agreed_state: Annotated[
        list[str] | None, typer.Option(help="Digest of a manifest devices may be reset to; may be repeated.")
    ] = None,
    uri: Annotated[str | None, typer.Option(help="Base URI of our partner API, when it is not the bound one.")] = None,
    out: Annotated[Path | None, typer.Option(help="File to write; else it is printed.")] = None,
) -> None:
    """Export this provider's own profile for a partner."""
    text = Server(config).text("profile", uri=uri, agreed_state=agreed_state)
    if out is None:
        typer.echo(text, nl=False)
    else:
        out.write_text(text, encoding="utf-8")
        typer.echo(f"profile in {out}")
