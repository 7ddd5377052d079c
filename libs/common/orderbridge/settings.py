"""Settings from the environment: what every service needs, and one clear line per mistake (contract section 8)."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, TypeVar

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from .errors import ConfigurationError

Port = Annotated[int, Field(ge=0, le=65535)]
SecurityProtocol = Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"]


class _Given(BaseSettings):
    """Settings that hold what ``load_settings`` gives them, and do not read the environment a second time."""

    model_config = SettingsConfigDict(extra="ignore", frozen=True)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 - the signature is pydantic's
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return (init_settings,)


class DatabaseSettings(_Given):
    database_url: SecretStr = Field(description="postgresql://user:password@host:port/name, the service's own role")


class AdminDatabaseSettings(DatabaseSettings):
    database_admin_url: SecretStr | None = Field(default=None, description="a role that may create roles and schemas")


class KafkaSettings(_Given):
    kafka_bootstrap_servers: str = Field(description="host:port[,host:port]", min_length=1)
    kafka_security_protocol: SecurityProtocol = "PLAINTEXT"
    kafka_sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = "SCRAM-SHA-512"
    kafka_sasl_username: str | None = None
    kafka_sasl_password: SecretStr | None = None
    kafka_ssl_cafile: str | None = None
    orderbridge_topic_prefix: Annotated[str, Field(pattern=r"^[a-zA-Z0-9._-]{0,100}$")] = ""
    orderbridge_kafka_session_timeout_ms: Annotated[int, Field(ge=1000, le=300_000)] = 30_000


class ServiceSettings(DatabaseSettings, KafkaSettings):
    """What all four services need."""

    orderbridge_master_key: SecretStr = Field(description="<kid>:<base64 of 32 bytes>[,<kid>:...]")
    orderbridge_log_level: Literal["debug", "info", "warning", "error"] = "info"


S = TypeVar("S", bound=BaseSettings)


def load_settings(settings: type[S], environment: Mapping[str, str] | None = None) -> S:
    """Read settings from the environment, secrets also from the file that ``<NAME>_FILE`` names.

    Raises ``ConfigurationError`` with one line per mistake; no line shows the value of a secret.
    """
    environment = os.environ if environment is None else environment
    given: dict[str, str] = {}
    for name in settings.model_fields:
        variable = name.upper()
        if f"{variable}_FILE" in environment:
            given[name] = _from_file(variable, environment[f"{variable}_FILE"])
        elif environment.get(variable):
            given[name] = environment[variable]
    try:
        return settings.model_validate(given)
    except ValidationError as error:
        raise ConfigurationError("\n".join(_lines(settings, error))) from None


def _from_file(variable: str, path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            f"{variable}_FILE names {path}, which cannot be read ({type(error).__name__}): mount a readable text file"
        ) from None


def _lines(settings: type[BaseSettings], error: ValidationError) -> list[str]:
    lines = []
    for mistake in error.errors(include_url=False):
        if not mistake["loc"]:
            lines.append(mistake["msg"].removeprefix("Value error, "))
            continue
        name = str(mistake["loc"][0])
        field = settings.model_fields[name]
        meaning = f" ({field.description})" if field.description else ""
        if mistake["type"] == "missing":
            lines.append(f"{name.upper()} is not set: set it{meaning}")
        else:
            shown = "its value" if "Secret" in str(field.annotation) else repr(mistake["input"])
            lines.append(f"{name.upper()} is wrong, {shown}: {mistake['msg']}{meaning}")
    return lines
