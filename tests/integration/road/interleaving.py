"""Commands and what else happens to their orders, as a matrix: one order a case, all of them on one road."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from orderbridge.kafka import Received
from orderbridge.topics import IMPORTED, MATCHED, UNMATCHED
from tests.support.road import SERVICES, Road
from tests.support.step import rows, until

When = Literal["before", "workers", "creator", "silent", "at once"]
"""``before``: the api has not heard of the event when it takes the command. ``workers``, ``creator``: the command has
come as far as to these when it happens. ``silent``: as far as to Shopify, which does not answer. ``at once``."""
HELD: dict[When, set[str]] = {
    "before": {"api"},
    "workers": {"ingestor", "matcher", "creator"},
    "creator": {"creator"},
    "silent": set(),
    "at once": set(),
}
TROUBLE = ("cut_after", "cut_after", "late", "late", "cut_before")
"""Of the first orders to be created: their outcome stays open for a while, and so do the commands that they answer."""
Happening = Callable[[], Awaitable[None]]
_SOON = "(select count(*) from due where taken_by is not null or run_at < now() + interval '0.7 s')"
_SOON_IF_IT_WORKS = """
    (select count(*) from due left join connections using (connection_id)
     where taken_by is not null or run_at < now() + interval '0.7 s' and coalesce(connections.state, 'ok') = 'ok')
