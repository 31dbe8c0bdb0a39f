"""Webhooks: who is told of events of leases at an address of his own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from accelpool_broker.models import EventKind, Scope, Webhook, WebhookState
from accelpool_broker.queries.transaction import Transaction
from accelpool_broker.services.caller import Caller
from accelpool_broker.services.new_tokens import new_id
from accelpool_broker.services.pool import Pool
from accelpool_broker.services.webhook_sender import Rules, check_url, new_secret
from accelpool_broker.settings import Settings
from accelpool_wire.errors import Conflict, Forbidden, Invalid, NotFound, QuotaExceeded

MOST_OF_AN_ACCOUNT = 16
OF_LEASES = tuple(kind for kind in EventKind if kind.startswith("lease."))


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """A webhook to make; its members are those of `Webhook`, `kinds` None for all of leases."""

    url: str
    kinds: tuple[EventKind, ...] | None
    tenant: str | None


class Webhooks:
    """The webhooks of a pool. A caller knows his account's own; admins and operators know all."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._rules = rules_of(pool.settings)

    def create(self, wanted: Wanted, caller: Caller) -> Webhook:
        """Return a new webhook, which is told of what happens from now on.

        Raises:
            Forbidden: The caller may not see such leases.
            Invalid: Nothing is sent to such a URL, or of such kinds.
            QuotaExceeded: The account has too many.
        """
        caller.check_scope(Scope.LEASES_READ)
        check_url(wanted.url, self._rules)
        kinds = OF_LEASES if wanted.kinds is None else wanted.kinds
        if not set(kinds) <= set(OF_LEASES):
            raise Invalid("webhooks are told of leases alone: kinds begin with `lease`")
        if wanted.tenant is not None and not caller.sees_tenant(wanted.tenant):
            raise Forbidden(f"account {caller.account} does not see leases of tenant {wanted.tenant}")
        with self._pool.change() as change:
            if change.tx.webhook_count(caller.account) >= MOST_OF_AN_ACCOUNT:
                raise QuotaExceeded(f"account {caller.account} has {MOST_OF_AN_ACCOUNT} webhooks")
            made = Webhook(
                id=new_id("hok"),
                account=caller.account,
                url=wanted.url,
                kinds=list(dict.fromkeys(kinds)),
                tenant=wanted.tenant,
                secret=new_secret(),
                state=WebhookState.ACTIVE,
                reason="",
                position=change.tx.event_numbers()[1],
                attempts=0,
                next_try_at=change.now,
                created_at=change.now,
            )
            change.tx.add(made)
            change.tx.flush()
            change.note(caller, path_of(made.id))
        return made

    def get(self, id: str, caller: Caller) -> Webhook:
        """Return a webhook.

        Raises:
            NotFound: There is none that the caller knows.
        """
        with self._pool.store.read() as tx:
            return _found(tx, id, caller)

    def page(self, caller: Caller, *, before: int | None, limit: int) -> Sequence[Webhook]:
        """Return those that the caller knows, newest first."""
        account = None if caller.sees_only is None else caller.account
        with self._pool.store.read() as tx:
            return tx.webhooks(account=account, before=before, limit=limit)

    def set_state(self, id: str, state: WebhookState, caller: Caller) -> Webhook:
        """Disable a webhook, or have it told again, from where it was on.

        Raises:
            Conflict: Its secret is gone.
            NotFound: There is none that the caller knows.
        """
        with self._pool.change() as change:
            hook = _found(change.tx, id, caller)
            if not hook.secret and state == WebhookState.ACTIVE:
                raise Conflict(f"webhook {id} was restored without its secret: make another one")
            is_off = state == WebhookState.DISABLED
            hook.state, hook.reason = state, f"{caller.account} disabled it" if is_off else ""
            hook.attempts, hook.failing_since, hook.next_try_at = 0, None, change.now
            change.note(caller, path_of(id))
        return hook

    def remove(self, id: str, caller: Caller) -> None:
        """Tell a webhook nothing any more.

        Raises:
            NotFound: There is none that the caller knows.
        """
        with self._pool.change() as change:
            change.tx.remove(_found(change.tx, id, caller))
            change.note(caller, path_of(id))


def rules_of(settings: Settings) -> Rules:
    """Return where webhooks may be."""
    return Rules(
        allow_http=settings.webhook_allow_http,
        allow_private=settings.webhook_allow_private,
        ca=None if settings.webhook_ca is None else str(settings.webhook_ca),
    )


def path_of(id: str) -> str:
    """Return the path of a webhook."""
    return f"/webhooks/{id}"


def _found(tx: Transaction, id: str, caller: Caller) -> Webhook:
    hook = tx.webhook(id)
    if hook is None or (caller.sees_only is not None and hook.account != caller.account):
        raise NotFound(f"there is no webhook {id}", instance=path_of(id))
    return hook
