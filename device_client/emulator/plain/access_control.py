"""Who may do what on a device with several servers: object 2 (LwM2M Core 1.2, 8.2).

With one server there is nothing to divide: it may do everything. With more, an instance without rights of its own is
everybody's as long as no instance has any, and nobody's afterwards. Objects 0 and 21 are bootstrap's alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntFlag
from typing import Final

from device_client.emulator.lwm2m.caller import Caller, Operation
from device_client.emulator.lwm2m.instance import StoredInstance
from device_client.emulator.plain.accounts import ACCESS_CONTROL, OBJECTS, OSCORE, SECURITY, Accounts
from objects.path import UNASSIGNED, Path
from secure_coap.errors import CoapError, MethodNotAllowed, Unauthorized


class Right(IntFlag):
    """Bits of 2/x/2."""

    READ = 1
    WRITE = 2
    EXECUTE = 4
    DELETE = 8
    CREATE = 16


_NEEDED: Final = {
    Operation.READ: Right.READ,
    Operation.WRITE: Right.WRITE,
    Operation.EXECUTE: Right.EXECUTE,
    Operation.DELETE: Right.DELETE,
    Operation.CREATE: Right.CREATE,
}
EVERYTHING: Final = Right.READ | Right.WRITE | Right.EXECUTE | Right.DELETE
SECRET: Final = frozenset({SECURITY, OSCORE})
DEFAULT: Final = 0
"""The entry of 2/x/2 for every server without one of its own."""


class AccessControl:
    """The rules of object 2, whose instances are among the accounts."""

    def __init__(self, accounts: Accounts) -> None:
        self._accounts = accounts

    def refused(self, caller: Caller, operation: Operation, path: Path) -> CoapError | None:
        if path.object in SECRET:
            return Unauthorized("only bootstrap may do that")
        if operation in (Operation.CREATE, Operation.DELETE) and path.object in OBJECTS:
            return MethodNotAllowed("accounts and rights are made and removed by bootstrap")
        if len(self._accounts.servers()) < 2 or not self._accounts.objects[ACCESS_CONTROL].instances:
            return None
        if path.object == ACCESS_CONTROL:
            return self._of_the_rights_themselves(caller, operation, path)
        if path.instance is None and operation is not Operation.CREATE:
            # Of an object a server gets the instances it may read; which ones is asked for each of them.
            return None
        return None if _NEEDED[operation] & self._rights(caller.server, path, operation) else _refusal()

    def created(self, caller: Caller, path: Path) -> None:
        """The creator owns what it has created and may do everything with it."""
        if len(self._accounts.servers()) < 2 or path.object == ACCESS_CONTROL:
            return
        rights = self._accounts.objects[ACCESS_CONTROL]
        number = next(n for n in range(UNASSIGNED) if n not in rights.instances)
        self._accounts.add(
            ACCESS_CONTROL,
            number,
            {
                "Object ID": path.object,
                "Object Instance ID": path.ids[1],
                "ACL": {caller.server: int(EVERYTHING)},
                "Access Control Owner": caller.server,
            },
        )
        self._accounts.save()

    def deleted(self, path: Path) -> None:
        rights = self._accounts.objects[ACCESS_CONTROL]
        for number, one in list(rights.instances.items()):
            if isinstance(one, StoredInstance) and _about(one) == path.ids[:2]:
                del rights.instances[number]
        self._accounts.save()

    def _of_the_rights_themselves(self, caller: Caller, operation: Operation, path: Path) -> CoapError | None:
        """Everybody reads them; the owner changes them; bootstrap alone makes and removes them."""
        if operation is Operation.READ:
            return None
        if operation is Operation.WRITE and path.instance is not None:
            one = self._accounts.objects[ACCESS_CONTROL].instances.get(path.instance)
            if isinstance(one, StoredInstance) and one["Access Control Owner"] == caller.server:
                return None
        return _refusal()

    def _rights(self, server: int, path: Path, operation: Operation) -> Right:
        about = (path.object, UNASSIGNED) if operation is Operation.CREATE else path.ids[:2]
        rights = Right(0)
        for one in self._accounts.objects[ACCESS_CONTROL].instances.values():
            if isinstance(one, StoredInstance) and _about(one) == about:
                rights |= _rights_in(one, server)
        return rights


def _about(one: StoredInstance) -> tuple[object, object]:
    return one["Object ID"], one["Object Instance ID"]


def _rights_in(one: StoredInstance, server: int) -> Right:
    entries = one["ACL"]
    if isinstance(entries, Mapping):
        entry = entries.get(server, entries.get(DEFAULT))
        if isinstance(entry, int):
            return Right(entry & 31)
    return EVERYTHING if one["Access Control Owner"] == server else Right(0)


def _refusal() -> CoapError:
    return Unauthorized("the access rights of this server do not allow that")
