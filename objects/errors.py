"""Errors of the data model. All derive from ObjectsError, so one line maps them to a wire code."""

from __future__ import annotations

from enum import Enum


class ObjectsError(ValueError):
    """Anything wrong with a definition, a path, a value or its encoding."""


class InvalidPath(ObjectsError):
    """A path that is not `/object[/instance[/resource[/resource instance]]]` with ids in range."""


class InvalidDefinition(ObjectsError):
    """An object definition file that breaks the OMA form or a bound; the text names the file and the element."""


class UnknownDefinition(ObjectsError, LookupError):
    """No definition of that object, version or resource is loaded."""


class InvalidValue(ObjectsError):
    """A value against the definition of its resource.

    `subject` names the resource (`Trust Transfer/State (/33001/1)`), `rule` says what it breaks.
    """

    def __init__(self, subject: str, rule: str) -> None:
        super().__init__(f"{subject}: {rule}")
        self.subject = subject
        self.rule = rule


class FormatReason(Enum):
    """Why encoded data was refused."""

    TRUNCATED = "the data end before the value does"
    TRAILING = "bytes follow the last value"
    TOO_LARGE = "larger than allowed"
    TOO_MANY = "more items than allowed"
    MALFORMED = "not well-formed in this format"
    WRONG_LEVEL = "the structure does not fit the path"
    WRONG_TYPE = "the encoding does not fit the resource's type"
    DUPLICATE = "the same item twice"
    OUTSIDE = "an item outside the path of the request"
    UNSUPPORTED = "this format cannot carry it"


class FormatError(ObjectsError):
    """Encoded data that cannot be taken. `reason` is for programs, `detail` for people."""

    def __init__(self, reason: FormatReason, detail: str) -> None:
        super().__init__(f"{reason.value}: {detail}")
        self.reason = reason
        self.detail = detail
