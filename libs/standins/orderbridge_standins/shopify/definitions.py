"""Metafield definitions, and the values of type ``id`` that Shopify keeps unique per definition."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from .gids import gid

APP_NAMESPACE: Final = "$app"
DefinitionKey = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class UserError:
    message: str
    field: tuple[str, ...] | None = None
    code: str | None = None

    def as_json(self) -> dict[str, Any]:
        return {"code": self.code, "field": self.field and list(self.field), "message": self.message}


@dataclass(frozen=True, slots=True)
class Capability:
    enabled: bool
    eligible: bool


@dataclass(frozen=True, slots=True)
class Capabilities:
    unique_values: Capability
    admin_filterable: Capability


@dataclass(frozen=True, slots=True)
class DefinitionType:
    name: str


@dataclass(eq=False, slots=True)
class MetafieldDefinition:
    kind: ClassVar[str] = "MetafieldDefinition"
    id: int
    namespace: str
    key: str
    name: str
    owner_type: str
    type: DefinitionType
    capabilities: Capabilities
    metafields_count: int = 0

    @property
    def gid(self) -> str:
        return gid(self.kind, self.id)


class Definitions:
    """The shop's definitions as one app sees them; ``$app`` is ``app--<client id>`` and private to the app."""

    def __init__(self, client_id: str) -> None:
        self._own = f"app--{client_id}"
        self._by_key: dict[DefinitionKey, MetafieldDefinition] = {}
        self._last_id = 700_000

    def namespace(self, given: str | None) -> str:
        """The full namespace; without one, or under ``$app``, it is the app's own."""
        if not given or given == APP_NAMESPACE:
            return self._own
        if given.startswith(f"{APP_NAMESPACE}:"):
            return f"{self._own}--{given.removeprefix(f'{APP_NAMESPACE}:')}"
        return given

    def is_foreign(self, namespace: str) -> bool:
        return namespace.startswith("app--") and namespace != self._own and not namespace.startswith(f"{self._own}--")

    def find(self, owner_type: str, namespace: str, key: str) -> MetafieldDefinition | None:
        return self._by_key.get((owner_type, namespace, key))

    def all_of(self, owner_type: str, namespace: str | None, key: str | None) -> list[MetafieldDefinition]:
        wanted = None if namespace is None else self.namespace(namespace)
        return [
            definition
            for definition in self._by_key.values()
            if definition.owner_type == owner_type
            and wanted in (None, definition.namespace)
            and key in (None, definition.key)
        ]

    def create(self, given: Mapping[str, Any]) -> MetafieldDefinition | UserError:
        namespace = self.namespace(given.get("namespace"))
        owner, key, kind = given["ownerType"], given["key"], given["type"]
        capabilities = given.get("capabilities") or {}
        unique = (capabilities.get("uniqueValues") or {}).get("enabled")
        for blank in ("name", "key", "type"):
            if not given[blank].strip():
                return UserError(f"{blank.capitalize()} can't be blank.", ("definition", blank), "BLANK")
        if self.is_foreign(namespace):
            message = "Namespace is reserved for another app."
            return UserError(message, ("definition", "namespace"), "RESERVED_NAMESPACE_KEY")
        if kind == "id" and unique is False:
            message = "Capability unique_values is required for type id but is disabled"
            return UserError(message, ("definition",), "CAPABILITY_REQUIRED_BUT_DISABLED")
        if (owner, namespace, key) in self._by_key:
            message = f"Key is in use for {owner.capitalize()} metafields on the '{namespace}' namespace."
            return UserError(message, ("definition", "key"), "TAKEN")
        filterable = bool((capabilities.get("adminFilterable") or {}).get("enabled"))
        self._last_id += 1
        definition = MetafieldDefinition(
            id=self._last_id,
            namespace=namespace,
            key=key,
            name=given["name"],
            owner_type=owner,
            type=DefinitionType(kind),
            capabilities=Capabilities(Capability(kind == "id" or bool(unique), True), Capability(filterable, True)),
        )
        self._by_key[owner, namespace, key] = definition
        return definition

    def remove_all(self) -> int:
        """Forget every definition; the values stay on their orders, as plain metafields. Returns how many."""
        count = len(self._by_key)
        self._by_key.clear()
        return count
