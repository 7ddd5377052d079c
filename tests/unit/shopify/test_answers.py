"""What an answer means, in the shapes recorded on live shops; trouble is worse for a create than for a read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from orderbridge.errors import Blocked, OutcomeUnknown, Permanent, Refused, Throttled, Unavailable
from orderbridge.http import Response
from orderbridge.shopify.answers import DEFINITION, PROTECTED_DATA, Kind, body_of, data_of

DOMAIN = "shop.example"


def meaning(
    kind: Kind, status: int = 200, body: Any = None, raw: bytes | None = None, headers: Mapping[str, str] | None = None
) -> dict[str, Any]:
    response = Response(status, headers or {}, json.dumps(body).encode() if raw is None else raw)
    return data_of(DOMAIN, response, body_of(response), kind)


def failure(code: str | None, message: str = "No.", **more: Any) -> dict[str, Any]:
    extensions = {"extensions": {"code": code, **more.pop("extensions", {})}} if code else {}
    return {"errors": [{"message": message, **extensions, **more}], "data": None}


ERRORS: dict[str, tuple[int, Any, type[Exception], type[Exception]]] = {
    "server error": (500, {}, Unavailable, OutcomeUnknown),
    "bad gateway": (502, {}, Unavailable, OutcomeUnknown),
    "request timeout": (408, {}, Unavailable, OutcomeUnknown),
    "internal error": (200, failure("INTERNAL_SERVER_ERROR"), Unavailable, OutcomeUnknown),
    "an error without a code": (200, failure(None), Unavailable, OutcomeUnknown),
    "a code that is new": (200, failure("SOMETHING_NEW"), Unavailable, OutcomeUnknown),
    "errors that are no list": (200, {"errors": "Not today"}, Unavailable, OutcomeUnknown),
    "no data": (200, {"data": None}, Unavailable, OutcomeUnknown),
    "not an object": (200, ["?"], Unavailable, OutcomeUnknown),
    "too many requests": (429, {}, Throttled, Throttled),
    "throttled": (200, failure("THROTTLED"), Throttled, Throttled),
    "unauthorized": (401, {}, Blocked, Blocked),
    "forbidden": (403, {}, Blocked, Blocked),
    "frozen": (402, {}, Blocked, Blocked),
    "locked": (423, {}, Blocked, Blocked),
    "no shop": (404, {}, Blocked, Blocked),
    "moved": (301, {}, Blocked, Blocked),
    "invalid variable": (200, failure("INVALID_VARIABLE"), Refused, Refused),
    "undefined field": (200, failure("undefinedField"), Permanent, Permanent),
    "too costly": (200, failure("MAX_COST_EXCEEDED"), Permanent, Permanent),
    "bad request": (400, {}, Permanent, Permanent),
}


@pytest.mark.parametrize(("status", "body", "of_read", "of_create"), ERRORS.values(), ids=ERRORS)
def test_an_answer_has_its_class(status: int, body: Any, of_read: type[Exception], of_create: type[Exception]) -> None:
    with pytest.raises(of_read):
        meaning("read", status, body)
    with pytest.raises(of_create):
        meaning("create", status, body)


@pytest.mark.parametrize("raw", [b"<html>Oops</html>", b'{"data": {"orderCreate"', b"", b"\xff\xfe"])
def test_a_body_that_cannot_be_read_leaves_a_create_open(raw: bytes) -> None:
    with pytest.raises(Unavailable):
        meaning("read", raw=raw)
    with pytest.raises(OutcomeUnknown):
        meaning("create", raw=raw)


def test_data_is_given_as_it_is() -> None:
    assert meaning("read", body={"data": {"shop": {"plan": "NEW_WORD"}}}) == {"shop": {"plan": "NEW_WORD"}}


def test_throttled_waits_until_the_points_are_back() -> None:
    status = {"maximumAvailable": 1000.0, "currentlyAvailable": 666, "restoreRate": 50.0}
    cost = {"requestedQueryCost": 766, "actualQueryCost": None, "throttleStatus": status}

    with pytest.raises(Throttled) as caught:
        meaning("create", body={**failure("THROTTLED", "Throttled"), "extensions": {"cost": cost}})

    assert caught.value.retry_after_s == 2.0


def test_throttled_waits_a_second_at_least() -> None:
    with pytest.raises(Throttled) as caught:
        meaning("read", body=failure("THROTTLED"))

    assert caught.value.retry_after_s == 1.0


def test_retry_after_is_honoured() -> None:
    with pytest.raises(Throttled) as caught:
        meaning("read", 429, headers={"Retry-After": "7.5"})

    assert caught.value.retry_after_s == 7.5


def test_protected_data_is_told_from_a_missing_scope() -> None:
    documentation = {"documentation": "https://shopify.dev/docs/apps/launch/protected-customer-data"}
    denied = failure("ACCESS_DENIED", "This app is not approved to access the Order object.", extensions=documentation)

    with pytest.raises(Blocked) as caught:
        meaning("read", body=denied)

    assert (caught.value.state, caught.value.missing) == ("misconfigured", (PROTECTED_DATA,))


def test_a_missing_scope_is_named() -> None:
    message = "Access denied for orders field. Required access: `read_orders` access scope."

    with pytest.raises(Blocked) as caught:
        meaning("create", body=failure("ACCESS_DENIED", message, path=["orderCreate"]))

    assert (caught.value.state, caught.value.missing) == ("misconfigured", ("scope read_orders",))


def test_a_part_of_a_creates_answer_that_is_denied_leaves_it_open() -> None:
    with pytest.raises(OutcomeUnknown):
        meaning("create", body=failure("ACCESS_DENIED", path=["orderCreate", "order", "name"]))


def test_a_missing_definition_is_no_missing_order() -> None:
    said = "Metafield definition of type 'id' is required when using custom ids."

    with pytest.raises(Blocked) as caught:
        meaning("read", body={**failure("NOT_FOUND", said, path=["orderByIdentifier"]), "data": {"found": None}})

    assert (caught.value.state, caught.value.missing) == ("misconfigured", (DEFINITION,))


def test_an_invalid_variable_says_where() -> None:
    problems = {"problems": [{"path": ["lineItems", 0, "nonsense"], "explanation": "Field is not defined"}]}

    with pytest.raises(Refused) as caught:
        meaning("create", body=failure("INVALID_VARIABLE", extensions=problems))

    assert caught.value.problems == (("INVALID_VARIABLE", "lineItems.0.nonsense", "Field is not defined"),)
