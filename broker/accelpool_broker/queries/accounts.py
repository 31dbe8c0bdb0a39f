"""The queries of the store about who may call, and who did."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import delete, func, insert, or_, select, update

from accelpool_broker.models import Account, AuditEntry, JoinToken, Token
from accelpool_broker.queries.session import Database

ADD_AUDIT = insert(AuditEntry)


class AccountQueries:
    """What can be asked of accounts, tokens and the audit log within one transaction."""

    _database: Database

    def account(self, name: str) -> Account | None:
        """Return the account of this name."""
        return self._database.get(Account, name)

    def accounts(self, *, after: str = "", limit: int | None = None) -> Sequence[Account]:
        """Return accounts in order of name."""
        return self._database.scalars(
            select(Account).where(Account.name > after).order_by(Account.name).limit(limit)
        ).all()

    def token(self, id: str) -> Token | None:
        """Return the token with this id."""
        return self._database.scalars(select(Token).where(Token.id == id)).one_or_none()

    def tokens(
        self, *, account: str | None = None, before: int | None = None, limit: int | None = None
    ) -> Sequence[Token]:
        """Return tokens, of all accounts or of one, newest first."""
        query = select(Token).order_by(Token.number.desc()).limit(limit)
        if account is not None:
            query = query.where(Token.account == account)
        if before is not None:
            query = query.where(Token.number < before)
        return self._database.scalars(query).all()

    def token_by_hash(self, sha256: str) -> Token | None:
        """Return the token with this hash."""
        return self._database.scalars(select(Token).where(Token.sha256 == sha256)).one_or_none()

    def token_count(self, account: str) -> int:
        """Return how many tokens an account has that somebody made, those that have ended included."""
        query = select(func.count()).where(Token.account == account, Token.rule.is_(None))
        return self._database.scalars(query).one()

    def tokens_and_accounts(self) -> Sequence[tuple[Token, Account]]:
        """Return all tokens that were not revoked, with their accounts."""
        query = select(Token, Account).join(Account, Account.name == Token.account)
        return [
            (token, account)
            for token, account in self._database.execute(query.where(Token.revoked_at.is_(None)))
        ]

    def note_use(self, used: Mapping[str, float]) -> None:
        """Note when tokens were last used, by their ids."""
        for id, at in used.items():
            self._database.execute(update(Token).where(Token.id == id).values(last_used_at=at))

    def prune_tokens(self, *, ended_before: float) -> None:
        """Forget tokens and join tokens that let nobody in since before an instant."""
        has_ended = or_(Token.revoked_at < ended_before, Token.expires_at < ended_before)
        self._database.execute(delete(Token).where(has_ended))
        self._database.execute(delete(JoinToken).where(JoinToken.expires_at < ended_before))

    def join_token(self, id: str) -> JoinToken | None:
        """Return the join token with this id."""
        return self._database.scalars(select(JoinToken).where(JoinToken.id == id)).one_or_none()

    def join_tokens(self, *, before: int | None = None, limit: int | None = None) -> Sequence[JoinToken]:
        """Return join tokens, newest first."""
        query = select(JoinToken).order_by(JoinToken.number.desc()).limit(limit)
        if before is not None:
            query = query.where(JoinToken.number < before)
        return self._database.scalars(query).all()

    def add_audit(self, entries: Sequence[Mapping[str, Any]]) -> None:
        """Add to the audit log; each entry has the columns but its number."""
        if entries:
            self._database.connection().execute(ADD_AUDIT, entries)

    def audit(
        self,
        *,
        account: str | None = None,
        object: str | None = None,
        action: str | None = None,
        since: float | None = None,
        until: float | None = None,
        before: int | None = None,
        limit: int | None = None,
    ) -> Sequence[AuditEntry]:
        """Return what was done, newest first; each condition leaves out what does not meet it."""
        query = select(AuditEntry).order_by(AuditEntry.at.desc(), AuditEntry.number.desc()).limit(limit)
        equal = {AuditEntry.account: account, AuditEntry.object: object, AuditEntry.action: action}
        query = query.where(*(column == value for column, value in equal.items() if value is not None))
        if since is not None:
            query = query.where(AuditEntry.at >= since)
        if until is not None:
            query = query.where(AuditEntry.at < until)
        if before is not None:
            its_time = select(AuditEntry.at).where(AuditEntry.number == before).scalar_subquery()
            query = query.where(AuditEntry.at <= its_time)  # by the index
            query = query.where(or_(AuditEntry.at < its_time, AuditEntry.number < before))
        return self._database.scalars(query).all()

    def prune_audit(self, *, before: float) -> None:
        """Forget what was done before an instant."""
        self._database.execute(delete(AuditEntry).where(AuditEntry.at < before))
