"""What is asked after `?`: a parameter that does nothing is refused, as an unknown member of a body is."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from accelpool_broker.permissions import NEEDS, Need
from accelpool_broker.testing import BrokerInProcess

OF_THE_NODE = ("nodes.put_node", "nodes.reconcile_node")
OF_WHO_JOINS = "enrolment.enrol_node"  # its token is for that alone
PLACES = {"id": "x", "name": "n1", "buffer": "x", "program": "x", "launch": "x", "filename": "x"}
CALLS = sorted(
    name for name, need in NEEDS.items() if need is not Need.NOTHING and name not in (OF_WHO_JOINS, "static")
)


@pytest.fixture(scope="module")
def broker() -> Iterator[BrokerInProcess]:
    with BrokerInProcess() as running:
        yield running


@pytest.mark.parametrize("name", CALLS)
def test_a_parameter_that_a_call_does_not_know_is_refused_by_name(broker: BrokerInProcess, name: str) -> None:
    rule = next(broker.app.url_map.iter_rules(name))
    path = broker.app.url_map.bind("localhost").build(name, {each: PLACES[each] for each in rule.arguments})
    method = next(iter((rule.methods or set()) - {"HEAD", "OPTIONS"}))
    role = "node" if name in OF_THE_NODE else "user"
    form = {"data": {"subject_token": "x"}} if name == "login.exchange_token" else {}
    answer = broker.call(method, f"{path}?colour=red", role=role, **form)
    assert answer.status_code == 422
    assert answer.json["type"].endswith("/invalid")
    assert list(answer.json["errors"]["query"]) == ["colour"]
    assert answer.json["detail"].startswith("query.colour: ")


@pytest.mark.parametrize(
    ("path", "detail"),
    [
        ("/leases?stat=active", "query.stat: Unknown parameter; there are limit, cursor, state."),
        ("/leases?limit=5&State=active", "query.State: Unknown parameter; there are limit, cursor, state."),
        ("/whoami?wait_s=1", "query.wait_s: Unknown parameter; there are none."),
        ("/leases?=", "query.: Unknown parameter; there are limit, cursor, state."),
        ("/leases?state=active&state=queued", "query.state: It is given 2 times, and may be once."),
    ],
)
def test_what_is_wrong_with_a_query_is_told_with_what_may_be(
    broker: BrokerInProcess, path: str, detail: str
) -> None:
    answer = broker.call("GET", path)
    assert (answer.status_code, answer.json["detail"]) == (422, detail)


def test_all_that_is_unknown_is_told_at_once(broker: BrokerInProcess) -> None:
    answer = broker.call("GET", "/audit?acount=mira&sinc=now")
    assert list(answer.json["errors"]["query"]) == ["acount", "sinc"]


def test_a_query_with_thousands_of_parameters_has_a_short_answer(broker: BrokerInProcess) -> None:
    many = "&".join(f"{'x' * 50}{number}=1" for number in range(1000))
    answer = broker.call("GET", f"/leases?{many}&{'y' * 5000}=1")
    assert answer.status_code == 422
    assert len(answer.get_data()) < 5000
    assert "query.and: 993 more are wrong" in answer.json["detail"]


def test_a_stranger_is_not_told_what_there_is(broker: BrokerInProcess) -> None:
    assert broker.call("GET", "/leases?stat=active", role="nobody").status_code == 401
    assert broker.call("GET", "/nowhere?stat=active").status_code == 404


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/health", "/docs", "/openapi.json", "/"])
def test_probes_and_documents_answer_whatever_a_balancer_or_a_link_adds(
    broker: BrokerInProcess, path: str
) -> None:
    assert broker.client.get(f"{path}?verbose").status_code == 200
