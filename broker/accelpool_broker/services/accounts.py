"""Accounts: who may call, with which role, in whose name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from accelpool_broker.models import Account, AccountKind, LeaseState, Role
from accelpool_broker.queries.transaction import Transaction
from accelpool_broker.scheduler import Ending
from accelpool_broker.services.caller import Caller
from accelpool_broker.services.changes import Change
from accelpool_broker.services.pool import Pool
from accelpool_wire.errors import Conflict, Forbidden, Invalid, NotFound

OPEN = (LeaseState.QUEUED, LeaseState.ACTIVE)


@dataclass(frozen=True, kw_only=True)
class AccountChange:
    """What is to change about an account; None leaves a thing as it is."""

    role: Role | None = None
    tenants: tuple[str, ...] | None = None
    is_disabled: bool | None = None


class Accounts:
    """The accounts of a pool."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    def create(
        self, name: str, kind: AccountKind, role: Role, tenants: Sequence[str], caller: Caller
    ) -> Account:
        """Return a new account, which has no token yet.

        Raises:
            Conflict: There is one of this name.
            Invalid: It has tenants, and is no member.
        """
        check_tenants(role, tenants)
        with self._pool.change() as change:
            if change.tx.account(name) is not None:
                raise Conflict(
                    f"there is an account {name} already: `accelpool account change {name}` changes it",
                    instance=f"/accounts/{name}",
                )
            account = Account(
                name=name,
                kind=kind,
                role=role,
                tenants=list(dict.fromkeys(tenants)),
                is_disabled=False,
                created_at=change.now,
            )
            change.tx.add(account)
            change.accounts = True
            change.note(caller, f"/accounts/{name}")
        return account

    def change(self, name: str, wanted: AccountChange, caller: Caller) -> Account:
        """Change an account, and return it; of one that is disabled the leases end.

        Raises:
            Forbidden: It is the caller's own, which nobody could undo, or a node's.
            Invalid: It has tenants, and is no member.
            NotFound: There is none.
        """
        with self._pool.change() as change:
            account = found(change.tx, name)
            if account.name == caller.account:
                raise Forbidden(f"account {name} is your own: let another admin change it")
            if account.role == Role.NODE and (wanted.role is not None or wanted.tenants):
                raise Forbidden(f"account {name} is a node's: it can be disabled, and nothing else")
            role = wanted.role or Role(account.role)
            kept = account.tenants if role == Role.MEMBER else []
            tenants = kept if wanted.tenants is None else wanted.tenants
            check_tenants(role, tenants)
            account.role, account.tenants = role, list(dict.fromkeys(tenants))
            if wanted.is_disabled is not None:
                account.is_disabled = wanted.is_disabled
            if account.is_disabled:
                self._end_leases(change, name)
            change.accounts = True
            change.note(caller, f"/accounts/{name}")
        return account

    def _end_leases(self, change: Change, account: str) -> None:
        for lease in change.tx.leases(states=OPEN, account=account):
            state = LeaseState.REVOKED if lease.state == LeaseState.ACTIVE else LeaseState.WITHDRAWN
            self._pool.end(change, lease, state, Ending.ACCOUNT_DISABLED, f"account {account} was disabled")

    def get(self, name: str) -> Account:
        """Return an account."""
        with self._pool.store.read() as tx:
            return found(tx, name)

    def page(self, *, after: str, limit: int) -> Sequence[Account]:
        """Return accounts by name."""
        with self._pool.store.read() as tx:
            return tx.accounts(after=after, limit=limit)


def found(tx: Transaction, name: str) -> Account:
    """Return the account of a name.

    Raises:
        NotFound: There is none.
    """
    account = tx.account(name)
    if account is None:
        raise NotFound(f"there is no account {name}", instance=f"/accounts/{name}")
    return account


def check_tenants(role: Role, tenants: Sequence[str]) -> None:
    """Refuse tenants of who has none.

    Raises:
        Invalid: The role is not that of a member.
    """
    if tenants and role != Role.MEMBER:
        raise Invalid(f"tenants are for members: an account of role {role} has none")
