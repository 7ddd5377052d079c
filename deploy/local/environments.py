"""Which process gets which variables: each only its own (contract section 8)."""

from __future__ import annotations

import base64
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import quote, urlsplit, urlunsplit

from .ports import HOST, Ports

SERVICES = ("ingestor", "matcher", "creator", "api")
# What an operator may set for all services at once; the runner decides the rest.
PASSED_ON = ("KAFKA_", "OTEL_", "ORDERBRIDGE_TOPIC_PREFIX", "ORDERBRIDGE_LOG_LEVEL")
# The stand-ins answer in milliseconds: a call whose outcome is unknown is settled soon.
SETTLING = {
    "ORDERBRIDGE_SETTLE_S": "10",
    "ORDERBRIDGE_SHOPIFY_DEADLINE_S": "5",
    "ORDERBRIDGE_SHOPIFY_LATE_S": "3",
    "ORDERBRIDGE_SHOPIFY_LOOKUP_LAG_S": "1",
}
# So that whoever switches webhooks off, or loses one, sees soon what is done about it.
STOCK_REREAD_S = "5"


def new_master_key() -> str:
    return f"local:{base64.b64encode(secrets.token_bytes(32)).decode()}"


def new_admin_key() -> str:
    return secrets.token_urlsafe(24)


@dataclass(frozen=True)
class Environments:
    """``shared_url`` is one role for all services, ``admin_url`` one that makes a role for each; one is set."""

    kafka: str
    admin_url: str | None
    shared_url: str | None
    ports: Ports = field(default_factory=Ports)
    given: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    passwords: Mapping[str, str] = field(
        default_factory=lambda: {service: secrets.token_urlsafe(18) for service in SERVICES}, repr=False
    )
    master_key: str = field(default_factory=new_master_key, repr=False)
    admin_key: str = field(default_factory=new_admin_key, repr=False)

    def plain(self) -> dict[str, str]:
        """For what needs no setting of ours."""
        kept = {name: self.given[name] for name in ("PATH", "HOME") if name in self.given}
        return {"PATH": os.defpath, **kept, "LANG": "C.UTF-8", "PYTHONUNBUFFERED": "1"}

    def topics(self) -> dict[str, str]:
        passed = {name: value for name, value in self.given.items() if name.startswith(PASSED_ON)}
        return {**self.plain(), **passed, "KAFKA_BOOTSTRAP_SERVERS": self.kafka}

    def migrate(self, service: str) -> dict[str, str]:
        admin = {"DATABASE_ADMIN_URL": self.admin_url} if self.admin_url else {}
        return {**self.service(service), **admin}

    def service(self, service: str, *, instance: int = 1) -> dict[str, str]:
        """Of the instance counted from 1; only the first has the fixed port."""
        return {
            **self.topics(),
            "DATABASE_URL": self._database_url(service),
            "ORDERBRIDGE_MASTER_KEY": self.master_key,
            "ORDERBRIDGE_KAFKA_SESSION_TIMEOUT_MS": "6000",
            **self._own(service, instance),
        }

    def _own(self, service: str, instance: int) -> dict[str, str]:
        port = str(self.ports.of(service)) if instance == 1 else "0"
        amazon = f"http://{HOST}:{self.ports.amazon}"
        shopify = {"ORDERBRIDGE_SHOPIFY_URL": f"http://{HOST}:{self.ports.shopify}/{{shop}}"}
        if service == "api":
            # Shopify's webhooks go to the one instance that has the fixed port.
            public = {"ORDERBRIDGE_PUBLIC_URL": f"http://{HOST}:{self.ports.of('api')}"}
            return {**shopify, **public, "ORDERBRIDGE_ADMIN_KEY": self.admin_key, "ORDERBRIDGE_API_PORT": port}
        vendor = {
            "ingestor": {"ORDERBRIDGE_AMAZON_URL": amazon, "ORDERBRIDGE_LWA_URL": amazon},
            "matcher": shopify,
            "creator": {**shopify, **SETTLING, "ORDERBRIDGE_STOCK_REREAD_S": STOCK_REREAD_S},
        }[service]
        return {**vendor, "ORDERBRIDGE_HEALTH_PORT": port}

    def _database_url(self, service: str) -> str:
        if self.admin_url is None:
            return self.shared_url or ""
        return with_role(self.admin_url, f"orderbridge_{service}", self.passwords[service])


def with_role(url: str, user: str, password: str) -> str:
    """The same server and database, another role."""
    address = urlsplit(url)
    host = address.netloc.rpartition("@")[2]
    return urlunsplit(address._replace(netloc=f"{user}:{quote(password, safe='')}@{host}"))
