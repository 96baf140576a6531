"""Keys on devices: their agreement keys are read and renewed, keys of their group are given to them (object 33004).

Only over a session whose peer is authenticated: on an open channel anybody could name a key, or hear one.
"""

from __future__ import annotations

import hashlib
from typing import Final

import structlog
from cryptography.hazmat.primitives.asymmetric import ec, x25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key

from cose.keys import KID_SIZE
from lwm2m_server.fleet.errors import NotReady, Rejected
from lwm2m_server.fleet.suit_reports import REPORT
from lwm2m_server.server.admission import NOBODY
from lwm2m_server.server.device import Device
from lwm2m_server.server.server import Lwm2mServer
from lwm2m_server.store import agreement_keys as store
from lwm2m_server.store.agreement_keys import AgreementKey, Holder

log = structlog.get_logger()

MAX_KEYS: Final = 8
"""Agreement keys taken from one device."""
_KEYS: Final = REPORT["Agreement Keys"]
_RENEW: Final = REPORT["Renew Agreement Key"].path()
_GROUP_KEY: Final = REPORT["Group Key"].path()


class DeviceKeys:
    """Of devices that are connected. Every method raises `DeviceOffline`, `DeviceRefused`, `NotReady`."""

    def __init__(self, server: Lwm2mServer) -> None:
        self._server = server

    async def fetch(self, endpoint: str, *, renew: bool) -> list[AgreementKey]:
        """Store the agreement keys a device has, and forget those it has not; with `renew` it makes another one first.

        Raises `Rejected` for keys that are none.
        """
        device = self._authenticated(endpoint)
        if renew:
            await device.execute(_RENEW)
        values = list((await device.read_values(_KEYS)).values())[:MAX_KEYS]
        keys = [self._key(endpoint, value) for value in values]
        async with self._server.database.transaction() as connection:
            await store.replace(connection, Holder.DEVICE, endpoint, keys)
        log.info("agreement_keys_fetched", endpoint=endpoint, kids=[key.kid.hex() for key in keys])
        return keys

    async def give(self, endpoint: str, group_key: bytes) -> None:
        """Write a key of its group to a device: a COSE_Key, which is neither stored nor logged here."""
        await self._authenticated(endpoint).write(_GROUP_KEY, group_key)
        log.info("group_key_given", endpoint=endpoint)

    def _authenticated(self, endpoint: str) -> Device:
        registration = self._server.registrations.get(endpoint)
        if registration is not None and registration.owner == NOBODY:
            raise NotReady(f"{endpoint} is connected without security: have it use DTLS")
        return self._server.device(endpoint)

    def _key(self, endpoint: str, value: object) -> AgreementKey:
        try:
            found = load_der_public_key(value) if isinstance(value, bytes) else None
        except ValueError as error:
            raise Rejected(f"{endpoint} has an agreement key that is none: {error}", "key") from error
        return AgreementKey(Holder.DEVICE, endpoint, *named_key(found), self._server.clock.seconds())


def named_key(key: object) -> tuple[bytes, bytes]:
    """The kid of an agreement key and its SubjectPublicKeyInfo. Raises `Rejected` unless it is P-256 or X25519."""
    match key:
        case x25519.X25519PublicKey() | ec.EllipticCurvePublicKey(curve=ec.SECP256R1()):
            public = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
            return hashlib.sha256(public).digest()[:KID_SIZE], public
    raise Rejected("keys of an agreement are P-256 or X25519", "key")
