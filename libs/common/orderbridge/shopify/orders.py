"""Creating an order, once, and finding it again by its Amazon order id.

``orderCreate`` is not idempotent and takes no ``@idempotent`` (Shopify Admin API 2026-10): what it answered, or that it
did not answer, is told apart here with care, and nothing is ever repeated.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, Final

import structlog

from ..errors import Blocked, OutcomeUnknown, Refused, Throttled
from ..money import Money
from .answers import data_of
from .client import CREATE_RESERVE, Client
from .privacy import Problem, cut_out, user_problems
from .setup import KEY, NAMESPACE
from .tokens import Shop

CREATE_DEADLINE_S: Final = 30.0
MUTATION_COST: Final = 10
LINE_COST: Final = 2
"""A line of the answer and its variant."""
LOOK_UP_COST: Final = 3
ATTEMPTS_WAIT_S: Final = 15.0
"""Trial and development shops take 5 orders a minute."""
LINES_READ_BACK: Final = 250

_OUT_OF_STOCK: Final = re.compile(r"unable to reserve inventory", re.IGNORECASE)
_TOO_MANY: Final = re.compile(r"too many attempts", re.IGNORECASE)
_TAKEN: Final = re.compile(r"\btaken\b|\bunique|already", re.IGNORECASE)
_METAFIELD: Final = re.compile(rf"metafield|{KEY}", re.IGNORECASE)

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class OrderAccepted:
    """The order exists. Everything but ``gid`` is what Shopify says of it, None where it says nothing readable.

    ``variant_ids`` are those of the created lines, in order; None stands for a line that Shopify made without one.
    """

    gid: str
    name: str | None
    total: Money | None
    variant_ids: tuple[str | None, ...]


@dataclass(frozen=True, slots=True)
class StockRefused:
    """Not created: one unit or more could not be reserved; no stock was taken."""

    problems: tuple[Problem, ...]


@dataclass(frozen=True, slots=True)
class OrderRefused:
    """Not created, for what the order says."""

    problems: tuple[Problem, ...]


@dataclass(frozen=True, slots=True)
class IdentityTaken:
    """Not created: an order with this Amazon order id is there; look it up."""

    problems: tuple[Problem, ...]


CreateOutcome = OrderAccepted | StockRefused | OrderRefused | IdentityTaken


@dataclass(frozen=True, slots=True)
class FoundOrder:
    """An order that carries the Amazon order id in our metafield."""

    gid: str
    name: str | None
    total: Money | None
    canceled: bool


class OrderWriter(Client):
    async def admit_create(self, shop: Shop, variables: Mapping[str, Any]) -> None:
        """Take the points of one ``order_create`` and make sure of a token, before the intent is written.

        :raises OutOfPoints, Throttled, Unavailable, Blocked: nothing was sent.
        """
        await self._tokens.token(shop)
        await self._take(shop, _create_cost(variables), CREATE_RESERVE, 0.0)

    async def order_create(
        self,
        shop: Shop,
        variables: Mapping[str, Any],
        *,
        deadline_s: float = CREATE_DEADLINE_S,
        admitted: bool = False,
    ) -> CreateOutcome:
        """Send ``orderCreate`` with the ``order`` and ``options`` of ``variables``; never repeated here.

        ``admitted``: :meth:`admit_create` was called for it. The outcome is read from the raw answer first for the
        order's id, then for anything else.

        :raises OutOfPoints, Unavailable: nothing was sent.
        :raises Throttled: Shopify refused to take it now; look it up before sending again all the same.
        :raises Blocked: it was refused for the connection's sake.
        :raises Refused: Shopify refused the form of the input; ``problems`` say where.
        :raises OutcomeUnknown: it may have taken effect, or still may.
        """
        if not admitted:
            await self._take(shop, _create_cost(variables), CREATE_RESERVE, 0.0)
        order: Mapping[str, Any] = variables["order"]
        sent = {**variables, "lines": _lines_read_back(variables)}
        response, body = await self._post(shop, "order_create", sent, "create", deadline_s)
        try:
            payload = _payload(body) if 200 <= response.status < 300 else {}
            if (gid := _gid(payload)) is not None:
                return _accepted(gid, payload["order"], order)
            failure: Exception
            try:
                payload = data_of(shop.domain, response, body, "create").get("orderCreate") or {}
                return _refused(shop.domain, payload, order)
            except Refused as refused:
                failure = Refused(str(refused), cut_out(refused.problems, order))
            raise failure
        finally:
            await self._teach_in_passing(shop, body, _create_cost(variables))

    async def order_by_amazon_id(self, shop: Shop, amazon_order_id: str) -> FoundOrder | None:
        """The order whose metafield is this Amazon order id, by the keyed look-up and not the search index.

        :raises Blocked: misconfigured, when the metafield definition is missing: that is not "no such order".
        """
        identifier = {"customId": {"namespace": NAMESPACE, "key": KEY, "value": amazon_order_id}}
        asked = {"identifier": identifier}
        data = await self.execute(shop, "order_by_identifier", asked, cost=LOOK_UP_COST, reserve=0.0)
        order = data.get("orderByIdentifier")
        gid = _gid({"order": order})
        if gid is None or not isinstance(order, Mapping):
            return None
        return FoundOrder(gid, _name(order), _total(order), canceled=bool(order.get("cancelledAt")))

    async def _teach_in_passing(self, shop: Shop, body: Mapping[str, Any] | None, taken: float) -> None:
        """Learn from the answer's cost; an answer that took effect must not be lost to that."""
        try:
            await self._teach(shop, body, taken)
        except Exception as error:  # noqa: BLE001 (whatever it is, the order exists)
            log.warning("points not learnt", connection_id=shop.connection_id, error=type(error).__name__)


