"""The variants of a shop, as an operator sees them when saying what an Amazon SKU is."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from orderbridge.events import Event


class FoundVariant(Event):
    """``status`` is the product's, in Shopify's words."""

    variant_id: str
    product_id: str
    shopify_sku: str | None
    title: str
    product_title: str
    status: str


class VariantsFound(Event):
    items: tuple[FoundVariant, ...]


class MappingWarning(Event):
    """What a mapping that was saved still lacks: its orders wait until that is mended.

    ``mapping_target_missing``, ``mapping_target_archived``, ``mapping_target_draft``, ``ambiguous_sku``, or
    ``not_checked`` for what the shop did not answer; ``shopify_sku`` is null where it is about several.
    """

    code: str
    shopify_sku: str | None
    message: str


@dataclass(frozen=True)
class Checked:
    """What the shop has of each SKU that it was asked for; ``unchecked`` says why others could not be asked for."""

    found: Mapping[str, Sequence[FoundVariant]]
    drafts: bool
    unchecked: str | None = None

    def sells(self, sku: str) -> bool:
        """Whether exactly one variant on sale has the SKU, as far as the shop was asked."""
        return len(self._on_sale(sku)) == 1

    def warning(self, sku: str) -> MappingWarning | None:
        on_sale, known = self._on_sale(sku), self.found.get(sku)
        if known is None or len(on_sale) == 1:
            return None
        if on_sale:
            said = f"{len(on_sale)} variants in Shopify have the SKU {sku}: leave it on one only."
            return MappingWarning(code="ambiguous_sku", shopify_sku=sku, message=said)
        statuses = {variant.status for variant in known}
        if "DRAFT" in statuses:
            said = f"The product with the SKU {sku} is a draft: make it active, or set match_drafts."
            return MappingWarning(code="mapping_target_draft", shopify_sku=sku, message=said)
        if known:
            said = f"The product with the SKU {sku} is not on sale in Shopify ({', '.join(sorted(statuses))})."
            return MappingWarning(code="mapping_target_archived", shopify_sku=sku, message=said)
        said = f"No variant in Shopify has the SKU {sku} yet."
        return MappingWarning(code="mapping_target_missing", shopify_sku=sku, message=said)

    def warnings(self, skus: Iterable[str]) -> list[MappingWarning]:
        distinct = list(dict.fromkeys(skus))
        said = [warning for sku in distinct if (warning := self.warning(sku)) is not None]
        missing = [sku for sku in distinct if sku not in self.found]
        if missing:
            said.append(_not_checked(missing, self.unchecked or "the shop was not asked"))
        return said

    def _on_sale(self, sku: str) -> list[FoundVariant]:
        """As the matcher sees it: never archived, drafts by setting."""
        statuses = ("ACTIVE", "DRAFT") if self.drafts else ("ACTIVE",)
        return [variant for variant in self.found.get(sku, ()) if variant.status in statuses]


def _not_checked(skus: Collection[str], why: str) -> MappingWarning:
    one = next(iter(skus)) if len(skus) == 1 else None
    what = f"The SKU {one} was" if one is not None else f"{len(skus)} SKUs were"
    message = f"{what} not looked up in Shopify ({why}), so the orders that this may free are not counted."
    return MappingWarning(code="not_checked", shopify_sku=one, message=message)
