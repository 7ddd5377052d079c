"""The executable schema: the cut of Shopify's SDL beside this file, with our resolvers attached."""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from functools import cache
from importlib.resources import files
from typing import Any, Final

from graphql import (
    GraphQLError,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLScalarType,
    GraphQLSchema,
    build_schema,
)

from . import bulk_fields, order_fields, shop_fields, stock_fields, webhook_fields
from .money import normalised
from .resolving import RESOLVERS, Resolver

_ANSWERED_IN: Final = (bulk_fields, order_fields, shop_fields, stock_fields, webhook_fields)
"""Imported for their resolvers, which register themselves."""


def schema_text() -> str:
    return (files(__package__) / "schema.graphql").read_text(encoding="utf-8")


@cache
def load_schema() -> GraphQLSchema:
    """The schema, which holds no state; a field is answered by its resolver, else by the attribute of its name."""
    schema = build_schema(schema_text(), assume_valid_sdl=True)
    for kind in schema.type_map.values():
        if kind.name.startswith("__"):
            continue
        if isinstance(kind, GraphQLObjectType):
            for name, field in kind.fields.items():
                resolver = RESOLVERS.get((kind.name, name))
                field.resolve = _attribute(name) if resolver is None else _with_arguments(resolver)
        elif isinstance(kind, GraphQLInterfaceType):
            kind.resolve_type = _kind_of
        elif isinstance(kind, GraphQLScalarType):
            _dress(kind)
    return schema


def _with_arguments(resolver: Resolver) -> Callable[..., Any]:
    def resolve(source: Any, info: Any, **arguments: Any) -> Any:
        return resolver(source, info, arguments)

    return resolve


def _attribute(name: str) -> Callable[[Any, Any], Any]:
    attribute = {"id": "gid", "legacyResourceId": "id"}.get(name) or re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()

    def read(source: Any, _: Any) -> Any:
        return source[name] if isinstance(source, Mapping) else getattr(source, attribute)

    return read


def _kind_of(value: Any, _info: Any, _type: Any) -> str:
    return str(value.kind)


def _dress(scalar: GraphQLScalarType) -> None:
    parsers: dict[str, Callable[[Any], Any]] = {"DateTime": _moment, "Decimal": _decimal, "Money": _decimal}
    printers: dict[str, Callable[[Any], Any]] = {
        "DateTime": _stamp,
        "Decimal": normalised,
        "Money": lambda amount: f"{amount:.2f}",
        "UnsignedInt64": str,
        "URL": str,
    }
    if scalar.name in parsers:
        scalar.coerce_input_value = parsers[scalar.name]
        scalar.parse_value = parsers[scalar.name]  # type: ignore[method-assign,assignment]
    if scalar.name in printers:
        scalar.coerce_output_value = printers[scalar.name]


def _moment(given: Any) -> datetime:
    try:
        moment = datetime.fromisoformat(given)
    except (TypeError, ValueError) as error:
        raise GraphQLError(f"invalid date {given!r}, expected ISO 8601") from error
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def _stamp(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _decimal(given: Any) -> Decimal | None:
    """A decimal from its string; a blank one is none at all, as a tax line shows that lacks its rate."""
    if isinstance(given, str) and not given.strip():
        return None
    if isinstance(given, bool) or not isinstance(given, (str, int, float)):
        raise GraphQLError(f"invalid decimal {given!r}")
    try:
        number = Decimal(str(given))
    except InvalidOperation as error:
        raise GraphQLError(f"invalid decimal {given!r}") from error
    if not number.is_finite():
        raise GraphQLError(f"invalid decimal {given!r}")
    return number
