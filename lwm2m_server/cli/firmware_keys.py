"""`lwm2m-server firmware keys`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from lwm2m_server.cli.common import Config, Exit, Format, Output, Server, fail, read_file, segment, show

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


@app.command()
def fetch(
    config: Config,
    device: Device = None,
    group: Group = None,
    renew: Annotated[bool, typer.Option(help="Have each device make another key first.")] = False,
    output: Format = Output.TABLE,
) -> None:
    """Read the keys of connected devices from them, and forget those they have no more; exit code 5 if one failed."""
    body = {"device": device, "group": group, "renew": renew}
    _show_each(output, Server(config).post("agreement-keys/fetch", body))


@app.command("make-shared")
def make_shared(
    config: Config, group: Annotated[str, typer.Option(help="Whose key it is.")], output: Format = Output.TABLE
) -> None:
    """Make a key for AES Key Wrap that the devices of a group share; it is kept in the data folder. Then give it."""
    import time

    from lwm2m_server import group_keys
    from lwm2m_server.cli.common import load_server_settings

    made = group_keys.make(load_server_settings(config).data, group, int(time.time()))
    show(output, {"group": group, "kid": made.key.kid.hex(), "made_at": made.made_at})


@app.command("give-shared")
def give_shared(
    config: Config,
    group: Annotated[str, typer.Option(help="Whose newest key is given.")],
    device: Annotated[str | None, typer.Option(help="Only to this device.")] = None,
    output: Format = Output.TABLE,
) -> None:
    """Write the newest key of a group to its connected devices; exit code 5 if one failed."""
    keys = _shared(config, group)
    if not keys:
        fail(Exit.NOT_FOUND, f"{group} has no shared key; make one: lwm2m-server firmware keys make-shared")
    whom = {"group": group} if device is None else {"device": device}
    body = {**whom, "key": keys[-1].key.encode().hex()}
    _show_each(output, Server(config).post("agreement-keys/group-key", body))


@app.command("list-shared")
def list_shared(config: Config, output: Format = Output.TABLE) -> None:
    """List the keys that groups share, the oldest first."""
    rows = [{"group": one.group, "kid": one.key.kid.hex(), "made_at": one.made_at} for one in _shared(config, None)]
    show(output, rows, ("group", "kid", "made_at"))


@app.command("remove-shared")
def remove_shared(
    kid: Annotated[str, typer.Argument(help="The key's id.")], config: Config, output: Format = Output.TABLE
) -> None:
    """Forget a key that a group shares, once its devices have the next one."""
    from lwm2m_server import group_keys
    from lwm2m_server.cli.common import load_server_settings

    if not group_keys.remove(load_server_settings(config).data, kid):
        fail(Exit.NOT_FOUND, f"there is no shared key {kid}")
    show(output, {"kid": kid})


def _shared(config: Path, group: str | None) -> list[Any]:
    from cose.keys import UnusableKey
    from lwm2m_server import group_keys
    from lwm2m_server.cli.common import load_server_settings

    try:
        return [*group_keys.load(load_server_settings(config).data, group)]
    except UnusableKey as error:
        fail(Exit.SETTINGS, str(error))


def _show_each(output: Output, outcomes: list[Any]) -> None:
    show(output, outcomes, ("endpoint", "kids", "problem"))
    if any(one["problem"] for one in outcomes):
        raise typer.Exit(Exit.DEVICE)


def recipients(config: Path, device: str | None, group: str | None) -> list[Any]:
    """Whom firmware for these devices is encrypted for, as `suit.encryption` takes them.

    A group that shares keys: those, and nobody else; all its devices have one of them.
    """
    from cose.recipients import SealedFor

    if group is not None and (shared := _shared(config, group)):
        return [SealedFor(one.key.key, one.key.kid) for one in shared]
    return _public_recipients(Server(config), device, group)


def _public_recipients(server: Server, device: str | None, group: str | None) -> list[Any]:
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
