"""The one table from the fleet's errors to HTTP status codes."""

from __future__ import annotations

from http import HTTPStatus
from typing import Final

from fastapi import FastAPI, Request
from fastapi.responses import Response

from lwm2m_server import problem
from lwm2m_server.api.mutual_tls import PinError
from lwm2m_server.fleet.errors import Contradiction, FleetError, NotReady, Rejected, Unknown
from lwm2m_server.fleet.partners import ProfileError
from lwm2m_server.problem import Problem
from lwm2m_server.protocol.bootstrap.profile import InvalidProfile
from lwm2m_server.protocol.errors import AnswerUnusable, DeviceRefused, FormatRefused
from lwm2m_server.protocol.observations import NotObservable
from lwm2m_server.protocol.queue import QueueFull
from lwm2m_server.server.bootstrapping import NoProfile, TooManyBootstraps
from lwm2m_server.server.credentials import CredentialError, CredentialTaken
from lwm2m_server.server.firmware.errors import ImageInUse, ImageTooLarge, UnknownFirmware, WrongOrder
from lwm2m_server.server.observing import TooManyObservations
from lwm2m_server.server.queueing import UnknownEntry, WrongEntry
from lwm2m_server.server.sessions import DeviceOffline
from lwm2m_server.server.standing import UnknownObservation
from objects.errors import ObjectsError
from trust_transfer.provider.book import BookError

STATUS: Final[tuple[tuple[type[Exception], HTTPStatus, str], ...]] = (
    (Unknown, HTTPStatus.NOT_FOUND, "unknown"),
    (Contradiction, HTTPStatus.CONFLICT, "conflict"),
    (NotReady, HTTPStatus.CONFLICT, "not_ready"),
    (Rejected, HTTPStatus.UNPROCESSABLE_ENTITY, "invalid"),
    (FleetError, HTTPStatus.CONFLICT, "refused"),
    (BookError, HTTPStatus.CONFLICT, "book"),
    (ProfileError, HTTPStatus.UNPROCESSABLE_ENTITY, "profile"),
    (PinError, HTTPStatus.UNPROCESSABLE_ENTITY, "profile"),
    (ObjectsError, HTTPStatus.UNPROCESSABLE_ENTITY, "value"),
    (InvalidProfile, HTTPStatus.UNPROCESSABLE_ENTITY, "profile"),
    (NoProfile, HTTPStatus.CONFLICT, "no_profile"),
    (TooManyBootstraps, HTTPStatus.SERVICE_UNAVAILABLE, "too_many"),
    (UnknownFirmware, HTTPStatus.NOT_FOUND, "unknown"),
    (ImageTooLarge, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too_large"),
    (ImageInUse, HTTPStatus.CONFLICT, "in_use"),
    (WrongOrder, HTTPStatus.UNPROCESSABLE_ENTITY, "order"),
    (UnknownEntry, HTTPStatus.NOT_FOUND, "unknown"),
    (QueueFull, HTTPStatus.CONFLICT, "queue_full"),
    (WrongEntry, HTTPStatus.UNPROCESSABLE_ENTITY, "entry"),
    (CredentialTaken, HTTPStatus.CONFLICT, "credential_taken"),
    (CredentialError, HTTPStatus.UNPROCESSABLE_ENTITY, "credential"),
    (UnknownObservation, HTTPStatus.NOT_FOUND, "unknown"),
    (TooManyObservations, HTTPStatus.CONFLICT, "too_many"),
    (FormatRefused, HTTPStatus.BAD_GATEWAY, "format_refused"),
    (DeviceRefused, HTTPStatus.BAD_GATEWAY, "device_refused"),
    (NotObservable, HTTPStatus.BAD_GATEWAY, "not_observable"),
    (AnswerUnusable, HTTPStatus.BAD_GATEWAY, "answer_unusable"),
    (DeviceOffline, HTTPStatus.GATEWAY_TIMEOUT, "device_offline"),
)
"""Error, HTTP status, and the word for programs where the error has none of its own."""


def as_problem(error: Exception) -> Problem:
    """The problem details of one of the errors in the table."""
    for kind, status, code in STATUS:
        if isinstance(error, kind):
            return Problem(status, str(error), code=error.code if isinstance(error, Rejected) else code)
    raise error


async def _on_error(_request: Request, error: Exception) -> Response:
    return as_problem(error).response()


def install(app: FastAPI) -> None:
    """Have `app` answer every known error as problem details."""
    problem.install(app)
    known: list[type[Exception]] = [kind for kind, _, _ in STATUS]
    for kind in known:
        app.add_exception_handler(kind, _on_error)
