"""The exchange of ID tokens: CI jobs come as service accounts, people as themselves."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from accelpool_broker.services import exchange
from accelpool_broker.testing import BrokerInProcess

from ..issuer_rig import AUDIENCE, CLIENT, Issuer, ec_key, running
from .trust_rig import of_people, rule, running_broker, told, trade


@pytest.fixture
def broker() -> Iterator[BrokerInProcess]:
    with running_broker() as running:
        yield running


@pytest.fixture
def issuer(broker: BrokerInProcess) -> Iterator[Issuer]:
    with running(now=broker.clock.now()) as found:
        yield found


# ---- CI jobs


def test_a_job_gets_a_token_of_its_service_account_for_an_hour(
    broker: BrokerInProcess, issuer: Issuer
) -> None:
    made_by = rule(broker, issuer)
    answer = trade(broker, issuer.token())
    assert answer.status_code == 200, answer.json
    assert answer.headers["Cache-Control"] == "no-store"
    body = answer.json
    assert body["token_type"] == "Bearer"
    assert body["issued_token_type"] == "urn:ietf:params:oauth:token-type:access_token"
    assert (body["expires_in"], body["account"]) == (3600, "ci")
    assert body["scope"] == "compute leases leases:read nodes:read tenants:read"
    assert body["access_token"].startswith("aps_")
    who = broker.json("GET", "/whoami", role=body["access_token"])
    assert (who["account"], who["role"], who["tenants"], who["token"]) == (
        "ci",
        "member",
        ["vision"],
        body["id"],
    )
    [token] = broker.json("GET", "/tokens?account=ci")["items"]
    assert (token["id"], token["name"], token["rule"]) == (body["id"], "solver", made_by["id"])
    broker.clock.move(3601)
    assert broker.call("GET", "/whoami", role=body["access_token"]).status_code == 401


def test_it_can_use_devices_and_make_no_token_that_lasts(broker: BrokerInProcess, issuer: Issuer) -> None:
    rule(broker, issuer)
    broker.register("n1", "gpu")
    token = trade(broker, issuer.token()).json["access_token"]
    lease = broker.json("POST", "/leases", {"tenant": "vision"}, role=token)
    assert lease["state"] == "active"
    assert lease["endpoints"]
    assert broker.call("POST", "/tokens", role=token, json={"name": "for ever"}).status_code == 403


@pytest.mark.parametrize("kid", ["rsa", "ec"])
@pytest.mark.parametrize("audience", [AUDIENCE, ["https://another.example", AUDIENCE]])
def test_keys_of_both_sorts_and_audiences_of_both_forms_are_taken(
    broker: BrokerInProcess, issuer: Issuer, kid: str, audience: Any
) -> None:
    rule(broker, issuer)
    assert trade(broker, issuer.token(kid, aud=audience)).status_code == 200


def test_a_new_key_of_the_issuer_is_found(broker: BrokerInProcess, issuer: Issuer) -> None:
    rule(broker, issuer)
    assert trade(broker, issuer.token()).status_code == 200
    issuers = broker.services.exchange._issuers
    issuers._known[issuer.url].asked_at -= 10
    issuer.keys = {"next": ec_key("next")}
    assert trade(broker, issuer.token("next")).status_code == 200
    assert issuer.asked.count("/jwks") == 2


def test_the_first_rule_that_fits_is_taken_by_priority_then_by_age(
    broker: BrokerInProcess, issuer: Issuer
) -> None:
    rule(broker, issuer, name="any branch")
    rule(broker, issuer, name="too late", claims={"repository": "acme/solver"})
    rule(broker, issuer, name="urgent", priority=1, claims={"ref": "refs/tags/*"}, scopes=["leases:read"])
    assert trade(broker, issuer.token(ref="refs/tags/v1")).json["scope"] == "leases:read"
    trade(broker, issuer.token())
    names = [token["name"] for token in broker.json("GET", "/tokens?account=ci")["items"]]
    assert names == ["any branch", "urgent"]


def test_without_its_rule_its_tokens_let_nobody_in(broker: BrokerInProcess, issuer: Issuer) -> None:
    kept, gone = rule(broker, issuer), rule(broker, issuer, claims={"repository": "acme/other"})
    of_kept = trade(broker, issuer.token()).json["access_token"]
    of_gone = trade(broker, issuer.token(repository="acme/other")).json["access_token"]
    assert broker.call("DELETE", f"/trust-rules/{gone['id']}").status_code == 204
    assert broker.call("GET", "/whoami", role=of_kept).status_code == 200
    assert broker.call("GET", "/whoami", role=of_gone).status_code == 401
    assert told(trade(broker, issuer.token(repository="acme/other"))) == (403, "forbidden")
    assert told(broker.call("DELETE", f"/trust-rules/{gone['id']}")) == (404, "not-found")
    assert broker.json("GET", f"/trust-rules/{kept['id']}") == kept
    assert broker.json("GET", "/trust-rules")["items"] == [kept]


def test_a_disabled_account_gets_none(broker: BrokerInProcess, issuer: Issuer) -> None:
    rule(broker, issuer)
    broker.json("PATCH", "/accounts/ci", {"disabled": True})
    token = issuer.token()
    assert told(trade(broker, token)) == (403, "forbidden")
    broker.json("PATCH", "/accounts/ci", {"disabled": False})
    assert trade(broker, token).status_code == 200  # what was refused is not used up


def test_an_account_that_became_more_does_not_make_the_job_more(
    broker: BrokerInProcess, issuer: Issuer
) -> None:
    rule(broker, issuer)
    broker.json("PATCH", "/accounts/ci", {"role": "admin", "tenants": []})
    scopes = set(trade(broker, issuer.token()).json["scope"].split())
    assert not scopes & {"accounts", "tokens", "nodes", "audit:read"}


def test_tokens_that_were_exchanged_have_room_of_their_own(
    broker: BrokerInProcess, issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exchange, "MOST_PER_ACCOUNT", 3)
    rule(broker, issuer, lifetime_s=60)
    for _ in range(3):
        assert trade(broker, issuer.token()).status_code == 200
    assert told(trade(broker, issuer.token())) == (429, "quota-exceeded")
    broker.json("POST", "/tokens", {"name": "by hand", "account": "ci"})
    broker.clock.move(61)
    issuer.now = broker.clock.now()
    assert trade(broker, issuer.token()).status_code == 200
    names = [token["name"] for token in broker.json("GET", "/tokens?account=ci")["items"]]
    assert names == ["solver", "by hand"]  # those that have ended make room


def test_such_a_token_is_revoked_like_any_other_and_not_rotated(
    broker: BrokerInProcess, issuer: Issuer
) -> None:
    rule(broker, issuer)
    made = trade(broker, issuer.token()).json
    assert told(broker.call("POST", f"/tokens/{made['id']}/rotate", json={})) == (409, "conflict")
    broker.call("DELETE", f"/tokens/{made['id']}")
    assert broker.call("GET", "/whoami", role=made["access_token"]).status_code == 401


# ---- people


def test_who_comes_for_the_first_time_gets_an_account_and_the_next_time_the_same(
    broker: BrokerInProcess, issuer: Issuer
) -> None:
    of_people(broker, issuer)
    first = trade(broker, issuer.token(aud=CLIENT, sub="u-1", preferred_username="Mira.K")).json
    again = trade(broker, issuer.token(aud=CLIENT, sub="u-1", preferred_username="renamed")).json
    other = trade(broker, issuer.token(aud=CLIENT, sub="u-2", preferred_username="Mira.K")).json
    assert first["account"] == again["account"] != other["account"]
    assert first["account"].startswith("mira.k-")
    assert first["expires_in"] == 12 * 3600
    assert first["access_token"].startswith("apu_")
    who = broker.json("GET", "/whoami", role=first["access_token"])
    assert (who["role"], who["tenants"]) == ("member", ["vision"])
    assert "tokens" not in who["scopes"]


def test_groups_say_which_role_and_tenants_at_each_login_anew(
    broker: BrokerInProcess, issuer: Issuer
) -> None:
    of_people(broker, issuer, claims={"groups": "speech"}, tenants=["speech"])
    of_people(broker, issuer, claims={"groups": "ops"}, role="operator", tenants=[], priority=10)
    of_people(broker, issuer, claims={"groups": "root"}, role="admin", tenants=[], priority=20)

    def whoami(*groups: str) -> Any:
        made = trade(broker, issuer.token(aud=CLIENT, sub="u", groups=list(groups)))
        return broker.json("GET", "/whoami", role=made.json["access_token"])

    assert (whoami("speech")["role"], whoami("speech")["tenants"]) == ("member", ["speech"])
    assert (whoami("speech", "ops")["role"], whoami("ops")["tenants"]) == ("operator", [])
    assert "accounts" in whoami("root")["scopes"]
    assert whoami("speech")["role"] == "member"
    assert told(trade(broker, issuer.token(aud=CLIENT, sub="u", groups=["guests"]))) == (403, "forbidden")


@pytest.mark.parametrize("claim", ["job_id", "pipeline_id", "project_path", "repository", "workflow_ref"])
def test_a_job_whose_author_has_it_meant_for_people_is_no_person(
    broker: BrokerInProcess, issuer: Issuer, claim: str
) -> None:
    of_people(broker, issuer, role="admin", tenants=[])
    assert told(trade(broker, issuer.token(aud=CLIENT, **{claim: "acme/solver"}))) == (403, "forbidden")
    rule(broker, issuer, audience=CLIENT, claims={claim: "acme/solver"})
    assert trade(broker, issuer.token(aud=CLIENT, **{claim: "acme/solver"})).json["account"] == "ci"


def test_who_comes_by_another_rule_makes_no_more_and_no_less_of_earlier_tokens(
    broker: BrokerInProcess, issuer: Issuer
) -> None:
    of_people(broker, issuer, lifetime_s=3600)
    of_people(broker, issuer, name="same", claims={"groups": "same"}, priority=5)
    of_people(broker, issuer, claims={"groups": "ops"}, role="operator", tenants=[], priority=10)
    of_people(broker, issuer, claims={"groups": "speech"}, tenants=["speech"], priority=20)
    other = trade(broker, issuer.token(aud=CLIENT, sub="another")).json["access_token"]

    def come(*groups: str) -> Any:
        return trade(broker, issuer.token(aud=CLIENT, sub="u", groups=list(groups))).json["access_token"]

    def status(token: str) -> int:
        return broker.call("GET", "/whoami", role=token).status_code

    member, again, same = come(), come(), come("same")
    assert [status(member), status(again), status(same)] == [200, 200, 200]
    operator = come("ops")
    assert [status(member), status(again), status(same), status(operator)] == [401, 401, 401, 200]
    speech = come("speech")
    assert [status(operator), status(speech), status(other)] == [401, 200, 200]


def test_without_the_rule_that_gave_a_role_nobody_has_it_from_there(
    broker: BrokerInProcess, issuer: Issuer
) -> None:
    of_people(broker, issuer)
    gone = of_people(broker, issuer, claims={"groups": "root"}, role="admin", tenants=[], priority=20)
    other = trade(broker, issuer.token(aud=CLIENT, sub="u-2")).json["access_token"]
    root = trade(broker, issuer.token(aud=CLIENT, sub="u-1", groups=["root"])).json
    by_hand = broker.json("POST", "/tokens", {"name": "by hand"}, role=root["access_token"])["token"]
    assert broker.json("GET", "/whoami", role=by_hand)["role"] == "admin"
    broker.call("DELETE", f"/trust-rules/{gone['id']}")
    assert broker.call("GET", "/whoami", role=root["access_token"]).status_code == 401
    who = broker.json("GET", "/whoami", role=by_hand)
    assert (who["role"], who["tenants"]) == ("member", [])
    assert broker.json("GET", "/whoami", role=other)["tenants"] == ["vision"]
    assert broker.json("GET", "/whoami")["role"] == "admin"


def test_a_role_that_another_rule_gives_stays_when_one_goes(broker: BrokerInProcess, issuer: Issuer) -> None:
    gone = of_people(broker, issuer, claims={"groups": "vision"}, priority=1)
    of_people(broker, issuer)
    by_other = trade(broker, issuer.token(aud=CLIENT, sub="u")).json["access_token"]
    trade(broker, issuer.token(aud=CLIENT, sub="u", groups=["vision"]))
    broker.call("DELETE", f"/trust-rules/{gone['id']}")
    assert broker.json("GET", "/whoami", role=by_other)["tenants"] == ["vision"]


def test_two_issuers_may_call_different_people_the_same(broker: BrokerInProcess, issuer: Issuer) -> None:
    with running(now=broker.clock.now()) as other:
        of_people(broker, issuer)
        of_people(broker, other)
        names = {trade(broker, each.token(aud=CLIENT, sub="u-1")).json["account"] for each in (issuer, other)}
    assert len(names) == 2


@pytest.mark.parametrize(
    ("claims", "beginning"),
    [
        ({"preferred_username": "admin"}, "admin-"),
        ({"email": "zoë.x@acme.example"}, "zo-.x-"),
        ({"preferred_username": "../../etc"}, "etc-"),
        ({"preferred_username": "x" * 500}, "x" * 40 + "-"),
        ({"preferred_username": ["list"]}, "user-"),
        ({"preferred_username": "\u202e"}, "user-"),
    ],
)
def test_nobody_chooses_the_name_of_another_account(
    broker: BrokerInProcess, issuer: Issuer, claims: dict[str, Any], beginning: str
) -> None:
    of_people(broker, issuer)
    account = trade(broker, issuer.token(aud=CLIENT, **claims)).json["account"]
    assert account.startswith(beginning)
    assert len(account) == len(beginning) + 10
    assert broker.json("GET", f"/accounts/{account}")["kind"] == "user"


def test_a_disabled_person_stays_outside(broker: BrokerInProcess, issuer: Issuer) -> None:
    of_people(broker, issuer)
    account = trade(broker, issuer.token(aud=CLIENT, sub="u-1")).json["account"]
    broker.json("PATCH", f"/accounts/{account}", {"disabled": True})
    assert told(trade(broker, issuer.token(aud=CLIENT, sub="u-1"))) == (403, "forbidden")


def test_everybody_is_told_where_people_log_in_and_nothing_of_jobs(
    broker: BrokerInProcess, issuer: Issuer
) -> None:
    assert broker.client.get("/login").json == {"methods": []}
    rule(broker, issuer)
    of_people(broker, issuer)
    of_people(broker, issuer, claims={"groups": "x"}, login_scope="openid groups", priority=1)
    of_people(broker, issuer, claims={"groups": "y"})
    usual = {"issuer": issuer.url, "client_id": CLIENT}
    assert broker.client.get("/login").json == {
        "methods": [{**usual, "scope": "openid groups"}, {**usual, "scope": "openid profile email"}]
    }
