"""``orderCreate``: checks, stock and the new order in one effect, or none of it."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from .definitions import UserError
from .fulfillments import fulfillment_orders
from .money import MoneyBag, bag, bag_of_input
from .order_checks import OUT_OF_STOCK, refusals, variant_of
from .orders import Attribute, LineItem, MailingAddress, Metafield, Order, ShippingLine, TaxLine, Transaction
from .shop import Shop
from .stock import Claim, commit, route

_FULFILLED: Final[Mapping[str, str]] = {"FULFILLED": "FULFILLED", "PARTIAL": "PARTIALLY_FULFILLED"}


def create_order(shop: Shop, given: Mapping[str, Any], options: Mapping[str, Any]) -> Order | list[UserError]:
    """Create the order and claim its stock, or say why not; both arguments as coerced by the schema."""
    currency = given.get("currency") or shop.profile.currency
    errors = refusals(shop, given, currency)
    if errors:
        return errors
    claims = _claims(shop, given, options.get("inventoryBehaviour") or "BYPASS")
    if claims is None:
        return [OUT_OF_STOCK]
    now = shop.clock.now()
    order = _order(shop, given, currency, claims, now)
    commit(claims, now)
    shop.add_order(order)
    return order


def _claims(shop: Shop, given: Mapping[str, Any], behaviour: str) -> tuple[Claim, ...] | None:
    if behaviour == "BYPASS":
        return ()
    wanted = [(variant_of(shop, line), line["quantity"]) for line in given["lineItems"]]
    claims = route(wanted, obey_policy=behaviour == "DECREMENT_OBEYING_POLICY")
    return None if claims is None else tuple(claims)


def _order(shop: Shop, given: Mapping[str, Any], currency: str, claims: tuple[Claim, ...], now: datetime) -> Order:
    number = shop.next_number()
    lines = tuple(_line(shop, line, currency) for line in given["lineItems"])
    shipping = tuple(_shipping_line(shop, line) for line in given.get("shippingLines") or ())
    code, off_goods, off_shipping = _discount(given.get("discountCode") or {}, lines, shipping)
    return Order(
        id=shop.next_id(),
        number=number,
        name=given.get("name") or f"#{number}",
        created_at=now,
        processed_at=min(given.get("processedAt") or now, now),
        updated_at=now,
        currency_code=currency,
        presentment_currency_code=given.get("presentmentCurrency") or currency,
        taxes_included=bool(given.get("taxesIncluded")),
        test=bool(given.get("test")),
        email=given.get("email"),
        phone=given.get("phone"),
        note=given.get("note"),
        po_number=given.get("poNumber"),
        source_name=given.get("sourceName") or shop.profile.client_id,
        source_identifier=given.get("sourceIdentifier"),
        tags=tuple(sorted(set(given.get("tags") or ()))),
        custom_attributes=_attributes(given.get("customAttributes"), "key"),
        shipping_address=_address(shop, given.get("shippingAddress")),
        billing_address=_address(shop, given.get("billingAddress")),
        lines=lines,
        shipping=shipping,
        order_tax_lines=_tax_lines(given, currency),
        discount_codes=() if code is None else (code,),
        goods_discount=off_goods,
        shipping_discount=off_shipping,
        payments=tuple(_transaction(shop, payment, now) for payment in given.get("transactions") or ()),
        stated_financial_status=given.get("financialStatus"),
        metafields=tuple(_metafield(shop, metafield, now) for metafield in given.get("metafields") or ()),
        display_fulfillment_status=_FULFILLED.get(given.get("fulfillmentStatus") or "", "UNFULFILLED"),
        visible_at=shop.clock.monotonic() + shop.settings.lookup_lag_s,
        fulfillment_orders=fulfillment_orders(shop, lines, claims, now),
    )


def _line(shop: Shop, given: Mapping[str, Any], currency: str) -> LineItem:
    """A variant's own title and SKU stand in for what was not sent; a dead variant id leaves a custom line."""
    variant = variant_of(shop, given)
    price_set = given.get("priceSet")
    price = bag_of_input(price_set) if price_set else bag(variant.price if variant else Decimal(0), currency)
    default_title = variant.title if variant and variant.title != "Default Title" else None
    return LineItem(
        id=shop.next_id(),
        variant_id=variant.id if variant else None,
        product_id=variant.product.id if variant else None,
        title=given.get("title") or (variant.product.title if variant else ""),
        variant_title=given.get("variantTitle") or default_title,
        sku=given.get("sku") or (variant.sku if variant else None),
        vendor=given.get("vendor") or (variant.product.vendor if variant else None),
        quantity=given["quantity"],
        requires_shipping=bool(given.get("requiresShipping")),
        taxable=given.get("taxable") is not False,
        original_unit_price_set=price,
        custom_attributes=_attributes(given.get("properties"), "name"),
        tax_lines=_tax_lines(given, currency),
    )


