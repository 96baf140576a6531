"""One device's bootstrap: Discover, write what is new, delete what is old, Finish (LwM2M Core 1.2, 6.1.7).

The order is what keeps a device reachable: nothing of its old accounts is touched before all of the new ones are
written, and the device switches at Finish only. Whatever fails before that leaves it as it was.

`request` is what to send now; `answered` takes the answer and moves on; `outcome` is set when there is nothing more to
send.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final

from lwm2m_server.protocol.bootstrap.instances import UNKNOWN, Present, instances_of
from lwm2m_server.protocol.bootstrap.interface import WRITABLE
from lwm2m_server.protocol.bootstrap.profile import Profile
from objects import formats
from objects.errors import ObjectsError
from objects.formats import Format
from objects.formats.link_format import parse as parse_links
from objects.model import ObjectModel
from objects.nodes import ObjectInstance
from objects.path import Path
from secure_coap.errors import NotFound, UnsupportedContentFormat
from secure_coap.exchange import Request, Response
from secure_coap.numbers.codes import Code
from secure_coap.numbers.content_formats import ContentFormat

MAX_SECONDS: Final = 300.0
"""How long a whole session may take."""


class Step(Enum):
    """Where a session is."""

    DISCOVER = "discover"
    WRITE = "write"
    DELETE = "delete"
    FINISH = "finish"


@dataclass(frozen=True, slots=True)
class Outcome:
    """How it ended. `detail`: what the device refused, at which step and place."""

    success: bool
    detail: str = ""


class BootstrapSession:
    """`preferred`: the format the device would like."""

    def __init__(self, profile: Profile, model: ObjectModel, preferred: Format | None = None) -> None:
        self._profile = profile
        self._model = model
        others = (one for one in WRITABLE if one is not preferred)
        self._formats = [*([preferred] if preferred is not None else []), *others]
        self._writes: list[tuple[Path, ObjectInstance]] = []
        self._deletes: list[Path] = []
        self.step = Step.DISCOVER
        self.outcome: Outcome | None = None

    @property
    def request(self) -> Request:
        """What to send now, while there is no outcome."""
        match self.step:
            case Step.DISCOVER:
                return Request(Code.GET, (), accept=ContentFormat.LINK_FORMAT)
            case Step.WRITE:
                path, node = self._writes[0]
                payload = formats.encode(self._formats[0], path, node, self._model)
                return Request(Code.PUT, path.segments, payload=payload, content_format=int(self._formats[0]))
            case Step.DELETE:
                return Request(Code.DELETE, self._deletes[0].segments)
            case Step.FINISH:
                return Request(Code.POST, ("bs",))

    def answered(self, response: Response) -> None:
        """The device answered `request`."""
        match self.step:
            case Step.DISCOVER:
                self._discovered(response)
            case Step.WRITE:
                self._written(response)
            case Step.DELETE:
                self._deleted(response)
            case Step.FINISH:
                if response.code.is_success:
                    self.outcome = Outcome(success=True)
                else:
                    self._refused(response, "the accounts cannot be used")

    def _discovered(self, response: Response) -> None:
        """A device need not answer Bootstrap-Discover; what it lists is taken as it is, within the link format."""
        present = UNKNOWN
        if response.code.is_success:
            try:
                present = Present.of(parse_links(response.payload))
            except ObjectsError as error:
                self.outcome = Outcome(success=False, detail=f"discover: the device's list cannot be read: {error}")
                return
        self._writes = list(instances_of(self._profile, present).items())
        self._deletes = list(present.ending)
        self.step = Step.WRITE

    def _written(self, response: Response) -> None:
        if response.code == UnsupportedContentFormat.CODE and len(self._formats) > 1:
            del self._formats[0]
            return
        if not response.code.is_success:
            self._refused(response, str(self._writes[0][0]))
            return
        del self._writes[0]
        if not self._writes:
            self.step = Step.DELETE if self._deletes else Step.FINISH

    def _deleted(self, response: Response) -> None:
        if not response.code.is_success and response.code != NotFound.CODE:
            self._refused(response, str(self._deletes[0]))
            return
        del self._deletes[0]
        if not self._deletes:
            self.step = Step.FINISH

    def _refused(self, response: Response, what: str) -> None:
        text = response.payload.decode("utf-8", "replace")[:200]
        said = f"{response.code.dotted} {text}".strip()
        self.outcome = Outcome(success=False, detail=f"{self.step.value}: {what}: the device answered {said}")
