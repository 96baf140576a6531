"""`lwm2m-server ca labels`: which devices may enroll under which CA-URI, and what a label allows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from lwm2m_server.cli.ca_common import Config, Data, DryRun, Limit, Row, time_text, with_register
from lwm2m_server.cli.common import Format, Output, instant, show

if TYPE_CHECKING:
    from enrollment.register import DeviceEntry, LabelPolicy
    from lwm2m_server.ca.operator import CaOperator

app = typer.Typer(no_args_is_help=True, help="Labels: which devices may enroll under which CA-URI.")

LabelName = Annotated[str, typer.Argument(help="Label, the six characters logs show, or UUID.")]
NO_LIMIT = -1
NEVER = "never"
"""What takes a limit away."""


@app.command("list")
def list_labels(data: Data = None, config: Config = None, limit: Limit = 100, output: Format = Output.TABLE) -> None:
    """List labels with their provider, devices and certificates."""

    async def rows(ca: CaOperator) -> list[Row]:
        return [
            {
                "uuid": str(one.label.uuid),
                "provider": one.label.provider,
                "label": one.label.log_name,
                "devices": one.devices,
                "open": one.open_devices,
                "certificates": one.certificates,
                "not_after": time_text(one.policy.not_after),
            }
            for one in await ca.labels(limit)
        ]

    show(output, with_register(data, config, rows))


@app.command("show")
def show_label(label: LabelName, data: Data = None, config: Config = None, output: Format = Output.TABLE) -> None:
    """List the devices of a label with what was issued to them."""

    async def rows(ca: CaOperator) -> list[Row]:
        found = await ca.find_label(label)
        result = []
        for entry in await ca.register.entries(found.text):
            issued = await ca.register.certificates(entry.label, entry.fingerprint)
            revoked = sum(certificate.revoked_at is not None for certificate in issued)
            result.append(_entry_row(entry) | {"certificates": len(issued), "revoked": revoked})
        return result

    show(output, with_register(data, config, rows))


@app.command("close")
def close_entry(  # noqa: PLR0917 - one parameter per option
    label: LabelName,
    device: Annotated[str, typer.Argument(help="Fingerprint of the factory certificate, or the endpoint name.")],
    revoke: Annotated[bool, typer.Option("--revoke", help="Also revoke what was issued under the label.")] = False,
    data: Data = None,
    config: Config = None,
    dry_run: DryRun = False,
    output: Format = Output.TABLE,
) -> None:
    """Remove one device's entry: it may not enroll under this label any more."""

    async def row(ca: CaOperator) -> Row:
        if dry_run:
            return _entry_row(await ca.find_entry(label, device))
        return _entry_row(await ca.close_entry(label, device, revoke=revoke))

    show(output, with_register(data, config, row))


@app.command("policy")
def policy(  # noqa: PLR0917 - one parameter per option
    label: LabelName,
    max_devices: Annotated[int | None, typer.Option(min=NO_LIMIT, help="Devices in it; -1: any number.")] = None,
    max_keys: Annotated[int | None, typer.Option(min=1, help="Keys of a device with a valid certificate.")] = None,
    not_after: Annotated[
        str | None, typer.Option(help="Nothing is issued from then on: +90d, seconds since 1970, ISO 8601; never.")
    ] = None,
    server_keys: Annotated[
        bool | None, typer.Option("--server-keys/--no-server-keys", help="May the CA make devices' keys?")
    ] = None,
    device_rate: Annotated[int | None, typer.Option(min=0, help="Requests of a device in a minute; 0: any.")] = None,
    label_rate: Annotated[int | None, typer.Option(min=0, help="Requests under it in a minute; 0: any.")] = None,
    data: Data = None,
    config: Config = None,
    dry_run: DryRun = False,
    output: Format = Output.TABLE,
) -> None:
    """Show what a label allows; with options, change that first. What was issued stays."""
    from lwm2m_server.ca.directory import CaDirectoryError

    given: Row = {
        "max_devices": max_devices,
        "max_keys": max_keys,
        "not_after": not_after,
        "server_keys": server_keys,
        "device_rate": device_rate,
        "label_rate": label_rate,
    }
    changes = {name: _meant(name, value) for name, value in given.items() if value is not None}

    async def row(ca: CaOperator) -> Row:
        try:
            found, allowed = await ca.change_policy(label, changes, dry_run=dry_run)
        except ValueError as error:
            raise CaDirectoryError(str(error)) from error
        return {"label": found.log_name, "provider": found.provider, **_policy_row(allowed)}

    show(output, with_register(data, config, row))


def _meant(name: str, value: object) -> object:
    """A policy's value of what was typed: none where a limit is taken away."""
    if value in {NO_LIMIT, NEVER}:
        return None
    if name == "not_after":
        from datetime import UTC, datetime

        return datetime.fromtimestamp(instant(str(value)), UTC)
    return value


def _policy_row(policy: LabelPolicy) -> Row:
    from dataclasses import asdict

    return asdict(policy) | {"not_after": time_text(policy.not_after)}


def _entry_row(entry: DeviceEntry) -> Row:
    return {
        "endpoint": entry.endpoint,
        "fingerprint": entry.fingerprint.hex(),
        "enroll": "open" if entry.open else "closed",
    }
