"""What an Amazon SKU is at Shopify, as operators write and read it, and what a change of that does."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo, field_validator

from orderbridge.events import Event, MappingTarget, SkuMapping

from .resource import OrderResource
from .variants import Checked, MappingWarning

TARGETS_LIMIT = 50
UNITS_LIMIT = 9999
SKU_LIMIT = 255
ENDS_TOO_EARLY = "valid_until must be later than valid_from."

_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?([Zz]|[+-][0-9]{2}:[0-9]{2})")
_UNWRITABLE = ("Cc", "Cs", "Zl", "Zp")
"""Unicode's control characters, halves of characters, and separators of lines and paragraphs."""


# --- what may be written


def sku_mistake(sku: str) -> str | None:
    """What is wrong with a trimmed SKU of either side, in a sentence."""
    if not sku:
        return "A SKU cannot be empty."
    if len(sku) > SKU_LIMIT:
        return f"A SKU has at most {SKU_LIMIT} characters."
    if any(unicodedata.category(character) in _UNWRITABLE or character == "\ufffd" for character in sku):
        return "A SKU has no control characters, and none that are broken."
    return None


def utc_time(written: object) -> datetime:
    """An RFC 3339 time in UTC; raises ``ValueError`` in words for a person."""
    if isinstance(written, str) and _TIME.fullmatch(written):
        try:
            return datetime.fromisoformat(written.upper()).astimezone(UTC)
        except (ValueError, OverflowError):
            pass
    raise ValueError("Write a time with its zone, like 2026-11-20T12:00:00Z.")


def _trimmed_sku(written: str) -> str:
    sku = written.strip()
    if (mistake := sku_mistake(sku)) is not None:
        raise ValueError(mistake)
    return sku


def _time(written: object) -> object:
    return written if written is None else utc_time(written)


Sku = Annotated[str, AfterValidator(_trimmed_sku)]
Moment = Annotated[datetime | None, BeforeValidator(_time)]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class TargetBody(_Body):
    shopify_sku: Sku
    units: Annotated[int, Field(strict=True, ge=1, le=UNITS_LIMIT)]


