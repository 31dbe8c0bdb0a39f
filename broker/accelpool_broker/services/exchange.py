"""The exchange of an ID token for a token of ours.

    its look ─▶ a rule for its issuer ─▶ the issuer's key ─▶ signature, time ─▶ a rule that fits ─▶ once
        401 where that ends; 403 where no rule fits; 503 if the issuer does not answer

The last two are looked at before the pool is changed, so that what is refused waits for no lock and holds
none, and again with it.

Programs get a token of the rule's service account. People get one of an account of their own, made when they
come for the first time, and found again by issuer and subject; its role and tenants are the rule's, at each
time anew. If that changes them, the tokens of earlier times are revoked: they were made for something else.
"""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass

from accelpool_broker.models import Account, AccountKind, Identity, Role, Scope, Token, TrustRule, UsedIdToken
from accelpool_broker.queries.transaction import Transaction
from accelpool_broker.services import accounts, id_tokens
from accelpool_broker.services.caller import Caller, effective
from accelpool_broker.services.changes import Change
from accelpool_broker.services.claims import audiences, is_meant_for, is_of_job, mismatch
from accelpool_broker.services.id_tokens import LEEWAY_S, Verified
from accelpool_broker.services.issuers import Issuers
from accelpool_broker.services.new_tokens import issue_token
from accelpool_broker.services.pool import Pool
from accelpool_wire.errors import Forbidden, QuotaExceeded, Unauthorized

MOST_PER_ACCOUNT = 1024
NAMED_BY = ("preferred_username", "email", "name")
LONGEST_NAME, DIGITS = 40, 10
TOLD = 64

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Exchanged:
    """A token that was just made.

    Attributes:
        token: The record.
        scopes: What it may be used for.
        secret: The token itself.
        lifetime_s: For how long it lets in.
    """

    token: Token
    scopes: frozenset[Scope]
    secret: str
    lifetime_s: float


@dataclass(frozen=True, kw_only=True)
class LoginMethod:
    """How people log in: at which issuer, as which client, and what to ask it to tell."""

    issuer: str
    client_id: str
    scope: str


class Exchange:
    """Exchanges ID tokens."""

    def __init__(self, pool: Pool, issuers: Issuers) -> None:
        self._pool = pool
        self._issuers = issuers

    def methods(self) -> Sequence[LoginMethod]:
        """Return how people may log in, what is tried first at the beginning."""
        with self._pool.store.read() as tx:
            rules = tx.login_rules()
        return list(
            dict.fromkeys(
                LoginMethod(issuer=rule.issuer, client_id=rule.client_id, scope=rule.login_scope)
                for rule in rules
                if rule.client_id is not None
            )
        )

    def exchange(self, id_token: str, *, address: str, action: str) -> Exchanged:
        """Return a new token for who shows an ID token, which is good for that once.

        Args:
            id_token: The ID token.
            address: Where the call comes from.
            action: What is called.

        Raises:
            Forbidden: No rule trusts it, or the account is disabled.
            QuotaExceeded: The account has too many tokens.
            Unauthorized: It is not good, or nobody here knows its issuer, or it was exchanged before.
            Unavailable: Its issuer does not tell its keys.
        """
        verified = self._verified(id_token)
        with self._pool.store.read() as tx:
            _rule_for(tx.trust_rules_of(verified.issuer), verified)
            _check_unused(tx, verified)
        with self._pool.change() as change:
            rule = _rule_for(change.tx.trust_rules_of(verified.issuer), verified)
            _use_up(change, verified)
            account = _account(change, rule, verified)
            if account.is_disabled:
                raise Forbidden(f"account {account.name} is disabled")
            made, secret = _make(change, rule, account)
            scopes = effective(Role(account.role), made.scopes)
            caller = Caller(
                account=account.name,
                token=made.id,
                role=Role(account.role),
                tenants=tuple(account.tenants),
                scopes=scopes,
                address=address,
                action=action,
            )
            change.accounts = True
            change.note(caller, f"/trust-rules/{rule.id}")
        log.info(
            "token %s of account %s is for %r of %s", made.id, account.name, verified.subject, verified.issuer
        )
        return Exchanged(token=made, scopes=scopes, secret=secret, lifetime_s=rule.lifetime_s)

    def _verified(self, id_token: str) -> Verified:
        claimed = id_tokens.look_at(id_token)
        with self._pool.store.read() as tx:
            is_known = bool(tx.trust_rules_of(claimed.issuer))
        if not is_known:
            raise Unauthorized("no trust rule is for the issuer of this ID token")
        key = self._issuers.key(claimed.issuer, claimed.kid)
        if key is None:
            raise Unauthorized(f"the issuer {claimed.issuer} has no key of this ID token's name (`kid`)")
        return id_tokens.verify(id_token, key, claimed.issuer, self._pool.clock.now())


