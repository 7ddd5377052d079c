"""What Shopify accepts as the query of a bulk operation: connections by ``edges { node { … } }``, few and not deep.

The refusals are the recorded ones (live shop, API 2026-04).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLSchema,
    InlineFragmentNode,
    OperationDefinitionNode,
    OperationType,
    SelectionSetNode,
    get_named_type,
    parse,
    validate,
)

from . import refusals

_MOST_CONNECTIONS: Final = 5
_DEEPEST: Final = 2
_NODES: Final = (
    "All connection fields in a bulk query must select their contents using 'edges' > 'node', e.g: 'products {{ edges"
    " {{ node {{'. Selecting via 'nodes' is not supported. Invalid connection fields: {}."
)
_PARENT: Final = (
    "The parent 'node' field for a nested connection must select the 'id' field without an alias and must be of 'ID'"
    " return type. Connection fields without 'id': {}."
)
Fragments = Mapping[str, FragmentDefinitionNode]
Composite = GraphQLObjectType | GraphQLInterfaceType


@dataclass(frozen=True, slots=True)
class Chosen:
    """A field of a selection, with all that is chosen below it wherever it is named."""

    key: str
    nodes: tuple[FieldNode, ...]

    @property
    def name(self) -> str:
        return self.nodes[0].name.value

    @property
    def below(self) -> tuple[SelectionSetNode, ...]:
        return tuple(node.selection_set for node in self.nodes if node.selection_set is not None)


@dataclass(frozen=True, slots=True)
class BulkQuery:
    """A query that may run in bulk."""

    schema: GraphQLSchema
    root: GraphQLObjectType
    selections: tuple[SelectionSetNode, ...]
    fragments: Fragments


def read_bulk_query(schema: GraphQLSchema, text: str) -> BulkQuery | list[str]:
    """The query, or what is wrong with it, in Shopify's words."""
    try:
        document = parse(text)
    except GraphQLError as error:
        return [f"Invalid bulk query: {error.message[:1].lower()}{error.message[1:]}"]
    operations = [node for node in document.definitions if isinstance(node, OperationDefinitionNode)]
    if len(operations) != 1 or operations[0].operation is not OperationType.QUERY or schema.query_type is None:
        return ["Invalid operation type. Only `query` operations are supported."]
    if operations[0].variable_definitions:
        return ["Invalid bulk query: variables are not supported"]
    if errors := validate(schema, document):
        return [f"Invalid bulk query: {each['message']}" for each in refusals.of_document(document, errors)]
    query = BulkQuery(schema, schema.query_type, (operations[0].selection_set,), _fragments_of(document))
    return list(_complaints(query)) or query


def chosen_in(selections: Iterable[SelectionSetNode], kind: Composite, fragments: Fragments) -> tuple[Chosen, ...]:
    """The fields that are chosen of this type, each once."""
    found: dict[str, list[FieldNode]] = {}
    for node in _fields(selections, kind, fragments):
        found.setdefault(node.alias.value if node.alias else node.name.value, []).append(node)
    return tuple(Chosen(key, tuple(nodes)) for key, nodes in found.items())


def _fields(selections: Iterable[SelectionSetNode], kind: Composite, fragments: Fragments) -> Iterator[FieldNode]:
    names = {kind.name, *(interface.name for interface in kind.interfaces)}
    for selection in (each for chosen in selections for each in chosen.selections):
        match selection:
            case FieldNode():
                yield selection
            case InlineFragmentNode():
                if selection.type_condition is None or selection.type_condition.name.value in names:
                    yield from _fields([selection.selection_set], kind, fragments)
            case FragmentSpreadNode():
                fragment = fragments[selection.name.value]
                if fragment.type_condition.name.value in names:
                    yield from _fields([fragment.selection_set], kind, fragments)


def _fragments_of(document: DocumentNode) -> Fragments:
    return {node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)}


# what may not be asked for


@dataclass(frozen=True, slots=True)
class _Use:
    """One connection of a query: how deep it lies, and whether its nodes are asked for as a bulk query must."""

    name: str
    depth: int
    by_edges: bool
    has_id: bool
    around: "_Use | None" = None


def _complaints(query: BulkQuery) -> Iterator[str]:
    roots = [chosen.name for chosen in chosen_in(query.selections, query.root, query.fragments)]
    if len(roots) > 1:
        yield "Bulk queries cannot contain more than one top level field."
    for name in ("node", "nodes"):
        if name in roots:
            yield f"Bulk queries cannot contain a top level `{name}` field."
    uses = list(_uses(query, query.selections, query.root, None))
    if not uses:
        yield "Bulk queries must contain at least one connection."
    if len(uses) > _MOST_CONNECTIONS:
        yield f"Bulk queries cannot contain more than {_MOST_CONNECTIONS} connections."
    if any(use.depth > _DEEPEST for use in uses):
        yield f"Bulk queries cannot contain connections with a nesting depth greater than {_DEEPEST}."
    if crooked := [use.name for use in uses if not use.by_edges]:
        yield _NODES.format(", ".join(f"'{name}'" for name in crooked))
    if nameless := dict.fromkeys(use.around.name for use in uses if use.around and not use.around.has_id):
        yield _PARENT.format(", ".join(nameless))


def _uses(
    query: BulkQuery, selections: Sequence[SelectionSetNode], kind: Composite, around: _Use | None
) -> Iterator[_Use]:
    """Every connection below; ``around`` is the innermost one that holds this selection."""
    for chosen in chosen_in(selections, kind, query.fragments):
        field = kind.fields.get(chosen.name)
        below = None if field is None else get_named_type(field.type)
        if not isinstance(below, (GraphQLObjectType, GraphQLInterfaceType)):
            continue
        if below.name.endswith("Connection"):
            yield from _uses_of_connection(query, chosen, below, around)
        else:
            yield from _uses(query, chosen.below, below, around)


def _uses_of_connection(query: BulkQuery, chosen: Chosen, kind: Composite, around: _Use | None) -> Iterator[_Use]:
    depth = 0 if around is None else around.depth + 1
    node = node_of(query, chosen, kind)
    if node is None:
        yield _Use(chosen.name, depth, by_edges=False, has_id=False, around=around)
        return
    node_kind, below = node
    by_edges = all(each.name == "edges" for each in chosen_in(chosen.below, kind, query.fragments))
    has_id = any(each.key == each.name == "id" for each in chosen_in(below, node_kind, query.fragments))
    use = _Use(chosen.name, depth, by_edges, has_id, around)
    yield use
    yield from _uses(query, below, node_kind, use)


def node_of(
    query: BulkQuery, connection: Chosen, kind: Composite
) -> tuple[GraphQLObjectType, tuple[SelectionSetNode, ...]] | None:
    """The type of a connection's nodes and what is chosen of them, when it is asked for by ``edges { node }``."""
    for edges in chosen_in(connection.below, kind, query.fragments):
        edge = get_named_type(kind.fields[edges.name].type) if edges.name == "edges" else None
        if not isinstance(edge, GraphQLObjectType):
            continue
        for node in chosen_in(edges.below, edge, query.fragments):
            node_kind = get_named_type(edge.fields[node.name].type) if node.name == "node" else None
            if isinstance(node_kind, GraphQLObjectType):
                return node_kind, node.below
    return None
