"""Bulk operations: starting, following and cancelling them."""

from collections.abc import Mapping
from typing import Any

from .bulk import UNDER_WAY, BulkOperation
from .bulk_lines import compile_query
from .bulk_query import read_bulk_query
from .definitions import UserError
from .gids import number_of
from .resolving import Arguments, resolves, shop_of
from .trouble import BULK_RUN


@resolves("Mutation", "bulkOperationRunQuery")
def _run_query(_: None, info: Any, arguments: Arguments) -> Mapping[str, Any]:
    shop = shop_of(info)
    query = read_bulk_query(info.schema, arguments["query"])
    if isinstance(query, list):
        errors = [UserError(message, ("query",), "INVALID") for message in query]
        return {"bulkOperation": None, "userErrors": errors}
    if (busy := shop.bulk.refusal(shop.settings.bulk_at_once)) is not None:
        return {"bulkOperation": None, "userErrors": [busy]}
    trouble = shop.script.next_for((BULK_RUN,))
    fails = None if trouble is None else trouble.error_code
    operation = BulkOperation(shop.next_id(), arguments["query"], shop.clock.now(), fails)
    shop.bulk.start(
        operation,
        compile_query(query, info.context),
        grouped=arguments["groupObjects"],
        takes_s=shop.settings.bulk_takes_s,
        ended=shop.news.bulk_operation,
        now=shop.clock.now,
    )
    return {"bulkOperation": operation, "userErrors": []}


@resolves("Mutation", "bulkOperationCancel")
def _cancel(_: None, info: Any, arguments: Arguments) -> Mapping[str, Any]:
    operation = shop_of(info).bulk.get(number_of("BulkOperation", arguments["id"]))
    if operation is None:
        return {"bulkOperation": None, "userErrors": [UserError("Bulk operation does not exist", ("id",))]}
    if operation.status not in UNDER_WAY:
        message = f"A bulk operation cannot be canceled when it is {operation.status.lower()}"
        return {"bulkOperation": operation, "userErrors": [UserError(message)]}
    operation.status = "CANCELING"
    return {"bulkOperation": operation, "userErrors": []}


@resolves("QueryRoot", "bulkOperation")
def _operation(_: None, info: Any, arguments: Arguments) -> BulkOperation | None:
    return shop_of(info).bulk.get(number_of("BulkOperation", arguments["id"]))


@resolves("QueryRoot", "currentBulkOperation")
def _current(_: None, info: Any, arguments: Arguments) -> BulkOperation | None:
    return shop_of(info).bulk.newest if arguments["type"] == "QUERY" else None


@resolves("BulkOperation", "status")
def _status(operation: BulkOperation, info: Any, _arguments: Arguments) -> str:
    had_file = operation.status == "COMPLETED" and operation.object_count > 0
    return "EXPIRED" if had_file and not shop_of(info).bulk.has_file_of(operation) else operation.status


@resolves("BulkOperation", "url")
def _url(operation: BulkOperation, info: Any, _arguments: Arguments) -> str | None:
    return _address(operation, info) if operation.status == "COMPLETED" else None


@resolves("BulkOperation", "partialDataUrl")
def _partial_url(operation: BulkOperation, info: Any, _arguments: Arguments) -> str | None:
    return _address(operation, info) if operation.status == "FAILED" else None


def _address(operation: BulkOperation, info: Any) -> str | None:
    """Where the file is, on the address that this request came in on; None when it is empty or gone."""
    shop = shop_of(info)
    if operation.file is None or not shop.bulk.has_file_of(operation):
        return None
    return f"{info.context.base_url}/{shop.profile.domain}/bulk/{operation.file.name}"
