"""Rules of a tenant are changed only if they are still those that were read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from accelpool_broker.testing import BrokerInProcess

PATH = "/tenants/vision"


@pytest.fixture
def broker() -> Iterator[BrokerInProcess]:
    with BrokerInProcess() as running:
        running.register("n1", "gpu:g0")
        yield running


def tag(broker: BrokerInProcess) -> str:
    return broker.call("GET", PATH).headers["ETag"]


def put(broker: BrokerInProcess, body: dict[str, Any], **headers: str) -> int:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return broker.call("PUT", PATH, json=body, headers=named).status_code


def test_of_two_who_read_the_same_rules_the_second_is_refused(broker: BrokerInProcess) -> None:
    broker.json("PUT", PATH, {})
    read = tag(broker)
    assert put(broker, {"weight": 2}, If_Match=read) == 200
    refused = broker.call("PUT", PATH, json={"weight": 3}, headers={"If-Match": read})
    assert (refused.status_code, refused.mimetype) == (412, "application/problem+json")
    assert refused.json["type"].endswith("/precondition-failed")
    assert "tenant vision" in refused.json["detail"]
    assert broker.json("GET", PATH)["weight"] == 2
    assert put(broker, {"weight": 3}, If_Match=tag(broker)) == 200


def test_the_tag_changes_with_the_rules_and_not_with_use(broker: BrokerInProcess) -> None:
    broker.json("PUT", PATH, {"quota_devices": 8})
    read = tag(broker)
    broker.lease(tenant="vision")
    broker.pass_time(30)
    assert broker.json("GET", PATH)["spent_device_hours"] > 0
    assert tag(broker) == read
    for rules in ({"quota_devices": 9}, {"quota_devices": 8, "max_priority": 0}, {}):
        broker.json("PUT", PATH, rules)
        assert tag(broker) != read
    broker.json("PUT", PATH, {"quota_devices": 8})
    assert tag(broker) == read  # what was read is so again, and nobody's change is lost


def test_without_a_condition_rules_are_changed_whatever_they_are(broker: BrokerInProcess) -> None:
    assert put(broker, {"weight": 2}) == put(broker, {"weight": 3}) == 200


def test_a_tenant_is_made_only_if_there_is_none(broker: BrokerInProcess) -> None:
    assert put(broker, {"weight": 2}, If_None_Match="*") == 200
    assert put(broker, {"weight": 3}, If_None_Match="*") == 412
    assert put(broker, {"weight": 3}, If_None_Match=tag(broker)) == 412
    assert put(broker, {"weight": 3}, If_None_Match='"another"') == 200


@pytest.mark.parametrize("condition", ["*", '"any"'])
def test_a_tenant_that_is_not_there_matches_nothing(broker: BrokerInProcess, condition: str) -> None:
    assert put(broker, {}, If_Match=condition) == 412
    assert broker.call("GET", PATH).status_code == 404


@pytest.mark.parametrize("header", ["If-Match", "If-None-Match"])
@pytest.mark.parametrize("condition", ["", "no tag", '"*"', '"a', "*,", '*, "a"', '"a" "b"', "W/a"])
def test_what_is_no_condition_is_refused_and_nothing_changed(
    broker: BrokerInProcess, header: str, condition: str
) -> None:
    broker.json("PUT", PATH, {"weight": 2})
    refused = broker.call("PUT", PATH, json={"weight": 3}, headers={header: condition})
    assert refused.status_code == 422
    assert "It is * or a list of ETags." in refused.text
    assert broker.json("GET", PATH)["weight"] == 2


def test_one_of_several_tags_is_enough_and_a_star_stands_for_all(broker: BrokerInProcess) -> None:
    broker.json("PUT", PATH, {})
    assert put(broker, {"weight": 2}, If_Match=f'"another", {tag(broker)}') == 200
    assert put(broker, {"weight": 3}, If_Match="*") == 200


@pytest.mark.parametrize("form", ['W/"{}"', '"{}-gzip"', '"{}-br"', 'W/"{}-gzip"'])
def test_a_tag_that_a_compressing_proxy_has_changed_is_still_known(
    broker: BrokerInProcess, form: str
) -> None:
    broker.json("PUT", PATH, {})
    read = form.format(tag(broker).strip('"'))
    assert put(broker, {"weight": 2}, If_Match=read) == 200
    assert put(broker, {"weight": 3}, If_Match=read) == 412


def test_a_tenant_is_forgotten_only_if_its_rules_are_those_that_were_read(broker: BrokerInProcess) -> None:
    broker.json("PUT", PATH, {})
    read = tag(broker)
    broker.json("PUT", PATH, {"weight": 2})
    assert broker.call("DELETE", PATH, headers={"If-Match": read}).status_code == 412
    assert broker.call("DELETE", PATH, headers={"If-Match": tag(broker)}).status_code == 204
    assert broker.call("DELETE", PATH, headers={"If-Match": "*"}).status_code == 404


def test_what_is_wrong_anyway_is_told_before_the_condition(broker: BrokerInProcess) -> None:
    broker.json("PUT", PATH, {})
    assert put(broker, {"weight": -1}, If_Match='"another"') == 422