def _rule_for(rules: Sequence[TrustRule], verified: Verified) -> TrustRule:
    """Return the first rule that trusts a token."""
    for rule in rules:
        if not is_meant_for(rule.audience, rule.client_id, verified.claims):
            log.info("trust rule %s does not fit: another audience", rule.id)
            continue
        if rule.account is None and is_of_job(verified.claims):
            log.info("trust rule %s does not fit: it is for people, and this is a job", rule.id)
            continue
        wrong = mismatch(rule.claims, verified.claims)
        if wrong is None:
            return rule
        log.info("trust rule %s does not fit: claim %s", rule.id, wrong)
    meant_for = ", ".join(audiences(verified.claims))[:TOLD]
    raise Forbidden(
        f"no trust rule fits this ID token of {verified.issuer}, for {verified.subject[:TOLD]!r}, meant for "
        f"{meant_for!r}"
    )


def _use_up(change: Change, verified: Verified) -> None:
    """Take a token that was not taken before."""
    change.tx.prune_used_id_tokens(expired_before=change.now - LEEWAY_S)
    _check_unused(change.tx, verified)
    change.tx.add(UsedIdToken(sha256=verified.sha256, expires_at=verified.expires_at + LEEWAY_S))


def _check_unused(tx: Transaction, verified: Verified) -> None:
    if tx.used_id_token(verified.sha256) is not None:
        raise Unauthorized(f"this ID token of {verified.issuer} was exchanged before: ask for another one")


def _account(change: Change, rule: TrustRule, verified: Verified) -> Account:
    """Return whose token is made."""
    if rule.account is not None:
        return accounts.found(change.tx, rule.account)
    assert rule.role is not None
    known = change.tx.identity(verified.issuer, verified.subject)
    account = _new_account(change, verified) if known is None else accounts.found(change.tx, known.account)
    if known is not None and (account.role, account.tenants) != (rule.role, rule.tenants):
        change.tx.revoke_all_exchanged(account.name, at=change.now)
    account.role, account.tenants = rule.role, list(rule.tenants)
    change.tx.flush()
    if known is None:
        change.tx.add(Identity(issuer=verified.issuer, subject=verified.subject, account=account.name))
    return account


def _new_account(change: Change, verified: Verified) -> Account:
    account = Account(
        name=account_name(verified), kind=AccountKind.USER, is_disabled=False, created_at=change.now
    )
    change.tx.add(account)
    return account


def account_name(verified: Verified) -> str:
    """Return a name for the account of a person, which nobody else's is, whatever he calls himself."""
    given = (verified.claims.get(name) for name in NAMED_BY)
    called = next((text for text in given if isinstance(text, str) and text), "")
    plain = re.sub(r"[^A-Za-z0-9._-]+", "-", called.partition("@")[0])[:LONGEST_NAME].strip(".-_")
    own = hashlib.sha256(f"{verified.issuer}\n{verified.subject}".encode()).hexdigest()[:DIGITS]
    return f"{plain.lower() or 'user'}-{own}"


def _make(change: Change, rule: TrustRule, account: Account) -> tuple[Token, str]:
    change.tx.prune_exchanged(account.name, ended_before=change.now)
    if change.tx.exchanged_count(account.name) >= MOST_PER_ACCOUNT:
        raise QuotaExceeded(f"account {account.name} has {MOST_PER_ACCOUNT} tokens that were exchanged")
    expires_at = change.now + rule.lifetime_s
    return issue_token(
        change.tx,
        account,
        name=rule.name,
        scopes=rule.scopes,
        now=change.now,
        expires_at=expires_at,
        rule=rule.id,
    )
