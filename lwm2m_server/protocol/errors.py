"""What can go wrong with a device that did answer. Each error says what to do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from secure_coap.errors import CoapError
from secure_coap.numbers.codes import Code
from secure_coap.numbers.content_formats import ContentFormat


class DeviceError(Exception):
    """Anything a device's answer makes impossible."""


class DeviceRefused(DeviceError):
    """The device answered with an error code; its state is as its object says."""

    def __init__(self, error: CoapError) -> None:
        advice = _ADVICE.get(error.code)
        super().__init__(f"{error}; {advice}" if advice else str(error))
        self.code = error.code
        self.diagnostic = error.diagnostic


class FormatRefused(DeviceRefused):
    """The device took none of the content formats; `tried` holds them in order."""

    def __init__(self, error: CoapError, tried: Sequence[int]) -> None:
        super().__init__(error)
        self.tried = tuple(tried)
        names = ", ".join(ContentFormat(one).name for one in tried) or "none that fits"
        self.args = (f"{error}; content formats tried: {names}; the device speaks none of them there",)


class AnswerUnusable(DeviceError):
    """The device answered success with something that cannot be understood."""


class FormatUnreadable(AnswerUnusable):
    """The device answered in a content format with something that is not of that format, or not of that place."""


_ADVICE: Final[Mapping[Code, str]] = {
    Code.BAD_REQUEST: "the device could not make sense of it",
    Code.UNAUTHORIZED: "the device's access control does not let this server",
    Code.NOT_FOUND: "the device has nothing there; discover what it has",
    Code.METHOD_NOT_ALLOWED: "the device does not offer this operation there; discover what it has",
    Code.REQUEST_ENTITY_INCOMPLETE: "the device lost a part of the body; try again",
    Code.REQUEST_ENTITY_TOO_LARGE: "it is too large for the device",
    Code.TOO_MANY_REQUESTS: "the device asks for a pause; try again later",
    Code.NOT_IMPLEMENTED: "the device does not have this operation",
    Code.SERVICE_UNAVAILABLE: "the device cannot now; try again later",
}
