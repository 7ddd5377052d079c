"""Looking for a variant as a person does: by some words of its title, or by the beginning of its SKU."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from .catalogue import VARIANT_COST, Variant, quoted, standalone
from .client import Client
from .tokens import Shop

_WORD: Final = re.compile(r"[^\W_]+")
_PLAIN: Final = re.compile(r"[^\W_][\w.-]*")
"""A SKU that can stand unquoted, so that a prefix can be asked for; nothing in it is syntax."""


class VariantSearch(Client):
    """The shop's own search, for a person to choose from: what it finds is no match."""

    async def search_variants(self, shop: Shop, text: str, first: int = 20) -> list[Variant]:
        """At most ``first`` variants, those whose SKU is just the text before all others, then as Shopify ranks them.

        The index behind it lags after writes. A text without a letter or digit finds nothing, and asks nobody.
        """
        query = search_query(text)
        if query is None:
            return []
        variables = {"query": query, "first": first}
        data = await self.execute(shop, "variants_by_words", variables, cost=2 + first * (VARIANT_COST + 1))
        connection = data.get("productVariants") or {}
        found = standalone([node for node in connection.get("nodes") or () if isinstance(node, Mapping)])
        return sorted(found, key=lambda variant: (variant.sku or "").strip() != text.strip())


def search_query(text: str) -> str | None:
    """Shopify's search syntax for a person's words; None when there is nothing to look for.

    Either the text is a SKU, or the beginning of one, or each of its words begins a word of the variant. Nothing that
    was typed acts as syntax: a word followed by an asterisk is no connective.
    """
    words = _WORD.findall(text)
    if not words:
        return None
    whole = " ".join(text.split())
    ways = [f"sku:{quoted(whole)}"]
    if _PLAIN.fullmatch(whole):
        ways.append(f"sku:{whole}*")
    ways.append("(" + " ".join(f"{word}*" for word in words) + ")")
    return " OR ".join(ways)
