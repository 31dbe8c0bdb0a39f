"""Roles, scopes and tenants, as tables."""

from __future__ import annotations

import pytest

from accelpool_broker.models import Lease, Role, Scope
from accelpool_broker.services.caller import INCLUDED, SCOPES, Caller, effective
from accelpool_wire.errors import Forbidden


def caller(role: Role = Role.MEMBER, *tenants: str, scopes: frozenset[Scope] | None = None) -> Caller:
    given = SCOPES[role] if scopes is None else scopes
    return Caller(account="mira", token="tok", role=role, tenants=tenants, scopes=given)


def lease(account: str) -> Lease:
    return Lease(id="lse_1", account=account, tenant="vision")


def test_only_nodes_speak_for_nodes_and_no_account_joins() -> None:
    assert [role for role in Role if Scope.NODE in SCOPES[role]] == [Role.NODE]
    assert [role for role in Role if Scope.JOIN in SCOPES[role]] == []
    assert SCOPES[Role.NODE] == {Scope.NODE}
    assert [role for role in Role if Scope.ACCOUNTS in SCOPES[role]] == [Role.ADMIN]


def test_each_role_has_what_its_scopes_include() -> None:
    for role in Role:
        assert {INCLUDED[scope] for scope in SCOPES[role] & INCLUDED.keys()} <= SCOPES[role]


@pytest.mark.parametrize(
    ("role", "given", "expected"),
    [
        (Role.MEMBER, ["*"], SCOPES[Role.MEMBER]),
        (Role.MEMBER, ["leases"], {Scope.LEASES, Scope.LEASES_READ}),
        (Role.MEMBER, ["leases:read"], {Scope.LEASES_READ}),
        (Role.MEMBER, ["nodes", "accounts"], {Scope.NODES_READ}),
        (Role.OPERATOR, ["compute"], set()),
        (Role.MEMBER, [], set()),
    ],
)
def test_a_token_has_what_it_was_given_of_what_the_role_has(role: Role, given: list[str], expected) -> None:
    assert effective(role, given) == expected


@pytest.mark.parametrize(
    ("role", "tenants", "tenant", "sees"),
    [
        (Role.ADMIN, (), "any", True),
        (Role.OPERATOR, (), "any", True),
        (Role.MEMBER, (), "any", False),
        (Role.MEMBER, ("a",), "a", True),
        (Role.MEMBER, ("a",), "a/b/c", True),
        (Role.MEMBER, ("a",), "ab", False),
        (Role.MEMBER, ("a/b",), "a", False),
        (Role.NODE, (), "any", False),
    ],
)
def test_who_sees_a_tenant(role: Role, tenants: tuple[str, ...], tenant: str, sees: bool) -> None:
    assert caller(role, *tenants).sees_tenant(tenant) is sees


@pytest.mark.parametrize(
    ("role", "account", "may_use", "may_change"),
    [
        (Role.ADMIN, "noor", True, True),
        (Role.OPERATOR, "noor", False, True),
        (Role.OPERATOR, "mira", False, True),
        (Role.MEMBER, "mira", True, True),
        (Role.MEMBER, "noor", False, False),
    ],
)
def test_who_may_do_what_with_a_lease(role: Role, account: str, may_use: bool, may_change: bool) -> None:
    def passes(check) -> bool:
        try:
            check(lease(account))
        except Forbidden:
            return False
        return True

    who = caller(role)
    assert (passes(who.check_use), passes(who.check_change)) == (may_use, may_change)
