"""Answers that went wrong: what each kind of planned trouble looks like to a client."""

from typing import Any, Final

from fastapi import Response

from .problems import (
    TOKEN_EXPIRED,
    Refusal,
    access_denied,
    internal_failure,
    invalid_grant,
    invalid_input,
    quota_exceeded,
    server_error,
    slow_down,
    unauthorized_client,
)
from .wire import CutResponse, json_answer

_PAGE: Final = b"<html><head><title>503 Service Unavailable</title></head><body>Service Unavailable</body></html>"
_ENOUGH_TO_CUT: Final = b'{"orders":[{"orderId":"'

_API_REFUSALS: Final = {
    "throttle": quota_exceeded,
    "error500": internal_failure,
    "forbidden": access_denied,
    "bad_request": invalid_input,
}
_LOGIN_REFUSALS: Final = {
    "error500": server_error,
    "forbidden": unauthorized_client,
    "bad_request": invalid_grant,
    "throttle": slow_down,
}


def spoiled_api_answer(kind: str, whole: bytes, headers: dict[str, str]) -> Response:
    """``whole`` is the good answer that a cut or garbled one was going to be."""
    if kind == "expired_token":
        return _refusal(access_denied(TOKEN_EXPIRED), headers)
    if kind in _API_REFUSALS:
        return _refusal(_API_REFUSALS[kind](), headers)
    return _broken(kind, whole, headers)


def spoiled_login_answer(kind: str) -> Response:
    if kind in _LOGIN_REFUSALS:
        refusal = _LOGIN_REFUSALS[kind]()
        return json_answer(refusal.body("00000000"), refusal.status)
    return _broken(kind, b'{"access_token":"Atza|', {})


def unreadable(order: dict[str, Any]) -> dict[str, Any]:
    """The order with its id, but without what is needed to make sense of it; no model of Amazon's allows it."""
    return {"orderId": order["orderId"], "createdTime": "yesterday", "salesChannel": None, "orderItems": "none"}


def _refusal(refusal: Refusal, headers: dict[str, str]) -> Response:
    typed = {} if refusal.error_type is None else {"x-amzn-ErrorType": refusal.error_type}
    return json_answer(refusal.body(), refusal.status, headers | typed)


def _broken(kind: str, whole: bytes, headers: dict[str, str]) -> Response:
    match kind:
        case "error503":
            return Response(b"", 503, headers)
        case "html":
            return Response(_PAGE, 503, headers, media_type="text/html")
        case "empty":
            return Response(b"", 200, headers, media_type="application/json")
        case "not_json_object":
            return json_answer([], 200, headers)
        case "malformed":
            return Response(whole[: len(whole) * 2 // 3] or b"{", 200, headers, media_type="application/json")
        case "cut" | "hang":
            return CutResponse(whole or _ENOUGH_TO_CUT, 200, headers, media_type="application/json")
    raise AssertionError(f"no answer for trouble {kind}")
