"""Which version of an order counts, and what it changes of what is known here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from orderbridge.events import Disposition, ImportedLine, OrderImported
from orderbridge.shopify.order_input import PersonalData

from .disposition import Policy, dispose
from .orders import Change, Known, Snapshot, Told

KEPT_AFTER_DELIVERY = timedelta(days=30)
"""How long personal data are kept after the latest promised delivery (Amazon's data protection policy)."""
_DELIVERED_BY_THEN = timedelta(days=30)
"""Counted from the purchase, where Amazon promises neither a delivery nor a shipment."""


def is_older(snapshot: Snapshot, known: Known) -> bool:
    """Whether something newer is known; at the same time, other content counts."""
    last = known.fact.last_updated_at if known.fact else None
    return last is not None and snapshot.last_updated_at < last


def keeps_personal_data(disposition: Disposition, fulfilled_by: str) -> bool:
    """Only of orders that may be created (design section 9)."""
    return disposition.kind == "import" or (disposition.kind == "wait" and fulfilled_by == "merchant")


def take_version(
    known: Known,
    snapshot: Snapshot,
    personal: PersonalData,
    vaulted: PersonalData | None,
    policy: Policy | None,
    now: datetime,
) -> Change | None:
    """What a version that is not older changes, None when nothing; ``vaulted`` is what the vault holds."""
    snapshot = _completed(snapshot, known.fact)
    disposition = dispose(snapshot.told, known, policy)
    kept = _kept(personal, vaulted) if keeps_personal_data(disposition, snapshot.told.fulfilled_by) else None
    if kept == PersonalData():
        kept = None
    fact = OrderImported(
        order_id=known.order_id,
        seq=known.seq,
        at=now,
        disposition=disposition,
        personal_data_rev=(known.fact.personal_data_rev if known.fact else 0) + (kept is not None and kept != vaulted),
        amazon_status=snapshot.told.status,
        fulfilled_by=snapshot.told.fulfilled_by,
        marketplace_id=snapshot.told.marketplace_id,
        sales_channel=snapshot.told.sales_channel,
        service_level=snapshot.service_level,
        programs=snapshot.programs,
        purchased_at=snapshot.told.purchased_at,
        last_updated_at=snapshot.last_updated_at,
        ship_by=snapshot.ship_by,
        total=snapshot.total,
        breakdowns=snapshot.breakdowns,
        lines=snapshot.lines,
    )
    until = _delete_after(snapshot) if kept is not None else known.personal_until
    changed = replace(_decided(known, fact, now), personal_until=until)
    if changed == known:
        return None
    return Change(
        changed,
        fact=changed.fact if changed.seq != known.seq else None,
        personal=kept if kept != vaulted or until != known.personal_until else None,
    )


def decide_anew(known: Known, policy: Policy | None, now: datetime) -> Change | None:
    """What changed settings mean for a known order that is waiting or to be imported; None when nothing."""
    fact = known.fact
    if fact is None:
        return None
    told = Told(fact.amazon_status, fact.fulfilled_by, fact.marketplace_id, fact.sales_channel, fact.purchased_at)
    changed = _decided(known, fact.model_copy(update={"disposition": dispose(told, known, policy)}), now)
    return Change(changed, fact=changed.fact) if changed != known else None


def _decided(known: Known, fact: OrderImported, now: datetime) -> Known:
    """The state with this view, numbered if it says anything new."""
    before = known.fact
    if before is not None:
        same = fact.model_copy(update={"seq": before.seq, "at": before.at, "command_id": before.command_id})
        fact = before if same == before else _numbered(fact, known, now)
    else:
        fact = _numbered(fact, known, now)
    disposition = fact.disposition
    return replace(
        known,
        fact=fact,
        ever_open=known.ever_open or disposition.kind in ("import", "wait"),
        switched_off=known.switched_off or disposition.reason == "import_disabled",
    )


def _numbered(fact: OrderImported, known: Known, now: datetime) -> OrderImported:
    return fact.model_copy(update={"seq": known.seq + 1, "at": now, "command_id": None})


def _completed(snapshot: Snapshot, known: OrderImported | None) -> Snapshot:
    """A canceled order may come without its amounts and dates: what is known of them stays."""
    if snapshot.told.status != "CANCELLED" or known is None:
        return snapshot
    return replace(
        snapshot,
        service_level=snapshot.service_level or known.service_level,
        programs=snapshot.programs or known.programs,
        ship_by=snapshot.ship_by or known.ship_by,
        total=snapshot.total or known.total,
        breakdowns=snapshot.breakdowns or known.breakdowns,
        lines=_completed_lines(snapshot.lines, known.lines),
    )


def _completed_lines(lines: Sequence[ImportedLine], known: Sequence[ImportedLine]) -> tuple[ImportedLine, ...]:
    if not lines:
        return tuple(known)
    before = {line.order_item_id: line for line in known}
    return tuple(_completed_line(line, before.get(line.order_item_id)) for line in lines)


def _completed_line(line: ImportedLine, known: ImportedLine | None) -> ImportedLine:
    if known is None:
        return line
    kept = {
        name: getattr(known, name)
        for name in ("amazon_sku", "asin", "title", "unit_price", "total", "breakdowns")
        if not getattr(line, name)
    }
    return line.model_copy(update={**kept, "tax_remitted_by_amazon": _remitted(line, known)})


def _remitted(line: ImportedLine, known: ImportedLine) -> bool:
    return line.tax_remitted_by_amazon or (known.tax_remitted_by_amazon and not line.breakdowns)


def _kept(personal: PersonalData, vaulted: PersonalData | None) -> PersonalData:
    """An answer without a buyer or an address (a role was lost, or hides them for now) takes none away."""
    if vaulted is None:
        return personal
    buyer = ("buyer_name", "buyer_email", "company", "purchase_order")
    missing: list[str] = []
    if not any(getattr(personal, name) for name in buyer):
        missing += buyer
    if personal.address is None:
        missing.append("address")
    return personal.model_copy(update={name: getattr(vaulted, name) for name in missing})


def _delete_after(snapshot: Snapshot) -> datetime:
    promised = snapshot.deliver_by or snapshot.ship_by
    if promised is None:
        promised = (snapshot.told.purchased_at or snapshot.last_updated_at) + _DELIVERED_BY_THEN
    return promised + KEPT_AFTER_DELIVERY
