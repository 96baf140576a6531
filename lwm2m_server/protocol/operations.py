"""The LwM2M device management interface, sans-IO (LwM2M Core 1.2, 6.3).

An operation is a generator: it yields a request, is sent the device's response, and returns its result when it has it.
Most take one exchange; where the device refuses a content format there is one more for each that is left. Everything
wrong with what the caller asks is raised before the first request: `InvalidValue`, `InvalidPath`. Everything wrong with
what the device answers is a `DeviceError`.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias, TypeVar

from lwm2m_server.protocol import content_formats
from lwm2m_server.protocol.content_formats import FormatChoice, Use
from lwm2m_server.protocol.errors import AnswerUnusable, DeviceError, DeviceRefused, FormatRefused, FormatUnreadable
from lwm2m_server.protocol.trees import node_at
from objects import arguments, checks, formats
from objects.attributes import Attributes
from objects.errors import FormatError, FormatReason, InvalidValue, ObjectsError
from objects.formats import composite, link_format
from objects.model import ObjectModel
from objects.nodes import Node, ObjectInstance, ObjectNode, Resource
from objects.path import UNASSIGNED, Path
from objects.values import Value
from secure_coap.errors import error_of
from secure_coap.exchange import Request, Response, Upload
from secure_coap.numbers.codes import Code
from secure_coap.numbers.content_formats import ContentFormat

T = TypeVar("T")
Steps: TypeAlias = Generator[Request, Response, T]
"""An operation under way: requests out, responses in, the result at the end."""

MAX_PATHS: Final = 64
"""Paths of one composite operation."""


@dataclass(frozen=True, slots=True)
class Target:
    """What an operation has to know of the device: its own view of the object definitions, and its formats."""

    model: ObjectModel
    formats: FormatChoice
    root: tuple[str, ...] = ()
    """Path segments before every object; empty unless the device named an alternate path."""

    def segments(self, path: Path) -> tuple[str, ...]:
        """The Uri-Path options of a request."""
        return self.root + path.segments

    @property
    def version(self) -> str:
        """The LwM2M version it registered with."""
        return self.formats.version


@dataclass(frozen=True, slots=True)
class Found:
    """One link of a Discover: what is there, and with which attributes."""

    path: Path
    attributes: Attributes


def read(target: Target, path: Path) -> Steps[Node]:
    """What is at `path`."""
    checks.read(path, target.model)
    use = content_formats.for_reading(path, target.model)
    node = yield from negotiated(
        target,
        use,
        lambda chosen: Request(Code.GET, target.segments(path), accept=chosen),
        lambda response, asked: content(target, path, expect(response, Code.CONTENT), asked),
    )
    return node


def content(target: Target, path: Path, response: Response, asked: int) -> Node:
    """The node in a response, whose format is the one asked for unless it names another. Raises FormatUnreadable."""
    used = asked if response.content_format is None else response.content_format
    try:
        return formats.decode(used, path, response.payload, target.model, root=target.root)
    except ObjectsError as error:
        raise FormatUnreadable(f"the device's answer for {path} cannot be read: {error}") from error


def discover(target: Target, path: Path, depth: int | None = None) -> Steps[tuple[Found, ...]]:
    """What is beneath `path`, and the attributes in force. `depth`: levels of it, for devices of 1.2 (0..3)."""
    if depth is not None and (target.version in {"1.0", "1.1"} or not 0 <= depth <= 3):
        raise InvalidValue(str(path), f"depth is 0..3 and needs LwM2M 1.2; the device speaks {target.version}")
    query = () if depth is None else (f"depth={depth}",)
    request = Request(Code.GET, target.segments(path), query=query, accept=ContentFormat.LINK_FORMAT)
    response = expect((yield request), Code.CONTENT)
    try:
        links = link_format.parse(response.payload)
        return tuple(found for link in links if (found := _found(target, link)) is not None)
    except ObjectsError as error:
        raise AnswerUnusable(f"the device's links at {path} cannot be read: {error}") from error


def write(target: Target, path: Path, node: Node) -> Steps[None]:
    """Replace what is at `path`: an instance, a resource or a resource instance."""
    checks.write(path, node, target.model, replace=True)
    yield from _sent(target, Code.PUT, path, node, Code.CHANGED)


def update(target: Target, path: Path, node: Node) -> Steps[None]:
    """Change what `node` names at `path`, an instance or a multiple resource; the rest stays."""
    checks.write(path, node, target.model)
    yield from _sent(target, Code.POST, path, node, Code.CHANGED)


def upload(target: Target, path: Path, body: bytes, how_far: Upload) -> Steps[None]:
    """Write a large opaque resource as it is, block by block, going on where `how_far` stands."""
    checks.write(path, Resource(path.ids[-1], b""), target.model)
    request = Request(
        Code.PUT,
        target.segments(path),
        payload=body,
        content_format=ContentFormat.OCTET_STREAM,
        upload=how_far,
    )
    expect((yield request), Code.CHANGED)


def create(target: Target, object_id: int, instance: ObjectInstance) -> Steps[Path]:
    """Make an instance of an object; one with the id `UNASSIGNED` is numbered by the device. Returns its path."""
    path = Path(object_id)
    node = ObjectNode(object_id, {instance.id: instance})
    checks.create(path, node, target.model)
    response = yield from _sent(target, Code.POST, path, node, Code.CREATED)
    if not response.location_path and instance.id != UNASSIGNED:
        return path.child(instance.id)
    try:
        created = Path.from_segments(response.location_path)
    except ObjectsError as error:
        raise AnswerUnusable(f"the device created an instance of {path} without saying where") from error
    if created.level != 2 or not path.contains(created):
        raise AnswerUnusable(f"the device created {created} instead of an instance of {path}")
    return created


def delete(target: Target, path: Path) -> Steps[None]:
    """Remove an object instance, or from 1.2 on a resource instance."""
    if path.level != 2 and not (path.level == 4 and target.version not in {"1.0", "1.1"}):
        raise InvalidValue(str(path), "an object instance can be deleted, from LwM2M 1.2 on a resource instance too")
    expect((yield Request(Code.DELETE, target.segments(path))), Code.DELETED)


def execute(target: Target, path: Path, given: Mapping[int, str | None]) -> Steps[None]:
    """Run the resource at `path` with arguments by their digit."""
    checks.execute(path, given, target.model)
    payload = arguments.render(given)
    content_format = ContentFormat.TEXT if payload else None
    expect(
        (yield Request(Code.POST, target.segments(path), payload=payload, content_format=content_format)), Code.CHANGED
    )


def write_attributes(target: Target, path: Path, attributes: Attributes) -> Steps[None]:
    """Set how the device notifies of what is at `path`."""
    attributes.check(path, target.model)
    expect((yield Request(Code.PUT, target.segments(path), query=attributes.query())), Code.CHANGED)


def read_composite(target: Target, paths: Sequence[Path]) -> Steps[dict[Path, Value | None]]:
    """The values at and beneath several paths, by path; None where the device says that there is none."""
    check_composite(target, paths)
    for path in paths:
        checks.read(path, target.model)
    found = yield from negotiated(
        target,
        Use.COMPOSITE,
        lambda chosen: fetch(target, paths, chosen),
        lambda response, asked: values(target, expect(response, Code.CONTENT), asked),
    )
    return found


def fetch(target: Target, paths: Sequence[Path], content_format: int) -> Request:
    """The request of a Read-Composite or Observe-Composite. Raises FormatError UNSUPPORTED."""
    payload = composite.encode_paths(content_format, paths, root=target.root)
    return Request(Code.FETCH, payload=payload, content_format=content_format, accept=content_format)


def values(target: Target, response: Response, asked: int) -> dict[Path, Value | None]:
    """The values in a composite response. Raises FormatUnreadable."""
    used = asked if response.content_format is None else response.content_format
    try:
        found = composite.decode_values(used, response.payload, target.model, root=target.root)
        return {path: found[path] for path in sorted(found)}
    except ObjectsError as error:
        raise FormatUnreadable(f"the device's composite answer cannot be read: {error}") from error


def write_composite(target: Target, given: Mapping[Path, Value | None]) -> Steps[None]:
    """Write several values at once: all or none (iPATCH). None removes a resource instance."""
    check_composite(target, tuple(given))
    for path, value in given.items():
        if value is None and path.level != 4:
            raise InvalidValue(str(path), "only a resource instance can be removed by a composite write")
        if value is not None:
            checks.write(path, node_at(path, value), target.model)

    def request(chosen: ContentFormat) -> Request:
        payload = composite.encode_values(chosen, given, target.model, root=target.root)
        return Request(Code.IPATCH, payload=payload, content_format=chosen)

    yield from negotiated(target, Use.COMPOSITE, request, lambda response, _: expect(response, Code.CHANGED))


def _sent(target: Target, method: Code, path: Path, node: Node, success: Code) -> Steps[Response]:
    """Send a node in a format the device takes."""

    def request(chosen: ContentFormat) -> Request:
        payload = formats.encode(chosen, path, node, target.model, root=target.root)
        return Request(method, target.segments(path), payload=payload, content_format=chosen)

    use = content_formats.for_writing(path, node, target.model)
    response = yield from negotiated(target, use, request, lambda answered, _: expect(answered, success))
    return response


def negotiated(
    target: Target,
    use: Use,
    build: Callable[[ContentFormat], Request],
    understand: Callable[[Response, ContentFormat], T],
) -> Steps[T]:
    """Try one format after the other until the device takes one and its answer is understood; remember which.

    An answer that cannot be read counts as a refusal: some devices speak a format worse than they think.
    """
    tried: list[ContentFormat] = []
    failure: DeviceError | None = None
    for chosen in target.formats.candidates(use):
        try:
            request = build(chosen)
        except FormatError as error:
            if error.reason is not FormatReason.UNSUPPORTED:
                raise
            continue
        response = yield request
        tried.append(chosen)
        if response.code in content_formats.REFUSALS:
            if not isinstance(failure, FormatUnreadable):
                failure = FormatRefused(error_of(response.code, _diagnostic(response)), tried)
            continue
        try:
            result = understand(response, chosen)
        except FormatUnreadable as error:
            failure = failure if isinstance(failure, FormatUnreadable) else error
            continue
        target.formats.learn(use, chosen, tried[:-1])
        return result
    raise failure or FormatRefused(error_of(Code.UNSUPPORTED_CONTENT_FORMAT), tried)


def expect(response: Response, success: Code) -> Response:
    """The response when it has the code of success. Raises DeviceRefused, AnswerUnusable."""
    if response.code == success:
        return response
    if response.code.is_success:
        raise AnswerUnusable(f"the device answered {response.code.dotted} where {success.dotted} belongs")
    raise DeviceRefused(error_of(response.code, _diagnostic(response), max_age=response.max_age))


def _diagnostic(response: Response) -> str:
    return response.payload.decode("utf-8", "replace")[:200]


def _found(target: Target, link: link_format.Link) -> Found | None:
    """A link into the data model; others, such as the root's, say nothing about it."""
    segments = tuple(segment for segment in link.target.split("/") if segment)
    ids = segments[len(target.root) :]
    if segments[: len(target.root)] != target.root or not ids:
        return None
    return Found(Path.from_segments(ids), Attributes.of_link(link.attributes))


def check_composite(target: Target, paths: Sequence[Path]) -> None:
    """Raise InvalidValue unless the device knows composite operations and there are not too many paths."""
    if target.version == "1.0":
        raise InvalidValue("composite operations", "need LwM2M 1.1; the device speaks 1.0")
    if not 1 <= len(paths) <= MAX_PATHS:
        raise InvalidValue("composite operations", f"take 1 to {MAX_PATHS} paths, not {len(paths)}")