class MappingBody(_Body):
    """One unit of the Amazon SKU is all of the targets; it holds for orders purchased from ``valid_from`` on and
    before ``valid_until``, where null is no bound."""

    targets: tuple[TargetBody, ...] = Field(json_schema_extra={"minItems": 1, "maxItems": TARGETS_LIMIT})
    valid_from: Moment = None
    valid_until: Moment = None

    @field_validator("targets")
    @classmethod
    def _each_once(cls, targets: tuple[TargetBody, ...]) -> tuple[TargetBody, ...]:
        if not 1 <= len(targets) <= TARGETS_LIMIT:
            raise ValueError(f"A mapping has 1 to {TARGETS_LIMIT} targets.")
        skus = [target.shopify_sku for target in targets]
        if (twice := next((sku for sku in skus if skus.count(sku) > 1), None)) is not None:
            raise ValueError(f"The SKU {twice} is named twice: name it once, with the sum of the units.")
        return targets

    @field_validator("valid_until")
    @classmethod
    def _ends_after_its_begin(cls, valid_until: datetime | None, info: ValidationInfo) -> datetime | None:
        valid_from = info.data.get("valid_from")
        if valid_from and valid_until and valid_from >= valid_until:
            raise ValueError(ENDS_TOO_EARLY)
        return valid_until

    def wanted(self, amazon_sku: str) -> Wanted:
        targets = tuple(MappingTarget(shopify_sku=each.shopify_sku, units=each.units) for each in self.targets)
        return Wanted(amazon_sku, targets, self.valid_from, self.valid_until)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What an operator wants an Amazon SKU to be."""

    amazon_sku: str
    targets: tuple[MappingTarget, ...]
    valid_from: datetime | None = None
    valid_until: datetime | None = None

    @property
    def shopify_skus(self) -> list[str]:
        return [target.shopify_sku for target in self.targets]


@dataclass(frozen=True, slots=True)
class MappingFilter:
    """All that is given must hold; ``q`` is part of a SKU of either side."""

    connection: tuple[str, ...] = ()
    q: str | None = None


# --- what is kept, and what changes it


@dataclass(frozen=True, slots=True)
class StoredMapping:
    """The newest revision of a mapping, a deletion included, and who made it."""

    mapping: SkuMapping
    actor: str

    @property
    def deleted(self) -> bool:
        return not self.mapping.targets


Verdict = Literal["new", "changed", "unchanged"]


def verdict_on(wanted: Wanted, before: StoredMapping | None) -> Verdict:
    """The order of targets says nothing, so another order is no change."""
    if before is None or before.deleted:
        return "new"
    kept = before.mapping
    same = sorted(wanted.targets, key=_by_sku) == sorted(kept.targets, key=_by_sku) and (
        wanted.valid_from,
        wanted.valid_until,
    ) == (kept.valid_from, kept.valid_until)
    return "unchanged" if same else "changed"


def _by_sku(target: MappingTarget) -> str:
    return target.shopify_sku


def revised(
    wanted: Wanted, before: StoredMapping | None, connection_id: str, actor: str, at: datetime
) -> StoredMapping:
    """The next revision; it goes on counting after a deletion."""
    mapping = SkuMapping(
        connection_id=connection_id,
        amazon_sku=wanted.amazon_sku,
        rev=before.mapping.rev + 1 if before else 1,
        targets=wanted.targets,
        valid_from=wanted.valid_from,
        valid_until=wanted.valid_until,
        at=at,
    )
    return StoredMapping(mapping, actor)


def removed(before: StoredMapping, actor: str, at: datetime) -> StoredMapping:
    kept = before.mapping
    mapping = SkuMapping(connection_id=kept.connection_id, amazon_sku=kept.amazon_sku, rev=kept.rev + 1, at=at)
    return StoredMapping(mapping, actor)


# --- which orders wait for it


def held_skus(resource: OrderResource) -> list[str] | None:
    """The SKUs that hold an unmatched order: all of them must be mapped to free it. None: nothing holds it.

    An empty one stands for a line without a SKU, which no mapping frees.
    """
    if resource.status != "unmatched":
        return None
    return sorted({(line.amazon_sku or "").strip() for line in resource.lines or () if line.reason}) or None


def freed_by(wanted: Sequence[Wanted], checked: Checked) -> list[Wanted]:
    """Those of the mappings that give their orders a match: each target is exactly one variant on sale."""
    return [each for each in wanted if all(map(checked.sells, each.shopify_skus))]


# --- as it is answered


class MappingResource(Event):
    connection_id: str
    amazon_sku: str
    targets: tuple[MappingTarget, ...]
    valid_from: datetime | None
    valid_until: datetime | None
    rev: int
    updated_by: str
    updated_at: datetime | None


class SavedMapping(MappingResource):
    """``waiting_orders`` is how many orders this change frees, if the shop's products stay as they are."""

    waiting_orders: int
    warnings: tuple[MappingWarning, ...]


class MappingPage(Event):
    items: tuple[MappingResource, ...]
    next: str | None


def shown(stored: StoredMapping) -> MappingResource:
    kept = stored.mapping
    return MappingResource(
        connection_id=kept.connection_id,
        amazon_sku=kept.amazon_sku,
        targets=kept.targets,
        valid_from=kept.valid_from,
        valid_until=kept.valid_until,
        rev=kept.rev,
        updated_by=stored.actor,
        updated_at=kept.at,
    )


def saved(stored: StoredMapping, waiting_orders: int, warnings: Iterable[MappingWarning]) -> SavedMapping:
    return SavedMapping(
        **shown(stored).model_dump(exclude={"targets"}),
        targets=stored.mapping.targets,
        waiting_orders=waiting_orders,
        warnings=tuple(warnings),
    )
