"""The AsyncAPI 3.1.0 document of all topics: channels, messages with their headers, and who sends and receives."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from .channels import Channel
from .schemas import JsonSchema, shared_schemas

KAFKA_BINDING = "0.5.0"
_SCHEMAS = "#/components/schemas/"

_HEADERS: JsonSchema = {
    "type": "object",
    "description": "CloudEvents 1.0 in Kafka's binary mode, and W3C trace context",
    "required": [
        "ce_specversion",
        "content-type",
        "ce_type",
        "ce_source",
        "ce_subject",
        "ce_id",
        "ce_time",
        "ce_dataschema",
    ],
    "properties": {
        "ce_specversion": {"const": "1.0"},
        "content-type": {"const": "application/json"},
        "ce_type": {"type": "string", "description": "`orderbridge.` and the topic without its prefix"},
        "ce_source": {"type": "string", "description": "`/orderbridge/` and the service that wrote it"},
        "ce_subject": {"type": "string", "description": "the record's key"},
        "ce_id": {"type": "string", "description": "the same fact published twice has the same id"},
        "ce_time": {"type": "string", "format": "date-time", "description": "when the fact was committed, in UTC"},
        "ce_dataschema": {"type": "string", "description": "the path of the value's JSON Schema"},
        "traceparent": {"type": "string"},
        "command_id": {"type": "string", "description": "the command that caused it, if any"},
    },
}


def document(channels: Iterable[Channel], version: str) -> dict[str, Any]:
    """The whole document, as plain values."""
    channels = list(channels)
    return {
        "asyncapi": "3.1.0",
        "info": {
            "title": "OrderBridge",
            "version": version,
            "description": "Amazon orders on their way to Shopify. No record carries personal data. "
            "ORDERBRIDGE_TOPIC_PREFIX, where set, stands before every address.",
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "channels": {channel.name: _channel(channel) for channel in channels},
        "operations": dict(operation for channel in channels for operation in _operations(channel)),
        "components": {
            "messages": {channel.message: _message(channel) for channel in channels},
            "messageTraits": {"cloudEvent": {"headers": _HEADERS}},
            "schemas": shared_schemas([channel.model for channel in channels], _SCHEMAS),
        },
    }


def _channel(channel: Channel) -> dict[str, Any]:
    topic = channel.topic
    settings: dict[str, Any] = {"cleanup.policy": [topic.cleanup]}
    if topic.retention_days is not None:
        settings["retention.ms"] = int(topic.settings["retention.ms"])
    return {
        "address": topic.name,
        "description": channel.says,
        "messages": {channel.message: {"$ref": f"#/components/messages/{channel.message}"}},
        "bindings": {
            "kafka": {
                "topic": topic.name,
                "partitions": topic.partitions,
                "topicConfiguration": settings,
                "bindingVersion": KAFKA_BINDING,
            }
        },
    }


def _message(channel: Channel) -> dict[str, Any]:
    return {
        "name": f"orderbridge.{channel.topic.name}",
        "contentType": "application/json",
        "traits": [{"$ref": "#/components/messageTraits/cloudEvent"}],
        "payload": {"$ref": f"{_SCHEMAS}{channel.message}"},
        "bindings": {"kafka": {"key": {"type": "string", "description": channel.key}, "bindingVersion": KAFKA_BINDING}},
    }


def _operations(channel: Channel) -> Iterable[tuple[str, dict[str, Any]]]:
    for action, services in (("send", channel.writers), ("receive", channel.readers)):
        for service in services:
            yield (
                f"{service}-{action}s-{channel.name}",
                {
                    "action": action,
                    "channel": {"$ref": f"#/channels/{channel.name}"},
                    "summary": f"{service} {action}s {channel.topic.name}",
                    "messages": [{"$ref": f"#/channels/{channel.name}/messages/{channel.message}"}],
                },
            )
