"""Ending a command that can lead to nothing."""

from __future__ import annotations

from orderbridge.errors import Blocked
from orderbridge.events import BackfillProgress, CommandEnded, Reason
from orderbridge.ids import connection_of
from orderbridge.status import MESSAGES

from ..domain.scans import Scan, in_words, progress_of
from ..ports import Unit


def reject(
    command_id: str | None,
    key: str,
    code: str,
    message: str,
    unit: Unit,
    progress: BackfillProgress | None = None,
) -> None:
    """``key`` is the command's: an order_id, or the connection_id where no order is known."""
    if command_id is None:
        return
    unit.end_command(
        CommandEnded(
            command_id=command_id,
            order_id=key if ":" in key else None,
            connection_id=connection_of(key),
            service="ingestor",
            state="rejected",
            reason=Reason(code=code, message=message),
            progress=progress,
            at=unit.now,
        )
    )


def reject_removed(command_id: str | None, key: str, unit: Unit) -> None:
    reject(command_id, key, "connection_removed", MESSAGES["connection_removed"], unit)


def reject_blocked(command_id: str | None, key: str, why: Blocked, unit: Unit) -> None:
    reject(command_id, key, _code_of(why), f"{why}.", unit)


def reject_scan(scan: Scan, code: str, message: str, unit: Unit) -> None:
    """What it took stays; a back-fill's command says how far it came."""
    progress = progress_of(scan)
    words = f"{message} Taken until then: {in_words(progress, scan.counts.missing)}."
    reject(scan.command_id, scan.connection_id, code, words, unit, progress)


async def end_scans(connection_id: str, why: Blocked | None, unit: Unit) -> int:
    """All of the connection, as it is blocked or, None, removed; returns how many commands ended with them."""
    scans = await unit.end_scans_of(connection_id)
    for scan in scans:
        if why is not None:
            reject_scan(scan, _code_of(why), f"{why}.", unit)
        else:
            reject_scan(scan, "connection_removed", MESSAGES["connection_removed"], unit)
    return sum(scan.command_id is not None for scan in scans)


def _code_of(why: Blocked) -> str:
    return "connection_unauthorized" if why.state == "unauthorized" else "connection_misconfigured"
