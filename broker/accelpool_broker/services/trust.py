"""Trust rules: which ID tokens of which issuers are exchanged for tokens of ours, and whose."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from accelpool_broker.models import AccountKind, Role, Scope, TrustRule
from accelpool_broker.services import accounts
from accelpool_broker.services.access import check_name
from accelpool_broker.services.caller import EVERYTHING, SCOPES, Caller
from accelpool_broker.services.changes import Change
from accelpool_broker.services.claims import ANYTHING
from accelpool_broker.services.new_tokens import new_id
from accelpool_broker.services.pool import Pool
from accelpool_wire.errors import Invalid, NotFound, QuotaExceeded
from accelpool_wire.issuer import check_issuer

MOST_RULES = 256
OF_PROGRAMS_S, OF_PEOPLE_S = 3600.0, 12 * 3600.0
# Issuers that sign for anybody: a rule has to say whose tokens are meant, by the whole name of an owner.
SIGN_FOR_ANYBODY = {
    "https://token.actions.githubusercontent.com": (
        "repository", "repository_id", "repository_owner", "repository_owner_id", "sub",
    ),
    "https://gitlab.com": ("project_path", "project_id", "namespace_path", "namespace_id", "sub"),
    "https://accounts.google.com": ("hd", "email", "sub"),
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """A rule to make; its members are those of `TrustRule`, None where something usual will do."""

    name: str
    issuer: str
    audience: str | None
    claims: dict[str, str]
    priority: int
    account: str | None
    role: Role | None
    tenants: tuple[str, ...]
    scopes: tuple[str, ...] | None
    lifetime_s: float | None
    client_id: str | None
    login_scope: str


class TrustRules:
    """The trust rules of a pool."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    def create(self, wanted: Wanted, caller: Caller) -> TrustRule:
        """Return a new rule, which holds at once.

        Raises:
            Invalid: It contradicts itself, would let strangers in, or has the name of the tokens file.
            NotFound: There is no such account.
            QuotaExceeded: There are too many.
        """
        check_name(wanted.name)
        check_issuer(wanted.issuer)
        _check_owner(wanted)
        with self._pool.change() as change:
            if len(change.tx.trust_rules(limit=MOST_RULES)) == MOST_RULES:
                raise QuotaExceeded(f"there are {MOST_RULES} trust rules")
            role = _check_whose(change, wanted)
            made = TrustRule(
                id=new_id("rul"),
                name=wanted.name,
                issuer=wanted.issuer,
                audience=wanted.audience or wanted.client_id,
                claims=dict(wanted.claims),
                priority=wanted.priority,
                account=wanted.account,
                role=None if wanted.role is None else wanted.role.value,
                tenants=list(dict.fromkeys(wanted.tenants)),
                scopes=_scopes(role, wanted.scopes),
                lifetime_s=wanted.lifetime_s or (OF_PEOPLE_S if wanted.account is None else OF_PROGRAMS_S),
                client_id=wanted.client_id,
                login_scope=wanted.login_scope,
                created_at=change.now,
            )
            change.tx.add(made)
            change.tx.flush()
            change.note(caller, _path(made.id))
        return made

    def get(self, id: str) -> TrustRule:
        """Return a rule.

        Raises:
            NotFound: There is none.
        """
        with self._pool.store.read() as tx:
            rule = tx.trust_rule(id)
        if rule is None:
            raise NotFound(f"there is no trust rule {id}", instance=_path(id))
        return rule

    def page(self, *, before: int | None, limit: int) -> Sequence[TrustRule]:
        """Return rules, newest first."""
        with self._pool.store.read() as tx:
            return tx.trust_rules(before=before, limit=limit)

    def remove(self, id: str, caller: Caller) -> None:
        """Trust by a rule no more: the tokens that it has made let nobody in from now on.

        People's accounts with a role and tenants that no other rule of the issuer gives have them no longer.

        Raises:
            NotFound: There is none.
        """
        with self._pool.change() as change:
            rule = change.tx.trust_rule(id)
            if rule is None:
                raise NotFound(f"there is no trust rule {id}", instance=_path(id))
            change.tx.remove(rule)
            change.tx.flush()
            change.tx.revoke_exchanged(id, at=change.now)
            if rule.role is not None:
                _take_back(change, rule)
            change.accounts = True
            change.note(caller, _path(id))


def _path(id: str) -> str:
    return f"/trust-rules/{id}"


def _take_back(change: Change, gone: TrustRule) -> None:
    """Leave nothing of a rule for people to the accounts that have its role and tenants, but as members."""
    given = (gone.role, gone.tenants)
    if any((rule.role, rule.tenants) == given for rule in change.tx.trust_rules_of(gone.issuer)):
        return
    for account in change.tx.people_of(gone.issuer):
        if (account.role, account.tenants) == given:
            account.role, account.tenants = Role.MEMBER, []
            change.tx.revoke_all_exchanged(account.name, at=change.now)


def _check_whose(change: Change, wanted: Wanted) -> Role:
    """Return the role of those who come by a rule."""
    if (wanted.account is None) is (wanted.role is None):
        raise Invalid("a rule is for one service account (`account`), or for people (`role`)")
    if wanted.audience is None and wanted.client_id is None:
        raise Invalid("a rule says whom tokens have to be meant for (`audience`)")
    if wanted.account is None:
        assert wanted.role is not None
        accounts.check_tenants(wanted.role, wanted.tenants)
        return wanted.role
    if wanted.tenants or wanted.client_id is not None:
        raise Invalid("`tenants` and `client_id` are for people: a service account has its own tenants")
    account = accounts.found(change.tx, wanted.account)
    if (account.kind, account.role) != (AccountKind.SERVICE, Role.MEMBER):
        raise Invalid(
            f"account {account.name} is no member of kind service: a rule makes tokens of such ones"
        )
    return Role.MEMBER


def _check_owner(wanted: Wanted) -> None:
    """Refuse a rule by which anybody could come who has an account at the issuer."""
    if wanted.account is not None and not any(_is_bound(pattern) for pattern in wanted.claims.values()):
        raise Invalid("a rule for a service account says what its tokens have to claim (`claims`)")
    owners = SIGN_FOR_ANYBODY.get(wanted.issuer.rstrip("/"))
    if owners is not None and not any(_names_owner(wanted.claims.get(name)) for name in owners):
        raise Invalid(
            f"{wanted.issuer} signs for anybody: one of {', '.join(owners)} has to name an owner, whole, or "
            "up to the slash after it"
        )


def _is_bound(pattern: str) -> bool:
    return pattern.strip(ANYTHING) != ""


def _names_owner(pattern: str | None) -> bool:
    """Whether a pattern fits one owner's tokens alone, as `acme/*` does, and `acme*` does not."""
    return pattern is not None and (ANYTHING not in pattern or "/" in pattern.partition(ANYTHING)[0])


def _scopes(role: Role, wanted: Sequence[str] | None) -> list[str]:
    """Return what tokens are for: of all but admins, who can do it anyway, none that makes lasting tokens."""
    if wanted is None:
        return [EVERYTHING] if role == Role.ADMIN else sorted(SCOPES[role] - {Scope.TOKENS})
    missing = sorted(set(wanted) - SCOPES[role])
    if missing:
        raise Invalid(f"accounts of role {role} have not the scope {missing[0]}")
    return sorted(set(wanted))
