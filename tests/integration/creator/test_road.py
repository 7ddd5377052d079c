"""From a match to a Shopify order, or to one visible reason, on a real database against the stand-in."""

from __future__ import annotations

from orderbridge.events import Command
from orderbridge.shopify.order_input import DeliveryAddress, PersonalData
from orderbridge.step import republish_facts
from orderbridge_creator.adapters.store import published
from tests.integration.creator.world import World, numbered, tee_match
from tests.support.facts import ORDER, at, imported, unmatched, usd
from tests.support.shopify_standin import TEE, TEE_SKU
from tests.support.step import rows, until


async def test_a_matched_order_is_created_once_with_its_phases_said(world: World) -> None:
    async with world.working():
        await world.order()
        fact = await world.comes_to("created")

    facts = await world.facts()
    assert [one["phase"] for one in facts] == ["planned", "sending", "created"]
    assert [one["seq"] for one in facts] == [1, 2, 3]
    [order] = await world.shop_orders()
    assert order["amazon_order_id"] == "113-1234567-7654321"
    assert (fact["shopify"]["order_id"], fact["shopify"]["name"]) == (order["gid"], order["name"])
    assert (fact["attempts"], fact["imported_seq"], fact["match_seq"]) == (1, 1, 1)
    assert fact["reservation"]["state"] == "claimed"
    assert [line["variant_id"] for line in fact["reservation"]["lines"]] == [TEE]
    assert await world.attempts() == ["accepted"]
    assert await world.creates() == ["accepted"]


async def test_a_match_that_comes_before_its_import_is_not_lost(world: World) -> None:
    await world.address()
    async with world.working():
        await world.deliver(tee_match())
        assert await world.phases() == []
        await world.deliver(imported())
        await world.comes_to("created")


async def test_facts_delivered_again_and_older_ones_change_nothing(world: World) -> None:
    await world.address()
    old = (imported(), tee_match())
    await world.deliver(imported(2), tee_match(seq=2, imported_seq=2))
    await world.deliver(*old)
    async with world.working():
        await world.comes_to("created")
    before = await world.facts()

    await world.deliver(*old, imported(2), tee_match(seq=2, imported_seq=2))
    async with world.working():
        await until(lambda: _no_work(world), what="the work ends")

    assert await world.facts() == before
    assert before[-1]["match_seq"] == 2
    assert await world.creates() == ["accepted"]


async def test_a_match_that_answers_an_older_import_waits_for_the_next(world: World) -> None:
    await world.address()
    await world.deliver(imported(2), tee_match(seq=1, imported_seq=1))
    assert await world.phases() == []

    await world.deliver(tee_match(seq=2, imported_seq=2))

    assert await world.phases() == ["planned"]


async def test_too_little_stock_is_refused_with_what_is_needed_and_what_there_is(world: World) -> None:
    await world.stock(1)
    async with world.working():
        await world.order(quantity=3)
        fact = await world.comes_to("failed")

    assert fact["reason"]["code"] == "unable_to_reserve_inventory"
    assert fact["reason"]["message"] == f"Unable to reserve inventory: {TEE_SKU} needs 3, 1 available."
    [line] = fact["reason"]["details"]["lines"]
    assert (line["needed"], line["available"], line["shopify_sku"]) == (3, 1, TEE_SKU)
    assert fact["reservation"]["state"] == "refused"
    assert await world.shop_orders() == []
    assert [row["state"] for row in await rows(world.creator.store, "select state from reservations")] == ["refused"]


async def test_a_new_match_after_a_refusal_is_a_new_attempt(world: World) -> None:
    await world.stock(0)
    async with world.working():
        await world.order()
        await world.comes_to("failed")
        await world.stock(5)
        await world.deliver(tee_match(seq=2, command_id="c1", mode="retry"))
        fact = await world.comes_to("created")

    assert (fact["attempts"], fact["command_id"], fact["match_seq"]) == (2, "c1", 2)
    assert await world.ends() == {"c1": ("done", "created")}
    assert await world.attempts() == ["refused", "accepted"]


