"""What a caller did that cannot be done, in the words of RFC 9457."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Scalar = str | int | float | bool | None


@dataclass(frozen=True)
class FieldError:
    """One field that is wrong; ``value`` is left out where it is a secret, or no plain value."""

    field: str
    message: str
    value: Scalar = None


class Problem(Exception):
    """Ends a request with ``status``; ``remedy`` is one plain sentence, ``details`` are for a program."""

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        remedy: str | None = None,
        errors: Sequence[FieldError] = (),
        details: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.remedy = remedy
        self.errors = tuple(errors)
        self.details = details


def not_found(what: str, name: str) -> Problem:
    return Problem(404, "not_found", f"There is no {what} {name}.", remedy="Look the id up in the list.")


def unusable(field: str, value: Scalar, message: str, remedy: str) -> Problem:
    """A 422 about one field."""
    return Problem(422, "invalid_request", message, remedy=remedy, errors=(FieldError(field, message, value),))
