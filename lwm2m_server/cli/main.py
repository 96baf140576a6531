"""`lwm2m-server`: everything an operator types. The commands are thin; what they do lives in roles, api and fleet."""

from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from lwm2m_server.cli import setup, sizes
from lwm2m_server.cli.common import Exit, fail

app = typer.Typer(
    name="lwm2m-server",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


@app.callback()
def _group() -> None:
    """LwM2M/SUIT device management that moves a fleet between providers."""


@app.command()
def serve(
    config: Annotated[
        Path | None, typer.Option("--config", help="Settings file (TOML).", envvar="LWM2M_SERVER_CONFIG")
    ] = None,
    dev: Annotated[
        bool, typer.Option("--dev", help="Without a settings file: make all a first try needs in ./data.")
    ] = False,
) -> None:
    """Run the roles of the settings file until SIGTERM or SIGINT."""
    from lwm2m_server.roles.process import serve_for_development, serve_until_signal

    if dev == (config is not None):
        fail(Exit.USAGE, "name a settings file by --config or LWM2M_SERVER_CONFIG, or give --dev and neither")
    raise typer.Exit(serve_for_development(Path("data")) if config is None else serve_until_signal(config))


app.command()(setup.init)
app.command("install-certificate")(setup.install_certificate)
app.command("sizes")(sizes.sizes)


def _add_subcommands() -> None:
    for name in (
        "ca",
        "certificate",
        "factory",
        "devices",
        "groups",
        "partners",
        "firmware",
        "images",
        "transfer",
        "credentials",
        "oscore",
        "bootstrap",
    ):
        if find_spec(f"lwm2m_server.cli.{name}") is not None:
            app.add_typer(import_module(f"lwm2m_server.cli.{name}").app, name=name)
    if find_spec("lwm2m_server.demo") is not None and find_spec("lwm2m_server.demo.command") is not None:
        app.command("demo")(import_module("lwm2m_server.demo.command").demo)


_add_subcommands()


def main() -> None:
    """Entry point of the `lwm2m-server` command."""
    app()
