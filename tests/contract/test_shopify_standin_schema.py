"""The stand-in's schema is a strict subset of Shopify's, and its refusals are the recorded ones."""

import json
import re
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLSchema,
    build_schema,
    parse,
    validate,
)
from graphql.type import is_required_argument, is_required_input_field

from orderbridge_standins.shopify.schema import schema_text
from tests.support.shopify_standin import CREATE, SHOP, TEE, StandinClient, line, order, shopify_standin, tax, usd

REPOSITORY = Path(__file__).parents[2]
CONTRACTS = REPOSITORY.parent / "shared" / "contracts" / "shopify"
CLIENT = REPOSITORY / "libs" / "common" / "orderbridge" / "shopify"

needs_contracts = pytest.mark.skipif(not CONTRACTS.is_dir(), reason=f"no {CONTRACTS}: Shopify's schema is not here")


@pytest.fixture
async def shop() -> AsyncIterator[StandinClient]:
    async with shopify_standin() as client:
        yield client


@pytest.fixture(scope="module")
def full() -> GraphQLSchema:
    return build_schema((CONTRACTS / "admin_subset_2026-10.graphql").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def cut() -> GraphQLSchema:
    return build_schema(schema_text())


@pytest.fixture(scope="module")
def recorded() -> dict[str, Any]:
    recorded: dict[str, Any] = json.loads((CONTRACTS / "recorded_responses.json").read_text(encoding="utf-8"))
    return recorded


# the subset


def own_types(schema: GraphQLSchema) -> dict[str, GraphQLNamedType]:
    return {name: kind for name, kind in schema.type_map.items() if not name.startswith("__")}


def differences(cut: GraphQLSchema, full: GraphQLSchema) -> Iterator[str]:
    """Everything in the cut that the original has not, or has otherwise."""
    theirs = own_types(full)
    for name, ours in own_types(cut).items():
        if name not in theirs or type(ours) is not type(theirs[name]):
            yield f"{name} is invented"
            continue
        match ours, theirs[name]:
            case GraphQLEnumType() as a, GraphQLEnumType() as b:
                yield from (f"{name}.{value} is invented" for value in a.values if value not in b.values)
            case GraphQLInputObjectType() as a, GraphQLInputObjectType() as b:
                yield from input_differences(a, b)
            case (GraphQLObjectType() | GraphQLInterfaceType()) as a, (
                GraphQLObjectType() | GraphQLInterfaceType()
            ) as b:
                yield from field_differences(a, b, set(own_types(cut)))
    for ours_directive in cut.directives:
        original = full.get_directive(ours_directive.name)
        if original is None or shapes(original.args) != shapes(ours_directive.args):
            yield f"@{ours_directive.name} differs"
        elif original.locations != ours_directive.locations:
            yield f"@{ours_directive.name} stands elsewhere"


def input_differences(ours: GraphQLInputObjectType, theirs: GraphQLInputObjectType) -> Iterator[str]:
    if ours.is_one_of != theirs.is_one_of:
        yield f"{ours.name} differs in @oneOf"
    for name, field in ours.fields.items():
        original = theirs.fields.get(name)
        if original is None:
            yield f"{ours.name}.{name} is invented"
        elif shape(field) != shape(original):
            yield f"{ours.name}.{name} differs"
    for name, field in theirs.fields.items():
        if is_required_input_field(field) and name not in ours.fields:
            yield f"{ours.name}.{name} is required and missing"


def field_differences(
    ours: GraphQLObjectType | GraphQLInterfaceType, theirs: GraphQLObjectType | GraphQLInterfaceType, kept: set[str]
) -> Iterator[str]:
    expected = {interface.name for interface in theirs.interfaces if interface.name in kept}
    if {interface.name for interface in ours.interfaces} != expected:
        yield f"{ours.name} implements other interfaces"
    for name, field in ours.fields.items():
        original = theirs.fields.get(name)
        if original is None or str(field.type) != str(original.type):
            yield f"{ours.name}.{name} is invented or of another type"
            continue
        if field.deprecation_reason != original.deprecation_reason:
            yield f"{ours.name}.{name} differs in its deprecation"
        for key, argument in field.args.items():
            if key not in original.args or shape(argument) != shape(original.args[key]):
                yield f"{ours.name}.{name}({key}:) is invented or differs"
        for key, argument in original.args.items():
            if is_required_argument(argument) and key not in field.args:
                yield f"{ours.name}.{name}({key}:) is required and missing"


def shapes(arguments: Mapping[str, Any]) -> dict[str, tuple[str, str, str | None]]:
    return {name: shape(argument) for name, argument in arguments.items()}


def shape(argument: Any) -> tuple[str, str, str | None]:
    default = argument.ast_node.default_value if argument.ast_node else None
    return str(argument.type), str(default and default.to_dict()), argument.deprecation_reason


@needs_contracts
def test_nothing_in_the_schema_is_invented_or_changed(cut: GraphQLSchema, full: GraphQLSchema) -> None:
    assert list(differences(cut, full)) == []
    assert set(own_types(cut)) < set(own_types(full))


@needs_contracts
@pytest.mark.parametrize(
    ("original", "planted", "complaint"),
    [
        ("sku: String\n", "sku: String!\n", "ProductVariant.sku"),
        ("enum CountPrecision {", "enum CountPrecision {\n  ROUGHLY", "CountPrecision.ROUGHLY"),
        ("type Job {", "type Job {\n  owner: String", "Job.owner"),
        ("notifyCustomer: Boolean = false", "notifyCustomer: Boolean = true", "Mutation.orderCancel(notifyCustomer:)"),
        ("  delta: Int!\n  inventoryItemId", "  inventoryItemId", "InventoryChangeInput.delta"),
        ("on FIELD", "on FIELD | MUTATION", "@idempotent"),
    ],
)
def test_a_planted_difference_is_seen(full: GraphQLSchema, original: str, planted: str, complaint: str) -> None:
    text = schema_text()
    assert original in text

    found = list(differences(build_schema(text.replace(original, planted)), full))

    assert any(complaint in each for each in found), found


@needs_contracts
def test_the_licence_of_the_schema_lies_beside_it() -> None:
    home = REPOSITORY / "libs" / "standins" / "orderbridge_standins" / "shopify"
    original = (CONTRACTS / "SCHEMA_LICENSE.txt").read_text(encoding="utf-8")

    assert (home / "SCHEMA_LICENSE.txt").read_text(encoding="utf-8") == original


def client_documents() -> list[Path]:
    return sorted((CLIENT / "documents").glob("*.graphql"))


def test_the_client_has_documents() -> None:
    assert not CLIENT.is_dir() or client_documents(), f"no documents under {CLIENT}"


@pytest.mark.parametrize("path", client_documents(), ids=lambda path: path.stem)
def test_what_our_client_asks_is_valid_on_the_cut(cut: GraphQLSchema, path: Path) -> None:
    assert [error.message for error in validate(cut, parse(path.read_text(encoding="utf-8")))] == []


# the recorded refusals


def without_about(recorded: dict[str, Any]) -> list[dict[str, Any]]:
    errors: list[dict[str, Any]] = recorded["errors"]
    return errors


@needs_contracts
async def test_an_unknown_input_field_is_refused_as_recorded(shop: StandinClient, recorded: dict[str, Any]) -> None:
    quantities: dict[str, Any] = {"name": "available", "reason": "correction", "quantities": []}
    given = {**quantities, "ignoreCompareQuantity": True}
    mutation = """mutation($input: InventorySetQuantitiesInput!, $key: String!) {
      inventorySetQuantities(input: $input) @idempotent(key: $key) { userErrors { code } } }"""

    body = await shop.run(mutation, input=given, key="k")

    [expected] = without_about(recorded["transport"]["invalid_variable"])
    expected["extensions"]["value"] = given
    assert body == {"errors": [expected]}


async def test_the_american_spelling_of_the_inventory_option_is_refused(shop: StandinClient) -> None:
    body = await shop.run(CREATE, order=order(), options={"inventoryBehavior": "BYPASS"})

    assert body["errors"][0]["extensions"]["code"] == "INVALID_VARIABLE"
    assert "inventoryBehavior (Field is not defined on OrderCreateOptionsInput)" in body["errors"][0]["message"]
    assert "data" not in body


async def test_a_value_that_an_enum_does_not_have_is_named_with_those_it_has(shop: StandinClient) -> None:
    body = await shop.run(CREATE, order=order(), options={"inventoryBehaviour": "OBEY"})

    assert body["errors"][0]["extensions"]["problems"] == [
        {
            "path": ["inventoryBehaviour"],
            "explanation": 'Expected "OBEY" to be one of: BYPASS, DECREMENT_IGNORING_POLICY, DECREMENT_OBEYING_POLICY',
        }
    ]


async def test_an_undefined_field_is_refused_as_recorded(shop: StandinClient) -> None:
    body = await shop.run("mutation X { orderCancel(orderId: 1, reason: OTHER, restock: true) { job { code } } }")

    assert body == {
        "errors": [
            {
                "message": "Field 'code' doesn't exist on type 'Job'",
                "path": ["mutation X", "orderCancel", "job", "code"],
                "extensions": {"code": "undefinedField", "typeName": "Job", "fieldName": "code"},
            }
        ]
    }


@needs_contracts
async def test_a_missing_argument_is_refused_as_recorded(shop: StandinClient, recorded: dict[str, Any]) -> None:
    body = await shop.run("mutation { orderCreate { userErrors { message } } }")

    assert body["errors"] == without_about(recorded["transport"]["missing_required_argument"])


@needs_contracts
@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("no_line_items", order(lineItems=[])),
        ("unknown_variant_without_title", order(line("gid://shopify/ProductVariant/1"))),
    ],
)
async def test_an_order_is_refused_with_the_recorded_user_errors(
    shop: StandinClient, recorded: dict[str, Any], name: str, given: dict[str, Any]
) -> None:
    payload = await shop.create(given)

    expected = [{"code": None, **error} for error in recorded["orderCreate.userErrors"][name]["value"]]
    assert payload == {"order": None, "userErrors": expected}


