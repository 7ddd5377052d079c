"""The shop of a connection: its credentials from the vault, Shopify's answers in the creator's words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from orderbridge import shopify
from orderbridge.errors import Blocked, OutcomeUnknown, Permanent, Refused, Throttled, Unavailable
from orderbridge.events import ConnectionChanged, ShopifyOrder
from orderbridge.shopify.answers import DEFINITION
from orderbridge.shopify.client import READ_RESERVE

from ..domain.hold import Hold, document_of
from ..domain.outcomes import (
    Accepted,
    CancelAccepted,
    CancelRefused,
    Closed,
    FulfillmentOrder,
    IdentityTaken,
    Level,
    MoveOutcome,
    MoveRefused,
    MoveStale,
    NotSent,
    OrderRefused,
    Outcome,
    Reassigned,
    ReassignmentRefused,
    Slowed,
    Stock,
    StockRefused,
    Unanswered,
    UnitsGone,
    UnitsMoved,
)
from ..domain.remedies import AtShopify


class Shops:
    """Speaks to the shops of all connections; ``deadline_s`` bounds one ``orderCreate``."""

    def __init__(self, client: shopify.Shopify, keys: shopify.ShopKeys, deadline_s: float) -> None:
        self._client = client
        self._keys = keys
        self._deadline_s = deadline_s

    async def try_vendor(self, connection: ConnectionChanged) -> None:
        """See that nothing is missing at the shop; the metafield definition that orders are found by is made.

        Raises ``Blocked`` that names everything that is missing, not only the first.
        """
        shop = await self._keys.of(connection)
        location_id = connection.settings.location_id
        also: tuple[str, ...] = (shopify.MOVE_SCOPE,) if connection.settings.hold_stock_while_pending else ()
        also += (shopify.FULFILLMENTS_SCOPE,) if location_id is not None else ()
        missing = await self._client.check(shop, also=also)
        if DEFINITION in missing:
            missing.remove(DEFINITION)
            try:
                await self._client.ensure_definition(shop)
            except Blocked as error:
                missing += [name for name in error.missing if name not in missing]
        if location_id is not None:
            try:
                await self._client.require_location(shop, location_id)
            except Blocked as error:
                missing += [name for name in error.missing if name not in missing]
        if missing:
            raise Blocked("misconfigured", f"{shop.domain} lacks {', '.join(missing)}", missing=tuple(missing))

    async def admit(self, connection: ConnectionChanged, order_input: Mapping[str, Any]) -> None:
        await self._client.admit_create(await self._keys.of(connection), order_input)

    async def create(self, connection: ConnectionChanged, order_input: Mapping[str, Any]) -> Outcome:
        shop = await self._keys.of(connection)
        try:
            made = await self._client.order_create(shop, order_input, deadline_s=self._deadline_s, admitted=True)
        except (shopify.OutOfPoints, Unavailable) as error:
            return NotSent(error.retry_after_s)
        except Throttled as error:
            return Slowed(error.retry_after_s)
        except OutcomeUnknown:
            return Unanswered()
        except Blocked as error:
            return Closed(error)
        except Refused as error:
            return OrderRefused(error.problems or (("", "", str(error)),))
        except Permanent as error:
            return OrderRefused((("", "", str(error)),))
        match made:
            case shopify.OrderAccepted():
                known = made.variant_ids or None
                return Accepted(_order(shop, made.gid, made.name), known, made.total)
            case shopify.StockRefused():
                return StockRefused()
            case shopify.IdentityTaken():
                return IdentityTaken()
            case shopify.OrderRefused():
                return OrderRefused(made.problems)

    async def find(self, connection: ConnectionChanged, amazon_order_id: str) -> ShopifyOrder | None:
        shop = await self._keys.of(connection)
        found = await self._client.order_by_amazon_id(shop, amazon_order_id)
        return _order(shop, found.gid, found.name) if found else None

    async def stock(
        self, connection: ConnectionChanged, variant_ids: Iterable[str], *, urgent: bool = True
    ) -> Mapping[str, Stock]:
        shop = await self._keys.of(connection)
        found = await self._client.stock_of(shop, list(variant_ids), reserve=0.0 if urgent else READ_RESERVE)
        return {variant_id: _stock(stock) for variant_id, stock in found.items()}

    async def move(self, connection: ConnectionChanged, order_id: str, hold: Hold) -> MoveOutcome:
        """Towards reserved only from the stock that was read; back to available whatever there is."""
        back = hold.state == "releasing"
        answer = await self._client.move_stock(
            await self._keys.of(connection),
            [
                shopify.StockMove(
                    move.inventory_item_id, move.location_id, move.units, None if back else move.available
                )
                for move in hold.open_moves
            ],
            "release" if back else "reserve",
            key=hold.key(order_id),
            document=document_of(order_id),
        )
        match answer:
            case shopify.Moved():
                return UnitsMoved()
            case shopify.MoveStale():
                return MoveStale()
            case shopify.ItemsGone(places):
                return UnitsGone(places)
            case shopify.MoveRefused(problems):
                return MoveRefused(problems)

    async def order(self, connection: ConnectionChanged, gid: str) -> AtShopify | None:
        shop = await self._keys.of(connection)
        found = await self._client.order_by_id(shop, gid)
        if found is None:
            return None
        return AtShopify(_order(shop, found.gid, found.name), found.canceled, found.amazon_order_id)

    async def cancel(self, connection: ConnectionChanged, gid: str, *, restock: bool) -> CancelAccepted | CancelRefused:
        answer = await self._client.order_cancel(await self._keys.of(connection), gid, restock=restock)
        if isinstance(answer, shopify.CancelRefused):
            return CancelRefused(answer.problems)
        return CancelAccepted(answer.job)

    async def job_done(self, connection: ConnectionChanged, job: str) -> bool:
        return await self._client.job_done(await self._keys.of(connection), job)

    async def fulfillment_orders(self, connection: ConnectionChanged, gid: str) -> Sequence[FulfillmentOrder]:
        found = await self._client.open_fulfillment_orders(await self._keys.of(connection), gid)
        return [FulfillmentOrder(part.gid, part.location_id) for part in found]

    async def reassign(
        self, connection: ConnectionChanged, fulfillment_order: str, location_id: str
    ) -> Reassigned | ReassignmentRefused:
        shop = await self._keys.of(connection)
        answer = await self._client.move_fulfillment_order(shop, fulfillment_order, location_id)
        if isinstance(answer, shopify.ReassignmentRefused):
            return ReassignmentRefused(answer.problems)
        return Reassigned()

    async def require_location(self, connection: ConnectionChanged, location_id: str) -> None:
        await self._client.require_location(await self._keys.of(connection), location_id)


def _stock(stock: shopify.Stock) -> Stock:
    return Stock(
        limited=stock.tracked and stock.policy != "CONTINUE",
        levels=tuple(
            Level(level.location, level.active and level.fulfils_online, level.available, level.location_id or None)
            for level in stock.levels
        ),
        sku=stock.sku,
        inventory_item_id=stock.inventory_item_id or None,
        product_id=stock.product_id,
    )


def _order(shop: shopify.Shop, gid: str, name: str | None) -> ShopifyOrder:
    return ShopifyOrder(order_id=gid, name=name, admin_url=shopify.admin_url(shop.domain, gid))
