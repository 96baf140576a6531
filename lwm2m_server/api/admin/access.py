"""Which devices an operator may operate on: every registered one, or with a provider around the server its own."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Final

from fastapi import Depends

from device_pki.identity import PeerIdentity
from device_pki.roles import Role
from lwm2m_server.api.admin.common import MaybeProvider, Server
from lwm2m_server.fleet.errors import NotReady, Unknown
from lwm2m_server.fleet.provider import ServiceProvider
from lwm2m_server.server.device import Device
from lwm2m_server.server.server import Lwm2mServer
from objects.model import MODEL
from objects.path import Path

_TRANSFER_OBJECTS: Final = frozenset(MODEL[name].id for name in ("Trust Transfer", "Enrollment", "Fallback"))


class Access:
    """Devices as the operator may reach them."""

    def __init__(self, server: Lwm2mServer, provider: ServiceProvider | None) -> None:
        self.server = server
        self._provider = provider

    async def device(
        self,
        endpoint: str,
        paths: Iterable[Path],
        *,
        wait: float,
        timeout: float | None,  # noqa: ASYNC109
    ) -> Device:
        """The device, connected, to operate on `paths`. Raises `Unknown`, `NotReady`, `DeviceOffline`."""
        await self.check(endpoint, paths, wait=wait)
        await self.server.sessions.appear(endpoint, wait)
        return self.server.device(endpoint, wait=wait, timeout=timeout)

    async def check(self, endpoint: str, paths: Iterable[Path] = (), *, wait: float = 0) -> None:
        """Only a device the provider owns takes its operator's commands (protocol.md, rule 12).

        One that has come back with its factory certificate takes those of the transfer only (registry.md, "Logging
        in").
        """
        if self._provider is None:
            return
        known = await self._provider.books.get(endpoint)
        if known is None or known.book.tenure is None:
            raise Unknown(f"an owned device {endpoint!r}")
        places = {path.object for path in paths}
        if not places:
            return
        peer = (await self.server.sessions.appear(endpoint, wait)).peer
        factory = isinstance(peer, PeerIdentity) and peer.role is Role.FACTORY_DEVICE
        if factory and not places <= _TRANSFER_OBJECTS:
            raise NotReady(f"{endpoint} has logged in with its factory certificate; wait until it has enrolled again")


def _access(server: Server, provider: MaybeProvider) -> Access:
    return Access(server, provider)


Reach = Annotated[Access, Depends(_access)]
