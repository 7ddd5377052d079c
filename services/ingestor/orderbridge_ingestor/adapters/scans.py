"""Scans with how far each has come: read and written whole, by one worker at a time."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import TypeAdapter
from sqlalchemy import RowMapping, text

from orderbridge.step.parking import end_rejected
from orderbridge.step.unit import DueRow, Work

from ..domain.scans import Asked, Counts, Place, Scan
from ..ports import RESCAN, SCAN, SILENT
from .commands import CommandsUnit

AGAIN_S = 3600.0
"""How long after it was parked work that never ends is tried anew."""
_ASKED: TypeAdapter[Asked] = TypeAdapter(Asked)
_PLACE = TypeAdapter(Place)
_COUNTS = TypeAdapter(Counts)

_COLUMNS = """
    scan_id, connection_id, command_id, cast(asked as text) as asked, cast(place as text) as place,
    cast(counts as text) as counts, step
"""

_ADD = text("""
    insert into scans (scan_id, connection_id, command_id, asked, counts, at)
    values (:scan_id, :connection_id, :command_id, cast(:asked as jsonb), cast(:counts as jsonb), :at)
    on conflict (scan_id) do nothing
""")

_SCAN = text(f"select {_COLUMNS} from scans where scan_id = :id")  # noqa: S608 - our own columns

_SCANS = text(f"""
    select {_COLUMNS} from scans where connection_id = :id order by at, scan_id
""")  # noqa: S608 - our own columns

_SAVE = text("""
    update scans set place = cast(:place as jsonb), counts = cast(:counts as jsonb), step = step + 1
    where scan_id = :scan_id and step = :step
""")

_END = text("delete from scans where scan_id = :scan_id and step = :step")

_END_CONNECTIONS = text(f"delete from scans where connection_id = :id returning {_COLUMNS}")  # noqa: S608 - the same

_END_PARKED = text("delete from scans where scan_id = :id returning command_id")


class ScansUnit(CommandsUnit):
    """The part of a transaction that keeps scans."""

    async def add_scan(self, scan: Scan) -> bool:
        added = await self.connection.execute(
            _ADD,
            {
                "scan_id": scan.scan_id,
                "connection_id": scan.connection_id,
                "command_id": scan.command_id,
                "asked": _ASKED.dump_json(scan.asked).decode(),
                "counts": _COUNTS.dump_json(scan.counts).decode(),
                "at": self.now,
            },
        )
        return added.rowcount > 0

    async def scan(self, scan_id: str) -> Scan | None:
        row = (await self.connection.execute(_SCAN, {"id": scan_id})).mappings().first()
        return _scan(row) if row is not None else None

    async def scans_of(self, connection_id: str) -> Sequence[Scan]:
        found = await self.connection.execute(_SCANS, {"id": connection_id})
        return [_scan(row) for row in found.mappings()]

    async def save_scan(self, scan: Scan) -> bool:
        saved = await self.connection.execute(
            _SAVE,
            {
                "scan_id": scan.scan_id,
                "step": scan.step,
                "place": _PLACE.dump_json(scan.place).decode() if scan.place is not None else None,
                "counts": _COUNTS.dump_json(scan.counts).decode(),
            },
        )
        return saved.rowcount > 0

    async def end_scan(self, scan: Scan) -> bool:
        ended = await self.connection.execute(_END, {"scan_id": scan.scan_id, "step": scan.step})
        return ended.rowcount > 0

    async def end_scans_of(self, connection_id: str) -> Sequence[Scan]:
        found = await self.connection.execute(_END_CONNECTIONS, {"id": connection_id})
        return [_scan(row) for row in found.mappings()]

    async def work_parked(self, row: DueRow) -> None:
        """A scan ends with its work; what never ends is tried again."""
        await super().work_parked(row)
        if row.kind == SCAN:
            command_id = await self.connection.scalar(_END_PARKED, {"id": row.key})
            if command_id is not None:
                end_rejected(self, command_id, row.connection_id, "message_parked")
        elif row.kind in (RESCAN, SILENT):
            self.schedule(Work(row.kind, row.key, row.connection_id, delay_s=AGAIN_S))


def _scan(row: RowMapping) -> Scan:
    return Scan(
        scan_id=row["scan_id"],
        connection_id=row["connection_id"],
        command_id=row["command_id"],
        asked=_ASKED.validate_json(row["asked"]),
        place=_PLACE.validate_json(row["place"]) if row["place"] else None,
        counts=_COUNTS.validate_json(row["counts"]),
        step=row["step"],
    )