@needs_contracts
async def test_out_of_stock_is_refused_as_recorded(shop: StandinClient, recorded: dict[str, Any]) -> None:
    payload = await shop.create(order(line(quantity=100_000)), "DECREMENT_OBEYING_POLICY")

    assert payload == {
        "order": None,
        "userErrors": recorded["orderCreate.userErrors"]["out_of_stock_DENY_policy"]["value"],
    }


async def test_a_blank_tax_rate_and_two_kinds_of_customer_are_refused_by_their_codes(shop: StandinClient) -> None:
    no_rate = await shop.create(order(line(taxLines=[tax("1.00", rate="")])))
    two = await shop.create(
        order(customer={"toAssociate": {"email": "a@b.example"}}, customerId="gid://shopify/Customer/1")
    )

    assert [(e["code"], e["field"]) for e in no_rate["userErrors"]] == [
        ("TAX_LINE_RATE_MISSING", ["order", "lineItems", "0", "taxLines", "0", "rate"])
    ]
    assert [(e["code"], e["field"]) for e in two["userErrors"]] == [("REDUNDANT_CUSTOMER_FIELDS", ["order"])]


async def test_a_tax_line_without_a_rate_is_not_even_a_valid_input(shop: StandinClient) -> None:
    rateless = {key: value for key, value in tax("1.00").items() if key != "rate"}

    body = await shop.run(CREATE, order=order(line(taxLines=[rateless])))

    assert body["errors"][0]["extensions"]["problems"] == [
        {"path": ["lineItems", 0, "taxLines", 0, "rate"], "explanation": "Expected value to not be null"}
    ]


