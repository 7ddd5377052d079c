"""Why an order was not created, or a command led to nothing: code, one plain sentence, details (contract section 4)."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from orderbridge.errors import Blocked
from orderbridge.events import OrderMatched, Reason, ReservedLine, ShopifyOrder
from orderbridge.shopify.order_input import AddressMissing, MoneyMismatch
from orderbridge.status import MESSAGES

from .outcomes import Problem, Stock

IN_PROGRESS = Reason(code="in_progress", message="The order is on its way.")
STOCK_ONLY = Reason(
    code="stock_only", message="Force passes by missing stock only; the order is held for something else."
)
MESSAGE_PARKED = Reason(code="message_parked", message=MESSAGES["message_parked"])


BOUND_TO_VARIANT = ("sku_changed_after_import", "variant_missing")
"""Reasons of an unmatched order that only a rematch leads out of."""
OUT_OF_STOCK = "unable_to_reserve_inventory"
_EMAIL = re.compile(r"\be-?mail\b", re.IGNORECASE)


def already_created(shopify: ShopifyOrder | None) -> Reason:
    return Reason(
        code="already_created",
        message="The order exists in Shopify already.",
        details={"shopify_order_id": shopify.order_id, "admin_url": shopify.admin_url} if shopify else {},
    )


def of_disposition(code: str | None) -> Reason:
    code = code or "not_applicable"
    return Reason(code=code, message=MESSAGES.get(code, "The order is not to be created now."))


REMOVED = "removed"
"""The state of a connection that is not there any more."""


def of_connection(why: Blocked) -> Reason:
    if why.state == REMOVED:
        return Reason(code="connection_removed", message=MESSAGES["connection_removed"])
    code = "connection_unauthorized" if why.state == "unauthorized" else "connection_misconfigured"
    return Reason(
        code=code,
        message=f"The connection to Shopify does not work: {str(why).rstrip('.')}.",
        details={"missing": list(why.missing)} if why.missing else {},
    )


def reserved_lines(match: OrderMatched, stock: Mapping[str, Stock] | None = None) -> tuple[ReservedLine, ...]:
    """What the match asks for, with the units available where stock was read."""
    return tuple(
        ReservedLine(
            order_item_id=line.order_item_id,
            variant_id=target.variant_id,
            shopify_sku=target.shopify_sku,
            quantity=target.quantity,
            available=stock[target.variant_id].available if stock and target.variant_id in stock else None,
        )
        for line in match.lines
        for target in line.targets
    )


def of_stock(lines: Iterable[ReservedLine], stock: Mapping[str, Stock] | None) -> Reason:
    """``stock`` is None when it could not be read: then Shopify's refusal is all that is known."""
    lines = tuple(lines)
    needed = Counter[str]()
    for line in lines:
        needed[line.variant_id] += line.quantity
    names = {line.variant_id: line.shopify_sku or line.variant_id for line in lines}
    short = [
        variant_id
        for variant_id, count in needed.items()
        if stock and variant_id in stock and stock[variant_id].limited and stock[variant_id].available < count
    ]
    if stock is None or not short:
        message = "Unable to reserve inventory: Shopify has not enough stock for the order."
    else:
        parts = [f"{names[one]} needs {needed[one]}, {stock[one].available} available" for one in short]
        message = f"Unable to reserve inventory: {'; '.join(parts)}."
    details = [_line_details(line, stock.get(line.variant_id) if stock else None) for line in lines]
    return Reason(code=OUT_OF_STOCK, message=message, details={"lines": details})


def _line_details(line: ReservedLine, stock: Stock | None) -> dict[str, Any]:
    details: dict[str, Any] = {
        "order_item_id": line.order_item_id,
        "variant_id": line.variant_id,
        "shopify_sku": line.shopify_sku,
        "needed": line.quantity,
        "available": stock.available if stock else None,
    }
    elsewhere = [level for level in stock.levels if not level.serves and level.available > 0] if stock else []
    if elsewhere:
        details["not_for_online_orders"] = [
            {"location": level.location, "available": level.available} for level in elsewhere
        ]
    return details


def of_money(problem: MoneyMismatch) -> Reason:
    amazon, ours = problem.amazon, problem.ours
    return Reason(
        code="money_mismatch",
        message=f"The amounts of the order do not add up to Amazon's total: {problem.why}.",
        details={
            "amazon": amazon.model_dump(mode="json") if amazon else None,
            "ours": ours.model_dump(mode="json") if ours else None,
            "addends": [{"of": of, **amount.model_dump(mode="json")} for of, amount in problem.addends],
        },
    )


def of_address(problem: AddressMissing) -> Reason:
    fields = list(problem.fields)
    return Reason(
        code="address_missing",
        message=f"The delivery address is not complete: {', '.join(fields)} missing.",
        details={"fields": fields},
    )


def of_refusal(problems: Iterable[Problem]) -> Reason:
    problems = list(problems)
    words = "; ".join(message.rstrip(".") for _, _, message in problems) or "without a reason"
    return Reason(
        code="shopify_refused",
        message=f"Shopify refused the order: {words}.",
        details={"problems": [{"code": code, "field": field, "message": said} for code, field, said in problems]},
    )


def about_email(problems: Iterable[Problem]) -> bool:
    """Whether Shopify names the e-mail address among what it does not take."""
    return any(field.rpartition(".")[2] == "email" or _EMAIL.search(said) for _, field, said in problems)


def of_cancellation(problems: Iterable[Problem]) -> Reason:
    problems = list(problems)
    words = "; ".join(message.rstrip(".") for _, _, message in problems) or "without a reason"
    return Reason(
        code="shopify_refused",
        message=f"Shopify refused to cancel the order: {words}.",
        details={"problems": [{"code": code, "field": field, "message": said} for code, field, said in problems]},
    )


def not_canceled(seconds: float | None = None) -> Reason:
    """``seconds`` is how long it was waited for; None: Shopify says that it is done with it."""
    if seconds is None:
        return Reason(code="shopify_refused", message="Shopify took the cancellation and did not carry it out.")
    return Reason(
        code="outcome_unknown",
        message=f"Shopify has not carried out the cancellation for {seconds / 60:g} minutes; look at the order there.",
    )


def no_such_order(gid: str) -> Reason:
    return Reason(
        code="shopify_order_not_found",
        message=f"There is no order {gid} in Shopify.",
        details={"shopify_order_id": gid},
    )


def canceled_at_shopify(gid: str, name: str | None) -> Reason:
    return Reason(
        code="shopify_order_canceled",
        message=f"The order {name or gid} is canceled in Shopify: nobody would ship it.",
        details={"shopify_order_id": gid},
    )


def already_linked(gid: str, name: str | None, amazon_order_id: str) -> Reason:
    return Reason(
        code="already_linked",
        message=f"The order {name or gid} in Shopify belongs to the Amazon order {amazon_order_id}.",
        details={"shopify_order_id": gid, "amazon_order_id": amazon_order_id},
    )


def of_duplicate(amazon_order_id: str) -> Reason:
    return Reason(
        code="duplicate_suspected",
        message="Shopify says that an order with this Amazon order id exists, but does not show it.",
        details={"amazon_order_id": amazon_order_id},
    )