"""
_DUE_SOON = {"ingestor": _SOON_IF_IT_WORKS, "matcher": _SOON_IF_IT_WORKS, "creator": _SOON_IF_IT_WORKS, "api": _SOON}
_KEPT = "select parked_id from parked where order_id = :id and state = 'parked'"


STANDS: dict[str, tuple[str, str | None]] = {
    "without stock": ("failed", "unable_to_reserve_inventory"),
    "not found": ("unmatched", "sku_not_found"),
    "renamed": ("unmatched", "sku_changed_after_import"),
    "created": ("created", None),
    "parked": ("failed", "message_parked"),
    "unreadable": ("failed", "message_parked"),
}
"""How an order stands when it is asked for something, by the name of its start."""
CONNECTION = ("blocked", "switched off")
"""Events of a whole connection: what comes of them comes of all its orders."""
BLOCKS: dict[tuple[str, str], tuple[str, ...]] = {
    ("without stock", "retry"): (
        *("nothing", "mended", "skipped", "canceled", "revised", "renamed", "import parked", "match parked"),
        *CONNECTION,
    ),
    ("without stock", "force"): (
        *("nothing", "mended", "skipped", "canceled", "revised", "renamed", "deleted", "import parked"),
        *("match parked", *CONNECTION),
    ),
    ("without stock", "rematch"): (
        *("nothing", "mended", "canceled", "revised", "renamed", "deleted", "match parked", "blocked"),
    ),
    ("without stock", "refetch"): (
        *("nothing", "mended", "skipped", "canceled", "revised", "renamed", "import parked", *CONNECTION),
    ),
    ("without stock", "resolve"): ("nothing", "mended", "canceled", "revised", "renamed", "import parked", "blocked"),
    ("without stock", "link"): ("nothing", "mended", "skipped", "deleted", "match parked", *CONNECTION),
    ("not found", "retry"): ("nothing", "mended"),
    ("renamed", "rematch"): ("nothing", "mended", "deleted"),
    ("created", "cancel"): ("nothing", "skipped", "canceled", "revised", "import parked", "blocked"),
    ("parked", "replay"): ("nothing", "canceled", "revised", "blocked"),
    ("parked", "refetch"): ("nothing", "match parked"),
    ("unreadable", "replay"): ("mended", "blocked"),
}
"""Every command with the events, by the start. ``mended``: what the order lacks is there, so that it goes on by itself
and may be on its way to Shopify when the command comes."""


@dataclass
class Case:
    """``parked`` is the id to replay, ``linked`` the Shopify order that a resolve links to; the rest is the outcome."""

    start: str
    command: str
    event: str
    sku: str
    order: str = ""
    linked: str | None = None
    parked: str | None = None
    command_id: str | None = None
    ended: dict[str, Any] = field(default_factory=dict)
    resource: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.command} of one {self.start}, {self.event}"


def cases_of(skus: Sequence[str]) -> list[Case]:
    """Each with a SKU of its own: what happens to one order concerns no other."""
    free = iter(skus)
    return [Case(start, command, event, next(free)) for (start, command), events in BLOCKS.items() for event in events]


class Spoiler:
    """Garbles the next record of some topics of an order, on its way to all its readers."""

    def __init__(self) -> None:
        self._armed: set[tuple[str, str]] = set()

    def arm(self, order: str, *topics: str) -> None:
        self._armed |= {(topic, f"main:{order}") for topic in topics}

    def __call__(self, record: Received) -> Received:
        hit = (record.topic, record.key or "")
        if hit not in self._armed:
            return record
        self._armed -= {(topic, hit[1]) for topic in (IMPORTED, MATCHED, UNMATCHED)}
        return Received(record.topic, record.partition, record.offset, record.key, b'{"order_id": 17', record.headers)


@dataclass
class Scene:
    """The orders of all cases, each standing as it starts."""

    road: Road
    cases: list[Case]
    spoiler: Spoiler = field(default_factory=Spoiler)

    # --- setting it

    async def set(self) -> None:
        road = self.road
        road.bus.spoil = self.spoiler
        # Nobody but us keeps an order from being made twice.
        await road.at_shop("POST", "settings", unique_enforced=False)
        for case in self.cases:
            if case.start in ("without stock", "renamed"):
                await road.stock(case.sku, 0)
            elif case.start == "not found":
                await road.at_shop("DELETE", f"variants/{case.sku}")
        placed = (await road.place({"sku": {case.sku: 1 for case in self.cases}}))["sku"]
        for case in self.cases:
            case.order = placed[case.sku][0]
            if case.start == "parked":
                self.spoiler.arm(case.order, IMPORTED)
            elif case.start == "unreadable":
                await road.retitle(case.order, "A mug\0 with a hole")
        await road.connect()
        await self.still()
        await road.poll()
        await self.still()
        for case in self.of("renamed"):
            await road.at_shop("PATCH", f"variants/{case.sku}", sku=f"{case.sku}-NEW")
        await until(self.stands_as_it_starts, within_s=20, what="every order stands as it starts")
        await self.still()
        for case in self.cases:
            if case.command == "replay":
                keeper = "matcher" if case.start == "parked" else "ingestor"
                [kept] = await rows(road.stores[keeper], _KEPT, id=f"main:{case.order}")
                case.parked = kept["parked_id"]
            elif case.command == "link":
                case.linked = (await road.at_shop("POST", "orders"))["order_id"]
        await self.still()

    async def stands_as_it_starts(self) -> bool:
        page = await self.road.get("/v1/orders?limit=200")
        items = page["items"]
        while page["next"]:
            page = await self.road.get(f"/v1/orders?limit=200&cursor={page['next']}")
            items += page["items"]
        found = {one["amazon_order_id"]: (one["status"], (one["reason"] or {}).get("code")) for one in items}
        return all(found.get(case.order) == STANDS[case.start] for case in self.cases)

    def of(self, start: str) -> list[Case]:
        return [case for case in self.cases if case.start == start]

    # --- what the cases are made of

    async def ask(self, case: Case) -> None:
        """The case's command of an operator; none is accepted where the order has gone on already."""
        order = f"/v1/orders/main:{case.order}"
        why = {"reason": "The test wants it"}
        path, body = {
            "resolve": (f"{order}/resolve", {**why, "shopify_order_id": None}),
            "link": (f"{order}/resolve", {**why, "shopify_order_id": case.linked}),
            "cancel": (f"{order}/cancel", {**why, "restock": True}),
            "replay": (f"/v1/parked/{case.parked}/replay", None),
        }.get(case.command, (f"{order}/retry", {**why, "mode": case.command}))
        answer = await self.road.client.post(path, json=body)
        assert answer.status_code in (202, 409), f"{case}: {answer.text}"
        if answer.status_code == 202:
            case.command_id = answer.json()["command_id"]

    async def happen(self, case: Case) -> None:
        """The case's event, as far as it is the order's own; what Amazon says is told by the next poll."""
        road = self.road
        match case.event:
            case "mended":
                await self._mend(case)
            case "skipped":
                await road.change(case.order, {"fulfillment": {"fulfilledBy": "AMAZON"}})
            case "canceled":
                await road.change(case.order, {"fulfillment": {"fulfillmentStatus": "CANCELLED"}})
            case "revised":
                await road.retitle(case.order, "Amazon says it anew")
            case "import parked":
                self.spoiler.arm(case.order, IMPORTED)
                await road.retitle(case.order, "Amazon says it anew")
            case "match parked":
                self.spoiler.arm(case.order, MATCHED, UNMATCHED)
                await road.retitle(case.order, "Amazon says it anew")
            case "renamed":
                await road.at_shop("PATCH", f"variants/{case.sku}", sku=f"{case.sku}-NEW")
            case "deleted":
                sku = f"{case.sku}-NEW" if case.start == "renamed" else case.sku
                await road.at_shop("DELETE", f"variants/{sku}")

    async def _mend(self, case: Case) -> None:
        if case.start == "not found":
            await self.road.sell(case.sku)
            return
        if case.start == "unreadable":
            # At a time that no poll reaches: only who asks for the order itself sees it.
            await self.road.retitle(case.order, "A mug without a hole", ago_s=0)
            return
        if case.start == "renamed":
            await self.road.at_shop("PATCH", f"variants/{case.sku}-NEW", sku=case.sku)
        await self.road.stock(case.sku, 3)

    # --- waiting

    async def still(self) -> None:
        """Nothing is on its way but to who is held, and no work is under way or due soon; what settles may go on."""
        await until(lambda: self._idle(_DUE_SOON), within_s=30, what="nothing is under way")

    async def handed_on(self) -> None:
        """The same, but work may be under way."""
        await until(lambda: self._idle({}), within_s=30, what="all is handed on")

    async def _idle(self, busy: Mapping[str, str]) -> bool:
        async with self.road.bus.turning:
            if self.road.bus.waiting:
                return False
            for name in SERVICES:
                [row] = await rows(self.road.stores[name], f"select {busy.get(name, '0')} + count(*) as n from outbox")
                if row["n"]:
                    return False
        return True

    # --- one after the other

    async def play(self, event: str | None, when: When) -> None:
        """The commands of some cases, and what happens to their orders: an event of the connection, or (None) each
        order's own; then what came of them.
        """
        cases = [case for case in self.cases if (case.event if case.event in CONNECTION else None) == event]
        if event == "blocked":
            await self._play(cases, when, self.block)
            await self.unblock()
        elif event == "switched off":
            await self._play(cases, when, self.switch_off)
        else:
            for kind in TROUBLE:
                await self.road.at_shop("POST", "trouble", kind=kind, operation="orderCreate", late_s=0.4)
            await self._play(cases, when, lambda: self.happen_all(cases))
        await self.road.settled()
        await self.road.at_shop("DELETE", "trouble")
        for case in cases:
            case.resource = await self.road.order(case.order)
            if case.command_id is not None:
                case.ended = await self.road.get(f"/v1/commands/{case.command_id}")

    async def _play(self, cases: Sequence[Case], when: When, happening: Happening) -> None:
        road = self.road
        road.bus.held = set(HELD[when])
        if when == "before":
            await happening()
            await self.still()
            await self.ask_all(cases)
            await self.still()
        elif when == "at once":
            await asyncio.gather(happening(), self.ask_all(cases))
        elif when == "silent":
            await road.at_shop("POST", "settings", hang_all_s=60.0)
            await self.ask_all(cases)
            await self.handed_on()
            await happening()
            await self.handed_on()
            await road.at_shop("POST", "settings", hang_all_s=0.0)
        else:
            await self.ask_all(cases)
            await self.still()
            await happening()
            await self.still()
        road.bus.held = set()

    async def ask_all(self, cases: Sequence[Case]) -> None:
        for case in cases:
            await self.ask(case)

    async def happen_all(self, cases: Sequence[Case]) -> None:
        for case in cases:
            await self.happen(case)
        await self.road.poll()

    # --- what happens to the whole connection

    async def block(self) -> None:
        """Shopify refuses the app; who is not held is told to try."""
        await self.road.at_shop("POST", "trouble", kind="unauthorized", times=1_000_000)
        await self._put(poll_interval_s=301)

    async def unblock(self) -> None:
        """Once everybody has noticed, and has made of it what there is to be made."""

        async def noticed() -> bool:
            return all([await self._blocked(name) for name in ("matcher", "creator")])

        await until(noticed, within_s=20, what="matcher and creator are blocked")
        await self.still()
        await self.road.at_shop("DELETE", "trouble")

    async def switch_off(self) -> None:
        await self._put(import_enabled=False)

    async def _put(self, **settings: Any) -> None:
        shown = await self.road.get("/v1/connections/main")
        body = {
            "amazon": {name: shown["amazon"][name] for name in ("region", "seller_id", "marketplace_ids", "client_id")},
            "shopify": {name: shown["shopify"][name] for name in ("shop", "client_id")},
            "settings": shown["settings"] | settings,
        }
        answer = await self.road.client.put("/v1/connections/main", json=body)
        assert answer.is_success, answer.text

    async def _blocked(self, service: str) -> bool:
        found = await rows(self.road.stores[service], "select state from connections where connection_id = 'main'")
        return [row["state"] for row in found] != ["ok"]
