"""What a bootstrap server may do to a device: Discover, Read, Write, Delete and Finish (LwM2M Core 1.2, 6.1.7).

Everything happens to a draft of the accounts. Only a Finish that finds them usable puts them in force; until then, and
when it never comes, the device is as it was. The objects of the trust transfer are out of reach (security rule 17).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Final

from device_client.emulator.lwm2m.device_object import DeviceObject
from device_client.emulator.lwm2m.instance import StoredInstance, WriteMode
from device_client.emulator.lwm2m.tree import ObjectTree
from device_client.emulator.lwm2m.writing import decoded, resources_of
from device_client.emulator.plain.accounts import ACCESS_CONTROL, BOOTSTRAP, SECURITY, SERVER, Accounts
from device_client.emulator.plain.settings import check_account
from device_client.emulator.transport.coap import Origin
from objects import checks, formats
from objects.errors import InvalidPath, ObjectsError
from objects.formats.link_format import Link, render
from objects.model import MODEL
from objects.nodes import AnyResource, Node, ObjectInstance, ObjectNode
from objects.path import UNASSIGNED, Path
from secure_coap.errors import BadRequest, CoapError, MethodNotAllowed, NotAcceptable, NotFound, Unauthorized
from secure_coap.exchange import Request, Response
from secure_coap.numbers.codes import Code
from secure_coap.numbers.content_formats import ContentFormat
from trust_transfer.device.actions import Answer
from trust_transfer.device.events import Source

FINISH: Final = ("bs",)
OUT_OF_REACH: Final = frozenset(MODEL[name].id for name in ("Trust Transfer", "Enrollment", "Fallback"))
READABLE: Final = frozenset({SERVER, ACCESS_CONTROL})
"""Bootstrap reads no other object (6.1.7.3)."""


class BootstrapInterface:
    """One bootstrap: from its first request to Finish."""

    def __init__(self, accounts: Accounts, tree: ObjectTree, version: str, *, insecure: bool) -> None:
        self._accounts = accounts
        self._tree = tree
        self._version = version
        self._insecure = insecure
        self._draft = accounts.draft()
        self._elsewhere: list[Callable[[Source], Answer | None]] = []
        self.finished = False

    def answer(self, request: Request, origin: Origin) -> Response:
        """Answer one request of the bootstrap server; everything wrong with it becomes its response code."""
        try:
            return self._operation(request)
        except CoapError as error:
            return Response.of_error(error)
        except InvalidPath as error:
            return Response.of_error(NotFound(str(error)))
        except ObjectsError as error:
            return Response.of_error(BadRequest(str(error)))

    def put_in(self, nodes: Mapping[int, ObjectNode]) -> None:
        """Take a Bootstrap-Pack: these instances and the bootstrap server's account are all there is afterwards.

        Raises InvalidValue, NotAcceptable, StorageError; the accounts are as they were then.
        """
        self._delete_everything()
        for number, node in nodes.items():
            self._write(Path(number), node)
        self._finish()

    def _operation(self, request: Request) -> Response:
        if request.method is Code.POST and request.path == FINISH:
            self._finish()
            return Response(Code.CHANGED)
        path = Path.from_segments(request.path) if request.path else None
        if path is not None and path.object in OUT_OF_REACH:
            raise Unauthorized(f"object {path.object} obeys the device's own server alone")
        match request.method:
            case Code.GET if request.accept == ContentFormat.LINK_FORMAT:
                return self._discover(path)
            case Code.GET if path is not None:
                return self._read(path, request.accept)
            case Code.PUT if path is not None:
                self._write(path, decoded(request, path, self._tree.model))
                return Response(Code.CHANGED)
            case Code.DELETE:
                self._delete(path)
                return Response(Code.DELETED)
        raise MethodNotAllowed(f"{request.method.name} is no operation of bootstrap")

    def _discover(self, path: Path | None) -> Response:
        links = [Link("/", {"lwm2m": self._version})]
        for one in self._objects():
            if path is None or path.object == one.id:
                links += list(self._links(one))
        return Response(Code.CONTENT, render(links).encode(), content_format=ContentFormat.LINK_FORMAT)

    def _objects(self) -> Iterator[DeviceObject]:
        for one in self._tree:
            if one.id not in OUT_OF_REACH:
                yield self._draft.objects.get(one.id, one)

    def _links(self, one: DeviceObject) -> Iterator[Link]:
        version = {} if one.definition.version == "1.0" else {"ver": one.definition.version}
        if version or not one.instances:
            yield Link(f"/{one.id}", version)
        for number, instance in sorted(one.instances.items()):
            yield Link(f"/{one.id}/{number}", dict(_account_attributes(one.id, instance)))

    def _read(self, path: Path, accept: int | None) -> Response:
        if path.object not in READABLE or path.level > 2:
            raise MethodNotAllowed("bootstrap reads objects 1 and 2 and their instances")
        found = self._draft.objects[path.object]
        instances = {n: ObjectInstance(n, one.read_all()) for n, one in sorted(found.instances.items())}
        if path.instance is not None and path.instance not in instances:
            raise NotFound(f"{path} is not there")
        node: Node = ObjectNode(found.id, instances) if path.instance is None else instances[path.instance]
        content_format = accept if accept is not None else ContentFormat.LWM2M_TLV
        payload = formats.encode(content_format, path, node, self._tree.model)
        return Response(Code.CONTENT, payload, content_format=content_format)

    def _write(self, path: Path, node: Node) -> None:
        checks.write(path, node, self._tree.model, bootstrap=True)
        drafted = self._draft.objects.get(path.object)
        for place, resources in _instances(path, node):
            if drafted is not None:
                _put(drafted, place, resources, whole=path.level < 3)
            else:
                # What is no account is checked now and written when the bootstrap is finished.
                self._elsewhere += self._tree.instance(place).prepare_all(resources, WriteMode.UPDATE)

    def _delete(self, path: Path | None) -> None:
        if path is None:
            self._delete_everything()
            return
        drafted = self._draft.objects.get(path.object)
        if path.level > 2 or drafted is None:
            raise MethodNotAllowed(f"bootstrap deletes accounts, not {path}")
        if path.instance is None:
            self._delete_instances(drafted)
        elif path.instance not in drafted.instances:
            raise NotFound(f"{path} is not there")
        elif _is_bootstrap_account(drafted.instances[path.instance]):
            raise BadRequest("the bootstrap server's own account stays")
        else:
            del drafted.instances[path.instance]

    def _delete_everything(self) -> None:
        for one in self._draft.objects.values():
            self._delete_instances(one)

    def _delete_instances(self, one: DeviceObject) -> None:
        kept = {n: instance for n, instance in one.instances.items() if _is_bootstrap_account(instance)}
        one.instances = kept

    def _finish(self) -> None:
        """Put the draft in force. Raises NotAcceptable when the device could not live with it."""
        self._check()
        self._accounts.adopt(self._draft)
        for apply in self._elsewhere:
            apply(Source.STRANGER)
        self.finished = True

    def _check(self) -> None:
        servers = self._draft.servers()
        if not servers:
            raise NotAcceptable("no server: an account is an instance of 0 and one of 1 with the same Short Server ID")
        for number, instance in self._draft.objects[SERVER].instances.items():
            if isinstance(instance, StoredInstance) and instance["Short Server ID"] not in {s.server for s in servers}:
                raise NotAcceptable(f"/1/{number} has no instance of object 0 with its Short Server ID")
        if len({one.server for one in servers}) != len(servers):
            raise NotAcceptable("two accounts with one Short Server ID")
        for account in servers:
            try:
                check_account(account, insecure=self._insecure)
            except ValueError as error:
                raise NotAcceptable(f"/0/{account.instance}: {error}") from error


def _account_attributes(number: int, instance: object) -> Iterator[tuple[str, str]]:
    """Short Server ID and URI of an account, by which a bootstrap server tells them apart (6.1.7.2)."""
    if not isinstance(instance, StoredInstance) or number not in (SECURITY, SERVER) or _is_bootstrap_account(instance):
        return
    server = instance["Short Server ID"]
    if isinstance(server, int) and server != BOOTSTRAP:
        yield "ssid", str(server)
    uri = instance["LWM2M Server URI"] if number == SECURITY else None
    if isinstance(uri, str):
        yield "uri", uri


def _is_bootstrap_account(instance: object) -> bool:
    return (
        isinstance(instance, StoredInstance)
        and instance.definition.id == SECURITY
        and instance["Bootstrap-Server"] is True
    )


def _instances(path: Path, node: Node) -> Iterator[tuple[Path, Mapping[int, AnyResource]]]:
    """The instances a write names, with what it writes to each."""
    match node:
        case ObjectNode():
            if UNASSIGNED in node.instances:
                raise BadRequest("bootstrap names the instances it writes")
            yield from ((path.child(n), one.resources) for n, one in sorted(node.instances.items()))
        case ObjectInstance():
            yield path, node.resources
        case _:
            yield Path.of(path.ids[:2]), resources_of(path, node)


def _put(drafted: DeviceObject, place: Path, resources: Mapping[int, AnyResource], *, whole: bool) -> None:
    """Replace an instance as a whole, make it, or write some of its resources."""
    number = place.ids[1]
    if whole:
        drafted.instances.pop(number, None)
        drafted.create(number, resources)
        return
    instance = drafted.instance(number)
    assert isinstance(instance, StoredInstance)
    instance.put_all(resources)
