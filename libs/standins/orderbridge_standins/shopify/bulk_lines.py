"""What the query of a bulk operation writes: each node of its connections becomes one line.

Execution is compiled once per operation, so that a line costs some calls of resolvers and nothing of graphql-core.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from graphql import (
    GraphQLEnumType,
    GraphQLField,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLScalarType,
    SelectionSetNode,
    get_named_type,
)
from graphql.execution.values import get_argument_values

from .bulk_query import BulkQuery, Chosen, Composite, chosen_in, node_of
from .pages import EVERYTHING

Read = Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class Lines:
    """What is written of each object of one connection, and of the connections below it."""

    name: str
    objects: Read
    """Takes the object that holds the connection."""
    written: Read
    below: tuple["Lines", ...]


def compile_query(query: BulkQuery, context: Any) -> tuple[Lines, ...]:
    """The connections at the top of the query; ``context`` is what resolvers find as the context of their call."""
    _, lines = _Compiler(query, context).selection(query.selections, query.root)
    return lines


@dataclass(frozen=True, slots=True)
class _Compiler:
    query: BulkQuery
    context: Any

    def selection(
        self, selections: Sequence[SelectionSetNode], kind: Composite
    ) -> tuple[Mapping[str, Read], tuple[Lines, ...]]:
        """How each field is read, and the connections, which leave the object for lines of their own."""
        fields: dict[str, Read] = {}
        lines: list[Lines] = []
        for chosen in chosen_in(selections, kind, self.query.fragments):
            if chosen.name == "__typename":
                fields[chosen.key] = _constant(kind.name)
                continue
            field = kind.fields[chosen.name]
            below = get_named_type(field.type)
            if isinstance(below, GraphQLObjectType) and below.name.endswith("Connection"):
                lines.append(self._connection(chosen, field, below))
            elif isinstance(below, (GraphQLObjectType, GraphQLInterfaceType)):
                inner, deeper = self.selection(chosen.below, below)
                read = self._resolved(chosen, field, {})
                fields[chosen.key] = _objects(read, inner)
                lines.extend(
                    Lines(each.name, _through(read, each.objects), each.written, each.below) for each in deeper
                )
            else:
                fields[chosen.key] = _leaves(self._resolved(chosen, field, {}), below)
        return fields, tuple(lines)

    def _connection(self, chosen: Chosen, field: GraphQLField, kind: GraphQLObjectType) -> Lines:
        node = node_of(self.query, chosen, kind)
        if node is None:
            raise ValueError(f"{chosen.name} is not asked for by edges and node")
        node_kind, below = node
        fields, lines = self.selection(below, node_kind)
        page = self._resolved(chosen, field, {"first": EVERYTHING})
        return Lines(chosen.name, lambda source: page(source).nodes, _written(fields), lines)

    def _resolved(self, chosen: Chosen, field: GraphQLField, more: Mapping[str, Any]) -> Read:
        given = {**get_argument_values(field, chosen.nodes[0]), **more}
        info = SimpleNamespace(context=self.context, field_name=chosen.name, schema=self.query.schema)
        resolve: Any = field.resolve
        return lambda source: resolve(source, info, **given)


def _constant(value: str) -> Read:
    return lambda _: value


def _written(fields: Mapping[str, Read]) -> Read:
    items = tuple(fields.items())
    return lambda source: {key: read(source) for key, read in items}


def _objects(read: Read, fields: Mapping[str, Read]) -> Read:
    write = _written(fields)

    def written(source: Any) -> Any:
        found = read(source)
        if isinstance(found, (list, tuple)):
            return [None if each is None else write(each) for each in found]
        return None if found is None else write(found)

    return written


def _leaves(read: Read, kind: Any) -> Read:
    plain = kind.coerce_output_value if isinstance(kind, (GraphQLScalarType, GraphQLEnumType)) else None
    if plain is None:
        raise TypeError(f"{kind} is neither an object nor a leaf")

    def written(source: Any) -> Any:
        found = read(source)
        if isinstance(found, (list, tuple)):
            return [None if each is None else plain(each) for each in found]
        return None if found is None else plain(found)

    return written


def _through(read: Read, objects: Read) -> Read:
    """The rows of a connection that an object inside a node holds."""

    def rows(source: Any) -> Any:
        inner = read(source)
        return () if inner is None else objects(inner)

    return rows
