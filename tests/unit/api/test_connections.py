from __future__ import annotations

from orderbridge.events import ConnectionStatus
from orderbridge_api.domain.connections import answers_to, trouble_of
from tests.support.facts import at


def status(service: str, state: str = "ok", check: int = 1) -> ConnectionStatus:
    return ConnectionStatus.model_validate(
        {"connection_id": "main", "service": service, "rev": 1, "state": state, "check": check, "at": at()}
    )


def test_an_old_answer_is_no_answer_to_a_new_check() -> None:
    found = answers_to({"ingestor": status("ingestor", check=2), "matcher": status("matcher")}, 2)
    assert {name: service.state for name, service in found.services.items()} == {
        "ingestor": "ok",
        "matcher": "no_answer",
        "creator": "no_answer",
    }
    assert not found.ok


def test_all_workers_ok_is_ok() -> None:
    assert answers_to({name: status(name) for name in ("ingestor", "matcher", "creator")}, 1).ok


def test_only_a_blocked_connection_keeps_orders_waiting() -> None:
    assert trouble_of(status("creator")) is None
    said = trouble_of(status("creator", "misconfigured"))
    assert said == "The order waits because its connection is misconfigured, says the creator."
