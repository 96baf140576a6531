"""The pre-shared keys devices authenticate by: in the store, and in memory for the handshake, which cannot wait."""

from __future__ import annotations

from collections.abc import Iterator
from secrets import token_bytes
from typing import Final

from lwm2m_server.clock import Clock
from lwm2m_server.store import credentials as store
from lwm2m_server.store.credentials import StoredKey
from lwm2m_server.store.database import Database
from secure_coap.channels.dtls import PskCredential
from secure_coap.channels.dtls.config import check_identity, check_key

KEY_SIZE: Final = 32
"""Bytes of a key made here."""
MAX_NAME: Final = 255
"""Characters of an endpoint name."""


class CredentialError(ValueError):
    """An identity, name or key that cannot be used; the text says why and never shows the key."""


class CredentialTaken(CredentialError):
    """The identity or the key belongs to another device: a key is never shared (security rule 30)."""


class Credentials:
    """Keys by PSK identity. A device may have several while one replaces another; a key has one device."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._keys: dict[str, StoredKey] = {}
        self._of_endpoint: dict[str, list[str]] = {}
        self._holder: dict[bytes, str] = {}
        """Whose key it is."""

    async def load(self) -> None:
        """Read the store, after a start."""
        async with self._database.reading() as connection:
            for stored in await store.everything(connection):
                self._take(stored)

    def find(self, identity: bytes) -> PskCredential | None:
        """The credential of an identity as it came in a handshake (`secure_coap.channels.dtls.PskLookup`)."""
        try:
            known = self._keys.get(identity.decode())
        except UnicodeDecodeError:
            return None
        return None if known is None else PskCredential(known.key, known.endpoint)

    def __iter__(self) -> Iterator[StoredKey]:
        return iter(sorted(self._keys.values(), key=lambda stored: (stored.endpoint, stored.created_at)))

    def __len__(self) -> int:
        return len(self._keys)

    def get(self, identity: str) -> StoredKey | None:
        """One key."""
        return self._keys.get(identity)

    def of(self, endpoint: str) -> list[StoredKey]:
        """The keys of a device, the oldest first."""
        return [self._keys[identity] for identity in self._of_endpoint.get(endpoint, ())]

    def protects(self, endpoint: str) -> bool:
        """Whether a device of this name has a key; without one, nobody may use the name then."""
        return endpoint in self._of_endpoint

    async def put(self, identity: str, endpoint: str, key: bytes | None = None) -> StoredKey:
        """Store a key, or one made here; an earlier key of the identity is replaced. Raises `CredentialError`."""
        key = token_bytes(KEY_SIZE) if key is None else key
        try:
            check_identity(identity)
            check_key(key)
        except ValueError as error:
            raise CredentialError(str(error)) from error
        if not 0 < len(endpoint) <= MAX_NAME or not endpoint.isprintable():
            raise CredentialError(f"an endpoint name has 1 to {MAX_NAME} printable characters")
        stored = StoredKey(identity, endpoint, key, self._clock.seconds())
        async with self._database.transaction() as connection:
            self._check_free(stored)
            await store.put(connection, stored)
        self._take(stored)
        return stored

    def _check_free(self, new: StoredKey) -> None:
        known = self._keys.get(new.identity)
        if known is not None and known.endpoint != new.endpoint:
            raise CredentialTaken(
                "this identity belongs to another device; choose another one, or remove that key first"
            )
        if self._holder.get(new.key, new.endpoint) != new.endpoint:
            raise CredentialTaken("this key belongs to another device; make a key of its own for each")

    async def remove(self, identity: str) -> bool:
        """Forget a key; False when there is none. Sessions that are open with it stay open."""
        if identity not in self._keys:
            return False
        async with self._database.transaction() as connection:
            await store.remove(connection, identity)
        self._drop(identity)
        return True

    def _take(self, stored: StoredKey) -> None:
        self._drop(stored.identity)
        self._keys[stored.identity] = stored
        self._of_endpoint.setdefault(stored.endpoint, []).append(stored.identity)
        self._holder[stored.key] = stored.endpoint

    def _drop(self, identity: str) -> None:
        known = self._keys.pop(identity, None)
        if known is None:
            return
        others = self._of_endpoint[known.endpoint]
        others.remove(identity)
        if not others:
            del self._of_endpoint[known.endpoint]
        if all(self._keys[other].key != known.key for other in others):
            del self._holder[known.key]
