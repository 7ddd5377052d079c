"""Every error as ``application/problem+json`` (RFC 9457), with a ``type`` per code."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, HTTPException, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from pydantic import BaseModel, Field

from ..domain.problems import FieldError, Problem, Scalar

MEDIA_TYPE = "application/problem+json"
_SECRET = ("secret", "token", "password", "authorization", "key")
_SHOWN_CHARACTERS = 200


class FieldErrorShown(BaseModel):
    """``value`` is null for a secret, and for what is no plain value."""

    field: str
    value: str | int | float | bool | None
    message: str


class ProblemShown(BaseModel):
    """Why a request was not done, and what mends it."""

    type: str = Field(examples=["/problems/already_created"])
    title: str
    status: int
    detail: str
    code: str
    remedy: str | None = None
    details: dict[str, Any] | None = Field(None, description="what the order's own reason says, where it is the cause")
    errors: list[FieldErrorShown] | None = None


def answer(problem: Problem) -> Response:
    body: dict[str, Any] = {
        "type": f"/problems/{problem.code}",
        "title": HTTPStatus(problem.status).phrase,
        "status": problem.status,
        "detail": problem.detail,
        "code": problem.code,
    }
    if problem.remedy is not None:
        body["remedy"] = problem.remedy
    if problem.details:
        body["details"] = dict(problem.details)
    if problem.errors:
        body["errors"] = [_shown(error) for error in problem.errors]
    headers = {401: {"WWW-Authenticate": "Bearer"}, 503: {"Retry-After": "1"}}.get(problem.status)
    return Response(json.dumps(body), problem.status, headers, MEDIA_TYPE)


def _shown(error: FieldError) -> Mapping[str, Scalar]:
    return {"field": error.field, "value": error.value, "message": error.message}


def register(app: FastAPI) -> None:
    """Answer our own problems, FastAPI's and Starlette's in the one form."""

    @app.exception_handler(Problem)
    async def ours(_: Request, problem: Problem) -> Response:
        return answer(problem)

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> Response:
        return answer(of_validation(error.errors()))

    async def of_http(_: Request, error: HTTPException) -> Response:
        too_much = error.status_code == 413
        response = answer(too_large(error.detail) if too_much else _of_status(error.status_code))
        response.headers.update(error.headers or {})
        return response

    # What the framework says by itself: a body it cannot read, no such address, no such method, a body too large.
    for status in (400, 404, 405, 413):
        app.exception_handler(status)(of_http)

    @app.exception_handler(Exception)
    async def unexpected(request: Request, error: Exception) -> Response:
        return answer(request.app.state.explain(error))


def of_validation(mistakes: Sequence[Mapping[str, Any]]) -> Problem:
    """A 422 that names each field, what is wrong with it, and its value unless that could be a secret."""
    errors = tuple(_field_error(mistake) for mistake in mistakes)
    named = ", ".join(dict.fromkeys(error.field for error in errors))
    return Problem(
        422,
        "invalid_request",
        f"The request is not of the form promised: {named}.",
        remedy="Correct the fields that errors names, as /openapi.json describes them, and send it again.",
        errors=errors,
    )


def _field_error(mistake: Mapping[str, Any]) -> FieldError:
    where = [str(part) for part in mistake["loc"]]
    # "body" and "query" say where it came from; the field is what follows.
    field = ".".join(where[1:] or where)
    value = mistake.get("input")
    plain = value is None or isinstance(value, str | int | float | bool)
    hidden = (
        not plain
        or mistake["type"] in ("missing", "extra_forbidden", "json_invalid")
        or any(word in field.lower() for word in _SECRET)
    )
    if mistake["type"] == "json_invalid":
        field = "body"
    shown = value[:_SHOWN_CHARACTERS] if isinstance(value, str) else value
    return FieldError(field, str(mistake["msg"]).removeprefix("Value error, "), None if hidden else shown)


def too_large(detail: str) -> Problem:
    return Problem(413, "body_too_large", detail, remedy="Send less at once.")


def _of_status(status: int) -> Problem:
    known = {
        404: ("not_found", "There is nothing at this address.", "Look the address up in /openapi.json."),
        405: ("method_not_allowed", "This address does not take that method.", "Look it up in /openapi.json."),
    }
    code, detail, remedy = known.get(status, ("invalid_request", HTTPStatus(status).phrase + ".", None))
    return Problem(status, code, detail, remedy=remedy)
