"""The process: read settings, run the roles, end cleanly on SIGTERM."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import structlog
import uvloop

from lwm2m_server.logging import configure_logging
from lwm2m_server.roles.garbage import tune
from lwm2m_server.settings import Role, Settings, SettingsError, load_settings

log = structlog.get_logger()

Announce = Callable[[Any], None]
"""Told what runs, once it does."""

EXIT_SETTINGS = 78
"""sysexits.h EX_CONFIG: the settings are wrong."""
EXIT_FAILURE = 70
"""sysexits.h EX_SOFTWARE: a role ended by an error."""


class NotReadyError(Exception):
    """A role cannot start as things are; the text says what to do."""


def serve_until_signal(config: Path) -> int:
    """Run the roles of a settings file; returns the process's exit code."""
    return _run_process(config, None)


def serve_for_development(folder: Path) -> int:
    """Run from a folder where everything that is missing is made; returns the process's exit code."""
    from lwm2m_server.roles import dev

    try:
        config = dev.prepare(folder)
    except Exception as error:
        print(f"{folder}: {error}", file=sys.stderr)
        return EXIT_SETTINGS
    return _run_process(config, partial(dev.announce, folder))


def _run_process(config: Path, announce: Announce | None) -> int:
    configure_logging()
    tune()
    try:
        settings = load_settings(config)
    except SettingsError as error:
        print(error, file=sys.stderr)
        return EXIT_SETTINGS
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_serve(settings, announce))


async def _serve(settings: Settings, announce: Announce | None) -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    roles = {asyncio.create_task(_run(role, settings, announce), name=role.value) for role in settings.roles}
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


async def _run(role: Role, settings: Settings, announce: Announce | None) -> None:
    """Run one role until cancelled; its module is imported only when it is needed."""
    if role is Role.DEVICE_MANAGEMENT and settings.dm is not None:
        from lwm2m_server.provider_keys import KeysError
        from lwm2m_server.roles.dm import run_dm
        from lwm2m_server.server.crl_files import CrlFileError
        from objects.errors import InvalidDefinition

        with _not_ready(role, KeysError, CrlFileError, InvalidDefinition):
            await run_dm(settings.dm, announce)
    elif role is Role.SERVICE_PROVIDER and settings.sp is not None:
        from lwm2m_server.provider_keys import KeysError
        from lwm2m_server.roles.sp import run_sp
        from lwm2m_server.server.crl_files import CrlFileError

        with _not_ready(role, KeysError, CrlFileError):
            await run_sp(settings.sp)
    elif role is Role.CERTIFICATION_AUTHORITY and settings.ca is not None:
        from lwm2m_server.ca.directory import CaDirectoryError
        from lwm2m_server.provider_keys import KeysError
        from lwm2m_server.roles.ca import run_ca
        from lwm2m_server.server.crl_files import CrlFileError

        with _not_ready(role, CaDirectoryError, CrlFileError, KeysError):
            await run_ca(settings.ca)


@contextmanager
def _not_ready(role: Role, *expected: type[Exception]) -> Iterator[None]:
    """What an operator has to mend, told without a traceback: a data folder that is not ready, a port that is taken."""
    try:
        yield
    except OSError as error:
        raise NotReadyError(f"role {role}: {error}") from error
    except expected as error:
        raise NotReadyError(f"role {role}: {error}") from error
