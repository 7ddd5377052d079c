"""Which of Shopify's webhooks were taken: their ids, never their contents."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import text

from orderbridge.step import Unit


class WebhookRows(Unit):
    async def add_webhook(self, connection_id: str, webhook_id: str, topic: str) -> bool:
        # A second delivery at the same moment waits here for the first one's commit.
        added = await self.connection.scalar(
            text("""
                insert into webhooks (connection_id, webhook_id, topic, at) values (:connection_id, :id, :topic, :at)
                on conflict do nothing returning true
            """),
            {"connection_id": connection_id, "id": webhook_id, "topic": topic, "at": self.now},
        )
        return bool(added)

    async def forget_webhooks(self, older_than: datetime) -> None:
        await self.connection.execute(text("delete from webhooks where at < :at"), {"at": older_than})
