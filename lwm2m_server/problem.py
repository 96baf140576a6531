"""Errors of the HTTP interfaces: problem details (RFC 9457), each saying what is wrong and what to do."""

from __future__ import annotations

from http import HTTPStatus

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException

MEDIA_TYPE = "application/problem+json"


class Problem(Exception):
    """An error an HTTP client can act on."""

    def __init__(self, status: HTTPStatus, detail: str, *, code: str | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.code = code
        """A stable word for programs."""

    def response(self) -> Response:
        """The HTTP response."""
        body: dict[str, object] = {"title": self.status.phrase, "status": self.status.value, "detail": self.detail}
        if self.code is not None:
            body["code"] = self.code
        return JSONResponse(body, self.status.value, media_type=MEDIA_TYPE)


def not_found(what: str) -> Problem:
    """404: also for what belongs to somebody else."""
    return Problem(HTTPStatus.NOT_FOUND, f"{what} is not known here", code="unknown")


def conflict(detail: str, code: str = "conflict") -> Problem:
    """409: the request contradicts what is stored."""
    return Problem(HTTPStatus.CONFLICT, detail, code=code)


def invalid(detail: str, code: str = "invalid") -> Problem:
    """422: understood, but wrong."""
    return Problem(HTTPStatus.UNPROCESSABLE_ENTITY, detail, code=code)


async def _on_problem(_request: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)
    return error.response()


async def _on_validation(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    wrong = "; ".join(f"{'.'.join(str(part) for part in item['loc'])}: {item['msg']}" for item in error.errors())
    return invalid(wrong[:1000]).response()


async def _on_http(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return Problem(HTTPStatus(error.status_code), str(error.detail)).response()


def install(app: FastAPI) -> None:
    """Have `app` answer every error as problem details."""
    app.add_exception_handler(Problem, _on_problem)
    app.add_exception_handler(RequestValidationError, _on_validation)
    app.add_exception_handler(HTTPException, _on_http)