async def test_a_refetch_that_leads_to_an_order_is_done_with_it(world: World) -> None:
    await world.stock(0)
    async with world.working():
        await world.order()
        await world.comes_to("failed")
        await world.stock(5)
        await world.deliver(imported(2, command_id="c1"))
        await world.deliver(tee_match(seq=2, imported_seq=2, command_id="c1", mode="refetch"))
        fact = await world.comes_to("created")

    assert (fact["command_id"], fact["mode"], fact["imported_seq"]) == ("c1", "refetch", 2)
    assert await world.ends() == {"c1": ("done", "created")}


async def test_force_creates_without_stock_and_tags_the_order(world: World) -> None:
    await world.stock(0)
    async with world.working():
        await world.order()
        await world.comes_to("failed")
        await world.deliver(tee_match(seq=2, command_id="c1", mode="force"))
        fact = await world.comes_to("created")

    assert fact["mode"] == "force"
    [order] = await world.shop_orders()
    assert "amazon-forced" in order["tags"]
    assert await world.ends() == {"c1": ("done", "created")}


async def test_a_command_counts_although_a_newer_match_has_replaced_its_own(world: World) -> None:
    await world.stock(0)
    await world.address()
    await world.deliver(imported(), tee_match())
    async with world.working():
        await world.comes_to("failed")
        await world.deliver(imported(2), tee_match(seq=2, command_id="c1", mode="force"))
        await world.deliver(tee_match(seq=3, imported_seq=2))
        fact = await world.comes_to("created")

    assert (fact["match_seq"], fact["mode"], fact["command_id"]) == (3, "force", "c1")
    assert await world.ends() == {"c1": ("done", "created")}


async def test_a_retry_that_fails_again_is_done_with_that_outcome(world: World) -> None:
    await world.stock(0)
    async with world.working():
        await world.order()
        await world.comes_to("failed")
        await world.deliver(tee_match(seq=2, command_id="c1", mode="retry"))
        await until(world.ends, what="the command ends")

    assert await world.ends() == {"c1": ("done", "failed")}
    assert (await world.facts())[-1]["match_seq"] == 2


async def test_commands_that_can_lead_to_nothing_end_with_the_code_of_the_order(world: World) -> None:
    names = {kind: numbered(n) for n, kind in enumerate(("skip", "cancel", "wait", "retry", "force"))}
    await world.deliver(
        imported(order_id=names["skip"], kind="skip", reason="already_shipped"),
        imported(order_id=names["cancel"], kind="cancel", reason="canceled_by_buyer"),
        imported(order_id=names["wait"], kind="wait", reason="awaiting_payment"),
        imported(order_id=names["retry"]),
        imported(order_id=names["force"]),
    )
    await world.deliver(
        *(tee_match(names[kind], command_id=kind, mode="retry") for kind in ("skip", "cancel", "wait")),
        unmatched(order_id=names["retry"], command_id="retry", mode="retry"),
        unmatched(order_id=names["force"], command_id="force", mode="force"),
    )

    assert await world.ends() == {
        "skip": ("rejected", "already_shipped"),
        "cancel": ("rejected", "canceled_by_buyer"),
        "wait": ("rejected", "awaiting_payment"),
        "retry": ("done", "unmatched"),
        "force": ("rejected", "stock_only"),
    }


async def test_a_command_for_a_created_order_is_rejected(world: World) -> None:
    async with world.working():
        await world.order()
        await world.comes_to("created")
        await world.deliver(tee_match(seq=2, command_id="c1", mode="retry"))

    assert await world.ends() == {"c1": ("rejected", "already_created")}
    assert len(await world.creates()) == 1


async def test_an_order_canceled_before_it_was_sent_is_never_created(world: World) -> None:
    await world.order()
    await world.deliver(tee_match(seq=2, command_id="c1", mode="retry"))
    await world.deliver(imported(2, kind="cancel", reason="canceled_by_amazon"))
    before = await world.facts()

    async with world.working():
        await until(lambda: _no_work(world), what="the work ends")

    assert await world.facts() == before
    assert await world.creates() == []
    assert await world.ends() == {"c1": ("rejected", "canceled_by_amazon")}


async def test_amounts_that_do_not_add_up_hold_the_order_with_both_figures(world: World) -> None:
    await world.address()
    async with world.working():
        await world.deliver(imported(total=usd("10.01")), tee_match())
        fact = await world.comes_to("failed")

    assert fact["reason"]["code"] == "money_mismatch"
    assert fact["reason"]["details"]["amazon"] == {"amount": "10.01", "currency": "USD"}
    assert fact["reason"]["details"]["ours"] == {"amount": "10.00", "currency": "USD"}
    assert (fact["attempts"], await world.creates()) == (0, [])


