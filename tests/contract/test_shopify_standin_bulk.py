"""Bulk operations of the Shopify stand-in: what they accept, how they go on, and the file they leave."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from graphql import build_schema, parse, validate

from orderbridge_standins.shopify.schema import schema_text
from orderbridge_standins.shopify.wire import ConnectionCut
from tests.support.shopify_standin import (
    MUG_SKU,
    SHOP,
    TEE,
    TEE_SKU,
    StandinClient,
    served_shopify_standin,
    shopify_standin,
)
from tests.support.step import until

CONTRACTS = Path(__file__).parents[3] / "shared" / "contracts" / "shopify"
needs_contracts = pytest.mark.skipif(not CONTRACTS.is_dir(), reason=f"no {CONTRACTS}: Shopify's schema is not here")

FIELDS = """id sku title updatedAt inventoryPolicy selectedOptions { name value } inventoryItem { id tracked }
  product { id title status updatedAt }"""
VARIANTS = f"{{ productVariants {{ edges {{ node {{ {FIELDS} }} }} }} }}"
NESTED = "{ products { edges { node { id title variants { edges { node { id sku } } } } } } }"
RUN = """
mutation Run($query: String!, $grouped: Boolean! = false) {
  bulkOperationRunQuery(query: $query, groupObjects: $grouped) {
    bulkOperation { id status type createdAt completedAt objectCount fileSize url }
    userErrors { code field message }
  }
}
"""
READ = """
query Read($id: ID!) {
  bulkOperation(id: $id) {
    id status type query errorCode completedAt objectCount rootObjectCount fileSize url partialDataUrl
  }
}
"""
CANCEL = """
mutation Cancel($id: ID!) {
  bulkOperationCancel(id: $id) { bulkOperation { id status } userErrors { field message } }
}
"""
CURRENT = "{ currentBulkOperation { id status } }"


@pytest.fixture
async def shop() -> AsyncIterator[StandinClient]:
    async with shopify_standin() as client:
        yield client


async def start(shop: StandinClient, query: str = VARIANTS, **more: Any) -> dict[str, Any]:
    payload: dict[str, Any] = (await shop.data(RUN, query=query, **more))["bulkOperationRunQuery"]
    return payload


async def read(shop: StandinClient, gid: str) -> dict[str, Any]:
    operation: dict[str, Any] = (await shop.data(READ, id=gid))["bulkOperation"]
    return operation


async def ended(shop: StandinClient, query: str = VARIANTS, **more: Any) -> dict[str, Any]:
    """An operation that was started and had its time."""
    started = await start(shop, query, **more)
    assert started["userErrors"] == []
    shop.clock.advance(0.2)
    return await read(shop, started["bulkOperation"]["id"])


def lines_of(answer: httpx.Response) -> list[dict[str, Any]]:
    assert answer.status_code == 200
    assert answer.text.endswith("\n") or not answer.text
    return [json.loads(line) for line in answer.text.split("\n")[:-1]]


async def exported(shop: StandinClient, query: str = VARIANTS, **more: Any) -> list[dict[str, Any]]:
    return lines_of(await shop.http.get((await ended(shop, query, **more))["url"]))


# what is written


async def test_an_export_writes_every_variant_as_a_paged_query_reads_it(shop: StandinClient) -> None:
    paged: list[dict[str, Any]] = []
    after, more = None, True
    while more:
        query = f"""query($after: String) {{ productVariants(first: 250, after: $after) {{
          nodes {{ {FIELDS} }} pageInfo {{ hasNextPage endCursor }} }} }}"""
        page = (await shop.data(query, after=after))["productVariants"]
        paged += page["nodes"]
        after, more = page["pageInfo"]["endCursor"], page["pageInfo"]["hasNextPage"]

    assert await exported(shop) == paged
    assert len(paged) == 300


async def test_an_operation_goes_from_created_over_running_to_completed(shop: StandinClient) -> None:
    started = (await start(shop))["bulkOperation"]
    shop.clock.advance(0.1)
    running = await read(shop, started["id"])
    shop.clock.advance(0.1)
    completed = await read(shop, started["id"])

    assert (started["status"], started["type"], started["url"], started["objectCount"]) == (
        "CREATED",
        "QUERY",
        None,
        "0",
    )
    assert (running["status"], running["url"], running["completedAt"]) == ("RUNNING", None, None)
    assert (completed["status"], completed["errorCode"]) == ("COMPLETED", None)
    assert (completed["objectCount"], completed["rootObjectCount"]) == ("300", "300")
    assert completed["query"] == VARIANTS
    assert completed["completedAt"] is not None
    assert completed["fileSize"] == str(len((await shop.http.get(completed["url"])).content))


async def test_how_long_an_operation_takes_is_a_setting(shop: StandinClient) -> None:
    await shop.control("POST", "settings", bulk_takes_s=60)

    assert (await ended(shop))["status"] == "CREATED"
    shop.clock.advance(60)
    assert (await shop.data(CURRENT))["currentBulkOperation"]["status"] == "COMPLETED"


async def test_nested_nodes_are_lines_of_their_own_that_name_their_parent(shop: StandinClient) -> None:
    operation = await ended(shop, NESTED)
    lines = lines_of(await shop.http.get(operation["url"]))

    products = [line for line in lines if "__parentId" not in line]
    variants = [line for line in lines if "__parentId" in line]
    assert (operation["objectCount"], operation["rootObjectCount"]) == (str(len(lines)), str(len(products)))
    assert all(line.keys() == {"id", "title"} for line in products)
    assert {line["__parentId"] for line in variants} == {line["id"] for line in products}
    assert next(line for line in variants if line["id"] == TEE) == {
        "id": TEE,
        "sku": TEE_SKU,
        "__parentId": products[0]["id"],
    }


async def test_children_lie_below_their_parent_only_when_that_is_asked_for(shop: StandinClient) -> None:
    def strays(lines: list[dict[str, Any]]) -> int:
        last, count = None, 0
        for line in lines:
            last = line["id"] if "__parentId" not in line else last
            count += line.get("__parentId", last) != last
        return count

    loose, grouped = await exported(shop, NESTED), await exported(shop, NESTED, grouped=True)

    assert strays(loose) > 0
    assert strays(grouped) == 0
    assert sorted(map(json.dumps, loose)) == sorted(map(json.dumps, grouped))


async def test_a_connection_inside_an_object_of_a_node_names_that_node_as_its_parent(shop: StandinClient) -> None:
    inner = 'inventoryLevels { edges { node { quantities(names: ["available"]) { quantity } } } }'
    query = (
        f'{{ productVariants(query: "sku:{TEE_SKU}") {{ edges {{ node {{ id inventoryItem {{ id {inner} }} }} }} }} }}'
    )
    shop.clock.advance(2)

    variant, *levels = await exported(shop, query)

    assert variant["inventoryItem"].keys() == {"id"}
    assert [level["__parentId"] for level in levels] == [TEE] * 3
    assert sum(level["quantities"][0]["quantity"] for level in levels) >= 500


async def test_every_line_is_one_line_whatever_a_title_holds(shop: StandinClient) -> None:
    title = 'Mug "Zoë"\n\u2028 50 % / 🫖'
    await shop.control("POST", "products", title=title, variants=[{"sku": "ODD"}])

    lines = await exported(shop)

    assert [line["product"]["title"] for line in lines if line["sku"] == "ODD"] == [title]


async def test_nothing_to_export_is_no_file(shop: StandinClient) -> None:
    empty = {"shop": SHOP, "client_id": "demo-client", "client_secret": "demo-secret", "variants": 0}
    await shop.http.post("/_control/shops", json=empty)
    await shop.sign_in()

    operation = await ended(shop)

    assert operation["status"] == "COMPLETED"
    assert (operation["objectCount"], operation["fileSize"], operation["url"]) == ("0", None, None)


async def test_a_file_shows_the_shop_as_it_was_when_the_operation_began_to_run(shop: StandinClient) -> None:
    started = (await start(shop))["bulkOperation"]
    await shop.control("POST", "products", title="Early", variants=[{"sku": "BEFORE-IT-RAN"}])
    shop.clock.advance(0.1)
    await shop.control("POST", "products", title="Late", variants=[{"sku": "WHILE-IT-RAN"}])
    await shop.control("PATCH", f"variants/{MUG_SKU}", sku="RENAMED-WHILE-IT-RAN")
    shop.clock.advance(0.1)

    url = (await read(shop, started["id"]))["url"]
    skus = {line["sku"] for line in lines_of(await shop.http.get(url))}

    assert {"BEFORE-IT-RAN", MUG_SKU} <= skus
    assert not {"WHILE-IT-RAN", "RENAMED-WHILE-IT-RAN"} & skus


# what is refused


@pytest.fixture(scope="module")
def recorded() -> dict[str, Any]:
    recorded: dict[str, Any] = json.loads((CONTRACTS / "recorded_responses.json").read_text(encoding="utf-8"))["bulk"]
    return recorded


LEVELS = "{0}: inventoryLevels {{ edges {{ node {{ id }} }} }}"
DEEP = """{ products { edges { node { id variants { edges { node { id inventoryItem { inventoryLevels { edges { node {
  id item { variants { edges { node { id } } } } } } } } } } } } } } }"""
MANY = f"""{{ productVariants {{ edges {{ node {{ id inventoryItem {{
  {" ".join(LEVELS.format(name) for name in "abcde")} }} }} }} }} }}"""


@needs_contracts
@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("{ products { nodes { id } } }", "nodes_not_allowed"),
        (DEEP, "depth"),
        (MANY, "count"),
        ("{ products { edges { node { title variants { edges { node { id } } } } } } }", "parent_id"),
        ("{ products { edges { node { id: title variants { edges { node { id } } } } } } }", "parent_id"),
    ],
)
async def test_a_query_that_may_not_run_in_bulk_is_refused_as_recorded(
    shop: StandinClient, recorded: dict[str, Any], query: str, name: str
) -> None:
    payload = await start(shop, query)

    assert payload["bulkOperation"] is None
    assert payload["userErrors"] == [{"code": "INVALID", "field": ["query"], "message": recorded[name]}]


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("{ shop { id } }", "Bulk queries must contain at least one connection."),
        ("{ products { edges { cursor } } }", "All connection fields in a bulk query"),
        ("{ products { edges { node { id } } pageInfo { hasNextPage } } }", "All connection fields in a bulk query"),
        (
            "{ products { edges { node { id wrong } } } }",
            "Invalid bulk query: Field 'wrong' doesn't exist on type 'Product'",
        ),
        ("{ products { edges { node { id", "Invalid bulk query: "),
        ("", "Invalid bulk query: "),
        (
            'mutation { orderCancel(orderId: "1", reason: OTHER, restock: true) { job { id } } }',
            "Invalid operation type.",
        ),
        ("query($first: Int) { products(first: $first) { edges { node { id } } } }", "Invalid bulk query: variables"),
        ('{ node(id: "gid://shopify/Product/1") { id } }', "Bulk queries cannot contain a top level `node` field."),
    ],
)
async def test_what_is_no_bulk_query_is_refused(shop: StandinClient, query: str, message: str) -> None:
    payload = await start(shop, query)

    assert payload["bulkOperation"] is None
    assert {(error["code"], *error["field"]) for error in payload["userErrors"]} == {("INVALID", "query")}
    assert payload["userErrors"][0]["message"].startswith(message)


async def test_fragments_are_read_like_what_they_stand_for(shop: StandinClient) -> None:
    query = """{ productVariants { edges { node { ...V ... on Node { id } } } } }
      fragment V on ProductVariant { sku product { id } product { title } }"""

    assert (await exported(shop, query))[0].keys() == {"id", "sku", "product"}
    assert (await exported(shop, query))[0]["product"].keys() == {"id", "title"}


async def test_a_sixth_operation_at_a_time_is_refused_and_named_what_runs(shop: StandinClient) -> None:
    running = [(await start(shop))["bulkOperation"]["id"] for _ in range(5)]

    sixth = await start(shop)
    shop.clock.advance(0.2)

    assert sixth["bulkOperation"] is None
    [error] = sixth["userErrors"]
    assert (error["code"], error["field"]) == ("OPERATION_IN_PROGRESS", None)
    assert error["message"].startswith("A bulk query operation for this app and shop is already in progress: ")
    assert all(gid in error["message"] for gid in running)
    assert (await start(shop))["userErrors"] == []


async def test_how_many_run_at_a_time_is_a_setting(shop: StandinClient) -> None:
    await shop.control("POST", "settings", bulk_at_once=1)
    await start(shop)

    assert [error["code"] for error in (await start(shop))["userErrors"]] == ["OPERATION_IN_PROGRESS"]


async def test_a_running_operation_can_be_cancelled_and_leaves_no_file(shop: StandinClient) -> None:
    gid = (await start(shop))["bulkOperation"]["id"]

    asked = (await shop.data(CANCEL, id=gid))["bulkOperationCancel"]
    shop.clock.advance(0.2)
    again = (await shop.data(CANCEL, id=gid))["bulkOperationCancel"]
    unknown = (await shop.data(CANCEL, id="gid://shopify/BulkOperation/1"))["bulkOperationCancel"]

    assert asked == {"bulkOperation": {"id": gid, "status": "CANCELING"}, "userErrors": []}
    operation = await read(shop, gid)
    assert (operation["status"], operation["url"]) == ("CANCELED", None)
    assert again["userErrors"][0]["field"] is None
    assert unknown["userErrors"] == [{"field": ["id"], "message": "Bulk operation does not exist"}]


async def test_an_app_without_the_scope_gets_a_failed_operation(shop: StandinClient) -> None:
    asked = {"shop": SHOP, "client_id": "demo-client", "client_secret": "demo-secret", "scopes": ["read_orders"]}
    await shop.http.post("/_control/shops", json=asked)
    await shop.sign_in()

    operation = await ended(shop)

    assert (operation["status"], operation["errorCode"], operation["url"]) == ("FAILED", "ACCESS_DENIED", None)


async def test_starting_one_costs_ten_points_and_reading_it_one(shop: StandinClient) -> None:
    started = await shop.run(RUN, query=VARIANTS)
    gid = started["data"]["bulkOperationRunQuery"]["bulkOperation"]["id"]

    assert started["extensions"]["cost"]["requestedQueryCost"] == 10
    assert (await shop.run(READ, id=gid))["extensions"]["cost"]["requestedQueryCost"] == 1


# the file


async def test_the_file_lies_at_the_address_that_the_request_came_in_on(shop: StandinClient) -> None:
    gid = (await ended(shop))["id"]
    asked = {"query": READ, "variables": {"id": gid}}
    path = f"/{SHOP}/admin/api/2026-10/graphql.json"

    other = await shop.http.post(f"http://127.0.0.1:9402{path}", json=asked, headers=shop.headers)

    assert other.json()["data"]["bulkOperation"]["url"].startswith(f"http://127.0.0.1:9402/{SHOP}/bulk/")
    assert (await read(shop, gid))["url"].startswith(f"http://shopify.example/{SHOP}/bulk/")


async def test_the_address_of_a_file_is_its_only_key_and_is_gone_after_a_week(shop: StandinClient) -> None:
    operation = await ended(shop)
    with_address = await shop.http.get(operation["url"], headers={})
    guessed = await shop.http.get(f"/{SHOP}/bulk/{'0' * 32}.jsonl")

    shop.clock.advance(7 * 24 * 3600)
    await shop.sign_in()
    expired = await read(shop, operation["id"])

    assert (with_address.status_code, guessed.status_code) == (200, 404)
    assert (expired["status"], expired["url"]) == ("EXPIRED", None)
    assert (await shop.http.get(operation["url"])).status_code == 404


@pytest.mark.parametrize("code", ["INTERNAL_SERVER_ERROR", "TIMEOUT"])
async def test_an_operation_may_be_told_to_fail_once(shop: StandinClient, code: str) -> None:
    await shop.control("POST", "trouble", kind="bulk_fail", error_code=code)

    failed, completed = await ended(shop), await ended(shop)

    assert (failed["status"], failed["errorCode"], failed["url"]) == ("FAILED", code, None)
    assert (await shop.http.get(failed["partialDataUrl"])).status_code == 200
    assert completed["status"] == "COMPLETED"


async def test_a_download_may_be_cut_half_way_once(shop: StandinClient) -> None:
    url = (await ended(shop))["url"]
    await shop.control("POST", "trouble", kind="bulk_cut")
    await shop.data(CURRENT)

    with pytest.raises(ConnectionCut):
        await shop.http.get(url)

    assert len(lines_of(await shop.http.get(url))) == 300


async def test_a_download_meets_trouble_of_its_own_and_none_of_the_apis(shop: StandinClient) -> None:
    url = (await ended(shop))["url"]
    await shop.control("POST", "trouble", kind="throttled")
    await shop.control("POST", "trouble", kind="error502", operation="download")

    statuses = [(await shop.http.get(url)).status_code for _ in range(2)]

    assert statuses == [502, 200]
    assert (await shop.run(CURRENT))["errors"][0]["extensions"]["code"] == "THROTTLED"


async def test_over_a_real_socket_a_file_streams_and_a_cut_one_breaks_off_inside_a_line() -> None:
    async with served_shopify_standin() as shop:
        await shop.control("POST", "settings", bulk_takes_s=0.02)
        gid = (await start(shop))["bulkOperation"]["id"]

        async def url() -> Any:
            return (await read(shop, gid))["url"]

        address = await until(url)
        whole = lines_of(await shop.http.get(address))
        await shop.control("POST", "trouble", kind="bulk_cut")
        part = bytearray()
        with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
            await _download_into(part, shop, address)

    assert len(whole) == 300
    assert part.count(b"\n") > 100
    assert not part.endswith((b"}", b"\n"))


async def _download_into(part: bytearray, shop: StandinClient, address: str) -> None:
    async with shop.http.stream("GET", address) as answer:
        async for chunk in answer.aiter_bytes():
            part += chunk


# the contract


@needs_contracts
def test_what_is_asked_here_is_valid_on_shopifys_schema_and_on_the_cut() -> None:
    shopifys = (CONTRACTS / "admin_subset_2026-10.nodesc.graphql").read_text(encoding="utf-8")
    paged = VARIANTS.replace("productVariants", "productVariants(first: 9)")
    for schema in (build_schema(shopifys), build_schema(schema_text())):
        for document in (RUN, READ, CANCEL, CURRENT, paged):
            assert [error.message for error in validate(schema, parse(document))] == []
