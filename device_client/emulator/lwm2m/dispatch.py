"""A server's request to the right operation (LwM2M Core 1.2, 6.3): the method and the level of the path decide."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from device_client.emulator.lwm2m import reading, writing
from device_client.emulator.lwm2m.attributes import AttributeStore, over
from device_client.emulator.lwm2m.caller import Caller, Operation
from device_client.emulator.lwm2m.discovering import discover, registration_links
from device_client.emulator.lwm2m.tree import ObjectTree
from objects.attributes import Attributes
from objects.errors import InvalidPath, ObjectsError
from objects.formats.link_format import Link, render
from objects.nodes import walk
from objects.path import Path
from objects.values import Value
from secure_coap.errors import (
    BadRequest,
    CoapError,
    MethodNotAllowed,
    NotFound,
)
from secure_coap.exchange import Request, Response
from secure_coap.numbers.codes import Code
from secure_coap.numbers.content_formats import ContentFormat
from trust_transfer.device.actions import Answer

DEPTH: Final = "depth="


class Dispatcher:
    """The objects of one device behind CoAP requests."""

    def __init__(self, tree: ObjectTree, *, content_formats: Sequence[int] = reading.ENCODED) -> None:
        """`content_formats` are those a registration names; the first is what a Read gets that accepts anything."""
        self.tree = tree
        self.attributes = AttributeStore()
        self._content_formats = content_formats

    def handle(self, request: Request, caller: Caller) -> Response:
        """Answer one request; everything wrong with it becomes its response code."""
        try:
            return self._operation(request, caller)
        except CoapError as error:
            return Response.of_error(error)
        except InvalidPath as error:
            return Response.of_error(NotFound(str(error)))
        except ObjectsError as error:
            return Response.of_error(BadRequest(str(error)))

    def links(self) -> tuple[Link, ...]:
        """The registration payload."""
        return registration_links(self.tree, " ".join(str(int(one)) for one in self._content_formats))

    def _operation(self, request: Request, caller: Caller) -> Response:
        match request.method:
            case Code.FETCH | Code.IPATCH if request.path:
                raise MethodNotAllowed("a composite operation has no path")
            case Code.FETCH:
                return self._read_composite(request, caller)
            case Code.IPATCH:
                return self._write_composite(request, caller)
        path = Path.from_segments(request.path)
        if request.method is Code.GET:
            return self._read(request, path, caller)
        response = self._change(request, path, caller)
        self.tree.touch()
        return response

    def _change(self, request: Request, path: Path, caller: Caller) -> Response:
        match request.method:
            case Code.PUT if request.content_format is None and request.query:
                return self._write_attributes(request, path, caller)
            case Code.POST if path.level == 1:
                return self._create(request, path, caller)
            case Code.POST if path.level == 3 and self.tree.instance(path).executable(path.ids[2]):
                self._check(Operation.EXECUTE, path, caller)
                return response_of(writing.execute(self.tree, request, path, caller))
            case Code.PUT | Code.POST if path.level >= 2:
                self._check(Operation.WRITE, path, caller)
                return response_of(writing.write(self.tree, request, path, caller))
            case Code.DELETE if path.level == 2:
                return self._delete(path, caller)
            case _:
                raise MethodNotAllowed(f"{request.method.name} is not offered at {path}")

    def _check(self, operation: Operation, path: Path, caller: Caller) -> None:
        """Raise the CoapError of an operation this caller may not do."""
        refusal = self.tree.access.refused(caller, operation, path)
        if refusal is not None:
            raise refusal

    def _read(self, request: Request, path: Path, caller: Caller) -> Response:
        self._check(Operation.READ, path, caller)
        if request.accept == ContentFormat.LINK_FORMAT:
            links = discover(self.tree, self.attributes, path, caller, _depth(request))
            return Response(Code.CONTENT, render(links).encode(), content_format=ContentFormat.LINK_FORMAT)
        return reading.content(
            path, self.tree.read(path, caller), request.accept, self._content_formats[0], self.tree.model
        )

    def _read_composite(self, request: Request, caller: Caller) -> Response:
        values = self.tree.values(reading.composite_paths(request), caller)
        return reading.composite_content(values, request, self.tree.model)

    def _write_composite(self, request: Request, caller: Caller) -> Response:
        values = writing.composite_values(request, self.tree.model)
        for path in values:
            self._check(Operation.WRITE, path, caller)
        answer = writing.write_composite(values, self.tree, caller)
        self.tree.touch()
        return response_of(answer)

    def _write_attributes(self, request: Request, path: Path, caller: Caller) -> Response:
        self._check(Operation.READ, path, caller)
        discover(self.tree, self.attributes, path, caller, depth=0)
        self.attributes.write(caller.server, path, request.query, self.tree.model)
        return Response(Code.CHANGED)

    def _create(self, request: Request, path: Path, caller: Caller) -> Response:
        self._check(Operation.CREATE, path, caller)
        place = writing.create(self.tree, request, path)
        self.tree.access.created(caller, place)
        self.tree.reshaped.fire()
        return Response(Code.CREATED, location_path=place.segments)

    def _delete(self, path: Path, caller: Caller) -> Response:
        self._check(Operation.DELETE, path, caller)
        self.tree.object(path).delete(path.ids[1])
        self.tree.access.deleted(path)
        self.attributes.forget(path)
        self.tree.reshaped.fire()
        return Response(Code.DELETED)

    def sample(self, request: Request, caller: Caller) -> dict[Path, Value]:
        """The values an observation of this request is about. Raises CoapError when there are none to observe."""
        if request.method is Code.FETCH:
            return self.tree.values(reading.composite_paths(request), caller, made=False)
        path = Path.from_segments(request.path)
        self._check(Operation.READ, path, caller)
        return dict(walk(path, self.tree.read(path, caller, made=False)))

    def rules(self, request: Request, caller: Caller, defaults: Attributes) -> Attributes:
        """The conditions of an observation: its own, else those attached to what it observes, else `defaults`."""
        own = Attributes.parse(request.query)
        if request.method is Code.FETCH:
            return over(own, defaults)
        path = Path.from_segments(request.path)
        return over(own, over(self.attributes.effective(caller.server, path), defaults))


def response_of(answer: Answer) -> Response:
    """The state table's answer as a response."""
    return Response(Code(int(answer.code)), payload=answer.diagnostic.encode())


def _depth(request: Request) -> int | None:
    """The depth parameter of a Discover (LwM2M Core 1.2, 6.3.2)."""
    for one in request.query:
        if one.startswith(DEPTH):
            text = one.removeprefix(DEPTH)
            if text not in ("0", "1", "2", "3"):
                raise BadRequest("depth is 0 to 3")
            return int(text)
    return None
