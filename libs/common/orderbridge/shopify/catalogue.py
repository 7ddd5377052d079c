"""Reading variants. Every answer is read tolerantly: a word of Shopify's that we do not know never raises."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from .client import Client
from .tokens import Shop

PRODUCTS_A_PAGE: Final = 9
VARIANTS_A_PRODUCT: Final = 40
VARIANT_COST: Final = 2
"""The variant and its inventory item; its product is one more where it is asked for."""
PAGE_COST: Final = 2 + PRODUCTS_A_PAGE * (1 + 2 + VARIANTS_A_PRODUCT * VARIANT_COST)
"""749: with the reserve of reads it must fit into the smallest bucket seen, 1000 points."""
REST_A_PAGE: Final = 250
IDS_A_CALL: Final = 250
SKUS_A_SEARCH: Final = 50
HITS_A_PAGE: Final = 250


@dataclass(frozen=True, slots=True)
class Variant:
    """A variant as Shopify shows it now. ``updated_at`` is the later one of its own time and its product's."""

    variant_id: str
    product_id: str
    sku: str | None
    title: str
    product_title: str
    options: tuple[tuple[str, str], ...]
    status: str
    """The product's: ACTIVE, DRAFT, ARCHIVED, or a word that Shopify added since."""
    inventory_item_id: str
    tracked: bool
    policy: str
    """DENY, CONTINUE, or a word that Shopify added since."""
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Page:
    """Products' variants in order of the products' last change.

    ``next`` is the cursor of the following page, None on the last; ``newest`` is the last change of the newest product
    on this page, by Shopify's clock, None when there are none.
    """

    variants: tuple[Variant, ...]
    next: str | None
    newest: datetime | None


class CatalogueReader(Client):
    """The shop's variants: page by page, by SKU, by id."""

    async def variants_page(
        self, shop: Shop, after: str | None = None, *, updated_since: datetime | None = None
    ) -> Page:
        """One page of products with all their variants; resend the same ``updated_since`` with every cursor.

        A product that changes meanwhile moves to the end, so it is seen again rather than missed. The index behind
        ``updated_since`` lags after writes: overlap.
        """
        query = None if updated_since is None else f"updated_at:>='{_utc(updated_since)}'"
        variables = {
            "first": PRODUCTS_A_PAGE,
            "variants": VARIANTS_A_PRODUCT,
            "after": after,
            "query": query,
        }
        data = await self.execute(shop, "products_page", variables, cost=PAGE_COST)
        products = data.get("products") or {}
        variants: list[Variant] = []
        changes: list[datetime] = []
        for product in _nodes(products):
            changes.append(time_of(product.get("updatedAt")))
            variants += _variants_of(product.get("variants") or {}, product)
            if (cursor := next_cursor(product.get("variants"))) is not None:
                variants += await self._further_variants(shop, product, cursor)
        return Page(tuple(variants), next_cursor(products), max(changes, default=None))

    async def _further_variants(self, shop: Shop, product: Mapping[str, Any], after: str) -> list[Variant]:
        """The variants of one product from a cursor on (a product may have 2048)."""
        variants: list[Variant] = []
        cursor: str | None = after
        while cursor is not None:
            variables = {"ids": [product.get("id")], "first": REST_A_PAGE, "after": cursor}
            cost = 1 + 2 + REST_A_PAGE * VARIANT_COST
            data = await self.execute(shop, "product_variants", variables, cost=cost)
            node = next(iter(data.get("nodes") or ()), None)
            connection = (node or {}).get("variants") or {}
            variants += _variants_of(connection, product)
            cursor = next_cursor(connection)
        return variants

    async def find_by_sku(self, shop: Shop, skus: Sequence[str]) -> dict[str, list[Variant]]:
        """All variants whose SKU equals each of the given ones (trimmed, case kept), by the SKU as given.

        At most 50 SKUs. Shopify's search is only a sieve: it folds case, splits words and finds neighbours, and its
        index lags after writes, so a variant that was renamed within the last seconds can be missing.
        """
        if len(skus) > SKUS_A_SEARCH:
            raise ValueError(f"at most {SKUS_A_SEARCH} SKUs a search, not {len(skus)}")
        wanted = {sku: sku.strip() for sku in skus}
        terms = sorted({trimmed for trimmed in wanted.values() if trimmed})
        by_sku: dict[str, list[Variant]] = {}
        for variant in await self._search(shop, terms) if terms else ():
            by_sku.setdefault((variant.sku or "").strip(), []).append(variant)
        return {sku: by_sku.get(trimmed, []) if trimmed else [] for sku, trimmed in wanted.items()}

    async def _search(self, shop: Shop, skus: Sequence[str]) -> Iterable[Variant]:
        query = " OR ".join(f"sku:{quoted(sku)}" for sku in skus)
        found: dict[str, Variant] = {}
        first = min(HITS_A_PAGE, 10 + 4 * len(skus))
        cursor: str | None = None
        while True:
            variables = {"query": query, "first": first, "after": cursor}
            data = await self.execute(shop, "variants_by_search", variables, cost=2 + first * (VARIANT_COST + 1))
            connection = data.get("productVariants") or {}
            found.update((variant.variant_id, variant) for variant in standalone(_nodes(connection)))
            if (cursor := next_cursor(connection)) is None:
                return found.values()
            first = HITS_A_PAGE

    async def variants_by_id(self, shop: Shop, variant_ids: Sequence[str]) -> dict[str, Variant]:
        """The variants by their ids, read consistently; one that is gone is not in the answer."""
        found: dict[str, Variant] = {}
        for ids in chunks(variant_ids, IDS_A_CALL):
            data = await self.execute(shop, "variants_by_id", {"ids": ids}, cost=len(ids) * (VARIANT_COST + 1))
            nodes = [node for node in data.get("nodes") or () if node]
            found.update((variant.variant_id, variant) for variant in standalone(nodes))
        return found

    async def variants_of_product(self, shop: Shop, product_id: str) -> list[Variant]:
        """The variants that the product has now, read consistently; none when it is gone."""
        variables = {"ids": [product_id], "first": VARIANTS_A_PRODUCT}
        cost = 1 + 2 + VARIANTS_A_PRODUCT * VARIANT_COST
        data = await self.execute(shop, "product_by_id", variables, cost=cost)
        product = next(iter(data.get("nodes") or ()), None)
        if not isinstance(product, Mapping) or not product.get("id"):
            return []
        variants = _variants_of(product.get("variants") or {}, product)
        if (cursor := next_cursor(product.get("variants"))) is not None:
            variants += await self._further_variants(shop, product, cursor)
        return variants


