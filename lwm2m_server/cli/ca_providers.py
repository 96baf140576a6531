"""`lwm2m-server ca provider`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lwm2m_server.cli.ca_common import Config, Data, DryRun, certificate_row, directory_of, guarded
from lwm2m_server.cli.common import Format, Output, show

app = typer.Typer(no_args_is_help=True, help="Service providers that may call the CA API.")


@app.command()
def add(  # noqa: PLR0917 - one parameter per option
    name: Annotated[str, typer.Argument(help="The provider's name in this CA.")],
    certificate: Annotated[Path, typer.Argument(help="Its TLS certificate (PEM), which is pinned.")],
    data: Data = None,
    config: Config = None,
    dry_run: DryRun = False,
    output: Format = Output.TABLE,
) -> None:
    """Let a provider call the CA API with this very certificate."""
    from lwm2m_server.ca.providers import add_provider, check_provider

    directory = directory_of(data, config)
    act = check_provider if dry_run else add_provider
    pinned = guarded(lambda: act(directory, name, certificate))
    show(output, {"provider": name, **certificate_row(pinned)})


@app.command("list")
def list_providers(data: Data = None, config: Config = None, output: Format = Output.TABLE) -> None:
    """List the providers pinned in the data folder."""
    from lwm2m_server.ca.directory import read_certificates

    directory = directory_of(data, config)
    paths = sorted(directory.providers.glob("*.pem"))
    rows = guarded(lambda: [{"provider": p.stem, **certificate_row(read_certificates(p)[0])} for p in paths])
    show(output, rows)