@needs_contracts
async def test_a_look_up_without_its_definition_is_refused_as_recorded(
    shop: StandinClient, recorded: dict[str, Any]
) -> None:
    query = """{ found: orderByIdentifier(identifier:
      {customId: {namespace: "$app", key: "amazon_order_id", value: "1"}}) { id } }"""

    body = await shop.run(query)

    expected = recorded["custom_id"]["no_definition"]
    text = json.dumps({"errors": expected["errors"], "data": expected["data"]}).replace("<alias>", "found")
    assert {"errors": body["errors"], "data": body["data"]} == json.loads(text)


SET = """mutation($input: InventorySetQuantitiesInput!) {
  inventorySetQuantities(input: $input) { userErrors { code } } }"""
ADJUST = """mutation($input: InventoryAdjustQuantitiesInput!) {
  inventoryAdjustQuantities(input: $input) { userErrors { code } } }"""
PLACE = {"inventoryItemId": "gid://shopify/InventoryItem/46000010000000", "locationId": "gid://shopify/Location/61002"}


@needs_contracts
async def test_a_stock_change_without_its_key_is_refused_as_recorded(
    shop: StandinClient, recorded: dict[str, Any]
) -> None:
    line = {**PLACE, "quantity": 4, "changeFromQuantity": None}

    body = await shop.run(SET, input={"name": "available", "reason": "correction", "quantities": [line]})

    expected = recorded["inventory"]["missing_idempotent_directive_2026_04+"]
    assert {"errors": body["errors"], "data": body["data"]} == {
        "errors": expected["errors"],
        "data": expected["data"],
    }


