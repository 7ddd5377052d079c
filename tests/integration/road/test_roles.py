"""A seller who authorised the application without the shipping role: no address, no crash, and a way out."""

from __future__ import annotations

from tests.support.road import SELLER, US, Road

AMAZON = {
    "seller_id": SELLER,
    "client_id": "amzn1.application-oa2-client.demo",
    "client_secret": "demo-secret",
    "marketplace_ids": [US],
}


async def test_an_order_without_an_address_is_held_until_the_role_is_granted_and_it_is_fetched_again(
    road: Road,
) -> None:
    async with road.running():
        old = {**AMAZON, "refresh_token": "Atzr|demo", "sees_recipients": False}
        await road.at_amazon("POST", "sellers", old)
        [order] = (await road.place({"unshipped": 1}))["unshipped"]
        await road.connect()
        await road.poll()
        await road.comes_to(order, "failed", "address_missing")
        reason = (await road.order(order))["reason"]
        assert reason["details"]["fields"] == ["name", "line1"]

        # Authorised anew, with the role: only the new refresh token has it.
        await road.at_amazon("POST", "sellers", {**AMAZON, "refresh_token": "Atzr|with-the-role"})
        assert await road.ended(await road.ask(order, "refetch")) == ("done", "failed")
        shown = await road.get("/v1/connections/main")
        body = {
            "amazon": {
                **{name: shown["amazon"][name] for name in ("region", "seller_id", "marketplace_ids", "client_id")},
                "refresh_token": "Atzr|with-the-role",
            },
            "shopify": {name: shown["shopify"][name] for name in ("shop", "client_id")},
            "settings": shown["settings"],
        }
        answer = await road.client.put("/v1/connections/main", json=body)
        assert answer.status_code == 200, answer.text
        await road.settled()
        assert await road.ended(await road.ask(order, "refetch")) == ("done", "created")
        assert await road.sold() == [order]
