"""Commands and what else happens to their orders, as a matrix: one order a case, all of them on one road."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from orderbridge.kafka import Received
from orderbridge.topics import IMPORTED, MATCHED, UNMATCHED
from tests.support.road import SELLER, SERVICES, Road
from tests.support.step import rows, until

When = Literal["before", "workers", "creator", "silent", "at once"]
"""``before``: the api has not heard of the event when it takes the command. ``workers``, ``creator``: the
command has come as far as to these when it happens. ``silent``: to Shopify, which does not answer. ``at once``."""
Event = Callable[[], Awaitable[None]]
HELD: dict[When, set[str]] = {
    "before": {"api"},
    "workers": {"ingestor", "matcher", "creator"},
    "creator": {"creator"},
    "silent": set(),
    "at once": set(),
}

_SOON = "(select count(*) from due where taken_by is not null or run_at < now() + interval '0.7 s')"
_UNBLOCKED = """
    (select count(*) from due left join connections using (connection_id)
     where taken_by is not null or run_at < now() + interval '0.7 s' and coalesce(connections.state, 'ok') = 'ok')
"""
_DUE_SOON = {"ingestor": _UNBLOCKED, "matcher": _UNBLOCKED, "creator": _UNBLOCKED, "api": _SOON}
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
HELD_ORDERS = ("retry", "rematch", "force", "refetch", "resolve", "link")
BLOCKS: tuple[tuple[str, tuple[str, ...], tuple[str, ...]], ...] = (
    (
        "without stock",
        HELD_ORDERS,
        (
            "nothing",
            "mended",
            "skipped",
            "canceled",
            "revised",
            "renamed",
            "deleted",
            "import parked",
            "match parked",
            "blocked",
            "switched off",
        ),
    ),
    ("not found", ("retry", "rematch"), ("nothing", "mended", "revised")),
    ("renamed", ("rematch",), ("nothing", "mended", "canceled", "deleted")),
    ("created", ("cancel",), ("nothing", "canceled", "revised", "import parked", "blocked", "switched off")),
    ("parked", ("replay",), ("nothing", "canceled", "revised", "blocked", "switched off")),
    ("parked", ("refetch",), ("nothing", "mended", "match parked")),
    ("unreadable", ("replay",), ("nothing", "mended", "blocked")),
)
"""Every command with every event, by the start. ``mended``: what the order lacks is there, so that it goes on by itself
and may be on its way when the command comes."""
OF_THE_CONNECTION = ("blocked", "switched off")


@dataclass
class Case:
    start: str
    command: str
    event: str
    sku: str
    order: str = ""
    linked: str | None = None
    parked: str | None = None
    command_id: str | None = None
    ended: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.command} of one {self.start}, {self.event}"


def cases_of(skus: Sequence[str]) -> list[Case]:
    """Each with a SKU of its own: what happens to one order concerns no other."""
    free = iter(skus)
    return [
        Case(start, command, event, next(free))
        for start, commands, events in BLOCKS
        for command in commands
        for event in events
    ]


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
        items = []
        cursor = ""
        while cursor is not None:
            page = await self.road.get(f"/v1/orders?limit=200{cursor and f'&cursor={cursor}'}")
            items += page["items"]
            cursor = page["next"]
        found = {one["amazon_order_id"]: (one["status"], (one["reason"] or {}).get("code")) for one in items}
        return all(found.get(case.order) == STANDS[case.start] for case in self.cases)

    def of(self, start: str) -> list[Case]:
        return [case for case in self.cases if case.start == start]

    # --- what the cases are made of

    async def ask(self, case: Case) -> None:
        """The case's command of an operator; None was accepted where the order has gone on already."""
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

    async def play(self, cases: Sequence[Case], when: When, event: Event, *, after: Event | None = None) -> None:
        """The commands of the cases, and what happens to all of them; ``after`` ends that when everybody heard of it."""
        road = self.road
        road.bus.held = set(HELD[when])
        if when == "before":
            await event()
            await self.still()
            await self.ask_all(cases)
            await self.still()
        elif when == "at once":
            await asyncio.gather(event(), self.ask_all(cases))
        elif when == "silent":
            await road.at_shop("POST", "settings", hang_all_s=60.0)
            await self.ask_all(cases)
            await self.handed_on()
            await event()
            await self.handed_on()
            await road.at_shop("POST", "settings", hang_all_s=0.0)
        else:
            await self.ask_all(cases)
            await self.still()
            await event()
            await self.still()
        road.bus.held = set()
        if after is not None:
            await after()
        await road.settled()

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
        """Once everybody has noticed."""

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
