"""SUIT reports of registered devices, by the key that their session proves, or that the operator has added."""

from __future__ import annotations

from cryptography.hazmat.primitives.serialization import load_der_public_key

from cose.keys import PublicKey
from device_pki.identity import PeerIdentity
from device_pki.keys import public_key
from lwm2m_server.fleet.suit_reports import SuitReports
from lwm2m_server.server.device import Device
from lwm2m_server.server.server import Lwm2mServer
from lwm2m_server.store import report_keys as store


class RegisteredReports:
    """Collects after updates. `server` knows who is registered, and over which session."""

    def __init__(self, server: Lwm2mServer, reports: SuitReports) -> None:
        self._server = server
        self._reports = reports

    async def collect(self, device: Device) -> None:
        """Store the report on the device's last update, if there is one to verify. Raises like `SuitReports`."""
        registration = self._server.registrations.get(device.endpoint)
        key = await self._key(device.endpoint)
        if registration is not None and key is not None:
            await self._reports.collect(device, registration.links, key)

    async def _key(self, endpoint: str) -> PublicKey | None:
        """A certificate's key, or the one the operator has added."""
        session = self._server.sessions.session(endpoint)
        peer = None if session is None else session.peer
        if isinstance(peer, PeerIdentity):
            return public_key(peer.certificate)
        async with self._server.database.reading() as connection:
            known = await store.get(connection, endpoint)
        if known is None:
            return None
        key = load_der_public_key(known.public_key)
        assert isinstance(key, PublicKey), "the operator can add no other"
        return key
