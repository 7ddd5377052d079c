"""Which version of an order counts, and what it changes of what is known here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from orderbridge.events import Disposition, ImportedLine, OrderImported
from orderbridge.shopify.order_input import PersonalData

from .disposition import Policy, dispose
from .orders import Change, Known, Snapshot, Told

KEPT_AFTER_DELIVERY = timedelta(days=30)
"""How long personal data are kept after the latest promised delivery (Amazon's data protection policy)."""
_DELIVERED_BY_THEN = timedelta(days=30)
"""Counted from the purchase, where Amazon promises neither a delivery nor a shipment."""
_KEPT_OF_LINES = (
    *("amazon_sku", "asin", "title", "unit_price", "total", "breakdowns"),
    *("points_granted", "ioss_number", "gift_wrap"),
)


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
    return _change(known, known, _version(known, snapshot, personal, vaulted, policy, now), vaulted, now)


def take_named_version(
    known: Known,
    snapshot: Snapshot,
    personal: PersonalData,
    vaulted: PersonalData | None,
    policy: Policy | None,
    now: datetime,
    command_id: str | None,
    *,
    backfilled: bool = False,
) -> Change | None:
    """What a version that somebody asked for changes; with ``command_id`` it is published in any case, naming it.

    While import is on, an order that was skipped by the switch is decided as if it had not been. Asked for by a
    back-fill it is named for good, so that the start date does not bear on it. Of an older version than the one known
    only personal data are taken that the vault lacks: the answer to the command is what is known.
    """
    named = replace(known, switched_off=False) if policy is not None and policy.import_enabled else known
    if backfilled:
        named = replace(named, named=True)
    if known.fact is not None and is_older(snapshot, known):
        view = _known_version(named, known.fact, snapshot, personal, vaulted, policy)
    else:
        view = _version(named, snapshot, personal, vaulted, policy, now)
    return _change(known, named, view, vaulted, now, command_id)


def decide_anew(known: Known, policy: Policy | None, now: datetime) -> Change | None:
    """What changed settings mean for a known order that is waiting or to be imported; None when nothing."""
    fact = known.fact
    if fact is None:
        return None
    changed = _decided(known, fact.model_copy(update={"disposition": _disposed_anew(known, fact, policy)}), now)
    return Change(changed, fact=changed.fact) if changed != known else None


@dataclass(frozen=True)
class _View:
    """A view of an order that has no number yet; ``personal`` is what the vault should hold, until when."""

    fact: OrderImported
    personal: PersonalData
    personal_until: datetime


def _version(
    known: Known,
    snapshot: Snapshot,
    personal: PersonalData,
    vaulted: PersonalData | None,
    policy: Policy | None,
    now: datetime,
) -> _View:
    snapshot = _completed(snapshot, known.fact)
    fact = OrderImported(
        order_id=known.order_id,
        seq=known.seq,
        at=now,
        disposition=dispose(snapshot.told, known, policy),
        personal_data_rev=known.fact.personal_data_rev if known.fact else 0,
        amazon_status=snapshot.told.status,
        fulfilled_by=snapshot.told.fulfilled_by,
        marketplace_id=snapshot.told.marketplace_id,
        sales_channel=snapshot.told.sales_channel,
        service_level=snapshot.service_level,
        programs=snapshot.programs,
        purchased_at=snapshot.told.purchased_at,
        last_updated_at=snapshot.last_updated_at,
        ship_by=snapshot.ship_by,
        replaces=snapshot.replaces,
        cancel_requested_at=_requested_at(snapshot, known.fact),
        total=snapshot.total,
        breakdowns=snapshot.breakdowns,
        lines=snapshot.lines,
    )
    return _View(fact, _kept(personal, vaulted), _delete_after(snapshot))


def _requested_at(snapshot: Snapshot, known: OrderImported | None) -> datetime | None:
    """When the buyer asked to cancel: no later than the first version that says so."""
    if not snapshot.cancel_requested:
        return None
    return (known.cancel_requested_at if known else None) or snapshot.last_updated_at


def _known_version(
    known: Known,
    fact: OrderImported,
    older: Snapshot,
    personal: PersonalData,
    vaulted: PersonalData | None,
    policy: Policy | None,
) -> _View:
    return _View(
        fact.model_copy(update={"disposition": _disposed_anew(known, fact, policy)}),
        personal if vaulted is None else _kept(vaulted, personal),
        known.personal_until or _delete_after(older),
    )


def _disposed_anew(known: Known, fact: OrderImported, policy: Policy | None) -> Disposition:
    """A cancellation stays as it is: no setting bears on it, and a fact does not tell who canceled."""
    if fact.disposition.kind == "cancel":
        return fact.disposition
    told = Told(fact.amazon_status, fact.fulfilled_by, fact.marketplace_id, fact.sales_channel, fact.purchased_at)
    return dispose(told, known, policy)


def _change(
    before: Known,
    known: Known,
    view: _View,
    vaulted: PersonalData | None,
    now: datetime,
    command_id: str | None = None,
) -> Change | None:
    """From ``before``, by way of ``known``, to this view of the order; None when that is no way at all."""
    fact, kept = view.fact, view.personal
    stored = keeps_personal_data(fact.disposition, fact.fulfilled_by) and kept != PersonalData()
    if stored and kept != vaulted:
        fact = fact.model_copy(update={"personal_data_rev": fact.personal_data_rev + 1})
    until = view.personal_until if stored else known.personal_until
    changed = replace(_decided(known, fact, now, command_id), personal_until=until)
    if changed == before:
        return None
    return Change(
        changed,
        fact=changed.fact if changed.seq != before.seq else None,
        personal=kept if stored and (kept != vaulted or until != before.personal_until) else None,
    )


def _decided(known: Known, fact: OrderImported, now: datetime, command_id: str | None = None) -> Known:
    """The state with this view, numbered if it says anything new or answers a command."""
    before = known.fact
    if before is not None and command_id is None:
        same = fact.model_copy(update={"seq": before.seq, "at": before.at, "command_id": before.command_id})
        fact = before if same == before else _numbered(fact, known, now)
    else:
        fact = _numbered(fact, known, now, command_id)
    disposition = fact.disposition
    return replace(
        known,
        fact=fact,
        ever_open=known.ever_open or disposition.kind in ("import", "wait"),
        switched_off=known.switched_off or disposition.reason == "import_disabled",
    )


def _numbered(fact: OrderImported, known: Known, now: datetime, command_id: str | None = None) -> OrderImported:
    """The next fact of the order; a revision that nobody asked for names no command."""
    return fact.model_copy(update={"seq": known.seq + 1, "at": now, "command_id": command_id})


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
    kept = {name: getattr(known, name) for name in _KEPT_OF_LINES if not getattr(line, name)}
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
