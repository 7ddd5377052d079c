from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request
from fastapi.responses import Response, StreamingResponse
from pydantic import BaseModel, ConfigDict, Field

from ..actions import (
    Caller,
    Desk,
    delete_mapping,
    export_mappings,
    get_mapping,
    import_mappings,
    list_mappings,
    put_mapping,
    search_variants,
)
from ..domain.mapping_imports import ImportOutcome
from ..domain.mappings import MappingBody, MappingFilter, MappingPage, MappingResource, SavedMapping
from ..domain.problems import Problem
from ..domain.variants import VariantsFound
from .guard import caller_of, desk_of, needs
from .problems import MEDIA_TYPE
from .requests import IdempotencyKey, Limit, Text, once_of, respond

router = APIRouter(prefix="/v1", tags=["sku-mappings"])
TheDesk = Annotated[Desk, Depends(desk_of)]
TheCaller = Annotated[Caller, Depends(caller_of)]
ConnectionId = Annotated[str, Field(max_length=200, pattern=r"^[^\x00]*$", description="the id of a connection")]
ConnectionPath = Annotated[str, Path(pattern=r"^[a-z0-9-]{1,32}$")]
AmazonSkuPath = Annotated[
    str, Path(description="as it is or percent-encoded; it may hold slashes", examples=["MUG-BLUE/2"])
]

_FILE_TYPES = ("text/csv", "application/csv", "application/octet-stream", "application/vnd.ms-excel", "")
_FILE: dict[str, Any] = {"text/csv": {"schema": {"type": "string"}}}
_PROBLEM: dict[str, Any] = {"content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}}
_NO_FILE: dict[int | str, dict[str, Any]] = {
    413: {"description": "The file is too large", **_PROBLEM},
    415: {"description": "The body does not say that it is CSV", **_PROBLEM},
}


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class MappingQuery(_Strict):
    """Which mappings: all that is given must hold; a repeated parameter means any of its values."""

    connection: list[Text] = Field([], max_length=50)
    q: Text | None = Field(None, description="part of an Amazon SKU or of a Shopify SKU")
    limit: Limit = 50
    cursor: Annotated[str, Field(max_length=5000)] | None = None

    def asked(self) -> MappingFilter:
        return MappingFilter(tuple(self.connection), (self.q or "").strip() or None)


class FileQuery(_Strict):
    connection: ConnectionId


class ImportQuery(FileQuery):
    preview: bool = Field(False, description="say what would happen, and change nothing")


class VariantQuery(FileQuery):
    q: Annotated[str, Field(max_length=200, pattern=r"^[^\x00]*\S[^\x00]*$")] = Field(
        description="some words of the titles, or a SKU or its beginning"
    )


@router.get("/sku-mappings", operation_id="listSkuMappings", summary="The table, by Amazon SKU", **needs("operator"))
async def mappings(desk: TheDesk, query: Annotated[MappingQuery, Query()]) -> MappingPage:
    return await list_mappings(desk, query.asked(), query.limit, query.cursor)


@router.get(
    "/sku-mappings.csv",
    operation_id="exportSkuMappings",
    summary="All mappings of a connection as a file",
    response_class=Response,
    responses={200: {"content": _FILE, "description": "CSV, one row a target"}},
    **needs("operator"),
)
async def export(desk: TheDesk, query: Annotated[FileQuery, Query()]) -> Response:
    pieces = await export_mappings(desk, query.connection)
    name = f'attachment; filename="sku-mappings-{query.connection}.csv"'
    return StreamingResponse(pieces, media_type="text/csv", headers={"Content-Disposition": name})


_IMPORT = needs("operator")
_IMPORT["openapi_extra"] = _IMPORT["openapi_extra"] | {"requestBody": {"required": True, "content": _FILE}}


@router.post(
    "/sku-mappings.csv",
    operation_id="importSkuMappings",
    summary="Take in a file of mappings, all or nothing",
    response_model=ImportOutcome,
    responses=_NO_FILE,
    **_IMPORT,
)
async def import_(
    desk: TheDesk,
    caller: TheCaller,
    request: Request,
    query: Annotated[ImportQuery, Query()],
    idempotency_key: IdempotencyKey = None,
) -> Response:
    _check_type(request.headers.get("content-type", ""))
    once = await once_of(request, idempotency_key)
    return respond(await import_mappings(desk, caller, query.connection, await request.body(), query.preview, once))


@router.get(
    "/sku-mappings/{connection_id}/{amazon_sku:path}",
    operation_id="getSkuMapping",
    summary="What one Amazon SKU is at Shopify",
    **needs("operator"),
)
async def mapping(desk: TheDesk, connection_id: ConnectionPath, amazon_sku: AmazonSkuPath) -> MappingResource:
    return await get_mapping(desk, connection_id, amazon_sku)


@router.put(
    "/sku-mappings/{connection_id}/{amazon_sku:path}",
    operation_id="putSkuMapping",
    summary="Say what an Amazon SKU is; frees the orders that wait for it",
    response_model=SavedMapping,
    responses={201: {"model": SavedMapping, "description": "There was no mapping of the SKU before"}},
    **needs("operator"),
)
async def put(
    desk: TheDesk,
    caller: TheCaller,
    request: Request,
    connection_id: ConnectionPath,
    amazon_sku: AmazonSkuPath,
    body: MappingBody,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    once = await once_of(request, idempotency_key)
    return respond(await put_mapping(desk, caller, connection_id, amazon_sku, body, once))


@router.delete(
    "/sku-mappings/{connection_id}/{amazon_sku:path}",
    operation_id="deleteSkuMapping",
    summary="Remove a mapping, and answer with it",
    response_model=MappingResource,
    **needs("operator"),
)
async def delete(
    desk: TheDesk,
    caller: TheCaller,
    request: Request,
    connection_id: ConnectionPath,
    amazon_sku: AmazonSkuPath,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    once = await once_of(request, idempotency_key)
    return respond(await delete_mapping(desk, caller, connection_id, amazon_sku, once))


@router.get(
    "/variants",
    operation_id="searchVariants",
    summary="The shop's products, live, by words or by SKU",
    **needs("operator"),
)
async def variants(desk: TheDesk, query: Annotated[VariantQuery, Query()]) -> VariantsFound:
    return await search_variants(desk, query.connection, query.q)


def _check_type(content_type: str) -> None:
    kind, _, parameters = content_type.lower().partition(";")
    other_charset = "charset=" in parameters and parameters.partition("charset=")[2].strip(' "') not in (
        "utf-8",
        "utf8",
    )
    if kind.strip() not in _FILE_TYPES or other_charset:
        raise Problem(
            415,
            "unsupported_media_type",
            f"The body is {content_type[:100]}, a file of mappings is text/csv in UTF-8.",
            remedy="Send the file itself as the body, with the header Content-Type: text/csv.",
        )
