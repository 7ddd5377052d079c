"""SKU mappings by REST: written, read, listed and removed, and how many orders each change frees."""

from __future__ import annotations

import asyncio
import importlib
import json
from typing import Any

import httpx
import pytest

from orderbridge.errors import Blocked, Throttled, Unavailable
from orderbridge.events import ImportedLine, LineMatch, Reason
from orderbridge.ids import ce_id_of
from orderbridge.topics import SKU_MAPPINGS
from orderbridge_api.actions import Caller, put_mapping
from orderbridge_api.actions.desk import Desk
from orderbridge_api.app import republish_all
from orderbridge_api.domain.mappings import MappingBody
from tests.support.facts import at, imported, matched, unmatched
from tests.support.step import rows

from .support import Api, problem
from .test_connections import body

MAPPING = {"targets": [{"shopify_sku": "MUG", "units": 2}], "valid_from": None, "valid_until": None}


@pytest.fixture(autouse=True)
async def connected(api: Api) -> None:
    """One connection, in whose shop MUG and LID are sold."""
    await api.client.post("/v1/connections", json=body())
    api.shops.sell("MUG", "LID")


def mapping(*targets: str, **more: Any) -> dict[str, Any]:
    return {"targets": [{"shopify_sku": sku, "units": 1} for sku in targets], **more}


async def put(api: Api, sku: str, said: Any = MAPPING, **more: Any) -> httpx.Response:
    answer = await api.client.put(f"/v1/sku-mappings/main/{sku}", json=said, **more)
    assert answer.status_code in (200, 201), answer.text
    return answer


async def announced(api: Api) -> list[tuple[str, str, str | None]]:
    """Key, id and value of what is to be published on the mappings' topic."""
    found = await rows(
        api.store,
        "select key, ce_id, convert_from(payload, 'utf-8') as value from outbox where topic = :t order by id",
        t=SKU_MAPPINGS,
    )
    return [(row["key"], row["ce_id"], row["value"]) for row in found]


async def hold(api: Api, number: int, *skus: str | None, code: str = "sku_not_found", **more: Any) -> str:
    """An order with a matched line, and one held line for each of these SKUs."""
    order_id = f"{more.pop('connection', 'main')}:113-0000000-{number:07}"
    first = imported().lines[0]
    lines = [ImportedLine(order_item_id=str(n), amazon_sku=sku, quantity=1) for n, sku in enumerate(skus, 2)]
    said = Reason(code=code, message="There is none.")
    held = [LineMatch(order_item_id=str(n), amazon_sku=sku, reason=said) for n, sku in enumerate(skus, 2)]
    await api.take(
        imported(order_id=order_id, lines=(first, *lines), **more),
        unmatched(order_id=order_id, reason=said, lines=(*matched().lines, *held)),
    )
    return order_id


# --- one by one


async def test_a_mapping_is_written_published_and_read(api: Api) -> None:
    answer = await put(api, "AMZ-1", {**MAPPING, "valid_from": "2026-11-20T13:00:00+01:00"})
    assert (answer.status_code, answer.headers["location"]) == (201, "/v1/sku-mappings/main/AMZ-1")
    said = answer.json()
    assert (said.pop("waiting_orders"), said.pop("warnings")) == (0, [])
    assert said == (await api.client.get(answer.headers["location"])).json()
    assert (said.pop("updated_at")[-1], said) == (
        "Z",
        {
            "connection_id": "main",
            "amazon_sku": "AMZ-1",
            "targets": [{"shopify_sku": "MUG", "units": 2}],
            "valid_from": "2026-11-20T12:00:00Z",
            "valid_until": None,
            "rev": 1,
            "updated_by": "admin",
        },
    )
    [(key, ce_id, value)] = await announced(api)
    assert (key, ce_id) == ("main:AMZ-1", ce_id_of(SKU_MAPPINGS, "api", "main:AMZ-1", 1))
    assert '"rev":1' in (value or "")
    assert '"units":2' in (value or "")


