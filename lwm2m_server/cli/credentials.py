"""`lwm2m-server credentials`: pre-shared keys of devices."""

import os
import secrets
from pathlib import Path
from typing import Annotated

import typer

from lwm2m_server.cli.common import Config, Exit, Format, Output, Server, fail, read_file, segment, show

app = typer.Typer(no_args_is_help=True, help="Pre-shared keys of devices: list, add, remove.")

Identity = Annotated[str, typer.Argument(help="PSK identity, as the device names it in the handshake.")]


_KEY_SIZE = 32
"""Bytes of a key made here."""
_COLUMNS = ("identity", "endpoint", "created_at")


@app.command("list")
def list_keys(
    config: Config,
    endpoint: Annotated[str | None, typer.Option(help="Only the keys of this device.")] = None,
    output: Format = Output.TABLE,
) -> None:
    """List PSK identities and the endpoint names they prove; keys are never shown."""
    show(output, Server(config).get("credentials", endpoint=endpoint), _COLUMNS)


@app.command()
def add(  # noqa: PLR0917 - one parameter per argument and option
    identity: Identity,
    config: Config,
    endpoint: Annotated[str | None, typer.Option(help="Endpoint name of the device; without it the identity.")] = None,
    key_file: Annotated[Path | None, typer.Option(help="File with the key in hex; without it one is made.")] = None,
    new_key_file: Annotated[Path | None, typer.Option(help="Write the key made to this new file, 0600.")] = None,
    output: Format = Output.TABLE,
) -> None:
    """Store a device's key, or make one and show it once; an earlier key of the identity is replaced."""
    body = {} if endpoint is None else {"endpoint": endpoint}
    if key_file is not None and new_key_file is not None:
        fail(Exit.USAGE, "give --key-file for a key that is there, or --new-key-file for one to be made")
    if new_key_file is not None:
        body["key"] = _new_key(new_key_file)
    if key_file is not None:
        try:
            body["key"] = read_file(key_file).decode("ascii").strip()
        except UnicodeDecodeError:
            fail(Exit.USAGE, f"{key_file} does not hold a key in hex")
    show(output, Server(config).put_json(f"credentials/{segment(identity)}", body))


def _new_key(path: Path) -> str:
    """Make a key and keep it in a file nobody else can read, before the server knows it: it cannot get lost."""
    key = secrets.token_hex(_KEY_SIZE)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(f"{key}\n")
    except OSError as error:
        fail(Exit.USAGE, f"cannot make {path}: {error.strerror}")
    return key


@app.command()
def remove(identity: Identity, config: Config, output: Format = Output.TABLE) -> None:
    """Forget a device's key and end the sessions it opened."""
    show(output, Server(config).delete(f"credentials/{segment(identity)}"))
