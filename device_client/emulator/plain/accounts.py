"""The accounts of a device: objects 0 (Security), 1 (Server), 2 (Access Control) and 21 (OSCORE), kept in one file.

Bootstrap works on a draft beside them. Adopting the draft is one durable write, so that a bootstrap that fails, or a
power cut in the midst of one, leaves the accounts as they were.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import IntEnum
from typing import Final

from cose import cbor
from device_client.emulator.lwm2m.device_object import DeviceObject
from device_client.emulator.lwm2m.instance import Arguments, Content, StoredInstance
from device_client.emulator.orders import Order
from device_client.emulator.storage.files import DeviceFiles, StorageError
from objects import formats
from objects.definition import ObjectDefinition
from objects.formats import Format
from objects.model import ObjectModel
from objects.nodes import AnyResource, ObjectInstance, ObjectNode
from objects.path import Path
from trust_transfer.device.events import Source

FILE: Final = "accounts.cbor"
MAX_FILE: Final = 1 << 20
BOOTSTRAP: Final = 0
"""Stands for the bootstrap server where a Short Server ID is asked for; no server has it."""
DISABLE_TIMEOUT: Final = 86400
"""Seconds a disabled account stays so unless it says otherwise (resource 1/x/5)."""

SECURITY: Final = 0
SERVER: Final = 1
ACCESS_CONTROL: Final = 2
OSCORE: Final = 21
OBJECTS: Final = (SECURITY, SERVER, ACCESS_CONTROL, OSCORE)

GiveOrder = Callable[[int, Order], None]
"""A server (by its Short Server ID) has ordered something of its account."""


class SecurityMode(IntEnum):
    """Resource 0/x/2."""

    PSK = 0
    RAW_PUBLIC_KEY = 1
    CERTIFICATE = 2
    NO_SEC = 3
    CERTIFICATE_WITH_EST = 4


@dataclass(frozen=True, slots=True)
class Account:
    """How the device reaches one server and what it is to it. Times in seconds."""

    instance: int
    """Of object 0."""
    uri: str
    server: int
    """Short Server ID; BOOTSTRAP for the bootstrap server."""
    mode: int
    identity: bytes = b""
    """PSK identity, or the device's certificate (DER)."""
    server_key: bytes = b""
    """The server's certificate or its anchor (DER), as `usage` says."""
    secret: bytes = field(default=b"", repr=False)
    """Pre-shared key, or the private key (PKCS#8, DER)."""
    usage: int = 3
    """Certificate Usage (0/x/15): 2 and 0 an anchor, 3 and 1 the server's own certificate."""
    hold_off: int = 0
    """Before the first request to this server."""
    purge_after: int = 0
    """Of the bootstrap server's account: it is removed so long after it was used; 0 is never (0/x/12)."""
    lifetime: int = 86400
    default_pmin: int | None = None
    default_pmax: int | None = None
    storing: bool = True
    """Notification Storing When Disabled or Offline."""
    disable_timeout: int = DISABLE_TIMEOUT
    bootstrap_on_failure: bool = True
    mute_send: bool = False