def quoted(value: str) -> str:
    """A value of Shopify's search syntax, in double quotes, with those and backslashes escaped."""
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def chunks(values: Iterable[str], size: int) -> Iterator[list[str]]:
    """The distinct values in their order, ``size`` at a time."""
    distinct = list(dict.fromkeys(values))
    for start in range(0, len(distinct), size):
        yield distinct[start : start + size]


def next_cursor(connection: Mapping[str, Any] | None) -> str | None:
    page = (connection or {}).get("pageInfo") or {}
    cursor = page.get("endCursor")
    return cursor if page.get("hasNextPage") and isinstance(cursor, str) else None


def _nodes(connection: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [node for node in connection.get("nodes") or () if isinstance(node, Mapping)]


def _variants_of(connection: Mapping[str, Any], product: Mapping[str, Any]) -> list[Variant]:
    return [_variant(node, product) for node in _nodes(connection) if node.get("id")]


def standalone(nodes: Iterable[Mapping[str, Any]]) -> list[Variant]:
    """Variants that each carry their product."""
    return [_variant(node, node.get("product") or {}) for node in nodes if node.get("id")]


def _variant(node: Mapping[str, Any], product: Mapping[str, Any]) -> Variant:
    item = node.get("inventoryItem") or {}
    return Variant(
        variant_id=str(node["id"]),
        product_id=str(product.get("id", "")),
        sku=node.get("sku"),
        title=str(node.get("title") or ""),
        product_title=str(product.get("title") or ""),
        options=tuple(
            (str(option.get("name", "")), str(option.get("value", ""))) for option in node.get("selectedOptions") or ()
        ),
        status=str(product.get("status") or ""),
        inventory_item_id=str(item.get("id", "")),
        tracked=bool(item.get("tracked", True)),
        policy=str(node.get("inventoryPolicy") or "DENY"),
        updated_at=max(time_of(node.get("updatedAt")), time_of(product.get("updatedAt"))),
    )


def time_of(text: object) -> datetime:
    """Shopify's RFC 3339 time; the beginning of time when it gives none that can be read."""
    try:
        read = datetime.fromisoformat(str(text))
    except ValueError:
        return datetime.min.replace(tzinfo=UTC)
    return read if read.tzinfo else read.replace(tzinfo=UTC)


def _utc(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
