"""The mapping table as a file: in, all or nothing; tried before; out again."""

from __future__ import annotations

from typing import Any

import httpx

from orderbridge.errors import Unavailable
from orderbridge.topics import SKU_MAPPINGS
from orderbridge_api.actions import Caller, import_mappings
from orderbridge_api.actions.desk import Desk
from tests.support.step import published, rows

from .support import Api, problem
from .test_connections import body
from .test_mappings import announced, connected, hold, mapping, put

__all__ = ["connected"]

HEADER = "amazon_sku,shopify_sku,units,valid_from,valid_until"
URL = "/v1/sku-mappings.csv"


def file(*lines: str) -> bytes:
    return "\r\n".join((HEADER, *lines, "")).encode()


async def send(api: Api, sent: bytes, **more: Any) -> httpx.Response:
    query = {"connection": "main"} | more.pop("query", {})
    headers = {"Content-Type": "text/csv"} | more.pop("headers", {})
    return await api.client.post(URL, content=sent, params=query, headers=headers)


async def taken(api: Api, sent: bytes, **query: Any) -> dict[str, Any]:
    answer = await send(api, sent, query=query)
    assert answer.status_code == 200, answer.text
    said: dict[str, Any] = answer.json()
    return said


async def exported(api: Api) -> str:
    answer = await api.client.get(URL, params={"connection": "main"})
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"] == 'attachment; filename="sku-mappings-main.csv"'
    return answer.text


KIT = file("KIT,MUG,1,,", "KIT,LID,2,,", 'B,"MUG",1,2026-11-20T13:00:00+01:00,')


async def test_a_file_changes_what_it_names_and_nothing_else(api: Api) -> None:
    for sku, said in (("A", mapping("MUG")), ("B", mapping("LID")), ("C", mapping("MUG"))):
        await put(api, sku, said)
    said = await taken(api, file("KIT,MUG,1,,", "KIT,LID,2,,", "B,MUG,3,,", "C,MUG,1,,"))
    assert said == {
        "preview": False,
        "rows": 4,
        "mappings": 3,
        "new": 1,
        "changed": 1,
        "unchanged": 1,
        "waiting_orders": 0,
        "errors": [],
        "warnings": [],
    }
    events = (await published(api.store, SKU_MAPPINGS))[3:]
    assert [(event["amazon_sku"], event["rev"], len(event["targets"])) for event in events] == [
        ("KIT", 1, 2),
        ("B", 2, 1),
    ]
    assert (await api.client.get("/v1/sku-mappings/main/A")).json()["rev"] == 1


async def test_what_is_exported_is_imported_without_a_change(api: Api) -> None:
    await put(api, '-1%2F2, "x"', mapping("=LID", "'MUG"))
    await taken(api, KIT)
    text = await exported(api)
    assert text.splitlines() == [
        HEADER,
        '"\'-1/2, ""x""",\'=LID,1,,',
        '"\'-1/2, ""x""",\'MUG,1,,',
        "B,MUG,1,2026-11-20T12:00:00Z,",
        "KIT,MUG,1,,",
        "KIT,LID,2,,",
    ]
    said = await taken(api, text.encode())
    assert (said["new"], said["changed"], said["unchanged"]) == (0, 0, 3)
    await api.client.delete("/v1/sku-mappings/main/KIT")
    assert "KIT" not in await exported(api)
    assert (await taken(api, text.encode()))["new"] == 1
    assert await exported(api) == text


async def test_an_empty_table_is_exported_as_its_header(api: Api) -> None:
    assert await exported(api) == HEADER + "\r\n"


async def test_a_preview_says_what_would_happen_and_changes_nothing(api: Api) -> None:
    await put(api, "B", mapping("LID"))
    await hold(api, 1, "KIT", "B")
    await hold(api, 2, "KIT")
    await hold(api, 3, "KIT", "OTHER")
    before = await announced(api), await exported(api)
    said = await taken(api, KIT, preview="true")
    assert (said["preview"], said["new"], said["changed"], said["waiting_orders"]) == (True, 1, 1, 1)
    assert (await announced(api), await exported(api)) == before
    assert await taken(api, KIT) == said | {"preview": False}


async def test_mappings_of_one_file_free_an_order_together(api: Api) -> None:
    await hold(api, 1, "KIT", "CUP")
    await hold(api, 2, "KIT", "GONE")
    api.shops.sell("CUP")
    said = await taken(api, file("KIT,MUG,1,,", "CUP,CUP,1,,", "GONE,GONE,1,,"))
    assert said["waiting_orders"] == 1
    assert [(each["code"], each["shopify_sku"]) for each in said["warnings"]] == [("mapping_target_missing", "GONE")]


BROKEN = file("KIT,MUG,0,,", "=1,MUG,1,,", "C,MUG,1,,")


async def test_a_file_with_a_mistake_is_refused_whole_with_every_line_and_column(api: Api) -> None:
    said = problem(await send(api, BROKEN), 422, "invalid_request")
    assert [(error["field"], error["value"]) for error in said["errors"]] == [
        ("line 2, units", "0"),
        ("line 3, amazon_sku", "=1"),
    ]
    assert "preview" in said["remedy"]
    assert await announced(api) == []


