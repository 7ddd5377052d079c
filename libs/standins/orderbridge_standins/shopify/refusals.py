"""graphql-core's complaints in Shopify's words and shapes (recorded on live shops, API 2026-04 and 2026-10)."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    GraphQLEnumType,
    GraphQLError,
    GraphQLSchema,
    Node,
    OperationDefinitionNode,
    Visitor,
    type_from_ast,
    visit,
)
from graphql.language import DocumentNode
from graphql.type import is_input_type
from graphql.utilities import validate_input_value

_UNDEFINED_FIELD: Final = re.compile(r"Cannot query field '(?P<field>\w+)' on type '(?P<type>\w+)'\.")
_MISSING_ARGUMENT: Final = re.compile(r"Argument '\w+\.(?P<field>\w+)\((?P<argument>\w+):\)' of type .* is required")
_NOT_DEFINED: Final = re.compile(
    r"Expected value of type '(?P<type>\w+)' not to include unknown field '(?P<field>\w+)'"
)
_NOT_PROVIDED: Final = re.compile(r"Expected value of type '\w+' to include required field '(?P<field>\w+)'")
_NOT_NULL: Final = re.compile(r"Expected value of non-null type '[^']+' not to be None\.")
_NO_ENUM_VALUE: Final = re.compile(r"Value '(?P<value>[^']*)' does not exist in '(?P<type>\w+)' enum\.")
_PROTECTED: Final = (
    "Internal error. Looks like something went wrong on our end.\nRequest ID: {} (include this in support requests)."
)


def of_document(document: DocumentNode, errors: Sequence[GraphQLError]) -> list[dict[str, Any]]:
    """Validation errors of a document; a shape that was not recorded keeps graphql-core's own message."""
    return [_of_document(document, error) for error in errors]


def of_variables(
    schema: GraphQLSchema, operation: OperationDefinitionNode, variables: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """One INVALID_VARIABLE error for each variable that its type does not accept."""
    found = []
    for definition in operation.variable_definitions or ():
        name = definition.variable.name.value
        kind = type_from_ast(schema, definition.type)
        if not is_input_type(kind) or (name not in variables and definition.default_value is not None):
            continue
        problems: list[dict[str, Any]] = []

        def note(error: GraphQLError, path: list[str | int], into: list[dict[str, Any]] = problems) -> None:
            into.append(_problem(schema, path, error))

        validate_input_value(variables.get(name), kind, note, hide_suggestions=True)
        if problems:
            found.append(_invalid_variable(name, str(kind), variables.get(name), problems))
    return found


def of_execution(error: GraphQLError) -> dict[str, Any]:
    """An error that a resolver raised, with its path and without locations, as recorded."""
    shape: dict[str, Any] = {"message": error.message}
    if error.path:
        shape["path"] = error.path
    if error.extensions:
        shape["extensions"] = error.extensions
    return shape


def internal_error(request_id: str) -> dict[str, Any]:
    extensions = {"code": "INTERNAL_SERVER_ERROR", "requestId": request_id}
    return {"message": _PROTECTED.format(request_id), "extensions": extensions}


def _of_document(document: DocumentNode, error: GraphQLError) -> dict[str, Any]:
    if found := _UNDEFINED_FIELD.match(error.message):
        message = f"Field '{found['field']}' doesn't exist on type '{found['type']}'"
        extensions = {"code": "undefinedField", "typeName": found["type"], "fieldName": found["field"]}
        return {"message": message, "path": _path_to(document, error.nodes), "extensions": extensions}
    if found := _MISSING_ARGUMENT.match(error.message):
        message = f"Field '{found['field']}' is missing required arguments: {found['argument']}"
        return {"message": message, "extensions": {"code": "missingRequiredArguments"}}
    if error.message.startswith("Directive '@idempotent' may not be used on"):
        return {"message": error.message, "extensions": {"code": "directiveCannotBeApplied"}}
    return {"message": error.message}


def _path_to(document: DocumentNode, nodes: Sequence[Node] | None) -> list[str]:
    """``["mutation X", "inventoryActivate", "userErrors", "code"]``: the operation, then each field down."""
    search = _PathSearch(nodes[0] if nodes else None)
    visit(document, search)
    return search.found


class _PathSearch(Visitor):
    def __init__(self, wanted: Node | None) -> None:
        super().__init__()
        self._wanted = wanted
        self._path: list[str] = []
        self.found: list[str] = []

    def enter(self, node: Node, *_: Any) -> None:
        match node:
            case OperationDefinitionNode():
                named = f" {node.name.value}" if node.name else ""
                self._path.append(f"{node.operation.value}{named}")
            case FragmentDefinitionNode():
                self._path.append(f"fragment {node.name.value}")
            case FieldNode():
                self._path.append(node.alias.value if node.alias else node.name.value)
        if node is self._wanted:
            self.found = list(self._path)

    def leave(self, node: Node, *_: Any) -> None:
        if isinstance(node, (OperationDefinitionNode, FragmentDefinitionNode, FieldNode)):
            self._path.pop()


def _problem(schema: GraphQLSchema, path: Sequence[str | int], error: GraphQLError) -> dict[str, Any]:
    text = error.message
    if found := _NOT_DEFINED.match(text):
        return {"path": [*path, found["field"]], "explanation": f"Field is not defined on {found['type']}"}
    if found := _NOT_PROVIDED.match(text):
        return {"path": [*path, found["field"]], "explanation": "Expected value to not be null"}
    if _NOT_NULL.match(text):
        return {"path": list(path), "explanation": "Expected value to not be null"}
    if found := _NO_ENUM_VALUE.match(text):
        kind = schema.type_map[found["type"]]
        names = ", ".join(kind.values) if isinstance(kind, GraphQLEnumType) else ""
        return {"path": list(path), "explanation": f'Expected "{found["value"]}" to be one of: {names}'}
    return {"path": list(path), "explanation": text}


def _invalid_variable(name: str, kind: str, value: Any, problems: list[dict[str, Any]]) -> dict[str, Any]:
    spoken = ", ".join(f"{'.'.join(map(str, p['path']))} ({p['explanation']})" for p in problems if p["path"])
    message = f"Variable ${name} of type {kind} was provided invalid value" + (f" for {spoken}" if spoken else "")
    extensions = {"code": "INVALID_VARIABLE", "value": value, "problems": problems}
    return {"message": message, "extensions": extensions}
