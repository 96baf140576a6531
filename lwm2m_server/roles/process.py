"""The process: read settings, run the roles, end cleanly on SIGTERM."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import structlog

from lwm2m_server.logging import configure_logging
from lwm2m_server.settings import Role, Settings, SettingsError, load_settings

log = structlog.get_logger()

EXIT_SETTINGS = 78
"""sysexits.h EX_CONFIG: the settings are wrong."""
EXIT_FAILURE = 70
"""sysexits.h EX_SOFTWARE: a role ended by an error."""


class NotReadyError(Exception):
    """A role cannot start as things are; the text says what to do."""


def serve_until_signal(config: Path) -> int:
    """Run; returns the process's exit code."""
    configure_logging()
    try:
        settings = load_settings(config)
    except SettingsError as error:
        print(error, file=sys.stderr)
        return EXIT_SETTINGS
    return asyncio.run(_serve(settings))


async def _serve(settings: Settings) -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    roles = {asyncio.create_task(_run(role, settings), name=role.value) for role in settings.roles}
    stopping = asyncio.create_task(stop.wait(), name="stop")
    await asyncio.wait(roles | {stopping}, return_when=asyncio.FIRST_COMPLETED)
    failed = [task for task in roles if task.done() and not task.cancelled() and task.exception() is not None]
    for task in (*roles, stopping):
        task.cancel()
    await asyncio.gather(*roles, stopping, return_exceptions=True)
    log.info("stopped")
    return max((_report(task) for task in failed), default=0)


def _report(task: asyncio.Task[None]) -> int:
    """Tell why a role ended by itself; returns the process's exit code."""
    error = task.exception()
    if isinstance(error, NotReadyError):
        print(error, file=sys.stderr)
        return EXIT_SETTINGS
    log.error("role_failed", role=task.get_name(), error=str(error), exc_info=error)
    return EXIT_FAILURE


async def _run(role: Role, settings: Settings) -> None:
    """Run one role until cancelled; its module is imported only when it is needed."""
    if role is Role.SERVICE_PROVIDER and settings.sp is not None:
        from lwm2m_server.provider_keys import KeysError
        from lwm2m_server.roles.sp import run_sp

        with _not_ready(role, KeysError):
            await run_sp(settings.sp)
    elif role is Role.CERTIFICATION_AUTHORITY and settings.ca is not None:
        from lwm2m_server.ca.directory import CaDirectoryError
        from lwm2m_server.roles.ca import run_ca

        with _not_ready(role, CaDirectoryError):
            await run_ca(settings.ca)


@contextmanager
def _not_ready(role: Role, expected: type[Exception]) -> Iterator[None]:
    """What an operator has to mend, told without a traceback: a data folder that is not ready, a port that is taken."""
    try:
        yield
    except (expected, OSError) as error:
        raise NotReadyError(f"role {role}: {error}") from error
