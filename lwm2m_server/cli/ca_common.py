"""What the commands of `lwm2m-server ca` share: which CA is meant, its register, rows, errors that name what helps."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from lwm2m_server.cli.common import Exit, fail

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from datetime import datetime

    from cryptography import x509

    from lwm2m_server.ca.directory import CaDirectory
    from lwm2m_server.ca.operator import CaOperator

T = TypeVar("T")
Row = dict[str, Any]

Data = Annotated[Path | None, typer.Option("--data", help="The CA's data folder.", envvar="LWM2M_CA_DATA")]
Config = Annotated[Path | None, typer.Option("--config", help="Settings file whose [ca] section names the folder.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Check and show what would be done, and do nothing.")]
Limit = Annotated[int, typer.Option("--limit", min=1, max=100_000, help="Rows at most.")]


def directory_of(data: Path | None, config: Path | None) -> CaDirectory:
    """The CA's folder, or the end of the command."""
    from lwm2m_server.ca.directory import CaDirectory
    from lwm2m_server.settings import SettingsError, load_settings

    if data is not None:
        return CaDirectory(data)
    if config is None:
        fail(Exit.USAGE, "name the CA: --data FOLDER, or --config FILE with a section [ca]")
    try:
        settings = load_settings(config)
    except SettingsError as error:
        fail(Exit.SETTINGS, str(error))
    if settings.ca is None:
        fail(Exit.SETTINGS, f"{config} has no section [ca]: this command is for CAs")
    return CaDirectory(settings.ca.data)


def with_register(data: Path | None, config: Path | None, action: Callable[[CaOperator], Awaitable[T]]) -> T:
    """What `action` returns, done to the CA's register."""
    import asyncio

    from lwm2m_server.ca.operator import opened
    from lwm2m_server.settings import load_settings

    directory = directory_of(data, config)
    settings = None if config is None else load_settings(config).ca

    async def run() -> T:
        async with opened(directory, settings) as ca:
            return await action(ca)

    return guarded(lambda: asyncio.run(run()))


def guarded(action: Callable[[], T]) -> T:
    """What `action` returns, or the end of the command with what is wrong."""
    from lwm2m_server.ca.directory import CaDirectoryError

    try:
        return action()
    except (CaDirectoryError, OSError) as error:
        fail(Exit.REFUSED, str(error))


def now() -> datetime:
    """The present time."""
    from datetime import UTC, datetime

    return datetime.now(UTC)


def time_text(time: datetime | None) -> str:
    """A time as tables and JSON show it; empty for none."""
    return "" if time is None else f"{time:%Y-%m-%dT%H:%M:%SZ}"


def certificate_row(certificate: x509.Certificate) -> Row:
    """What identifies a certificate, and its end."""
    from device_pki.fingerprints import fingerprint

    return {
        "subject": certificate.subject.rfc4514_string(),
        "fingerprint": fingerprint(certificate).hex(),
        "not_after": time_text(certificate.not_valid_after_utc),
    }
