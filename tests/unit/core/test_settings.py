"""One clear line per mistake in the environment, and never a secret in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from orderbridge.errors import ConfigurationError
from orderbridge.settings import ServiceSettings, load_settings

GOOD = {
    "DATABASE_URL": "postgresql://me:hidden@localhost/orders",
    "KAFKA_BOOTSTRAP_SERVERS": "localhost:9092",
    "ORDERBRIDGE_MASTER_KEY": "k1:hidden",
}


def test_a_missing_variable_is_named_with_its_remedy() -> None:
    with pytest.raises(ConfigurationError) as caught:
        load_settings(ServiceSettings, {**GOOD, "KAFKA_BOOTSTRAP_SERVERS": ""})

    assert str(caught.value).startswith("KAFKA_BOOTSTRAP_SERVERS is not set: set it")


def test_the_environment_is_read_only_as_it_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "elsewhere:9092")

    with pytest.raises(ConfigurationError, match="KAFKA_BOOTSTRAP_SERVERS is not set"):
        load_settings(ServiceSettings, {**GOOD, "KAFKA_BOOTSTRAP_SERVERS": ""})


def test_each_mistake_has_its_own_line() -> None:
    with pytest.raises(ConfigurationError) as caught:
        load_settings(ServiceSettings, {"ORDERBRIDGE_KAFKA_SESSION_TIMEOUT_MS": "soon"})

    lines = str(caught.value).splitlines()
    assert {line.split(" ")[0] for line in lines} == {
        "DATABASE_URL",
        "KAFKA_BOOTSTRAP_SERVERS",
        "ORDERBRIDGE_MASTER_KEY",
        "ORDERBRIDGE_KAFKA_SESSION_TIMEOUT_MS",
    }
    assert any("'soon'" in line for line in lines)


def test_a_secret_is_read_from_the_file_that_is_named(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("k1:from-file\n")

    settings = load_settings(ServiceSettings, GOOD | {"ORDERBRIDGE_MASTER_KEY_FILE": str(tmp_path / "key")})

    assert settings.orderbridge_master_key.get_secret_value() == "k1:from-file"
    assert "from-file" not in repr(settings)


def test_a_secret_file_that_is_not_there_is_named() -> None:
    with pytest.raises(ConfigurationError, match="DATABASE_URL_FILE names /nowhere"):
        load_settings(ServiceSettings, GOOD | {"DATABASE_URL_FILE": "/nowhere"})
