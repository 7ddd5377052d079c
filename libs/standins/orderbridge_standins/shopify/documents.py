"""GraphQL documents, parsed and validated once: validation costs ten times what an execution does."""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    GraphQLSchema,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
    parse,
    validate,
)

from . import refusals
from .points import Meter
from .schema import load_schema

_KEPT: Final = 500


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation of a document, with the names of its root fields."""

    node: OperationDefinitionNode
    roots: tuple[str, ...]
    meter: Meter

    @property
    def name(self) -> str | None:
        return self.node.name.value if self.node.name else None


@dataclass(frozen=True, slots=True)
class Prepared:
    """A document that can be executed, or the errors that say why not, in Shopify's shape."""

    document: DocumentNode | None
    operations: tuple[Operation, ...]
    errors: tuple[Mapping[str, Any], ...] = ()

    def operation(self, name: str | None) -> Operation | None:
        if name is None:
            return self.operations[0] if len(self.operations) == 1 else None
        return next((operation for operation in self.operations if operation.name == name), None)


@cache
def known_documents() -> "Documents":
    """The documents of this process; they hold no state of a shop, so every stand-in shares them."""
    return Documents(load_schema())


class Documents:
    """The documents seen last."""

    def __init__(self, schema: GraphQLSchema) -> None:
        self.schema = schema
        self._seen: OrderedDict[str, Prepared] = OrderedDict()

    def prepare(self, text: str) -> Prepared:
        prepared = self._seen.get(text)
        if prepared is None:
            prepared = self._seen[text] = self._prepare(text)
            if len(self._seen) > _KEPT:
                self._seen.popitem(last=False)
        else:
            self._seen.move_to_end(text)
        return prepared

    def _prepare(self, text: str) -> Prepared:
        try:
            document = parse(text)
        except GraphQLError as error:
            return Prepared(None, (), ({"message": error.message, "extensions": {"code": "parseError"}},))
        fragments = {n.name.value: n for n in document.definitions if isinstance(n, FragmentDefinitionNode)}
        operations = tuple(
            Operation(node, tuple(_roots(node.selection_set, fragments)), Meter(self.schema, node, fragments))
            for node in document.definitions
            if isinstance(node, OperationDefinitionNode)
        )
        errors = validate(self.schema, document)
        return Prepared(document, operations, tuple(refusals.of_document(document, errors)))


def _roots(chosen: SelectionSetNode, fragments: Mapping[str, FragmentDefinitionNode]) -> list[str]:
    found: list[str] = []
    for selection in chosen.selections:
        match selection:
            case FieldNode():
                found.append(selection.name.value)
            case InlineFragmentNode():
                found.extend(_roots(selection.selection_set, fragments))
            case FragmentSpreadNode() if fragment := fragments.get(selection.name.value):
                found.extend(_roots(fragment.selection_set, fragments))
    return found
