"""The creator's settings."""

from __future__ import annotations

import pytest

from orderbridge.errors import ConfigurationError
from orderbridge.settings import load_settings
from orderbridge_creator.settings import Settings

GIVEN = {
    "DATABASE_URL": "postgresql://creator@127.0.0.1/orderbridge",
    "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:9092",
    "ORDERBRIDGE_MASTER_KEY": "test:MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=",
}


def test_the_defaults_settle_long_enough() -> None:
    settings = load_settings(Settings, GIVEN)

    assert settings.orderbridge_settle_s == 120
    assert settings.orderbridge_stock_reread_s == 300
    assert settings.orderbridge_shopify_url == "https://{shop}"


def test_a_settle_time_shorter_than_a_request_may_live_names_all_four() -> None:
    with pytest.raises(ConfigurationError) as refused:
        load_settings(Settings, GIVEN | {"ORDERBRIDGE_SETTLE_S": "94"})

    message = str(refused.value)
    for name in ("SETTLE", "SHOPIFY_DEADLINE", "SHOPIFY_LATE", "SHOPIFY_LOOKUP_LAG"):
        assert f"ORDERBRIDGE_{name}_S" in message
    assert "\n" not in message
    assert load_settings(Settings, GIVEN | {"ORDERBRIDGE_SETTLE_S": "95"}).orderbridge_settle_s == 95


@pytest.mark.parametrize("url", ["http://{shop}", "http://shopify.example/{shop}", "ftp://{shop}"])
def test_shopify_is_spoken_to_in_the_clear_on_this_machine_only(url: str) -> None:
    with pytest.raises(ConfigurationError, match="ORDERBRIDGE_SHOPIFY_URL"):
        load_settings(Settings, GIVEN | {"ORDERBRIDGE_SHOPIFY_URL": url})

    local = load_settings(Settings, GIVEN | {"ORDERBRIDGE_SHOPIFY_URL": "http://127.0.0.1:9402/{shop}"})
    assert local.orderbridge_shopify_url == "http://127.0.0.1:9402/{shop}"


@pytest.mark.parametrize("name", ["ORDERBRIDGE_SHOPIFY_LATE_S", "ORDERBRIDGE_STOCK_REREAD_S"])
@pytest.mark.parametrize("seconds", ["0", "-1", "nan", "inf", "soon"])
def test_a_time_that_is_none_is_refused(name: str, seconds: str) -> None:
    with pytest.raises(ConfigurationError, match=name):
        load_settings(Settings, GIVEN | {name: seconds})
