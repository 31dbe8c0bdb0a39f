"""Who calls, and what that may be for: roles, scopes, tenants.

    role       scopes                                                      leases
    admin      all but the nodes'                                          of all
    operator   leases, nodes, tenants:read, tokens, audit:read, metrics    of all, but may not use them
    member     leases, compute, nodes:read, tenants:read, tokens           of its tenants
    node       node                                                        none

A join token has the scope `join`, to let a node in for the first time, and no account.

A token has all scopes of its account's role, or fewer. Whoever has `accounts` can give himself the others.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from accelpool_broker.models import Lease, Role, Scope
from accelpool_broker.scheduler.fairness import path
from accelpool_wire.errors import Forbidden

EVERYTHING = "*"
SCOPES: dict[Role, frozenset[Scope]] = {
    Role.ADMIN: frozenset(set(Scope) - {Scope.NODE, Scope.JOIN}),
    Role.OPERATOR: frozenset(
        {
            Scope.LEASES_READ,
            Scope.LEASES,
            Scope.NODES_READ,
            Scope.NODES,
            Scope.TENANTS_READ,
            Scope.TOKENS,
            Scope.AUDIT_READ,
            Scope.METRICS,
        }
    ),
    Role.MEMBER: frozenset(
        {
            Scope.LEASES_READ,
            Scope.LEASES,
            Scope.COMPUTE,
            Scope.NODES_READ,
            Scope.TENANTS_READ,
            Scope.TOKENS,
        }
    ),
    Role.NODE: frozenset({Scope.NODE}),
}
INCLUDED = {
    Scope.LEASES: Scope.LEASES_READ,
    Scope.NODES: Scope.NODES_READ,
    Scope.TENANTS: Scope.TENANTS_READ,
}
MAY_BE_GIVEN = tuple(scope for scope in Scope if scope not in (Scope.NODE, Scope.JOIN))


def effective(role: Role, given: Iterable[str]) -> frozenset[Scope]:
    """Return the scopes of a token of an account with a role: those given to it, and what they include."""
    given = set(given)
    if EVERYTHING in given:
        return SCOPES[role]
    scopes = {Scope(scope) for scope in given}
    return frozenset(scopes | {INCLUDED[scope] for scope in scopes & INCLUDED.keys()}) & SCOPES[role]


@dataclass(frozen=True, kw_only=True)
class Caller:
    """Who sends a request.

    Attributes:
        account: Its account's name.
        token: The id of its token.
        role: Its account's role.
        tenants: Its account's tenants.
        scopes: What the token may be used for.
        address: Where it calls from.
        action: What it calls, by the name of the API's description.
    """

    account: str
    token: str
    role: Role
    tenants: tuple[str, ...]
    scopes: frozenset[Scope]
    address: str = ""
    action: str = ""

    @property
    def sees_only(self) -> tuple[str, ...] | None:
        """The tenants whose leases it may see, with those below them; None for all."""
        return None if self.role in (Role.ADMIN, Role.OPERATOR) else self.tenants

    def check_scope(self, needed: Scope) -> None:
        """Refuse what its token may not be used for.

        Raises:
            Forbidden: The token has not this scope.
        """
        if needed not in self.scopes:
            has = ", ".join(sorted(self.scopes)) or "none"
            raise Forbidden(
                f"this needs the scope {needed}; token {self.token} of account {self.account} has {has}"
            )

    def sees_tenant(self, tenant: str) -> bool:
        """Whether it may see what is a tenant's."""
        return self.sees_only is None or any(own in self.sees_only for own in path(tenant))

    def may_use(self, lease: Lease) -> bool:
        """Whether it may open sessions under a lease: compute on its devices."""
        return Scope.COMPUTE in self.scopes and (self.role == Role.ADMIN or self.owns(lease))

    def owns(self, lease: Lease) -> bool:
        """Whether it asked for a lease itself."""
        return lease.account == self.account

    def check_use(self, lease: Lease) -> None:
        """Refuse to let it compute under a lease that it may see.

        Raises:
            Forbidden: The lease is another account's.
        """
        if not self.may_use(lease):
            raise Forbidden(
                f"lease {lease.id} is of account {lease.account}: no other one computes under it",
                instance=f"/leases/{lease.id}",
            )

    def check_change(self, lease: Lease) -> None:
        """Refuse to let it change a lease that it may see.

        Raises:
            Forbidden: The lease is another account's, and this one no operator's.
        """
        if self.role == Role.MEMBER and not self.owns(lease):
            raise Forbidden(
                f"lease {lease.id} is of account {lease.account}: only that one and operators may change it",
                instance=f"/leases/{lease.id}",
            )

    def tenant_for(self, wanted: str | None, default: str) -> str:
        """Return the tenant in whose name it asks for devices.

        Args:
            wanted: What it said, or None.
            default: Whose it is of those who may ask for all.

        Raises:
            Forbidden: It is none of its tenants.
        """
        if self.role == Role.ADMIN:
            return wanted or default
        tenant = wanted or (self.tenants[0] if self.tenants else default)
        if not any(own in self.tenants for own in path(tenant)):
            remedy = f"`accelpool account change {self.account} --tenant TENANT` of an admin gives it one"
            has = f"it has {', '.join(self.tenants)}" if self.tenants else f"it has none; {remedy}"
            raise Forbidden(f"account {self.account} may not ask for devices for tenant {tenant}: {has}")
        return tenant