def admin_url(shop_domain: str, gid: str) -> str:
    """Where a person looks at an order in Shopify's admin."""
    return f"https://{shop_domain}/admin/orders/{gid.rpartition('/')[2]}"


def _lines_read_back(variables: Mapping[str, Any]) -> int:
    return max(1, min(LINES_READ_BACK, len(variables["order"].get("lineItems") or ())))


def _create_cost(variables: Mapping[str, Any]) -> int:
    return MUTATION_COST + 2 + LINE_COST * _lines_read_back(variables)


def _payload(body: Mapping[str, Any] | None) -> Mapping[str, Any]:
    data = body.get("data") if body else None
    payload = data.get("orderCreate") if isinstance(data, Mapping) else None
    return payload if isinstance(payload, Mapping) else {}


def _gid(payload: Mapping[str, Any]) -> str | None:
    order = payload.get("order")
    gid = order.get("id") if isinstance(order, Mapping) else None
    return gid if isinstance(gid, str) and gid.startswith("gid://shopify/Order/") else None


def _accepted(gid: str, answered: Mapping[str, Any], sent: Mapping[str, Any]) -> OrderAccepted:
    """
    :raises OutcomeUnknown: the answer is another order's, as after a redirect or in a proxy's cache.
    """
    ours, theirs = sent.get("sourceIdentifier"), answered.get("sourceIdentifier")
    if isinstance(theirs, str) and theirs != ours:
        raise OutcomeUnknown(f"Shopify answered with an order that is not {ours}")
    return OrderAccepted(gid, _name(answered), _total(answered), _variant_ids(answered))


def _refused(domain: str, payload: Mapping[str, Any], order: Mapping[str, Any]) -> CreateOutcome:
    errors = [error for error in payload.get("userErrors") or () if isinstance(error, Mapping)]
    problems = user_problems(errors, order)
    codes = {code for code, _, _ in problems}
    words = [str(error.get("message") or "") for error in errors]
    if not errors:
        raise OutcomeUnknown(f"{domain} answered with neither an order nor an error")
    if any(_TOO_MANY.search(said) for said in words):
        raise Throttled(f"{domain} takes no more orders this minute", retry_after_s=ATTEMPTS_WAIT_S)
    if "SHOP_DORMANT" in codes:
        raise Blocked("misconfigured", f"the shop {domain} is dormant", missing=("a shop that is open",))
    if "INVENTORY_CLAIM_FAILED" in codes or any(_OUT_OF_STOCK.search(said) for said in words):
        return StockRefused(problems)
    if any(_is_identity(problem) for problem in problems):
        return IdentityTaken(problems)
    return OrderRefused(problems)


def _is_identity(problem: Problem) -> bool:
    """Not documented and not recorded: what a live shop answers to a second order with the same ``id`` metafield."""
    code, field, message = problem
    about_metafield = bool(_METAFIELD.search(field) or _METAFIELD.search(message))
    return about_metafield and (code == "TAKEN" or bool(_TAKEN.search(message)))


def _name(order: Mapping[str, Any]) -> str | None:
    name = order.get("name")
    return name if isinstance(name, str) else None


def _total(order: Mapping[str, Any]) -> Money | None:
    try:
        money = order["totalPriceSet"]["shopMoney"]
        return Money(amount=Decimal(str(money["amount"])), currency=str(money["currencyCode"]))
    except (KeyError, TypeError, InvalidOperation):
        return None


def _variant_ids(order: Mapping[str, Any]) -> tuple[str | None, ...]:
    try:
        lines = order["lineItems"]["nodes"]
        return tuple((line.get("variant") or {}).get("id") for line in lines)
    except (KeyError, TypeError, AttributeError):
        return ()
