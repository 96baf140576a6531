"""`lwm2m-server transfer`."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from lwm2m_server.cli.common import Config, Exit, Format, Output, Server, fail, instant, segment, show, unpack

app = typer.Typer(no_args_is_help=True, help="Move a group of devices to another provider.")

TransferId = Annotated[str, typer.Argument(metavar="CTI", help="The transfer's id (32 hex digits).")]
Devices = Annotated[list[str] | None, typer.Option("--device", help="Only this device; may be repeated.")]

_COLUMNS = ("endpoint", "book", "owned", "committed", "seqs", "state", "result", "duties")
_SUMMARY = ("transfer", "direction", "partner", "group", "form", "template")


class MessageForm(StrEnum):
    """Form of the TransferMessages."""

    ENDORSED = "endorsed"
    PLAIN = "plain"


class Certificates(StrEnum):
    """How the device list carries factory certificates."""

    X509 = "x509"
    C509 = "c509"
    X5BAG = "x5bag"
    C5B = "c5b"


@app.command()
def prepare(  # noqa: PLR0917 - one parameter per option
    config: Config,
    group: Annotated[str, typer.Option(help="Group to move.")],
    partner: Annotated[str, typer.Option(help="Partner to move it to.")],
    agreed_state: Annotated[str, typer.Option(help="Digest of the manifest to reset to.")],
    latest: Annotated[str, typer.Option(help="End of the window: +2h, seconds since 1970, or ISO 8601.")],
    earliest: Annotated[str, typer.Option(help="Beginning of the window.")] = "now",
    device_window: Annotated[
        list[str] | None,
        typer.Option(metavar="EP=NBF..EXP", help="Another window for one device; may be repeated."),
    ] = None,
    form: Annotated[MessageForm, typer.Option(help="Form of the messages to the devices.")] = MessageForm.ENDORSED,
    certificates: Annotated[
        Certificates,
        typer.Option(help="Factory certificates in the list (x509, c509), or apart from it in bags (x5bag, c5b)."),
    ] = Certificates.X509,
    output: Format = Output.TABLE,
) -> None:
    """Sign the group's device list and send it to the partner; prints the transfer's id."""
    body = {
        "group": group,
        "partner": partner,
        "agreed_state": agreed_state,
        "window": {"earliest": instant(earliest), "latest": instant(latest)},
        "endorsed": form is MessageForm.ENDORSED,
        "certificates": certificates.value,
        "device_windows": dict(_device_window(text) for text in device_window or ()),
    }
    show(output, Server(config).post("transfers", body))


def _device_window(text: str) -> tuple[str, dict[str, int]]:
    endpoint, equals, window = text.rpartition("=")
    earliest, dots, latest = window.partition("..")
    if not (endpoint and equals and dots):
        fail(Exit.USAGE, f"{text!r} is no window of a device: write EP=NBF..EXP, for example dev-7=now..+90s")
    return endpoint, {"earliest": instant(earliest), "latest": instant(latest)}


@app.command("list")
def list_transfers(config: Config, output: Format = Output.TABLE) -> None:
    """List every transfer, both ways."""
    show(output, Server(config).get("transfers"), _SUMMARY)


@app.command()
def accept(
    cti: TransferId,
    config: Config,
    update_first: Annotated[
        str | None, typer.Option(help="Digest of a manifest the devices take before they enroll.")
    ] = None,
    profile: Annotated[str, typer.Option(help="How they enroll and register here: dtls, compact or lean.")] = "dtls",
    output: Format = Output.TABLE,
) -> None:
    """Accept a partner's transfer: register its devices with the CA, sign the template, send it."""
    order = {"update_first": update_first, "profile": profile}
    show(output, Server(config).post(f"transfers/{segment(cti)}/accept", order))


@app.command()
def offer(cti: TransferId, config: Config, output: Format = Output.TABLE) -> None:
    """Sign a TransferMessage for each device and deliver it."""
    show(output, Server(config).post(f"transfers/{segment(cti)}/offer"))


@app.command()
def start(cti: TransferId, config: Config, device: Devices = None, output: Format = Output.TABLE) -> None:
    """Have devices begin as soon as their window is open, without jitter."""
    show(output, Server(config).post(f"transfers/{segment(cti)}/start", {"devices": device}))


@app.command()
def cancel(cti: TransferId, config: Config, device: Devices = None, output: Format = Output.TABLE) -> None:
    """Take offers back; Cancel is repeated until each device proves how it ended."""
    if not device:
        fail(Exit.USAGE, "name the devices: --device EP, once for each")
    show(output, Server(config).post(f"transfers/{segment(cti)}/cancel", {"devices": device}))


@app.command()
def status(cti: TransferId, config: Config, output: Format = Output.TABLE) -> None:
    """Show where every device of a transfer stands."""
    found = Server(config).get(f"transfers/{segment(cti)}")
    show(output, found if output is Output.JSON else found["devices"], () if output is Output.JSON else _COLUMNS)


@app.command()
def export(
    cti: TransferId,
    config: Config,
    to: Annotated[Path, typer.Option("--to", help="Folder for the files.")],
    output: Format = Output.TABLE,
) -> None:
    """Write every message, certificate and public key of a transfer into a folder."""
    names = unpack(Server(config).download(f"transfers/{segment(cti)}/evidence"), to)
    show(output, {"folder": str(to), "files": names} if output is Output.JSON else [{"file": name} for name in names])
