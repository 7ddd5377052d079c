"""The broker's topics: made when they are missing, refused when they are not as the contract says."""

from __future__ import annotations

import argparse
import asyncio
import importlib.util
import sys
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from ..errors import ConfigurationError
from ..settings import KafkaSettings, load_settings
from ..topics import TOPICS, Topic
from .connection import START_DEADLINE_S, connection, started

_TOPIC_ALREADY_EXISTS = 36


def check_extension() -> None:
    """Refuse to run without aiokafka's C extension: everything would be ten times slower and look like a fault."""
    if importlib.util.find_spec("aiokafka.record._crecords") is None:
        raise ConfigurationError(
            "aiokafka's C extension is missing: install its wheel for this platform, or a C compiler, and install again"
        )


@asynccontextmanager
async def _open_admin(settings: KafkaSettings) -> AsyncIterator[Any]:
    admin = AIOKafkaAdminClient(**connection(settings))
    try:
        await started(admin, settings)
        yield admin
    finally:
        await admin.close()


async def create_topics(settings: KafkaSettings) -> list[str]:
    """Make the missing topics, replicated as the broker does by default, and wait until they are listed.

    Returns their full names; empty when all were there.
    """
    prefix = settings.orderbridge_topic_prefix
    async with _open_admin(settings) as admin:
        existing = set(await admin.list_topics())
        missing = [topic for topic in TOPICS if prefix + topic.name not in existing]
        if not missing:
            return []
        replication = await _default_replication(admin)
        answer = await admin.create_topics(
            [
                NewTopic(prefix + topic.name, topic.partitions, replication, topic_configs=topic.settings)
                for topic in missing
            ]
        )
        for name, code, message in (row[:3] for row in answer.topic_errors):
            if code not in (0, _TOPIC_ALREADY_EXISTS):
                why = message or code
                raise ConfigurationError(f"topic {name} cannot be made ({why}): allow it, or make it by hand")
        made = [prefix + topic.name for topic in missing]
        await _until_listed(admin, set(made))
        return made


async def _until_listed(admin: Any, names: set[str]) -> None:
    """A topic that was just made is not listed at once."""
    deadline = asyncio.get_running_loop().time() + START_DEADLINE_S
    while not names <= set(await admin.list_topics()):
        if asyncio.get_running_loop().time() > deadline:
            raise ConfigurationError("the broker took the new topics but does not list them: look at its log")
        await asyncio.sleep(0.1)


async def _default_replication(admin: Any) -> int:
    """The broker's own default; aiokafka cannot ask for "as you do by default"."""
    name = "default.replication.factor"
    broker = (await admin.describe_cluster())["brokers"][0]["node_id"]
    answers = await admin.describe_configs(
        [ConfigResource(ConfigResourceType.BROKER, str(broker), configs={name: None})]
    )
    values = [entry[1] for answer in answers for resource in answer.resources for entry in resource[4]]
    return int(values[0]) if values else 1


async def check_topics(settings: KafkaSettings, topics: Iterable[str]) -> None:
    """Raise ``ConfigurationError`` that names every topic that is missing or cleans up another way."""
    prefix = settings.orderbridge_topic_prefix
    wanted = {prefix + topic.name: topic for topic in TOPICS if topic.name in set(topics)}
    async with _open_admin(settings) as admin:
        missing = sorted(set(wanted) - set(await admin.list_topics()))
        if missing:
            raise ConfigurationError(
                f"topics are missing: {', '.join(missing)}: run python -m orderbridge.topics create"
            )
        wrong = _wrong_policies(wanted, await _policies(admin, wanted))
    if wrong:
        raise ConfigurationError("\n".join(wrong))


async def _policies(admin: Any, names: Iterable[str]) -> dict[str, str]:
    answers = await admin.describe_configs(
        [ConfigResource(ConfigResourceType.TOPIC, name, configs={"cleanup.policy": None}) for name in names]
    )
    policies = {}
    for answer in answers:
        for _code, _message, _kind, name, entries in answer.resources:
            policies[name] = next((entry[1] for entry in entries if entry[0] == "cleanup.policy"), "")
    return policies


def _wrong_policies(wanted: Mapping[str, Topic], found: Mapping[str, str]) -> list[str]:
    return [
        f"topic {name} has cleanup.policy {found[name]}, it must be {topic.cleanup}: "
        f"set it with kafka-configs --alter --add-config cleanup.policy={topic.cleanup}"
        for name, topic in sorted(wanted.items())
        # Without the right to describe a topic the broker names no policy: then it cannot be checked here.
        if found.get(name) and set(found[name].split(",")) != {topic.cleanup}
    ]


def topics_command() -> None:
    """``python -m orderbridge.topics create | check``; needs only ``KAFKA_*``."""
    parser = argparse.ArgumentParser(prog="python -m orderbridge.topics")
    parser.add_argument("action", choices=("create", "check"))
    action = parser.parse_args().action
    try:
        settings = load_settings(KafkaSettings)
        if action == "create":
            made = asyncio.run(create_topics(settings))
            sys.stdout.write(f"made {', '.join(made)}\n" if made else "all topics are there\n")
        asyncio.run(check_topics(settings, [topic.name for topic in TOPICS]))
    except ConfigurationError as error:
        sys.stderr.write(f"{error}\n")
        raise SystemExit(2) from None
