"""The one list of topics (contract section 2); `python -m orderbridge.topics create | check` applies it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

IMPORTED = "orders.imported.v1"
MATCHED = "orders.matched.v1"
UNMATCHED = "orders.unmatched.v1"
PROGRESS = "orders.progress.v1"
CREATED = "orders.created.v1"
FAILED = "orders.failed.v1"
COMMANDS = "orders.commands.v1"
COMMANDS_ENDED = "commands.ended.v1"
SHOP_CHANGES = "shop.changes.v1"
CONNECTIONS = "connections.v1"
CONNECTIONS_STATUS = "connections.status.v1"
SKU_MAPPINGS = "sku-mappings.v1"
STATUS = "orders.status.v1"
PARKED = "messages.parked.v1"


@dataclass(frozen=True)
class Topic:
    """A topic as it must be on the broker; a compacted one keeps the latest record of each key for ever."""

    name: str
    partitions: int
    cleanup: Literal["delete", "compact"]
    retention_days: int | None = None

    @property
    def settings(self) -> dict[str, str]:
        """The broker's topic settings, in its own names and units."""
        settings: dict[str, str] = {"cleanup.policy": self.cleanup}
        if self.retention_days is not None:
            settings["retention.ms"] = str(self.retention_days * 86_400_000)
        return settings


TOPICS = (
    Topic(IMPORTED, 12, "delete", 14),
    Topic(MATCHED, 12, "delete", 14),
    Topic(UNMATCHED, 12, "delete", 14),
    Topic(PROGRESS, 12, "delete", 14),
    Topic(CREATED, 12, "delete", 14),
    Topic(FAILED, 12, "delete", 14),
    Topic(COMMANDS, 12, "delete", 14),
    Topic(COMMANDS_ENDED, 3, "delete", 14),
    Topic(SHOP_CHANGES, 3, "delete", 3),
    Topic(CONNECTIONS, 3, "compact"),
    Topic(CONNECTIONS_STATUS, 3, "compact"),
    Topic(SKU_MAPPINGS, 3, "compact"),
    Topic(STATUS, 12, "compact"),
    Topic(PARKED, 3, "delete", 30),
)

if __name__ == "__main__":
    from orderbridge.kafka import topics_command

    topics_command()