class Accounts:
    """The objects that hold the accounts, and what they say."""

    def __init__(self, model: ObjectModel, order: GiveOrder = lambda server, order: None) -> None:
        self._model = model
        self._order = order
        self._files: DeviceFiles | None = None
        self.objects: Mapping[int, DeviceObject] = {
            one.id: DeviceObject(one, {}, self._maker(one)) for one in map(model.get, OBJECTS) if one is not None
        }
        """OSCORE is not among them before LwM2M 1.2: its object has no version a device could have had then."""

    def keep_in(self, files: DeviceFiles) -> None:
        """Keep them in this directory from now on, durably; what it holds already takes their place."""
        if files.exists(FILE):
            self._load(files.read(FILE))
        self._files = files

    def add(self, number: int, instance: int, values: Mapping[str, Content]) -> None:
        """Put in an instance with values named as in the definition."""
        made = self._make(self._model[number], {})
        for name, content in values.items():
            made[name] = content
        self.objects[number].instances[instance] = made

    def servers(self) -> list[Account]:
        """The accounts of LwM2M servers, by their Short Server IDs; incomplete ones are left out."""
        found = [self._account(number, security) for number, security in self._instances(SECURITY)]
        return sorted((one for one in found if one and one.server != BOOTSTRAP), key=lambda one: one.server)

    def bootstrap(self) -> Account | None:
        """The bootstrap server's account."""
        found = [self._account(number, security) for number, security in self._instances(SECURITY)]
        return next((one for one in found if one and one.server == BOOTSTRAP), None)

    def server_instance(self, server: int) -> StoredInstance | None:
        """The instance of object 1 with this Short Server ID."""
        return next((one for _, one in self._instances(SERVER) if one["Short Server ID"] == server), None)

    def draft(self) -> Accounts:
        """A copy to change; nothing of it counts before `adopt`."""
        copy = Accounts(self._model)
        copy._load(self._encoded())
        return copy

    def adopt(self, draft: Accounts) -> None:
        """Let the draft's accounts take the place of these, in one durable write. Raises StorageError."""
        data = draft._encoded()
        self._write(data)
        self._load(data)

    def forget_bootstrap(self) -> None:
        """Remove the bootstrap server's account, durably. Raises StorageError."""
        account = self.bootstrap()
        if account is not None:
            del self.objects[SECURITY].instances[account.instance]
            self.save()

    def save(self) -> None:
        """Make what a server has changed durable. Raises StorageError."""
        self._write(self._encoded())

    def _instances(self, number: int) -> list[tuple[int, StoredInstance]]:
        return [(n, one) for n, one in self.objects[number].instances.items() if isinstance(one, StoredInstance)]

    def _account(self, number: int, security: StoredInstance) -> Account | None:
        uri, mode = security["LWM2M Server URI"], security["Security Mode"]
        if not isinstance(uri, str) or not isinstance(mode, int):
            return None
        common = Account(
            instance=number,
            uri=uri,
            server=BOOTSTRAP,
            mode=mode,
            identity=_bytes(security["Public Key or Identity"]),
            server_key=_bytes(security["Server Public Key"]),
            secret=_bytes(security["Secret Key"]),
            usage=_integer(_optional(security, "Certificate Usage"), 3),
            hold_off=_integer(security["Client Hold Off Time"], 0),
        )
        if security["Bootstrap-Server"]:
            return replace(common, purge_after=_integer(security["Bootstrap-Server Account Timeout"], 0))
        server_id = security["Short Server ID"]
        server = self.server_instance(server_id) if isinstance(server_id, int) else None
        return None if server is None else _with_server(common, server)

    def _maker(self, definition: ObjectDefinition) -> Callable[[int, Mapping[int, AnyResource]], StoredInstance]:
        def make(number: int, resources: Mapping[int, AnyResource]) -> StoredInstance:
            return self._make(definition, resources)

        return make

    def _make(self, definition: ObjectDefinition, resources: Mapping[int, AnyResource]) -> StoredInstance:
        """An instance with these values; resources the definition does not know are left out (Core 1.2, 6.1.7.5)."""

        def changed(number: int) -> None:
            self.save()
            server = instance.values.get(0)
            if definition.id == SERVER and isinstance(server, int):
                self._order(server, Order.UPDATE)

        instance = StoredInstance(definition, {}, self._executors(definition, lambda: instance), changed)
        instance.put_all(resources)
        return instance

    def _executors(
        self, definition: ObjectDefinition, instance: Callable[[], StoredInstance]
    ) -> dict[str, Callable[[Arguments, Source], None]]:
        if definition.id != SERVER:
            return {}

        def give(order: Order) -> Callable[[Arguments, Source], None]:
            def execute(arguments: Arguments, source: Source) -> None:
                self._order(_integer(instance()["Short Server ID"], BOOTSTRAP), order)

            return execute

        orders = {
            "Disable": Order.DISABLE,
            "Registration Update Trigger": Order.UPDATE,
            "Bootstrap-Request Trigger": Order.BOOTSTRAP,
        }
        known = {one.name for one in definition.resources.values()}
        return {name: give(order) for name, order in orders.items() if name in known}

    def _encoded(self) -> bytes:
        return cbor.encode([[number, self._encoded_object(number)] for number in self.objects])

    def _encoded_object(self, number: int) -> bytes:
        instances = {n: ObjectInstance.of(n, one.values) for n, one in self._instances(number)}
        return formats.encode(Format.TLV, Path(number), ObjectNode(number, instances), self._model)

    def _load(self, data: bytes) -> None:
        try:
            for number, tlv in cbor.decode(data, max_size=MAX_FILE):
                node = formats.decode(Format.TLV, Path(number), tlv, self._model)
                assert isinstance(node, ObjectNode)
                made = {n: self._make(self._model[number], one.resources) for n, one in node.instances.items()}
                self.objects[number].instances = {**made}
        except (ValueError, TypeError, KeyError) as error:
            raise StorageError(f"{FILE} is damaged: remove it, and the device starts with its options again") from error

    def _write(self, data: bytes) -> None:
        if self._files is not None:
            self._files.write(FILE, data)


def _with_server(account: Account, server: StoredInstance) -> Account:
    return replace(
        account,
        server=_integer(server["Short Server ID"], BOOTSTRAP),
        lifetime=_integer(server["Lifetime"], 86400),
        default_pmin=_maybe(server["Default Minimum Period"]),
        default_pmax=_maybe(server["Default Maximum Period"]),
        storing=server["Notification Storing When Disabled or Offline"] is not False,
        disable_timeout=_integer(server["Disable Timeout"], DISABLE_TIMEOUT),
        bootstrap_on_failure=_optional(server, "Bootstrap on Registration Failure") is not False,
        mute_send=_optional(server, "Mute Send") is True,
    )


def _optional(instance: StoredInstance, name: str) -> Content | None:
    """A resource that came with a later version of the object than this device may have."""
    return instance[name] if any(one.name == name for one in instance.definition.resources.values()) else None


def _bytes(content: Content | None) -> bytes:
    return content if isinstance(content, bytes) else b""


def _integer(content: Content | None, default: int) -> int:
    return content if isinstance(content, int) else default


def _maybe(content: Content | None) -> int | None:
    return content if isinstance(content, int) else None