def _shipping_line(shop: Shop, given: Mapping[str, Any]) -> ShippingLine:
    price = bag_of_input(given["priceSet"])
    currency = price.shop_money.currency_code
    return ShippingLine(
        shop.next_id(), given["title"], given.get("code"), given.get("source"), price, _tax_lines(given, currency)
    )


def _tax_lines(carrier: Mapping[str, Any], currency: str) -> tuple[TaxLine, ...]:
    return tuple(
        TaxLine(
            tax["title"],
            tax["rate"] or Decimal(0),
            bool(tax.get("channelLiable")),
            _amount(tax.get("priceSet"), currency),
        )
        for tax in carrier.get("taxLines") or ()
    )


def _amount(given: Mapping[str, Any] | None, currency: str) -> MoneyBag:
    return bag(Decimal(0), currency) if given is None else bag_of_input(given)


def _discount(
    given: Mapping[str, Any], lines: Iterable[LineItem], shipping: Iterable[ShippingLine]
) -> tuple[str | None, Decimal, Decimal]:
    """(code, off the goods, off the shipping); an order carries one code, and it takes no more than there is."""
    goods = sum((line.original_total_set.amount for line in lines), Decimal(0))
    if fixed := given.get("itemFixedDiscountCode"):
        amount = bag_of_input(fixed["amountSet"]).amount if fixed.get("amountSet") else Decimal(0)
        return fixed["code"], min(amount, goods), Decimal(0)
    if share := given.get("itemPercentageDiscountCode"):
        percentage = Decimal(str(share.get("percentage") or 0))
        return share["code"], (goods * percentage / 100).quantize(Decimal("0.01")), Decimal(0)
    if free := given.get("freeShippingDiscountCode"):
        freight = sum((line.original_price_set.amount for line in shipping), Decimal(0))
        return free["code"], Decimal(0), freight
    return None, Decimal(0), Decimal(0)


def _transaction(shop: Shop, given: Mapping[str, Any], now: datetime) -> Transaction:
    return Transaction(
        kind=given.get("kind") or "SALE",
        id=shop.next_id(),
        status=given.get("status") or "SUCCESS",
        gateway=given.get("gateway"),
        test=bool(given.get("test")),
        amount_set=bag_of_input(given["amountSet"]),
        created_at=now,
        processed_at=given.get("processedAt") or now,
    )


def _metafield(shop: Shop, given: Mapping[str, Any], now: datetime) -> Metafield:
    namespace = shop.definitions.namespace(given.get("namespace"))
    definition = shop.definitions.find("ORDER", namespace, given["key"])
    kind = given.get("type") or (definition.type.name if definition else "")
    return Metafield(shop.next_id(), namespace, given["key"], kind, given["value"], now)


def _attributes(given: Iterable[Mapping[str, str]] | None, name: str) -> tuple[Attribute, ...]:
    return tuple(Attribute(each[name], each["value"]) for each in given or ())


def _address(shop: Shop, given: Mapping[str, Any] | None) -> MailingAddress | None:
    if given is None:
        return None
    return MailingAddress(
        id=shop.next_id(),
        first_name=given.get("firstName"),
        last_name=given.get("lastName"),
        company=given.get("company"),
        address1=given.get("address1"),
        address2=given.get("address2"),
        city=given.get("city"),
        province_code=given.get("provinceCode"),
        zip=given.get("zip"),
        country_code_v2=given.get("countryCode"),
        phone=given.get("phone"),
    )