async def test_a_changed_mapping_is_the_next_revision_and_the_same_again_is_none(api: Api) -> None:
    await put(api, "A")
    changed = await put(api, "A", mapping("LID", "MUG"))
    same = await put(api, "A", mapping("MUG", "LID"))
    assert (changed.status_code, changed.json()["rev"], "location" in changed.headers) == (200, 2, False)
    assert same.json() == changed.json()
    assert [ce_id.rpartition("/")[2] for _, ce_id, _ in await announced(api)] == ["1", "2"]


async def test_a_removed_mapping_is_a_tombstone_and_its_revisions_go_on(api: Api) -> None:
    first = await put(api, "A")
    answer = await api.client.delete("/v1/sku-mappings/main/A")
    assert answer.status_code == 200
    assert answer.json().items() <= first.json().items()
    problem(await api.client.get("/v1/sku-mappings/main/A"), 404, "not_found")
    problem(await api.client.delete("/v1/sku-mappings/main/A"), 404, "not_found")
    assert (await api.client.get("/v1/sku-mappings")).json() == {"items": [], "next": None}
    again = await put(api, "A")
    assert (again.status_code, again.json()["rev"]) == (201, 3)
    said = await announced(api)
    assert [(ce_id.rpartition("/")[2], value is None) for _, ce_id, value in said] == [
        ("1", False),
        ("2", True),
        ("3", False),
    ]


async def test_every_change_is_kept_with_who_made_it(api: Api) -> None:
    await put(api, "A")
    await put(api, "A", mapping("LID"))
    await api.client.delete("/v1/sku-mappings/main/A")
    kept = await rows(
        api.store, "select rev, actor, mapping -> 'targets' as targets, at from sku_mapping_changes order by rev"
    )
    assert [(row["rev"], row["actor"], len(row["targets"]), row["at"] is not None) for row in kept] == [
        (1, "admin", 1, True),
        (2, "admin", 1, True),
        (3, "admin", 0, True),
    ]


SPELLED = {
    "a/b c": "a/b c",
    "d%2Fe%20f": "d/e f",
    "/a//b/": "/a//b/",
    "%20 pad ": "pad",
    "100%25": "100%",
    "a%3Fb%23c%26d=e": "a?b#c&d=e",
    "商品/ÄÖ": "商品/ÄÖ",
    "-1": "-1",
    "=1": "=1",
}


async def test_a_sku_stands_in_an_address_as_it_is_or_encoded(api: Api) -> None:
    for spelled, sku in SPELLED.items():
        answer = await put(api, spelled)
        assert answer.json()["amazon_sku"] == sku
        read = await api.client.get(answer.headers["location"])
        assert (read.status_code, read.json()["amazon_sku"]) == (200, sku)
        assert (await api.client.get(f"/v1/sku-mappings/main/{spelled}")).json() == read.json()
        assert (await api.client.delete(answer.headers["location"])).status_code == 200
    assert [key for key, _, value in await announced(api) if value] == [f"main:{sku}" for sku in SPELLED.values()]


async def test_an_address_with_a_sku_that_cannot_be_is_refused(api: Api) -> None:
    for spelled in ("%20", "%00", "a%09b", "x" * 256, "%FF"):
        address = f"/v1/sku-mappings/main/{spelled}"
        [error] = problem(await api.client.put(address, json=MAPPING), 422, "invalid_request")["errors"]
        assert error["field"] == "amazon_sku"
        problem(await api.client.get(address), 404, "not_found")
        problem(await api.client.delete(address), 404, "not_found")


BODIES = [
    (mapping(), "targets"),
    (mapping("MUG", " MUG "), "targets"),
    ({"targets": [{"shopify_sku": "MUG", "units": 0}]}, "targets.0.units"),
    ({"targets": [{"shopify_sku": "MUG", "units": 1.5}]}, "targets.0.units"),
    ({"targets": [{"shopify_sku": "a\ud800", "units": 1}]}, "targets.0.shopify_sku"),
    (mapping("MUG", valid_from="2026-11-20T12:00:00Z", valid_until="2026-11-20T12:00:00Z"), "valid_until"),
]


async def test_a_body_that_makes_no_sense_names_its_field_and_changes_nothing(api: Api) -> None:
    headers = {"Content-Type": "application/json"}
    for said, field in BODIES:
        answer = await api.client.put("/v1/sku-mappings/main/A", content=json.dumps(said), headers=headers)
        [error] = problem(answer, 422, "invalid_request")["errors"]
        assert error["field"] == field
    assert await announced(api) == []


