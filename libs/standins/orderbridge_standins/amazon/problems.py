"""Refusals in the shapes that Amazon was recorded to answer with; none says more than Amazon does."""

from dataclasses import dataclass
from typing import Final

_INVALID_INPUT: Final = "The input you have submitted is not valid. Please check your input and try again."
_TOO_RECENT: Final = (
    f"{_INVALID_INPUT} Note that the error may be due to a systematic delay in data retrieval. "
    "The most updated data is 2 minutes after an order is created or last updated. "
    "If you set the CreatedBefore or LastUpdatedBefore parameters, please provide a date that is "
    "at least 2 minutes before current time and try again."
)
_BAD_PAGE_TOKEN: Final = (
    "The paginationToken you have submitted is not valid. "
    "All parameters must match the original request except maxResultsPerPage."
)
TOKEN_MISSING: Final = "Access token is missing in the request header."
TOKEN_EXPIRED: Final = "The access token you provided has expired."
TOKEN_INVALID: Final = "The access token you provided is revoked, malformed or invalid."


@dataclass(eq=False)
class Refusal(Exception):
    """An error answer of the Selling Partner API: ``{"errors": [{code, message, details}]}``."""

    status: int
    code: str
    message: str
    details: str = ""
    error_type: str | None = None

    def body(self) -> dict[str, object]:
        return {"errors": [{"code": self.code, "message": self.message, "details": self.details}]}


@dataclass(eq=False)
class LoginRefusal(Exception):
    """An error answer of Login with Amazon; an unsupported grant type comes with keys the other errors lack."""

    status: int
    error: str
    description: str

    def body(self, request_id: str) -> dict[str, object]:
        body: dict[str, object] = {"error_description": self.description, "error": self.error}
        if self.error == "unsupported_grant_type":
            return {"error_index": request_id[:8], **body, "request_id": request_id}
        return body


def invalid_input() -> Refusal:
    return Refusal(400, "InvalidInput", _INVALID_INPUT)


def too_recent() -> Refusal:
    """An upper bound less than two minutes old."""
    return Refusal(400, "InvalidInput", _TOO_RECENT)


def bad_page_token() -> Refusal:
    return Refusal(400, "InvalidInput", _BAD_PAGE_TOKEN)


def access_denied(details: str = "") -> Refusal:
    """Without details: a missing role, a wrong region, or a marketplace that was not authorised."""
    return Refusal(403, "Unauthorized", "Access to requested resource is denied.", details, "AccessDeniedException")


def not_found() -> Refusal:
    return Refusal(404, "NotFound", "The requested order was not found.")


def quota_exceeded() -> Refusal:
    return Refusal(
        429,
        "QuotaExceeded",
        "You exceeded your quota for the requested resource.",
        error_type="TooManyRequestsException",
    )


def internal_failure() -> Refusal:
    return Refusal(500, "InternalFailure", "We encountered an internal error. Please try again.")


def invalid_client() -> LoginRefusal:
    return LoginRefusal(401, "invalid_client", "Client authentication failed")


def invalid_grant() -> LoginRefusal:
    return LoginRefusal(400, "invalid_grant", "The request has an invalid grant parameter : refresh_token")


def unauthorized_client() -> LoginRefusal:
    return LoginRefusal(400, "unauthorized_client", "Not authorized for requested operation")


def unsupported_grant_type() -> LoginRefusal:
    return LoginRefusal(
        400,
        "unsupported_grant_type",
        "The authorization grant type is not supported by the authorization server",
    )


def server_error() -> LoginRefusal:
    return LoginRefusal(500, "server_error", "The authorization server encountered an unexpected condition")


def slow_down() -> LoginRefusal:
    """Too many token calls; that they are throttled was reported, the body is only likely."""
    return LoginRefusal(429, "slow_down", "Too many requests")
