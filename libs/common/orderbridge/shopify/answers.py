"""What an answer of the Admin API means: its data, or one of our errors (``facts``: status classes of 2026-10).

A read may be asked again, so trouble is :class:`Unavailable`. A create may have taken effect whenever Shopify did not
say otherwise, so trouble is :class:`OutcomeUnknown`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal

from ..errors import Blocked, OutcomeUnknown, Permanent, Refused, Throttled, Transient, Unavailable
from ..http import Response

Kind = Literal["read", "create"]
"""``read``: may be repeated at will (also a mutation whose second run changes nothing); ``create``: never."""

DEFINITION: Final = "metafield definition $app/amazon_order_id (type id) on orders"
PROTECTED_DATA: Final = "access to protected customer data (request it for the app in the Dev Dashboard)"

_BUG_CODES: Final = frozenset(
    {"INVALID_VARIABLE", "BAD_REQUEST", "INVALID_FIELD_ARGUMENTS", "MAX_COST_EXCEEDED", "PARSE_ERROR"}
)
_DEFINITION_MISSING: Final = re.compile(r"metafield definition", re.IGNORECASE)
_REQUIRED_ACCESS: Final = re.compile(r"Required access:\s*(.+)", re.IGNORECASE | re.DOTALL)
_SCOPE: Final = re.compile(r"\b(?:read|write)_[a-z_]+\b")


def trouble(kind: Kind, message: str) -> Transient:
    return Unavailable(message) if kind == "read" else OutcomeUnknown(message)


def body_of(response: Response) -> dict[str, Any] | None:
    """The answer as a JSON object, or None when it is none."""
    try:
        body = json.loads(response.body)
    except (ValueError, RecursionError):
        return None
    return body if isinstance(body, dict) else None


def data_of(domain: str, response: Response, body: Mapping[str, Any] | None, kind: Kind) -> dict[str, Any]:
    """The data of an answer.

    :raises Throttled, Unavailable, OutcomeUnknown, Blocked, Permanent: as the module says; 401 and 403 are the
        caller's, who may renew the token first.
    """
    _check_status(domain, response, kind)
    if body is None:
        raise trouble(kind, f"{domain} gave an answer that is not a JSON object")
    errors = body.get("errors")
    if errors:
        raise _error_of(domain, errors, body, kind)
    data = body.get("data")
    if not isinstance(data, dict):
        raise trouble(kind, f"{domain} gave an answer without data")
    return data


def _check_status(domain: str, response: Response, kind: Kind) -> None:
    status = response.status
    if 200 <= status < 300:
        return
    if status in (401, 403):
        raise Blocked(
            "unauthorized",
            f"{domain} refused the app's access ({status})",
            missing=("the app installed on the shop, with a token that it accepts",),
        )
    if status in (429, 430):
        raise Throttled(f"{domain} asks to wait ({status})", retry_after_s=response.retry_after_s() or 1.0)
    if status in (402, 423):
        raise Blocked("misconfigured", f"the shop {domain} is closed ({status})", missing=("a shop that is open",))
    if status == 404 or 300 <= status < 400:
        raise Blocked("misconfigured", f"there is no shop {domain} ({status})", missing=(f"the shop {domain}",))
    if status >= 500 or status == 408:
        raise trouble(kind, f"{domain} answered {status}")
    raise Permanent(f"{domain} refused the form of our request ({status})")


def _error_of(domain: str, errors: object, body: Mapping[str, Any], kind: Kind) -> Exception:
    found = [error for error in errors if isinstance(error, Mapping)] if isinstance(errors, Sequence) else []
    by_code = {_code(error): error for error in found}
    if "THROTTLED" in by_code:
        return Throttled(f"{domain} is out of query points", retry_after_s=_wait_s(body))
    if "ACCESS_DENIED" in by_code:
        return _denied(domain, by_code["ACCESS_DENIED"], kind)
    if missing := next((e for e in found if _DEFINITION_MISSING.search(_message(e))), None):
        return Blocked("misconfigured", f"{domain}: {_message(missing)}", missing=(DEFINITION,))
    for code, error in by_code.items():
        # graphql-ruby names what static validation finds in lowerCamelCase: undefinedField, missingRequiredArguments
        if code in _BUG_CODES or code[:1].islower():
            return Refused(f"{domain} refused our query ({code})", tuple(_problems(code, error)))
    return trouble(kind, f"{domain} answered with an error of its own ({', '.join(by_code) or 'no code'})")


def _denied(domain: str, error: Mapping[str, Any], kind: Kind) -> Exception:
    path = error.get("path")
    if kind == "create" and isinstance(path, list) and len(path) > 1:
        # The mutation itself ran; only a field of its answer was denied.
        return OutcomeUnknown(f"{domain} denied a part of the answer")
    documentation = str(_extensions(error).get("documentation", ""))
    if "protected-customer-data" in documentation or "not approved" in _message(error):
        return Blocked("misconfigured", f"{domain}: {_message(error)}", missing=(PROTECTED_DATA,))
    required = _REQUIRED_ACCESS.search(_message(error))
    scopes = tuple(f"scope {scope}" for scope in _SCOPE.findall(required[1])) if required else ()
    return Blocked("misconfigured", f"{domain}: {_message(error)}", missing=scopes or (_message(error),))


def _wait_s(body: Mapping[str, Any]) -> float:
    """The time until the requested points are back, at least a second."""
    cost = cost_of(body)
    status = cost.get("throttleStatus")
    if not isinstance(status, Mapping):
        return 1.0
    requested, available = number(cost.get("requestedQueryCost")), number(status.get("currentlyAvailable"))
    rate = number(status.get("restoreRate"))
    if requested is None or available is None or not rate:
        return 1.0
    return max(1.0, (requested - available) / rate)


def cost_of(body: Mapping[str, Any] | None) -> Mapping[str, Any]:
    extensions = body.get("extensions") if body else None
    cost = extensions.get("cost") if isinstance(extensions, Mapping) else None
    return cost if isinstance(cost, Mapping) else {}


def number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _problems(code: str, error: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    listed = _extensions(error).get("problems")
    if not isinstance(listed, list) or not listed:
        return [(code, "", _message(error))]
    return [
        (code, ".".join(str(step) for step in problem.get("path") or ()), str(problem.get("explanation", "")))
        for problem in listed
        if isinstance(problem, Mapping)
    ]


def _code(error: Mapping[str, Any]) -> str:
    return str(_extensions(error).get("code", ""))


def _extensions(error: Mapping[str, Any]) -> Mapping[str, Any]:
    extensions = error.get("extensions")
    return extensions if isinstance(extensions, Mapping) else {}


def _message(error: Mapping[str, Any]) -> str:
    return str(error.get("message", ""))
