"""`lwm2m-server images`."""

from pathlib import Path
from typing import Annotated

import typer

from lwm2m_server.cli.common import Config, Format, Output, Server, segment, show

app = typer.Typer(no_args_is_help=True, help="Images of firmware: any bytes a device takes.")

COLUMNS = ("digest", "kind", "name", "bytes", "sequence_number")
Digest = Annotated[str, typer.Argument(help="Digest of the image.")]


@app.command()
def add(
    file: Annotated[Path, typer.Argument(help="The image.")],
    config: Config,
    name: Annotated[str, typer.Option(help="What to call it.")] = "",
    output: Format = Output.TABLE,
) -> None:
    """Keep a file as an image; prints its digest."""
    show(output, Server(config).upload("images", file, name=name))


@app.command("list")
def list_images(config: Config, output: Format = Output.TABLE) -> None:
    """List all images, signed manifests among them."""
    show(output, Server(config).get("images"), COLUMNS)


@app.command("show")
def show_image(digest: Digest, config: Config, output: Format = Output.TABLE) -> None:
    """Show one image."""
    show(output, Server(config).get(f"images/{segment(digest)}"))


@app.command()
def remove(digest: Digest, config: Config, output: Format = Output.TABLE) -> None:
    """Forget an image that no update needs any more."""
    show(output, Server(config).delete(f"images/{segment(digest)}"))
