"""Shopify's calculated query cost and the leaky bucket it is taken from.

Scalars and plain value objects are free, an object with an id costs 1, a connection 2 and its page size times
what a node costs, a mutation 10. The requested cost must be in the bucket; the difference to the actual one is
given back. Measured: a slim orderCreate 10/10, 250 nodes with two objects each 752.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, Final

from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLSchema,
    InlineFragmentNode,
    IntValueNode,
    ListValueNode,
    OperationDefinitionNode,
    OperationType,
    SelectionSetNode,
    ValueNode,
    VariableNode,
    get_named_type,
    is_list_type,
)
from graphql.type import get_nullable_type

MUTATION_COST: Final = 10
MAX_QUERY_COST: Final = 1000


class Bucket:
    """Points of one app on one shop; ``restore`` points come back each second. Times are monotonic seconds."""

    def __init__(self, maximum: float, restore: float, now: float) -> None:
        self.maximum = maximum
        self.restore = restore
        self._points = maximum
        self._at = now

    def available(self, now: float) -> float:
        self._points = min(self.maximum, self._points + max(0.0, now - self._at) * self.restore)
        self._at = now
        return self._points

    def take(self, points: float, now: float) -> bool:
        """Take the points if all of them are there, else none."""
        if self.available(now) < points:
            return False
        self._points -= points
        return True

    def give_back(self, points: float) -> None:
        self._points = min(self.maximum, self._points + points)

    def status(self, now: float) -> dict[str, float]:
        return {
            "maximumAvailable": _plain(self.maximum),
            "currentlyAvailable": int(self.available(now)),
            "restoreRate": _plain(self.restore),
        }


@dataclass(frozen=True)
class Meter:
    """Measures one operation of one document."""

    schema: GraphQLSchema
    operation: OperationDefinitionNode
    fragments: Mapping[str, FragmentDefinitionNode]

    def requested(self, variables: Mapping[str, Any]) -> int:
        return self._cost(variables, None) if self._fixed is None else self._fixed

    def actual(self, variables: Mapping[str, Any], data: Mapping[str, Any]) -> int:
        return self._cost(variables, data) if self._fixed is None else self._fixed

    @cached_property
    def _fixed(self) -> int | None:
        """The cost of a mutation that reads nothing but its payload: its 10 points, whatever comes back."""
        if self.operation.operation is not OperationType.MUTATION:
            return None
        cost = self._cost({}, None)
        return cost if cost == MUTATION_COST * len(self.operation.selection_set.selections) else None

    def _cost(self, variables: Mapping[str, Any], data: Mapping[str, Any] | None) -> int:
        is_mutation = self.operation.operation is OperationType.MUTATION
        root = self.schema.mutation_type if is_mutation else self.schema.query_type
        if root is None:
            return 0
        walk = _Walk(self.schema, self.fragments, variables, payload_is_free=is_mutation)
        base = MUTATION_COST * len(self.operation.selection_set.selections) if is_mutation else 0
        return base + walk.selections(self.operation.selection_set, root, data, depth=0)


@dataclass(frozen=True, slots=True)
class _Walk:
    schema: GraphQLSchema
    fragments: Mapping[str, FragmentDefinitionNode]
    variables: Mapping[str, Any]
    payload_is_free: bool

    def selections(
        self, chosen: SelectionSetNode, parent: GraphQLObjectType | GraphQLInterfaceType, data: Any, depth: int
    ) -> int:
        total = 0
        for selection in chosen.selections:
            match selection:
                case FieldNode():
                    total += self._field(selection, parent, data, depth)
                case FragmentSpreadNode():
                    fragment = self.fragments[selection.name.value]
                    inner = self._type(fragment.type_condition.name.value, parent)
                    total += self.selections(fragment.selection_set, inner, data, depth)
                case InlineFragmentNode():
                    condition = selection.type_condition
                    inner = parent if condition is None else self._type(condition.name.value, parent)
                    total += self.selections(selection.selection_set, inner, data, depth)
        return total

    def _type(
        self, name: str, parent: GraphQLObjectType | GraphQLInterfaceType
    ) -> GraphQLObjectType | GraphQLInterfaceType:
        found = self.schema.get_type(name)
        return found if isinstance(found, (GraphQLObjectType, GraphQLInterfaceType)) else parent

    def _field(self, node: FieldNode, parent: GraphQLObjectType | GraphQLInterfaceType, data: Any, depth: int) -> int:
        field = parent.fields.get(node.name.value)
        if field is None or node.selection_set is None:
            return 0
        kind = get_named_type(field.type)
        if not isinstance(kind, (GraphQLObjectType, GraphQLInterfaceType)):
            return 0
        chosen = node.selection_set
        key = node.alias.value if node.alias else node.name.value
        below = data.get(key) if isinstance(data, Mapping) else None
        if data is not None and below is None:
            return 0
        own = self._own(kind, depth)
        if kind.name.endswith("Connection"):
            return 2 + self._connection(node, chosen, kind, below, depth)
        if is_list_type(get_nullable_type(field.type)):
            return self._each(below, self._size(node), partial(self._one, own, chosen, kind, depth + 1))
        return own + self.selections(chosen, kind, below, depth + 1)

    def _own(self, kind: GraphQLObjectType | GraphQLInterfaceType, depth: int) -> int:
        """A mutation's 10 points cover its payload and the objects directly in it."""
        if self.payload_is_free and depth <= 1:
            return 0
        has_id = kind.name == "Node" or any(interface.name == "Node" for interface in kind.interfaces)
        return 1 if has_id else 0

    def _connection(
        self,
        node: FieldNode,
        chosen: SelectionSetNode,
        kind: GraphQLObjectType | GraphQLInterfaceType,
        data: Any,
        depth: int,
    ) -> int:
        size = self._size(node)
        total = 0
        for selection in chosen.selections:
            if not isinstance(selection, FieldNode) or selection.selection_set is None:
                continue
            inner = get_named_type(kind.fields[selection.name.value].type)
            if selection.name.value not in ("nodes", "edges") or not isinstance(inner, GraphQLObjectType):
                continue
            alias = selection.alias.value if selection.alias else selection.name.value
            below = data.get(alias) if isinstance(data, Mapping) else None
            own = 1 if selection.name.value == "nodes" else 0
            cost = partial(self._one, own, selection.selection_set, inner, depth + 2)
            total += self._each(below, size, cost)
        return total

    def _one(
        self, own: int, chosen: SelectionSetNode, kind: GraphQLObjectType | GraphQLInterfaceType, depth: int, data: Any
    ) -> int:
        return own + self.selections(chosen, kind, data, depth)

    def _size(self, node: FieldNode) -> int:
        """``first``, or the number of ``ids``; a list without either counts once."""
        for argument in node.arguments or ():
            if argument.name.value in ("first", "ids"):
                value = self._value(argument.value)
                return len(value) if isinstance(value, list) else int(value or 0)
        return 1

    def _value(self, value: ValueNode) -> Any:
        match value:
            case VariableNode():
                return self.variables.get(value.name.value)
            case IntValueNode():
                return int(value.value)
            case ListValueNode():
                return list(value.values)
        return None

    @staticmethod
    def _each(data: Any, size: int, cost: Callable[[Any], int]) -> int:
        if isinstance(data, list):
            return sum(cost(one) for one in data if one is not None)
        return size * cost(None)


def _plain(number: float) -> float:
    return int(number) if number == int(number) else number
