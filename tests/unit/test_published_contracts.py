"""What `make contracts` writes for others to read."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft7Validator, Draft202012Validator, FormatChecker

from deploy.contracts.__main__ import drift, generated, write
from deploy.contracts.channels import channels
from orderbridge import topics
from orderbridge.events import Event
from orderbridge.kafka import Outgoing, headers_of
from tests.support import facts

ASYNCAPI = Path("libs/common/contracts/asyncapi.yaml")
MANIFESTS = Path("deploy/kafka/topics.yaml")
PUBLISHED = Path(__file__).parents[1] / "support" / "schemas" / "asyncapi-3.1.0.json"


@pytest.fixture(scope="module")
def files() -> dict[Path, str]:
    return generated()


@pytest.fixture(scope="module")
def asyncapi(files: dict[Path, str]) -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load(files[ASYNCAPI])
    return document


@pytest.fixture(scope="module")
def published() -> Draft7Validator:
    return Draft7Validator(json.loads(PUBLISHED.read_text(encoding="utf-8")))


def schema(files: dict[Path, str], topic: str) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(files[Path(f"libs/common/contracts/schemas/{topic}.json")])
    return loaded


def test_the_document_is_asyncapi_3_1(asyncapi: dict[str, Any], published: Draft7Validator) -> None:
    assert [error.message for error in published.iter_errors(asyncapi)] == []


def test_the_published_schema_refuses_what_is_not_asyncapi(
    asyncapi: dict[str, Any], published: Draft7Validator
) -> None:
    broken = copy.deepcopy(asyncapi)
    broken["channels"]["orders-status-v1"]["bindings"]["kafka"]["partitions"] = 0

    assert not published.is_valid(broken)


def test_every_reference_in_the_document_leads_somewhere(asyncapi: dict[str, Any]) -> None:
    def references(value: Any) -> set[str]:
        if isinstance(value, dict):
            own = {value["$ref"]} if isinstance(value.get("$ref"), str) else set()
            return own.union(*(references(entry) for entry in value.values()))
        if isinstance(value, list):
            return set().union(*(references(entry) for entry in value))
        return set()

    found = references(asyncapi)

    assert "#/components/schemas/OrderResource" in found
    for reference in found:
        place: Any = asyncapi
        for step in reference.removeprefix("#/").split("/"):
            place = place[step]


def test_every_topic_is_a_channel_with_somebody_at_either_end(asyncapi: dict[str, Any]) -> None:
    addresses = {channel["address"] for channel in asyncapi["channels"].values()}

    assert addresses == {topic.name for topic in topics.TOPICS}
    for channel in channels():
        assert channel.writers
        assert channel.readers


@pytest.mark.parametrize(
    ("topic", "fact"),
    [
        (topics.IMPORTED, facts.imported()),
        (topics.MATCHED, facts.matched()),
        (topics.UNMATCHED, facts.unmatched()),
        (topics.PROGRESS, facts.progress("planned")),
        (topics.CREATED, facts.created()),
        (topics.FAILED, facts.failed()),
    ],
)
def test_a_fact_as_it_is_written_fits_the_schema_of_its_topic(files: dict[Path, str], topic: str, fact: Event) -> None:
    validator = Draft202012Validator(schema(files, topic), format_checker=FormatChecker())
    written = json.loads(fact.model_dump_json())

    assert [error.message for error in validator.iter_errors(written)] == []
    assert not validator.is_valid(written | {"seq": "first"})


def test_a_record_names_its_schema_and_carries_the_headers_of_the_document(
    files: dict[Path, str], asyncapi: dict[str, Any]
) -> None:
    record = Outgoing(topics.FAILED, facts.ORDER, b"{}", "orders.failed.v1/creator/x/1", facts.NOON, "creator")
    written = {name: value.decode() for name, value in headers_of(record)}

    described = asyncapi["components"]["messageTraits"]["cloudEvent"]["headers"]
    assert [error.message for error in Draft202012Validator(described).iter_errors(written)] == []
    assert set(written) == set(described["required"])
    assert written["ce_dataschema"] == schema(files, topics.FAILED)["$id"]


def test_rest_answers_the_resource_that_the_status_topic_carries(files: dict[Path, str]) -> None:
    openapi = json.loads(files[Path("docs/openapi.json")])

    answer = openapi["paths"]["/v1/orders/{order_id}"]["get"]["responses"]["200"]
    name = answer["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
    answered = openapi["components"]["schemas"][name]
    carried = schema(files, topics.STATUS)
    assert set(answered["properties"]) == set(carried["properties"])
    assert set(answered["required"]) == set(carried["required"])
    assert openapi["openapi"].startswith("3.1")


def test_a_manifest_says_of_each_topic_what_the_services_check_at_start(files: dict[Path, str]) -> None:
    manifests = list(yaml.safe_load_all(files[MANIFESTS]))

    declared = {
        manifest["spec"]["topicName"]: (
            manifest["spec"]["partitions"],
            {name: str(value) for name, value in manifest["spec"]["config"].items()},
        )
        for manifest in manifests
    }
    assert declared == {topic.name: (topic.partitions, topic.settings) for topic in topics.TOPICS}
    assert {manifest["apiVersion"] for manifest in manifests} == {"kafka.strimzi.io/v1"}


def test_drift_names_each_file_that_differs_and_writing_ends_it(files: dict[Path, str], tmp_path: Path) -> None:
    write(tmp_path, files)
    (tmp_path / ASYNCAPI).write_text("asyncapi: 2.0.0\n", encoding="utf-8")
    (tmp_path / MANIFESTS).unlink()
    stray = Path("libs/common/contracts/schemas/orders.gone.v1.json")
    (tmp_path / stray).touch()

    assert [line.partition(":")[0] for line in sorted(drift(tmp_path, files))] == [
        str(MANIFESTS),
        str(ASYNCAPI),
        str(stray),
    ]

    write(tmp_path, files)

    assert drift(tmp_path, files) == []
