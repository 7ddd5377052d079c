"""What requests carry: query parameters, bodies, and the ``Idempotency-Key``; unknown fields are refused."""

from __future__ import annotations

import hashlib
from typing import Annotated, Any, Literal

from fastapi import Header, Path, Request
from fastapi.responses import Response
from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictBool,
    field_validator,
    model_validator,
)

from orderbridge.events import BackfillAsked, Mode
from orderbridge.ids import AMAZON_ORDER_ID
from orderbridge.status import Status

from ..actions import Answer, Once
from ..domain.commands import Asked, shopify_order_gid
from ..domain.paging import OrderFilter, Sort

Text = Annotated[str, Field(max_length=200, pattern=r"^[^\x00]*$")]
Limit = Annotated[int, Field(ge=1, le=200)]
OrderIdPath = Annotated[str, Path(description="as it is or percent-encoded", examples=["main:113-1234567-7654321"])]
IdPath = Annotated[str, Path(max_length=100, pattern=r"^[A-Za-z0-9-]+$")]
IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        max_length=200,
        pattern=r"^[\x21-\x7e]+$",
        description="The stored answer of the first request with this key is given again.",
    ),
]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class CountQuery(_Strict):
    """Which orders: all that is given must hold; a repeated parameter means any of its values."""

    connection: list[Text] = Field([], max_length=50)
    q: Text | None = Field(None, description="part of either id, of a SKU or of a title")
    ship_by_before: AwareDatetime | None = None

    @field_validator("q")
    @classmethod
    def _nothing_asked(cls, q: str | None) -> str | None:
        return q.strip() or None if q else None

    def asked(self) -> OrderFilter:
        return OrderFilter(connection=tuple(self.connection), q=self.q, ship_by_before=self.ship_by_before)


class OrderQuery(CountQuery):
    status: list[Status] = Field([], max_length=20)
    reason: list[Text] = Field([], max_length=50)
    sort: Sort = "-purchased_at"
    limit: Limit = 50
    cursor: Annotated[str, Field(max_length=1000)] | None = None

    def asked(self) -> OrderFilter:
        return OrderFilter(
            connection=tuple(self.connection),
            q=self.q,
            ship_by_before=self.ship_by_before,
            status=tuple(self.status),
            reason=tuple(self.reason),
        )


class ParkedQuery(_Strict):
    state: Literal["parked", "replayed", "superseded"] = "parked"
    limit: Limit = 50
    cursor: Annotated[str, Field(max_length=1000)] | None = None


class ConnectionQuery(_Strict):
    limit: Limit = 50
    cursor: Annotated[str, Field(pattern=r"^[a-z0-9-]{1,32}$")] | None = None


Why = Annotated[str, Field(max_length=500, pattern=r"^[^\x00]*$")]


class RetryBody(_Strict):
    """``reason`` is required for force."""

    mode: Mode
    reason: Why | None = None

    @model_validator(mode="after")
    def _force_needs_a_reason(self) -> RetryBody:
        if self.mode == "force" and not (self.reason or "").strip():
            raise ValueError("force needs a reason: say in the field reason why")
        return self

    def asked(self) -> Asked:
        return Asked(self.mode, self.reason)


def _one_or_several(said: Any) -> Any:
    return [said] if isinstance(said, str) else said


class RetryFilterBody(_Strict):
    """As in the list of orders: all that is given must hold; one value, or several of which any may hold."""

    status: Annotated[list[Status], Field(max_length=20), BeforeValidator(_one_or_several)] = []
    reason: Annotated[list[Text], Field(max_length=50), BeforeValidator(_one_or_several)] = []
    connection: Annotated[list[Text], Field(max_length=50), BeforeValidator(_one_or_several)] = []
    q: Text | None = Field(None, description="part of either id, of a SKU or of a title")
    ship_by_before: AwareDatetime | None = None


class RetriesBody(RetryBody):
    """The orders that match ``filter`` now, which must say something; ``reason`` is required for force."""

    filter: RetryFilterBody

    def orders(self) -> OrderFilter:
        said = self.filter
        return OrderFilter(
            connection=tuple(said.connection),
            q=(said.q or "").strip() or None,
            ship_by_before=said.ship_by_before,
            status=tuple(said.status),
            reason=tuple(said.reason),
        )


class ResolveBody(_Strict):
    """``shopify_order_id`` is a gid or its number; null closes the order as handled elsewhere."""

    shopify_order_id: str | int | None
    reason: Annotated[Why, Field(min_length=1)]

    @field_validator("shopify_order_id", mode="before")
    @classmethod
    def _a_gid(cls, said: Any) -> str | None:
        if said is None:
            return None
        gid = shopify_order_gid(said)
        if gid is None:
            raise ValueError("give the order's gid, its number, or null: not its name")
        return gid

    @field_validator("reason")
    @classmethod
    def _says_something(cls, reason: str) -> str:
        if not reason.strip():
            raise ValueError("say why")
        return reason

    def asked(self) -> Asked:
        gid = None if self.shopify_order_id is None else str(self.shopify_order_id)
        return Asked("resolve", self.reason, shopify_order_id=gid)


class CancelBody(_Strict):
    restock: StrictBool = Field(True, description="whether the units go back to stock")
    reason: Why | None = None

    def asked(self) -> Asked:
        return Asked("cancel", self.reason, restock=self.restock)


def _amazon_order_id(said: str) -> str:
    if not AMAZON_ORDER_ID.fullmatch(said.strip()):
        raise ValueError("this is no Amazon order id: give it as Amazon shows it, such as 113-1234567-7654321")
    return said.strip()


class BackfillBody(_Strict):
    """Either ``from`` and ``to``, when the orders were created, both included; or ``amazon_order_ids``."""

    created_from: AwareDatetime | None = Field(None, alias="from")
    created_to: AwareDatetime | None = Field(None, alias="to")
    amazon_order_ids: (
        Annotated[list[Annotated[str, AfterValidator(_amazon_order_id)]], Field(min_length=1, max_length=1000)] | None
    ) = None

    @model_validator(mode="after")
    def _one_of_the_two(self) -> BackfillBody:
        bounds = [bound for bound in (self.created_from, self.created_to) if bound is not None]
        if (len(bounds), self.amazon_order_ids is None) not in ((2, True), (0, False)):
            raise ValueError("give either from and to, or amazon_order_ids")
        return self

    def asked(self) -> BackfillAsked:
        return BackfillAsked(
            created_from=self.created_from,
            created_to=self.created_to,
            amazon_order_ids=tuple(dict.fromkeys(self.amazon_order_ids or ())),
        )


async def once_of(request: Request, key: str | None) -> Once | None:
    """The key, bound to this method, address and body."""
    if key is None:
        return None
    said = f"{request.method} {request.url.path}?{request.url.query}\n".encode() + await request.body()
    return Once(key, hashlib.sha256(said).hexdigest())


def respond(answer: Answer) -> Response:
    headers = {"Location": answer.location} if answer.location else None
    return Response(answer.body, answer.status, headers, "application/json")


def json_text(text: str) -> Response:
    return Response(text, media_type="application/json")
