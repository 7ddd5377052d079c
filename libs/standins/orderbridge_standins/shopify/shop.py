"""One shop: what it sells, its orders, its app's access, and what was scripted to happen to it."""

import itertools
import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, ClassVar, Final

from ..catalogue import shop_catalogue
from .bulk import BulkOperations
from .clock import Clock
from .definitions import Definitions
from .gids import gid
from .ledger import Ledger
from .news import News
from .orders import FulfillmentOrder, Order
from .points import Bucket
from .posting import Deliver, post
from .profile import Profile, SeedOfVariant, Settings
from .searchable import order_entry, order_index, product_entry, product_index, variant_entry, variant_index
from .stock import InventoryItem, InventoryLevel, Location, Product, SelectedOption, Variant, release
from .timetable import Timetable
from .trouble import Script
from .webhooks import Webhooks

_CANCEL_TAKES_S: Final = 0.5


@dataclass(eq=False, slots=True)
class Job:
    kind: ClassVar[str] = "Job"
    gid: str
    done: bool = False


@dataclass(slots=True)
class StoredResult:
    """The answer to one idempotency key, with the arguments it belongs to; kept 24 hours."""

    arguments: Any
    payload: Mapping[str, Any]
    until: float


@dataclass(eq=False)
class Shop:
    profile: Profile
    clock: Clock
    deliver: Deliver = post
    settings: Settings = field(init=False)
    products: dict[int, Product] = field(default_factory=dict)
    variants: dict[int, Variant] = field(default_factory=dict)
    items: dict[int, InventoryItem] = field(default_factory=dict)
    orders: dict[int, Order] = field(default_factory=dict)
    fulfillment_orders: dict[int, FulfillmentOrder] = field(default_factory=dict)
    jobs: dict[str, Job] = field(default_factory=dict)
    idempotent: dict[str, StoredResult] = field(default_factory=dict)
    ledger: Ledger = field(default_factory=Ledger)
    script: Script = field(default_factory=Script)

    def __post_init__(self) -> None:
        self.settings = Settings(self.profile.unique_enforced)
        self.definitions = Definitions(self.profile.client_id)
        self.bucket = Bucket(2000, 100, self.clock.monotonic())
        self.variant_index = variant_index()
        self.product_index = product_index()
        self.order_index = order_index()
        self.locations = (
            Location(61_001, "Front Street shop"),
            Location(61_002, "Warehouse"),
            Location(61_003, "Outlet, not online", fulfills_online_orders=False),
        )
        self._ids = itertools.count(5_800_000_000_001)
        self._numbers = itertools.count(1001)
        self._tokens: dict[str, float] = {}
        self._by_value: dict[tuple[str, str, str], list[Order]] = {}
        self.webhooks = Webhooks(self.profile, self.clock, self.settings.webhooks, self.deliver)
        self.news = News(self.webhooks)
        self._timetable = Timetable(self.clock, self.webhooks.new_action)
        self.bulk = BulkOperations(self.at, self.clock.monotonic)
        self._stock_up()

    def _stock_up(self) -> None:
        for seed in shop_catalogue(self.profile.catalogue_seed, self.profile.variants):
            variants = [
                SeedOfVariant(
                    v.sku,
                    v.title,
                    v.options,
                    Decimal(v.price),
                    v.available,
                    variant_id=v.variant_id,
                    inventory_item_id=v.inventory_item_id,
                )
                for v in seed.variants
            ]
            self.add_product(seed.title, seed.vendor, variants, product_id=seed.product_id, visible_at=0.0)
        if self.profile.definition:
            self.definitions.create(
                {"name": "Amazon order id", "key": "amazon_order_id", "type": "id", "ownerType": "ORDER"}
            )

    def next_id(self) -> int:
        return next(self._ids)

    def next_number(self) -> int:
        return next(self._numbers)

    # time

    def at(self, delay_s: float, effect: Callable[[], None]) -> None:
        """Have something happen later; it is done before the first call that could see it, and without one in time."""
        self._timetable.at(delay_s, effect)

    def catch_up(self) -> None:
        """Let everything happen that is due; what follows is an action of its own."""
        self._timetable.catch_up()

    # access

    def issue_token(self) -> tuple[str, int]:
        token = f"shpat_{secrets.token_hex(16)}"
        self._tokens[token] = self.clock.monotonic() + self.settings.token_life_s
        return token, int(self.settings.token_life_s)

    def accepts(self, token: str) -> bool:
        return self._tokens.get(token, float("-inf")) > self.clock.monotonic()

    def may(self, scope: str) -> bool:
        """``write_x`` implies ``read_x``."""
        granted = self.profile.scopes
        return scope in granted or (scope.startswith("read_") and f"write_{scope[5:]}" in granted)

    # catalogue

    def add_product(
        self,
        title: str,
        vendor: str,
        variants: Iterable[SeedOfVariant],
        *,
        status: str = "ACTIVE",
        product_id: int | None = None,
        visible_at: float | None = None,
    ) -> Product:
        now = self.clock.now()
        product = Product(product_id or self.next_id(), title, vendor, status, now, now)
        self.products[product.id] = product
        for seed in variants:
            self._add_variant(product, seed)
        self.catalogue_changed(product, visible_at=visible_at, topic="PRODUCTS_CREATE")
        return product

    def add_variant(self, product: Product, seed: SeedOfVariant) -> Variant:
        variant = self._add_variant(product, seed)
        self.catalogue_changed(product, [variant])
        return variant

    def _add_variant(self, product: Product, seed: SeedOfVariant) -> Variant:
        now = self.clock.now()
        item = InventoryItem(seed.inventory_item_id or self.next_id(), now, now, tracked=seed.tracked)
        options = tuple(SelectedOption(name, value) for name, value in seed.options)
        variant = Variant(
            seed.variant_id or self.next_id(),
            product,
            seed.sku,
            seed.title,
            options,
            seed.price,
            item,
            now,
            now,
            seed.policy,
        )
        item.variant = variant
        item.levels = {place.id: InventoryLevel(item, place, now) for place in self.locations}
        self.variants[variant.id] = variant
        self.items[item.id] = item
        product.variants.append(variant)
        self.set_stock(variant, seed.available)
        return variant

    def remove_variant(self, variant: Variant) -> None:
        """A product that loses its last variant goes with it."""
        product = variant.product
        if product.variants == [variant]:
            self.remove_product(product)
            return
        self._forget(variant)
        self.catalogue_changed(product, [])

    def remove_product(self, product: Product) -> None:
        for variant in tuple(product.variants):
            self._forget(variant)
        del self.products[product.id]
        self.product_index.put(product.id, None, self._searchable_at())
        self.news.product_gone(product)

    def _forget(self, variant: Variant) -> None:
        variant.product.variants.remove(variant)
        del self.variants[variant.id], self.items[variant.inventory_item.id]
        self.variant_index.put(variant.id, None, self._searchable_at())

    def set_stock(self, variant: Variant, available: int, location: Location | None = None) -> None:
        """Set ``available`` at one location; without one, at the warehouse, and 0 everywhere else."""
        now = self.clock.now()
        warehouse = self.locations[1]
        changed = []
        for level in variant.inventory_item.levels.values():
            if location not in (None, level.location):
                continue
            wanted = available if location is not None or level.location is warehouse else 0
            if level.quantity("available") != wanted:
                level.put("available", wanted, now)
                changed.append(level)
        variant.inventory_item.updated_at = now
        self.stock_changed(changed)

    def location(self, location_id: str) -> Location | None:
        """By its global id, also one that is not active."""
        return next((place for place in self.locations if place.gid == location_id), None)

    def stock_changed(self, levels: Iterable[InventoryLevel]) -> None:
        """Tell of levels whose quantities have changed; those of deleted variants concern nobody."""
        touches = self.settings.stock_touches_products
        if not (touches or self.webhooks.wants("INVENTORY_LEVELS_UPDATE")):
            return
        changed = dict.fromkeys(level for level in levels if level.item.id in self.items)
        self.news.levels(changed)
        if touches:
            for product in dict.fromkeys(level.item.variant.product for level in changed if level.item.tracked):
                product.updated_at = self.clock.now()
                self.product_index.put(product.id, product_entry(product), self._searchable_at())
                self.news.product("PRODUCTS_UPDATE", product)

    def item_changed(self, item: InventoryItem) -> None:
        item.updated_at = self.clock.now()
        self.news.item(item)

    def catalogue_changed(
        self,
        product: Product,
        variants: Iterable[Variant] | None = None,
        *,
        visible_at: float | None = None,
        topic: str = "PRODUCTS_UPDATE",
    ) -> None:
        """Stamp a product and the given variants (all of them when None), index them after the search lag, and tell."""
        now = self.clock.now()
        visible = self._searchable_at() if visible_at is None else visible_at
        product.updated_at = now
        for variant in product.variants if variants is None else variants:
            variant.updated_at = now
        for variant in product.variants:
            self.variant_index.put(variant.id, variant_entry(variant), visible)
        self.product_index.put(product.id, product_entry(product), visible)
        self.news.product(topic, product)

    def with_sku(self, sku: str) -> list[Variant]:
        return [variant for variant in self.variants.values() if variant.sku == sku]

    # orders

    def add_order(self, order: Order) -> None:
        self.orders[order.id] = order
        self.fulfillment_orders |= {part.id: part for part in order.fulfillment_orders}
        for metafield in order.metafields:
            if metafield.type == "id":
                self._by_value.setdefault((metafield.namespace, metafield.key, metafield.value), []).append(order)
            definition = self.definitions.find("ORDER", metafield.namespace, metafield.key)
            if definition is not None:
                definition.metafields_count += 1
        self.stock_changed(claim.level for claim in order.claims)
        self.order_changed(order, "ORDERS_CREATE")

    def remove_order(self, order: Order) -> None:
        """Delete an order by hand; Shopify deletes canceled ones only, so one that is not is canceled first."""
        self.cancel_now(order, "OTHER", restock=True)
        del self.orders[order.id]
        for part in order.fulfillment_orders:
            del self.fulfillment_orders[part.id]
        for metafield in order.metafields:
            if metafield.type == "id":
                self._by_value[metafield.namespace, metafield.key, metafield.value].remove(order)
            definition = self.definitions.find("ORDER", metafield.namespace, metafield.key)
            if definition is not None:
                definition.metafields_count -= 1
        self.order_index.put(order.id, None, self._searchable_at())
        self.news.order_gone(order)

    def holders_of(self, namespace: str, key: str, value: str) -> list[Order]:
        """Orders that carry this ``id`` value, oldest first."""
        return self._by_value.get((namespace, key, value), [])

    def order_changed(self, order: Order, *topics: str) -> None:
        self.order_index.put(order.id, order_entry(order), self._searchable_at())
        self.news.order(order, *topics)

    def cancel(self, order: Order, reason: str, *, restock: bool) -> Job:
        """Cancel asynchronously: the job is handed out now and done a moment later."""
        job = Job(gid("Job", self.next_id()))
        self.jobs[job.gid] = job

        def take_effect() -> None:
            self.cancel_now(order, reason, restock=restock)
            job.done = True

        self.at(_CANCEL_TAKES_S, take_effect)
        return job

    def cancel_now(self, order: Order, reason: str, *, restock: bool) -> None:
        if order.cancelled_at is not None:
            return
        now = self.clock.now()
        release(order.claims, now, restock=restock)
        order.cancelled_at = order.updated_at = now
        order.cancel_reason = reason
        order.restocked = restock
        self.stock_changed(claim.level for claim in order.claims)
        self.order_changed(order, "ORDERS_CANCELLED", "ORDERS_UPDATED")

    def nodes(self, kind: str, number: int) -> Any:
        homes: dict[str, Mapping[int, Any]] = {
            "Order": self.orders,
            "FulfillmentOrder": self.fulfillment_orders,
            "Product": self.products,
            "ProductVariant": self.variants,
            "InventoryItem": self.items,
            "Location": {place.id: place for place in self.locations},
        }
        if kind == "BulkOperation":
            return self.bulk.get(number)
        if kind == "WebhookSubscription":
            return self.webhooks.subscriptions.get(number)
        return homes.get(kind, {}).get(number)

    def _searchable_at(self) -> float:
        return self.clock.monotonic() + self.settings.search_lag_s
