"""Connections as operators write and read them: settings in the clear, secrets only written."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, SecretStr

from orderbridge.connections import ConnectionSettings, MarketplaceId, Region, ShopDomain
from orderbridge.events import BackfillProgress, ConnectionChanged, ConnectionStatus, Event

from .problems import unusable

WORKERS: tuple[Literal["ingestor", "matcher", "creator"], ...] = ("ingestor", "matcher", "creator")
ClientId = Annotated[str, Field(min_length=1, max_length=300, pattern=r"^[\x21-\x7e]+$")]
Secret = Annotated[SecretStr, Field(min_length=1, max_length=4000)]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class SettingsBody(ConnectionSettings):
    """Contract section 7; what is left out takes its default."""

    import_from: AwareDatetime | None = None


class AmazonBody(_Body):
    region: Region
    seller_id: Annotated[str, Field(pattern=r"^[A-Z0-9]{5,32}$")]
    marketplace_ids: tuple[MarketplaceId, ...] = Field(min_length=1, max_length=50)
    client_id: ClientId
    client_secret: Secret | None = Field(None, description="left out: the one that is set is kept")
    refresh_token: Secret | None = Field(None, description="left out: the one that is set is kept")


class ShopifyBody(_Body):
    shop: ShopDomain
    client_id: ClientId
    client_secret: Secret | None = Field(None, description="left out: the one that is set is kept")


class ConnectionBody(_Body):
    """A whole connection; a secret that is left out stays as it is."""

    connection_id: Annotated[str, Field(pattern=r"^[a-z0-9-]{1,32}$")] | None = None
    amazon: AmazonBody
    shopify: ShopifyBody
    settings: SettingsBody = SettingsBody()


class NewAmazonBody(AmazonBody):
    client_secret: Secret
    refresh_token: Secret


class NewShopifyBody(ShopifyBody):
    client_secret: Secret


class NewConnectionBody(ConnectionBody):
    """A connection that is not there yet; every secret is needed."""

    connection_id: Annotated[str, Field(pattern=r"^[a-z0-9-]{1,32}$")]
    amazon: NewAmazonBody
    shopify: NewShopifyBody


class SecretShown(Event):
    set: bool
    changed_at: datetime | None


class AmazonShown(Event):
    region: Region
    seller_id: str
    marketplace_ids: tuple[str, ...]
    client_id: str
    client_secret: SecretShown
    refresh_token: SecretShown


class ShopifyShown(Event):
    shop: str
    client_id: str
    client_secret: SecretShown


class WorkerStatus(Event):
    """A worker's newest word; ``check`` is the newest test that it answers, ``backfills`` are those under way."""

    state: Literal["ok", "unauthorized", "misconfigured"]
    message: str | None
    missing: tuple[str, ...]
    check: int
    last_poll_at: datetime | None
    lag_s: float | None
    quota_left: float | None
    backfills: dict[str, BackfillProgress]
    at: datetime


class ConnectionResource(Event):
    """``status`` has null for a worker that has said nothing yet; ``missing`` is what any of them misses."""

    connection_id: str
    rev: int
    amazon: AmazonShown
    shopify: ShopifyShown
    settings: ConnectionSettings
    status: dict[str, WorkerStatus | None]
    missing: tuple[str, ...]
    added_at: datetime
    updated_at: datetime


class ConnectionPage(Event):
    items: tuple[ConnectionResource, ...]
    next: str | None


class ServiceTested(Event):
    """What a worker found, or ``no_answer``."""

    state: Literal["ok", "unauthorized", "misconfigured", "no_answer"]
    message: str | None = None
    missing: tuple[str, ...] = ()


class ConnectionTested(Event):
    ok: bool
    services: dict[str, ServiceTested]


@dataclass(frozen=True)
class StoredConnection:
    """``secrets_changed_at`` has ``amazon.client_secret``, ``amazon.refresh_token``, ``shopify.client_secret``."""

    changed: ConnectionChanged
    amazon_client_id: str
    shopify_client_id: str
    secrets_changed_at: dict[str, datetime]


def checked(body: ConnectionBody) -> ConnectionBody:
    """Raises a 422 ``Problem`` for settings that contradict the account."""
    strangers = sorted(set(body.settings.marketplaces or ()) - set(body.amazon.marketplace_ids))
    if strangers:
        raise unusable(
            "settings.marketplaces",
            ", ".join(strangers),
            "These marketplaces are not among amazon.marketplace_ids.",
            "Name only marketplaces of the authorisation, or leave the setting out for all of them.",
        )
    return body


def shown(stored: StoredConnection, statuses: dict[str, ConnectionStatus]) -> ConnectionResource:
    changed = stored.changed
    settings = changed.settings.model_copy(
        update={
            "import_from": (changed.settings.import_from or changed.added_at).astimezone(UTC),
            "marketplaces": changed.settings.marketplaces or changed.amazon.marketplace_ids,
        }
    )
    return ConnectionResource(
        connection_id=changed.connection_id,
        rev=changed.rev,
        amazon=AmazonShown(
            region=changed.amazon.region,
            seller_id=changed.amazon.seller_id,
            marketplace_ids=changed.amazon.marketplace_ids,
            client_id=stored.amazon_client_id,
            client_secret=_secret(stored, "amazon.client_secret"),
            refresh_token=_secret(stored, "amazon.refresh_token"),
        ),
        shopify=ShopifyShown(
            shop=changed.shopify.shop,
            client_id=stored.shopify_client_id,
            client_secret=_secret(stored, "shopify.client_secret"),
        ),
        settings=settings,
        status={worker: _status(statuses.get(worker)) for worker in WORKERS},
        missing=tuple(sorted({item for status in statuses.values() for item in status.missing})),
        added_at=changed.added_at,
        updated_at=changed.at,
    )


def _secret(stored: StoredConnection, name: str) -> SecretShown:
    changed_at = stored.secrets_changed_at.get(name)
    return SecretShown(set=changed_at is not None, changed_at=changed_at)


def _status(status: ConnectionStatus | None) -> WorkerStatus | None:
    if status is None:
        return None
    return WorkerStatus(
        state=status.state,
        message=status.message,
        missing=status.missing,
        check=status.check,
        last_poll_at=status.last_poll_at,
        lag_s=status.lag_s,
        quota_left=status.quota_left,
        backfills=status.backfills,
        at=status.at,
    )


def answers_to(statuses: dict[str, ConnectionStatus], check: int) -> ConnectionTested:
    """What the workers say to the check of that number."""
    services = {}
    for worker in WORKERS:
        status = statuses.get(worker)
        if status is None or status.check < check:
            services[worker] = ServiceTested(state="no_answer", message="It has not answered within 10 s.")
        else:
            services[worker] = ServiceTested(state=status.state, message=status.message, missing=status.missing)
    return ConnectionTested(ok=all(service.state == "ok" for service in services.values()), services=services)


def trouble_of(status: ConnectionStatus) -> str | None:
    """Why the orders of this connection wait, in a sentence; None while the worker gets on."""
    if status.state == "ok":
        return None
    return f"The order waits because its connection is {status.state}, says the {status.service}."