async def test_a_preview_of_a_file_with_mistakes_names_them_too(api: Api) -> None:
    said = await taken(api, BROKEN, preview="true")
    assert [(error["line"], error["column"], error["value"]) for error in said["errors"]] == [
        (2, "units", "0"),
        (3, "amazon_sku", "=1"),
    ]
    assert (said["rows"], said["mappings"], said["new"]) == (3, 1, 1)
    assert await announced(api) == []


async def test_another_header_or_encoding_is_refused_with_its_place(api: Api) -> None:
    for sent, field in (
        (b"", "line 1, amazon_sku"),
        (b"sku,units\r\n", "line 1, amazon_sku"),
        (file("T\u00e4,MUG,1,,").decode().encode("latin-1"), "line 2, amazon_sku"),
    ):
        [error] = problem(await send(api, sent), 422, "invalid_request")["errors"]
        assert error["field"] == field


async def test_a_file_for_an_unknown_connection_is_refused_by_its_name(api: Api) -> None:
    for answer in (
        await send(api, KIT, query={"connection": "nobody"}),
        await api.client.get(URL, params={"connection": "nobody"}),
    ):
        [error] = problem(answer, 422, "invalid_request")["errors"]
        assert (error["field"], error["value"]) == ("connection", "nobody")
    problem(await api.client.post(URL, content=KIT, headers={"Content-Type": "text/csv"}), 422, "invalid_request")
    assert await rows(api.store, "select 1 from sku_mappings") == []


KINDS = {
    "text/csv": 200,
    "Text/CSV; charset=UTF-8": 200,
    "application/octet-stream": 200,
    "application/vnd.ms-excel": 200,
    "text/csv; charset=iso-8859-1": 415,
    "application/json": 415,
    "application/x-www-form-urlencoded": 415,
    "multipart/form-data; boundary=x": 415,
}


async def test_a_file_says_that_it_is_csv(api: Api) -> None:
    for kind, status in KINDS.items():
        answer = await send(api, KIT, headers={"Content-Type": kind})
        assert answer.status_code == status
        if status == 415:
            assert "text/csv" in problem(answer, 415, "unsupported_media_type")["remedy"]


async def test_a_file_may_be_larger_than_other_bodies_and_has_its_bound(api: Api) -> None:
    rows_of_300_kib = [f"SKU-{number:05},MUG,1,," for number in range(16_000)]
    assert (await taken(api, file(*rows_of_300_kib), preview="true"))["new"] == 16_000
    said = problem(await send(api, b" " * (8 * 1024 * 1024 + 1)), 413, "body_too_large")
    assert "8192 KiB" in said["detail"]

    async def chunks() -> Any:
        for _ in range(9):
            yield b" " * 1024 * 1024

    answer = await api.client.post(
        URL, content=chunks(), params={"connection": "main"}, headers={"Content-Type": "text/csv"}
    )
    problem(answer, 413, "body_too_large")


async def test_one_key_has_one_effect_and_a_preview_has_none(api: Api) -> None:
    once = {"Idempotency-Key": "k1"}
    previewed = await send(api, KIT, query={"preview": "true"}, headers=once)
    first = await send(api, KIT, headers=once)
    assert (previewed.json()["new"], first.json()["new"]) == (2, 2)
    assert (await send(api, KIT, headers=once)).json() == first.json()
    assert (await send(api, KIT)).json()["unchanged"] == 2
    problem(await send(api, file(), headers=once), 422, "idempotency_key_reused")
    await api.client.post("/v1/connections", json=body(connection_id="other"))
    answer = await send(api, KIT, query={"connection": "other"}, headers=once)
    problem(answer, 422, "idempotency_key_reused")
    assert len(await announced(api)) == 2


async def test_each_target_is_looked_up_once_and_those_that_orders_wait_for_first(api: Api) -> None:
    await hold(api, 1, "SKU-119")
    await hold(api, 2, "SKU-119", "OTHER")
    await hold(api, 3, "SKU-119", connection="other")
    await put(api, "KNOWN", mapping("LID"))
    api.shops.sell("P-19")
    api.shops.asked.clear()
    lines = [f"SKU-{number},P-{number % 100},1,," for number in range(120)]
    assert (await taken(api, file("KNOWN,LID,1,,", *lines)))["waiting_orders"] == 1
    assert api.shops.asked[0] == "P-19"
    assert sorted(api.shops.asked) == sorted(f"P-{number}" for number in range(100))


async def test_a_shop_that_is_away_is_no_reason_not_to_import(api: Api) -> None:
    api.shops.trouble = Unavailable("invented.myshopify.com answered 502")
    said = await taken(api, KIT)
    assert (said["new"], [each["code"] for each in said["warnings"]]) == (2, ["not_checked"])


async def test_an_import_waits_for_a_slow_shop_no_longer_than_its_patience(api: Api) -> None:
    asked = api.shops.with_skus

    async def slower_and_slower(*given: Any) -> Any:
        if api.shops.asked:
            raise TimeoutError
        return await asked(*given)

    api.shops.with_skus = slower_and_slower  # type: ignore[method-assign, assignment]
    lines = [f"SKU-{number},P-{number},1,," for number in range(60)]
    desk = Desk(api.store, api.shops, look_up_s=5)
    answer = await import_mappings(desk, Caller("Ada", "operator"), "main", file(*lines), False, None)
    assert answer.body.count("mapping_target_missing") == 50
    assert "10 SKUs were not looked up in Shopify (the shop gives no more answers in 5 s)" in answer.body