async def test_an_unknown_connection_is_named_and_nothing_is_kept(api: Api) -> None:
    answer = problem(await api.client.put("/v1/sku-mappings/other/A", json=MAPPING), 404, "not_found")
    assert "connection other" in answer["detail"]
    problem(await api.client.delete("/v1/sku-mappings/other/A"), 404, "not_found")
    assert await announced(api) == []


async def test_one_key_has_one_effect(api: Api) -> None:
    once = {"Idempotency-Key": "k1"}
    first = await put(api, "A", headers=once)
    await put(api, "A", mapping("LID"))
    again = await put(api, "A", headers=once)
    assert (again.status_code, again.json()) == (201, first.json())
    answer = await api.client.put("/v1/sku-mappings/main/B", json=MAPPING, headers=once)
    problem(answer, 422, "idempotency_key_reused")
    once = {"Idempotency-Key": "k2"}
    removed = [await api.client.delete("/v1/sku-mappings/main/A", headers=once) for _ in range(2)]
    assert [answer.status_code for answer in removed] == [200, 200]
    assert len(await announced(api)) == 3


async def test_changes_at_the_same_time_are_made_one_after_the_other(api: Api) -> None:
    said = [mapping("MUG", valid_from=f"2026-11-{day:02}T00:00:00Z") for day in range(1, 9)]
    answers = await asyncio.gather(*(put(api, "A", each) for each in said))
    assert sorted(answer.json()["rev"] for answer in answers) == list(range(1, 9))
    assert sorted(answer.status_code for answer in answers) == [200] * 7 + [201]
    assert [ce_id.rpartition("/")[2] for _, ce_id, _ in await announced(api)] == [str(rev) for rev in range(1, 9)]


# --- the list


async def pages(api: Api, **query: Any) -> list[str]:
    found: list[str] = []
    cursor = None
    while True:
        answer = await api.client.get("/v1/sku-mappings", params=query | ({"cursor": cursor} if cursor else {}))
        assert answer.status_code == 200, answer.text
        found += [f"{item['connection_id']}:{item['amazon_sku']}" for item in answer.json()["items"]]
        cursor = answer.json()["next"]
        if cursor is None:
            return found


async def test_the_list_goes_through_all_mappings_once_and_takes_filters(api: Api) -> None:
    await api.client.post("/v1/connections", json=body(connection_id="other"))
    for sku in ("b", "A:1", "Ä", "👍", "a/1"):
        await put(api, sku)
    await put(api, "kit", mapping("LID", "Mug_%"))
    await api.client.put("/v1/sku-mappings/other/b", json=MAPPING)
    everything = ["main:A:1", "main:a/1", "main:b", "main:kit", "main:Ä", "main:👍", "other:b"]
    for limit in (1, 3, 7):
        assert await pages(api, limit=limit) == everything
    assert await pages(api, connection="other") == ["other:b"]
    assert await pages(api, connection=["main", "other"], q="B") == ["main:b", "other:b"]
    assert await pages(api, q=" mug_% ") == ["main:kit"]
    assert await pages(api, q="ä", limit=1) == ["main:Ä"]
    assert await pages(api, connection="nobody") == []
    shown = (await api.client.get("/v1/sku-mappings", params={"q": "kit"})).json()["items"]
    assert shown == [(await api.client.get("/v1/sku-mappings/main/kit")).json()]


async def test_a_query_that_makes_no_sense_names_its_field(api: Api) -> None:
    queries: list[dict[str, Any]] = [{"cursor": "x"}, {"limit": 201}, {"colour": "red"}, {"q": "a\0b"}]
    for query in queries:
        said = problem(await api.client.get("/v1/sku-mappings", params=query), 422, "invalid_request")
        assert [error["field"] for error in said["errors"]] == list(query)


# --- which orders it frees


