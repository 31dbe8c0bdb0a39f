"""The queries of the store about who else vouches for callers."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import delete, func, or_, select, update

from accelpool_broker.models import Account, Identity, Token, TrustRule, UsedIdToken
from accelpool_broker.queries.session import Database


class TrustQueries:
    """What can be asked of trust rules, and of what came by them, within one transaction."""

    _database: Database

    def trust_rule(self, id: str) -> TrustRule | None:
        """Return the trust rule with this id."""
        return self._database.scalars(select(TrustRule).where(TrustRule.id == id)).one_or_none()

    def trust_rules(self, *, before: int | None = None, limit: int | None = None) -> Sequence[TrustRule]:
        """Return trust rules, newest first."""
        query = select(TrustRule).order_by(TrustRule.number.desc()).limit(limit)
        if before is not None:
            query = query.where(TrustRule.number < before)
        return self._database.scalars(query).all()

    def trust_rules_of(self, issuer: str) -> Sequence[TrustRule]:
        """Return the trust rules of an issuer, in the order in which they are tried."""
        query = select(TrustRule).where(TrustRule.issuer == issuer)
        return self._database.scalars(query.order_by(TrustRule.priority.desc(), TrustRule.number)).all()

    def login_rules(self) -> Sequence[TrustRule]:
        """Return the trust rules by which people log in, in the order in which they are tried."""
        query = select(TrustRule).where(TrustRule.client_id.is_not(None))
        return self._database.scalars(query.order_by(TrustRule.priority.desc(), TrustRule.number)).all()

    def identity(self, issuer: str, subject: str) -> Identity | None:
        """Return the account of a person whom an issuer vouches for."""
        return self._database.get(Identity, (issuer, subject))

    def people_of(self, issuer: str) -> Sequence[Account]:
        """Return the accounts of people whom an issuer vouches for."""
        query = select(Account).join(Identity, Identity.account == Account.name)
        return self._database.scalars(query.where(Identity.issuer == issuer)).all()

    def used_id_token(self, sha256: str) -> UsedIdToken | None:
        """Return the ID token with this hash, if it was exchanged."""
        return self._database.get(UsedIdToken, sha256)

    def prune_used_id_tokens(self, *, expired_before: float) -> None:
        """Forget ID tokens that had expired before an instant: nobody takes those again."""
        self._database.execute(delete(UsedIdToken).where(UsedIdToken.expires_at < expired_before))

    def exchanged_count(self, account: str) -> int:
        """Return how many tokens of an account there are that rules have made."""
        query = select(func.count()).where(Token.account == account, Token.rule.is_not(None))
        return self._database.scalars(query).one()

    def prune_exchanged(self, account: str, *, ended_before: float) -> None:
        """Forget tokens of an account that rules have made and that let nobody in since before an instant."""
        has_ended = or_(Token.revoked_at < ended_before, Token.expires_at < ended_before)
        self._database.execute(
            delete(Token).where(Token.account == account, Token.rule.is_not(None), has_ended)
        )

    def revoke_exchanged(self, rule: str, *, at: float) -> None:
        """Let the tokens that a rule has made let nobody in any more."""
        self._database.execute(
            update(Token).where(Token.rule == rule, Token.revoked_at.is_(None)).values(revoked_at=at)
        )

    def revoke_all_exchanged(self, account: str, *, at: float) -> None:
        """Let the tokens of an account that rules have made let nobody in any more."""
        of_rules = (Token.account == account, Token.rule.is_not(None), Token.revoked_at.is_(None))
        self._database.execute(update(Token).where(*of_rules).values(revoked_at=at))
