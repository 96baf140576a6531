"""`lwm2m-server firmware keys`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from lwm2m_server.cli.common import Config, Format, Output, Server, read_file, segment, show

app = typer.Typer(no_args_is_help=True, help="Keys that firmware is encrypted for.")

Device = Annotated[str | None, typer.Option(help="Whose it is: this device's.")]
Group = Annotated[str | None, typer.Option(help="Whose it is: every device's of this group.")]
_COLUMNS = ("kid", "holder", "name", "added_at")


@app.command()
def add(
    file: Annotated[Path, typer.Argument(help="Public key, P-256 or X25519, PEM.")],
    config: Config,
    device: Device = None,
    group: Group = None,
    output: Format = Output.TABLE,
) -> None:
    """Add a key beside those its holder has; firmware is encrypted for all of them until one is removed."""
    body = {"device": device, "group": group, "public_key": read_file(file).decode("ascii", "replace")}
    show(output, Server(config).post("agreement-keys", body), _COLUMNS)


@app.command("list")
def list_keys(config: Config, output: Format = Output.TABLE) -> None:
    """List all keys."""
    show(output, Server(config).get("agreement-keys"), _COLUMNS)


@app.command()
def remove(
    kid: Annotated[str, typer.Argument(help="The key's id.")],
    config: Config,
    device: Device = None,
    group: Group = None,
    output: Format = Output.TABLE,
) -> None:
    """Forget a key, once its holder has the next one."""
    whose = f"device={segment(device)}" if device is not None else f"group={segment(group or '')}"
    show(output, Server(config).delete(f"agreement-keys/{segment(kid)}?{whose}"))


def recipients(server: Server, device: str | None, group: str | None) -> list[Any]:
    """Whom firmware for these devices is encrypted for, as `suit.encryption` takes them."""
    from cryptography.hazmat.primitives.asymmetric import ec, x25519
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    from cose.recipients import SealedFor

    keys = server.get("agreement-keys/recipients", device=device, group=group)
    found = []
    for one in keys:
        public = load_pem_public_key(one["public_key"].encode())
        assert isinstance(public, ec.EllipticCurvePublicKey | x25519.X25519PublicKey), "the server keeps no others"
        found.append(SealedFor(public, bytes.fromhex(one["kid"])))
    return found