async def test_a_mapping_frees_the_orders_that_only_its_sku_holds(api: Api) -> None:
    await hold(api, 1, "A")
    await hold(api, 2, " A ", "A")
    await hold(api, 3, "A", "B")
    await hold(api, 4, "A", None)
    await hold(api, 5, "a")
    await hold(api, 6, "A", connection="other")
    matched_since = await hold(api, 7, "A")
    await api.take(matched(2, order_id=matched_since))
    revised = await hold(api, 8, "A")
    await api.take(imported(2, order_id=revised))
    assert (await put(api, "A")).json()["waiting_orders"] == 2
    # What has been said already frees nothing more; the matcher's answers are not here yet.
    assert (await put(api, "A")).json()["waiting_orders"] == 0
    assert (await put(api, "A", mapping("LID"))).json()["waiting_orders"] == 2


async def test_an_operators_word_frees_whatever_rule_had_failed(api: Api) -> None:
    codes = (
        "mapping_target_missing",
        "ambiguous_sku",
        "ambiguous_title",
        "variant_missing",
        "sku_changed_after_import",
    )
    for number, code in enumerate(codes):
        await hold(api, number, "A", code=code)
    assert (await put(api, "A")).json()["waiting_orders"] == len(codes)


async def test_a_mapping_frees_only_orders_of_its_days(api: Api) -> None:
    for number, minutes in enumerate((-60, 0, 30, 60, 90)):
        await hold(api, number, "A", purchased_at=at(minutes))
    await hold(api, 9, "A", purchased_at=None)
    days = {"valid_from": at(0).isoformat(), "valid_until": at(60).isoformat()}
    assert (await put(api, "A", mapping("MUG", **days))).json()["waiting_orders"] == 3


async def test_among_many_orders_just_those_that_wait_are_counted(api: Api) -> None:
    for number in range(40):
        await hold(api, number, "A" if number % 4 == 0 else f"OTHER-{number}")
    assert (await put(api, "A")).json()["waiting_orders"] == 10


async def test_an_order_that_is_not_unmatched_has_no_held_skus(api: Api) -> None:
    order_id = await hold(api, 1, "A", "B")
    held = "select held from orders where order_id = :id"
    assert await rows(api.store, held, id=order_id) == [{"held": ["A", "B"]}]
    await api.take(matched(2, order_id=order_id))
    assert await rows(api.store, held, id=order_id) == [{"held": None}]


async def test_the_migration_reads_what_holds_the_orders_that_are_there(api: Api) -> None:
    await hold(api, 1, " A ", "B")
    await hold(api, 2, None)
    await api.take(imported())
    held = "select order_id, held from orders order by order_id"
    before = await rows(api.store, held)
    assert [row["held"] for row in before] == [["A", "B"], [""], None]
    migration = importlib.import_module("orderbridge_api.migrations.versions.0002_mappings")
    async with api.store.engine.begin() as connection:
        await connection.exec_driver_sql("update orders set held = null")
        await connection.exec_driver_sql(migration.STATEMENTS[-1])
    assert await rows(api.store, held) == before


async def test_the_held_skus_are_found_by_an_index(api: Api) -> None:
    async with api.store.engine.begin() as connection:
        await connection.exec_driver_sql("set local enable_seqscan = off")
        plan = await connection.exec_driver_sql("explain select 1 from orders where held ?| array['A']")
        assert "orders_held" in "\n".join(plan.scalars())


# --- what the shop says of the targets


async def test_a_target_that_is_not_sold_is_saved_with_a_warning_and_frees_nothing(api: Api) -> None:
    await hold(api, 1, "A")
    api.shops.sell("TWICE", "TWICE")
    api.shops.sell("OLD", status="ARCHIVED")
    api.shops.sell("NEW", status="DRAFT")
    said = (await put(api, "A", mapping("MUG", "NONE", "TWICE", "OLD", "NEW"))).json()
    assert said["waiting_orders"] == 0
    assert [(each["code"], each["shopify_sku"]) for each in said["warnings"]] == [
        ("mapping_target_missing", "NONE"),
        ("ambiguous_sku", "TWICE"),
        ("mapping_target_archived", "OLD"),
        ("mapping_target_draft", "NEW"),
    ]
    assert all(each["message"].endswith(".") for each in said["warnings"])
    assert len(await announced(api)) == 1