@needs_contracts
async def test_a_stock_change_without_what_it_changes_from_is_refused_as_recorded(
    shop: StandinClient, recorded: dict[str, Any]
) -> None:
    line = {**PLACE, "delta": 4}

    body = await shop.run(ADJUST, input={"name": "available", "reason": "correction", "changes": [line]})

    assert body["errors"] == recorded["inventory"]["missing_changeFromQuantity_2026_04+"]["errors"]


async def test_the_idempotency_directive_must_stand_on_the_field(shop: StandinClient) -> None:
    body = await shop.run(SET.replace("Input!) {", 'Input!) @idempotent(key: "k") {'), input={})

    assert body["errors"][0]["extensions"] == {"code": "directiveCannotBeApplied"}


async def test_an_answer_names_the_version_it_was_made_by(shop: StandinClient) -> None:
    retired = await shop.post("{ shop { id } }", "2024-10")

    assert retired.headers["X-Shopify-API-Version"] == "2026-10"


async def test_every_field_of_the_cut_that_an_order_has_can_be_read(shop: StandinClient, cut: GraphQLSchema) -> None:
    address = {"firstName": "Ada", "lastName": "Example", "address1": "1 Sample St", "city": "Seattle"}
    given = order(
        line(TEE, 2, taxLines=[tax("1.00")], properties=[{"name": "_item", "value": "1"}]),
        shippingAddress={**address, "provinceCode": "WA", "zip": "98101", "countryCode": "US", "phone": "+12065550100"},
        shippingLines=[{"title": "Standard", "priceSet": usd("4.99")}],
        transactions=[{"amountSet": usd("30.99")}],
    )
    made = (await shop.create(given))["order"]

    everything = selection(cut, "Order", depth=4)
    read = (await shop.data(f"query($id: ID!) {{ order(id: $id) {everything} }}", id=made["id"]))["order"]

    assert read["displayFinancialStatus"] == "PAID"
    assert read["shippingAddress"]["name"] == "Ada Example"
    assert read["lineItems"]["nodes"][0]["variant"]["id"] == TEE
    assert read["lineItems"]["nodes"][0]["variant"]["product"]["title"] == "Classic T-Shirt"


ARGUMENTS = {
    "metafield": '(namespace: "$app", key: "amazon_order_id")',
    "inventoryLevel": '(locationId: "gid://shopify/Location/61002")',
    "quantities": '(names: ["available"])',
}


def selection(schema: GraphQLSchema, name: str, depth: int) -> str:
    kind = schema.type_map[name]
    assert isinstance(kind, GraphQLObjectType)
    parts = []
    for key, field in kind.fields.items():
        inner = re.sub(r"[\[\]!]", "", str(field.type))
        arguments = "(first: 1)" if "first" in field.args else ARGUMENTS.get(key, "")
        if not isinstance(schema.type_map[inner], (GraphQLObjectType, GraphQLInterfaceType)):
            parts.append(key)
        elif depth > 0:
            parts.append(f"{key}{arguments} {selection(schema, inner, depth - 1)}")
    return "{ __typename " + " ".join(parts) + " }"


async def test_a_foreign_path_or_shop_is_not_found(shop: StandinClient) -> None:
    answers = [
        await shop.http.post("/nobody.myshopify.com/admin/api/2026-10/graphql.json", json={"query": "{ shop { id } }"}),
        await shop.http.post(f"/{SHOP}/admin/api/2026-10/orders.json", json={}),
    ]

    assert [answer.status_code for answer in answers] == [404, 404]
