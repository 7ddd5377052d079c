"""One GraphQL request against one shop: points, execution, and the answer's body."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from graphql import DocumentNode, GraphQLError, GraphQLSchema, execute_sync

from . import refusals
from .documents import Operation, Prepared
from .points import MAX_QUERY_COST
from .resolving import Call
from .shop import Shop

_log = logging.getLogger(__name__)

_RATE_LIMITS = "https://shopify.dev/api/usage/rate-limits"


@dataclass(frozen=True, slots=True)
class Request:
    prepared: Prepared
    operation: Operation | None
    variables: Mapping[str, Any]

    @property
    def roots(self) -> tuple[str, ...]:
        return self.operation.roots if self.operation else ()


def answer(schema: GraphQLSchema, request: Request, call: Call, request_id: str) -> dict[str, Any]:
    """The body for HTTP 200, with its cost; refused documents and variables cost nothing and run nothing."""
    if request.prepared.errors:
        return {"errors": list(request.prepared.errors)}
    document = request.prepared.document
    if request.operation is None or document is None:
        return {"errors": [{"message": "No operation to execute: name one of the document's operations"}]}
    requested = request.operation.meter.requested(request.variables)
    if requested > MAX_QUERY_COST:
        return {"errors": [_too_costly(requested)]}
    bucket, now = call.shop.bucket, call.shop.clock.monotonic()
    if call.booked is not None:  # it was let in when it came, and runs late
        return _executed(schema, document, request.operation, request.variables, call, request_id)
    if not bucket.take(requested, now):
        return throttled(call.shop, requested)
    body = _executed(schema, document, request.operation, request.variables, call, request_id)
    if "data" not in body:
        bucket.give_back(requested)
        return body
    data = body["data"]
    actual = request.operation.meter.actual(request.variables, data) if data else requested
    bucket.give_back(requested - actual)
    body["extensions"] = {
        "cost": {"requestedQueryCost": requested, "actualQueryCost": actual, "throttleStatus": bucket.status(now)}
    }
    return body


def _executed(
    schema: GraphQLSchema,
    document: DocumentNode,
    operation: Operation,
    variables: Mapping[str, Any],
    call: Call,
    request_id: str,
) -> dict[str, Any]:
    result = execute_sync(
        schema,
        document,
        context_value=call,
        variable_values=dict(variables),
        operation_name=operation.name,
    )
    if result.errors and result.data is None and not any(error.path for error in result.errors):
        invalid = refusals.of_variables(schema, operation.node, variables)
        return {"errors": invalid or [refusals.of_execution(error) for error in result.errors]}
    body: dict[str, Any] = {"data": result.data}
    if result.errors:
        body["errors"] = [_shaped(error, request_id) for error in result.errors]
    return body


def _shaped(error: GraphQLError, request_id: str) -> dict[str, Any]:
    """A resolver's refusal as it is; a bug of ours as the internal error it is, and into the log."""
    if error.original_error is None or isinstance(error.original_error, GraphQLError):
        return refusals.of_execution(error)
    _log.error("a resolver failed", exc_info=error.original_error)
    return {**refusals.internal_error(request_id), "path": error.path}


def throttled(shop: Shop, requested: int) -> dict[str, Any]:
    """As recorded: HTTP 200, no data, and no actual cost."""
    cost = {
        "requestedQueryCost": requested,
        "actualQueryCost": None,
        "throttleStatus": shop.bucket.status(shop.clock.monotonic()),
    }
    extensions = {"code": "THROTTLED", "documentation": _RATE_LIMITS}
    return {"errors": [{"message": "Throttled", "extensions": extensions}], "extensions": {"cost": cost}}


def _too_costly(cost: int) -> dict[str, Any]:
    message = f"Query cost is {cost}, which exceeds the single query max cost limit ({MAX_QUERY_COST})."
    extensions = {
        "code": "MAX_COST_EXCEEDED",
        "cost": cost,
        "maxCost": MAX_QUERY_COST,
        "documentation": _RATE_LIMITS,
    }
    return {"message": message, "extensions": extensions}