@pytest.mark.parametrize(
    ("trouble", "why"),
    [
        (Blocked("unauthorized", "Shopify refuses the token"), "the connection is unauthorized"),
        (Unavailable("invented.myshopify.com answered 502"), "the shop does not answer now"),
    ],
)
async def test_a_shop_that_does_not_answer_is_no_reason_not_to_save(api: Api, trouble: Exception, why: str) -> None:
    await hold(api, 1, "A")
    api.shops.trouble = trouble
    said = (await put(api, "A")).json()
    [warning] = said["warnings"]
    assert (warning["code"], warning["shopify_sku"], said["waiting_orders"]) == ("not_checked", "MUG", 0)
    assert why in warning["message"]
    assert len(await announced(api)) == 1


async def test_a_shop_out_of_points_is_asked_again_until_patience_ends(api: Api) -> None:
    desk = Desk(api.store, api.shops, look_up_s=0.05)
    api.shops.trouble = Throttled("no points", retry_after_s=0.01)
    said = MappingBody.model_validate(MAPPING)
    answer = await put_mapping(desk, Caller("Ada", "operator"), "main", "A", said, None)
    assert "gives no more answers" in answer.body
    asyncio.get_running_loop().call_later(0.05, setattr, api.shops, "trouble", None)
    assert (await put(api, "B")).json()["warnings"] == []


async def test_the_shop_is_asked_while_no_transaction_is_open(api: Api) -> None:
    seen: list[int] = []
    asked = api.shops.with_skus

    async def counting(*given: Any) -> Any:
        seen.append(api.store.engine.pool.checkedout())  # type: ignore[attr-defined]  # of its queue pool
        return await asked(*given)

    api.shops.with_skus = counting  # type: ignore[method-assign, assignment]
    await put(api, "A")
    assert seen == [0]


# --- variants


async def test_variants_are_searched_live(api: Api) -> None:
    answer = await api.client.get("/v1/variants", params={"connection": "main", "q": "mu"})
    assert [item["shopify_sku"] for item in answer.json()["items"]] == ["MUG"]
    assert set(answer.json()["items"][0]) == {
        "variant_id",
        "product_id",
        "shopify_sku",
        "title",
        "product_title",
        "status",
    }


async def test_a_search_names_a_shop_and_words(api: Api) -> None:
    queries = [
        ({"q": "mug"}, "connection"),
        ({"connection": "main"}, "q"),
        ({"connection": "main", "q": "  "}, "q"),
        ({"connection": "main", "q": "x" * 201}, "q"),
        ({"connection": "nobody", "q": "mug"}, "connection"),
    ]
    for query, field in queries:
        [error] = problem(await api.client.get("/v1/variants", params=query), 422, "invalid_request")["errors"]
        assert error["field"] == field


async def test_a_search_says_when_the_shop_is_closed_to_us_or_away(api: Api) -> None:
    query = {"connection": "main", "q": "mug"}
    for state in ("unauthorized", "misconfigured"):
        api.shops.trouble = Blocked(state, "Shopify refuses the token")
        said = problem(await api.client.get("/v1/variants", params=query), 409, f"connection_{state}")
        assert "/v1/connections/main" in said["remedy"]
    api.shops.trouble = Unavailable("invented.myshopify.com answered 502")
    answer = await api.client.get("/v1/variants", params=query)
    problem(answer, 503, "shop_unavailable")
    assert answer.headers["retry-after"] == "1"


# --- doors


async def test_the_table_is_an_operators(api: Api) -> None:
    async with api.store.transaction() as unit:
        await unit.connection.exec_driver_sql("update api_keys set role = 'viewer'")
    for method, path in [
        ("GET", "/v1/sku-mappings"),
        ("GET", "/v1/sku-mappings.csv?connection=main"),
        ("POST", "/v1/sku-mappings.csv?connection=main"),
        ("PUT", "/v1/sku-mappings/main/A"),
        ("DELETE", "/v1/sku-mappings/main/A"),
        ("GET", "/v1/variants?connection=main&q=mug"),
    ]:
        problem(await api.client.request(method, path), 403, "forbidden")


async def test_republish_says_every_mapping_again_and_what_was_removed(api: Api) -> None:
    await put(api, "A")
    await put(api, "A", mapping("LID"))
    await put(api, "B")
    await api.client.delete("/v1/sku-mappings/main/B")
    before = await announced(api)
    await republish_all(api.store)
    assert (await announced(api))[4:] == [before[1], before[3]]
