from __future__ import annotations
import time
from typing import Any
from collections import Counter
import pytest
from tests.support.road import Road, open_road
from tests.support.road_bus import Interleaved
from tests.support.step import rows
from .interleaving import *
SHORT={"ORDERBRIDGE_SETTLE_S": "2.5", "ORDERBRIDGE_SHOPIFY_DEADLINE_S": "1.5", "ORDERBRIDGE_SHOPIFY_LATE_S": "0.7", "ORDERBRIDGE_SHOPIFY_LOOKUP_LAG_S": "0.2"}

@pytest.mark.parametrize("when", list(HELD))
async def test_x(road_database: str, when: When, monkeypatch: Any) -> None:
  monkeypatch.setattr("orderbridge.step.connections.PROBE_EVERY_S", 0.3)
  t=time.time()
  with open(f"/tmp/gen/{when.replace(chr(32),chr(95))}.txt","w") as out:
    def say(*a): print(*a,file=out,flush=True)
    async with open_road(road_database, webhooks=True, changed=SHORT) as road:
        async with road.running():
            say("open", time.time()-t)
            scene = Scene(road, cases_of(await road.skus()))
            await scene.set()
            say(len(scene.cases),"set", time.time()-t)
            road.bus.plan = Interleaved(1)
            for kind, times in (("cut_after", 2), ("late",2), ("cut_before",1)):
                await road.at_shop("POST","trouble",kind=kind,operation="orderCreate",times=times,late_s=0.6)
            own=[c for c in scene.cases if c.event not in OF_THE_CONNECTION]
            await scene.play(own, when, lambda: scene.happen_all(own))
            say("played", time.time()-t)
            await road.at_shop("DELETE","trouble")
            bl=[c for c in scene.cases if c.event=="blocked"]
            await scene.play(bl, when, scene.block, after=scene.unblock)
            say("blocked", time.time()-t)
            so=[c for c in scene.cases if c.event=="switched off"]
            await scene.play(so, when, scene.switch_off)
            say("off", time.time()-t)
            for c in scene.cases:
                if c.command_id:
                    c.ended = await road.get(f"/v1/commands/{c.command_id}")
                o = await road.order(c.order)
                say(f"{str(c):50}", c.ended.get("state"), c.ended.get("outcome"), (c.ended.get("reason") or {}).get("code"), "|", o["status"], (o["reason"] or {}).get("code"))
            led=await road.ledger()
            say([(x["trouble"],x["outcome"]) for x in led["order_creates"] if x["trouble"]])
            for s in road.stores:
                for q in ("select * from commands", "select order_id, asked,remedies from orders where awaited"):
                    try: found= await rows(road.stores[s], q+ (" where state='open'" if s=="api" else ""))
                    except Exception: continue
                    if found: say(s, found)
