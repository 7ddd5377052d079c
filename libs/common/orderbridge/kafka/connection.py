"""How every client reaches the broker, and what it says when it cannot."""

from __future__ import annotations

import asyncio
import ssl
from typing import Any

from aiokafka.errors import KafkaConnectionError, KafkaError

from ..errors import ConfigurationError
from ..settings import KafkaSettings

START_DEADLINE_S = 10.0


def connection(settings: KafkaSettings) -> dict[str, Any]:
    arguments: dict[str, Any] = {
        "bootstrap_servers": settings.kafka_bootstrap_servers,
        "security_protocol": settings.kafka_security_protocol,
        "request_timeout_ms": 15_000,
        # Its default of 100 ms makes each client say dozens of times a second that a broker is away.
        "retry_backoff_ms": 500,
    }
    if "SSL" in settings.kafka_security_protocol:
        try:
            arguments["ssl_context"] = ssl.create_default_context(cafile=settings.kafka_ssl_cafile)
        except OSError as error:
            raise ConfigurationError(
                f"KAFKA_SSL_CAFILE names {settings.kafka_ssl_cafile}, which cannot be read ({error.strerror}): "
                "mount the authority's certificate"
            ) from None
    if "SASL" in settings.kafka_security_protocol:
        if settings.kafka_sasl_username is None or settings.kafka_sasl_password is None:
            raise ConfigurationError(
                f"KAFKA_SECURITY_PROTOCOL is {settings.kafka_security_protocol}: "
                "set KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD"
            )
        arguments |= {
            "sasl_mechanism": settings.kafka_sasl_mechanism,
            "sasl_plain_username": settings.kafka_sasl_username,
            "sasl_plain_password": settings.kafka_sasl_password.get_secret_value(),
        }
    return arguments


def _unreachable(settings: KafkaSettings, error: Exception) -> ConfigurationError:
    credentials = ""
    if "SASL" in settings.kafka_security_protocol:
        # A wrong password looks like a broker that is not there.
        credentials = f", or the credentials of {settings.kafka_sasl_username} (KAFKA_SASL_*) are wrong"
    return ConfigurationError(
        f"KAFKA_BOOTSTRAP_SERVERS: cannot use Kafka at {settings.kafka_bootstrap_servers} "
        f"({type(error).__name__}): start it or correct the address{credentials}"
    )


async def started(client: Any, settings: KafkaSettings) -> None:
    """Start an aiokafka client, waiting up to 10 s for a broker that is just coming up."""
    deadline = asyncio.get_running_loop().time() + START_DEADLINE_S
    while True:
        try:
            await client.start()
            return
        except KafkaConnectionError as error:
            if asyncio.get_running_loop().time() > deadline:
                raise _unreachable(settings, error) from None
        except KafkaError as error:
            raise _unreachable(settings, error) from None
        await asyncio.sleep(0.2)
