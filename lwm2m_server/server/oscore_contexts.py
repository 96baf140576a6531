"""The OSCORE contexts devices were given (LwM2M object 21): in the store, and in memory, as requests cannot wait.

How far sequence numbers are reserved is stored before any of them is used, so that a server that is killed repeats none
(security rule 29). A context is one server's: two that share a store share none.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from secrets import token_bytes
from typing import Final, TypeVar

from lwm2m_server.clock import Clock
from lwm2m_server.server.credentials import MAX_NAME, CredentialError, CredentialTaken
from lwm2m_server.store import oscore_contexts as store
from lwm2m_server.store.database import Database
from secure_coap.channels.oscore import PresharedContext

SECRET_SIZE: Final = 16
"""Bytes of a master secret made here."""
SALT_SIZE: Final = 8
IDENTIFIER_SIZE: Final = 3
"""Bytes of a device's identifier made here."""
OUR_ID: Final = b"\x00"
"""Our identifier in contexts made here: the device has one server in each."""
_LONGEST_SECRET: Final = 64
_PER_DEVICE: Final = 4
_Key = TypeVar("_Key", str, bytes)


class OscoreContexts:
    """Contexts by name, by device, and by what requests name them with (`ContextStore`)."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._by_name: dict[str, PresharedContext] = {}
        self._of_endpoint: dict[str, list[str]] = {}
        self._by_kid: dict[bytes, list[str]] = {}
        self._secrets: set[bytes] = set()

    async def load(self) -> None:
        """Read the store, after a start."""
        async with self._database.reading() as connection:
            for context in await store.everything(connection):
                self._take(context)

    def __iter__(self) -> Iterator[PresharedContext]:
        return iter(sorted(self._by_name.values(), key=lambda context: (context.endpoint or "", context.name)))

    def __len__(self) -> int:
        return len(self._by_name)

    def get(self, name: str) -> PresharedContext | None:
        """One context."""
        return self._by_name.get(name)

    def of(self, endpoint: str) -> list[PresharedContext]:
        """The contexts of a device, the oldest first."""
        return [self._by_name[name] for name in self._of_endpoint.get(endpoint, ())]

    def protects(self, endpoint: str) -> bool:
        """Whether a device of this name has a context; without one, nobody may use the name then."""
        return endpoint in self._of_endpoint

    # --- what the channel asks ---

    def find(self, recipient_id: bytes, id_context: bytes | None) -> PresharedContext | None:
        """See `ContextStore`."""
        found = [
            context
            for name in self._by_kid.get(recipient_id, ())
            if id_context in (None, (context := self._by_name[name]).id_context)
        ]
        return found[0] if len(found) == 1 else None

    async def reserve(self, name: str, below: int) -> None:
        """See `ContextStore`. Raises `CredentialError` when the context is gone."""
        async with self._database.transaction() as connection:
            if not await store.reserve(connection, name, below):
                raise CredentialError("this OSCORE context is gone, or another server uses it")
        context = self._by_name.get(name)
        if context is not None:
            self._by_name[name] = replace(context, reserved=below)

    # --- what an operator does ---

    async def make(self, endpoint: str) -> PresharedContext:
        """A new context for a device, with a secret made here. Raises `CredentialError`.

        The device's others stay until it has come with this one, so many of them: the oldest goes.
        """
        for old in self.of(endpoint)[: 1 - _PER_DEVICE]:
            await self.remove(old.name)
        while True:
            device_id = token_bytes(IDENTIFIER_SIZE)
            if device_id not in self._by_kid:
                break
        return await self.put(endpoint, token_bytes(SECRET_SIZE), OUR_ID, device_id, token_bytes(SALT_SIZE))

    async def put(  # noqa: PLR0917 - the values of object 21
        self,
        endpoint: str,
        master_secret: bytes,
        sender_id: bytes,
        recipient_id: bytes,
        master_salt: bytes = b"",
        id_context: bytes | None = None,
    ) -> PresharedContext:
        """Store a context; `sender_id` is ours, `recipient_id` the device's. Raises `CredentialError`.

        One that is there is never replaced: its sequence numbers would begin again under the same keys.
        """
        if not 0 < len(endpoint) <= MAX_NAME or not endpoint.isprintable():
            raise CredentialError(f"an endpoint name has 1 to {MAX_NAME} printable characters")
        if not SECRET_SIZE <= len(master_secret) <= _LONGEST_SECRET:
            raise CredentialError(f"a master secret has {SECRET_SIZE} to {_LONGEST_SECRET} random bytes")
        name = recipient_id.hex() + ("" if id_context is None else f".{id_context.hex()}")
        context = PresharedContext(
            name, master_secret, sender_id, recipient_id, master_salt, id_context, endpoint=endpoint
        )
        try:
            context.derive()
        except ValueError as error:
            raise CredentialError(str(error)) from error
        if master_secret in self._secrets:
            raise CredentialTaken("this master secret is in use; make one of its own for each context")
        if self.find(recipient_id, id_context) is not None or self.find(recipient_id, None) is not None:
            raise CredentialTaken("another context has this identifier of a device; choose another one")
        async with self._database.transaction() as connection:
            await store.put(connection, context, self._clock.seconds())
        self._take(context)
        return context

    async def remove(self, name: str) -> bool:
        """Forget a context; False when there is none. An association that is open with it stays open."""
        context = self._by_name.pop(name, None)
        if context is None:
            return False
        self._secrets.discard(context.master_secret)
        _drop(self._by_kid, context.recipient_id, name)
        _drop(self._of_endpoint, context.endpoint or "", name)
        async with self._database.transaction() as connection:
            await store.remove(connection, name)
        return True

    def _take(self, context: PresharedContext) -> None:
        self._by_name[context.name] = context
        self._of_endpoint.setdefault(context.endpoint or "", []).append(context.name)
        self._by_kid.setdefault(context.recipient_id, []).append(context.name)
        self._secrets.add(context.master_secret)


def _drop(table: dict[_Key, list[str]], key: _Key, name: str) -> None:
    names = table[key]
    names.remove(name)
    if not names:
        del table[key]
