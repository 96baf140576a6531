"""The requests of one server, on their way to what answers them: bounded, logged when refused, never fatal."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from device_client.emulator.log import Logger
from device_client.emulator.lwm2m.dispatch import response_of
from device_client.emulator.storage.files import StorageError
from device_client.emulator.transport.coap import Origin
from objects.model import MODEL
from secure_coap.errors import InternalServerError
from secure_coap.exchange import Request, Response
from trust_transfer.device.actions import rejection
from trust_transfer.messages.numbers import Result
from trust_transfer.messages.signed import MAX_DEVICE_MESSAGE

MAX_PACKAGE: Final = (1 << 20) + (1 << 16)
"""Bytes of a package taken into object 5 or 33629, an image included."""
MAX_BODY: Final = 8192
"""Bytes of any other body."""
_MESSAGE_PATH: Final = MODEL["Trust Transfer"]["Transfer Message"].path().segments
_PACKAGES: Final = frozenset(
    (str(package.object_id), str(package.id))
    for package in (MODEL["Firmware Update"]["Package"], MODEL["Advanced Firmware Update"]["Package"])
)


class ServerRequests:
    """Answers requests of one server; `secure_coap`'s counterpart on this device's side of a session."""

    def __init__(self, answer: Callable[[Request, Origin], Response], log: Logger) -> None:
        self._answer = answer
        self._log = log

    def body_limit(self, path: tuple[str, ...]) -> int:
        if path == _MESSAGE_PATH:
            return MAX_DEVICE_MESSAGE
        return MAX_PACKAGE if len(path) == 3 and (path[0], path[2]) in _PACKAGES else MAX_BODY

    def too_large(self, path: tuple[str, ...]) -> Response:
        response = response_of(rejection(Result.TOO_LARGE, f"at most {self.body_limit(path)} bytes"))
        self._log_refusal(path, response)
        return response

    async def handle(self, request: Request, origin: Origin) -> Response:
        """The answer to a request; a defect behind it becomes 5.00 and an entry in the log."""
        try:
            response = self._answer(request, origin)
        except StorageError as error:
            self._log.warning("storage_failed", problem=str(error))
            return response_of(rejection(Result.STORAGE, "the device cannot store"))
        except Exception:
            self._log.exception("request_failed", method=request.method.name, path="/".join(request.path))
            return Response.of_error(InternalServerError("a defect in the device"))
        if not response.code.is_success:
            self._log_refusal(request.path, response, method=request.method.name)
        return response

    def _log_refusal(self, path: tuple[str, ...], response: Response, **more: str) -> None:
        reason = response.payload.decode(errors="replace")
        self._log.warning("request_refused", path="/".join(path), code=response.code.dotted, reason=reason, **more)
