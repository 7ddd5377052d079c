"""JSON Schemas of what travels on the topics, as their writers serialize it."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from .channels import Channel

DIALECT = "https://json-schema.org/draft/2020-12/schema"
JsonSchema = dict[str, Any]


def schema_of(channel: Channel) -> JsonSchema:
    """One self-contained schema; ``$id`` is what the records' ``ce_dataschema`` header says."""
    schema = channel.model.model_json_schema(mode="serialization")
    return {"$schema": DIALECT, "$id": f"/schemas/{channel.topic.name}.json"} | schema


def shared_schemas(models: list[type[BaseModel]], prefix: str) -> JsonSchema:
    """The same for all models together, each definition once; references begin with ``prefix``."""
    _, definitions = models_json_schema([(model, "serialization") for model in models], ref_template=prefix + "{model}")
    schemas: JsonSchema = definitions["$defs"]
    return schemas