async def test_an_order_without_a_complete_address_says_which_fields_are_missing(world: World) -> None:
    await world.address(ORDER, PersonalData(address=DeliveryAddress(name="Ada Invented", country="US")))
    nowhere = numbered(7)
    async with world.working():
        await world.deliver(imported(), tee_match(), imported(order_id=nowhere), tee_match(nowhere))
        fact = await world.comes_to("failed")
        other = await world.comes_to("failed", order_id=nowhere)

    assert fact["reason"]["code"] == other["reason"]["code"] == "address_missing"
    assert fact["reason"]["details"]["fields"] == ["line1", "city", "postal_code"]


async def test_what_shopify_refuses_is_told_in_its_words(world: World) -> None:
    await world.address()
    gone = tee_match()
    target = gone.lines[0].targets[0].model_copy(update={"variant_id": "gid://shopify/ProductVariant/1"})
    line = gone.lines[0].model_copy(update={"targets": (target,)})
    async with world.working():
        await world.deliver(imported(), gone.model_copy(update={"lines": (line,)}))
        fact = await world.comes_to("failed")

    assert fact["reason"]["code"] == "shopify_refused"
    assert fact["reason"]["details"]["problems"]
    assert await world.creates() == ["refused"]


async def test_nothing_is_sent_for_an_order_with_a_parked_message_until_a_newer_one_takes_its_place(
    world: World,
) -> None:
    await world.order()
    await world.deliver(tee_match(seq=2, command_id="c1", mode="retry"))
    await world.deliver_raw("orders.matched.v1", ORDER, b"{", 3)
    async with world.working():
        await until(lambda: _no_work(world), what="the work ends")
        assert await world.creates() == []
        assert await world.ends() == {"c1": ("rejected", "message_parked")}

        await world.deliver(tee_match(seq=4))
        await world.comes_to("created")


async def test_a_replay_of_a_parked_message_lets_the_order_go_on(world: World) -> None:
    broken = tee_match(seq=2).model_dump_json().encode()
    await world.order()
    await world.deliver_raw("orders.matched.v1", ORDER, broken[:-1], 2)
    async with world.working():
        await until(lambda: _no_work(world), what="the work ends")
        [parked] = await rows(world.creator.store, "select parked_id from parked")
        await world.put("parked", parked["parked_id"], broken)
        replay = Command(
            command_id="c1",
            order_id=ORDER,
            connection_id="main",
            mode="replay",
            actor="key:test",
            at=at(),
            service="creator",
            parked_id=parked["parked_id"],
        )
        await world.deliver(replay)
        fact = await world.comes_to("created")

    assert fact["match_seq"] == 2
    assert await world.ends() == {"c1": ("done", "replayed")}


async def test_no_fact_and_no_table_holds_the_buyers_name_or_street(world: World) -> None:
    async with world.working():
        await world.order()
        await world.comes_to("created")

    tables = ("orders", "attempts", "reservations", "outbox", "due")
    for table in tables:
        found = await rows(world.creator.store, f"select cast({table} as text) as row from {table}")
        text = " ".join(_readable(row["row"]) for row in found)
        assert "Invented" not in text
        assert "Example Street" not in text


async def test_newest_facts_are_republished_as_the_same_events(world: World) -> None:
    async with world.working():
        await world.order()
        await world.comes_to("created")
    statement = "select ce_id, convert_from(payload, 'UTF8') as payload from outbox where topic = 'orders.created.v1'"
    [first] = await rows(world.creator.store, statement)

    assert await republish_facts(world.creator.store, published) == 1

    assert await rows(world.creator.store, statement) == [first, first]


def _readable(row: str) -> str:
    """A row as text, with its byte columns (``\\x…``) read."""
    words = [row]
    for part in row.replace('"', "").split(","):
        hexadecimal = part.lstrip("\\").removeprefix("x").rstrip(")")
        try:
            words.append(bytes.fromhex(hexadecimal).decode("utf-8", "replace"))
        except ValueError:
            continue
    return " ".join(words)


async def _no_work(world: World) -> bool:
    return await rows(world.creator.store, "select * from due") == []
