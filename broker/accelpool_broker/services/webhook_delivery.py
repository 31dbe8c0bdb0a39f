"""Events to webhooks, in one thread of one broker of a database, beside all that changes the pool.

    claim ─▶ for each webhook: events after its position ─▶ send one after the other ─▶ note how far it came

What was sent is noted afterwards: who stops in between sends it again. A webhook that fails is tried again
from the event that failed on, later each time, and is disabled when that has gone on for too long.
"""

from __future__ import annotations

import json
import logging
import random
import secrets
import threading
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeAlias

from accelpool_broker.followers import Follower
from accelpool_broker.instants import instant
from accelpool_broker.models import Account, PoolEvent, Role, Webhook, WebhookClaim, WebhookState
from accelpool_broker.queries.transaction import Transaction
from accelpool_broker.queries.webhooks import CLAIM
from accelpool_broker.scheduler.fairness import path
from accelpool_broker.services.event_body import event_body
from accelpool_broker.services.pool import Pool
from accelpool_broker.services.webhook_sender import Outcome, send, sign
from accelpool_broker.services.webhooks import rules_of
from accelpool_wire.errors import ProblemError

AT_ONCE = 50  # events of a webhook in one round
ROUND_S = 10.0  # in which no further one is begun
TOGETHER = 8  # webhooks that are sent to at once: a slow one holds up few
OF_ONE = 2  # of these an account's: one that has many slow ones holds up nobody for longer than a round
CLAIM_S = 60.0
LOOK_S = 15.0
PAUSE_S = 0.2
FIRST_RETRY_S, LONGEST_RETRY_S = 5.0, 3600.0
FAR_BEHIND = 1000  # events that were not for it: then its position is noted all the same
GONE = 410

Work: TypeAlias = tuple[Webhook, Sequence[PoolEvent], int]  # to whom, what, up to which number that is all

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Told:
    """How far a webhook came in a round, and what came of the last message; None if there was none."""

    hook: Webhook
    position: int
    last: Outcome | None


class WebhookDelivery:
    """The thread, as a context manager; `deliver` is one round of it."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._rules = rules_of(pool.settings)
        self._name = secrets.token_hex(8)
        self._follower = Follower()
        self._thread = threading.Thread(target=self._run, name="webhooks", daemon=True)

    def __enter__(self) -> WebhookDelivery:
        """Start the thread."""
        self._pool.on_events = self._follower.wake
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop the thread after the messages that are under way."""
        self._follower.end()
        self._thread.join()
        with suppress(ProblemError):
            self.release()

    def _run(self) -> None:
        is_more = True
        while self._follower.rest(PAUSE_S) and (is_more or self._follower.wait(LOOK_S)):
            try:
                is_more = self.deliver()
            except ProblemError as error:
                is_more = False
                log.warning("webhooks wait: %s", error)
            except Exception:
                is_more = False
                log.exception("webhooks wait")

    def deliver(self) -> bool:
        """Send what there is to those who are to be tried now; whether there may be more at once."""
        now = self._pool.clock.now()
        with self._pool.store.read() as tx:
            due = [pair for pair in tx.active_webhooks() if pair[0].next_try_at <= now]
            work = [(hook, *_events(tx, hook, account)) for hook, account in due]
        work = [
            (hook, events, end) for hook, events, end in work if events or end - hook.position > FAR_BEHIND
        ]
        if not work or not self._claim():
            return False
        now_told = _in_turn(work)
        with ThreadPoolExecutor(TOGETHER, thread_name_prefix="webhook") as threads:
            told = list(threads.map(lambda each: self._tell(*each), now_told))
        self._note(told)
        is_left = len(now_told) < len(work)
        return is_left or any(each.last is not None and not each.last.problem for each in told)

    def release(self) -> None:
        """Let another broker send, if this one did: it need not wait until the claim ends."""
        if self._pool.store.is_shared:
            with self._pool.change() as change:
                claim = change.tx.webhook_claim()
                if claim is not None and claim.broker == self._name:
                    claim.until = 0.0

    def _claim(self) -> bool:
        """Whether this broker is the one that sends."""
        if not self._pool.store.is_shared:
            return True
        now = self._pool.clock.now()
        with self._pool.store.read() as tx:
            claim = tx.webhook_claim()
        if claim is not None and claim.until > now + CLAIM_S / 2:
            return claim.broker == self._name
        with self._pool.change() as change:
            claim = change.tx.webhook_claim()
            if claim is None:
                claim = WebhookClaim(name=CLAIM, broker=self._name, until=0.0)
                change.tx.add(claim)
            elif claim.broker != self._name and claim.until > now:
                return False
            claim.broker, claim.until = self._name, now + CLAIM_S
        return True

    def _tell(self, hook: Webhook, events: Sequence[PoolEvent], end: int) -> Told:
        until, position, last = time.monotonic() + ROUND_S, hook.position, None
        for event in events:
            if time.monotonic() > until:
                return Told(hook=hook, position=position, last=last)
            last = self._send(hook, event)
            if last.problem:
                return Told(hook=hook, position=position, last=last)
            position = event.number
        return Told(hook=hook, position=max(position, end), last=last)

    def _send(self, hook: Webhook, event: PoolEvent) -> Outcome:
        id = f"{hook.id}_{event.number}"  # no number comes again, not after a restore either
        message = {"type": event.kind, "timestamp": instant(event.at), "data": event_body(event)}
        body, sent_at = json.dumps(message).encode(), int(self._pool.clock.now())
        headers = {
            "webhook-id": id,
            "webhook-timestamp": str(sent_at),
            "webhook-signature": sign(hook.secret, id, sent_at, body),
        }
        return send(hook.url, headers, body, self._rules)

    def _note(self, told: Sequence[Told]) -> None:
        with self._pool.change() as change:
            for each in told:
                hook = change.tx.webhook(each.hook.id)
                if hook is not None:
                    _advance(hook, each, change.now, self._pool.settings.webhook_give_up_s)


def _advance(hook: Webhook, told: Told, now: float, give_up_s: float) -> None:
    hook.position = max(hook.position, told.position)
    if told.last is None or hook.state != WebhookState.ACTIVE:
        return
    hook.last_status, hook.reason = told.last.status, told.last.problem
    if not told.last.problem:
        hook.attempts, hook.failing_since = 0, None
        return
    failing_since = now if hook.failing_since is None else hook.failing_since
    hook.failing_since = failing_since
    hook.next_try_at = now + retry_s(hook.attempts) * random.uniform(0.5, 1.0)  # noqa: S311 - no secret
    hook.attempts += 1
    if told.last.status == GONE or now - failing_since >= give_up_s:
        hook.state = WebhookState.DISABLED


def retry_s(attempts: int) -> float:
    """Return after how long at most a webhook is tried again that had failed so often before."""
    return min(LONGEST_RETRY_S, FIRST_RETRY_S * 2.0 ** min(attempts, 20))


def _in_turn(work: Sequence[Work]) -> list[Work]:
    """Return what is done in a round: of each account a few, those first that are furthest behind."""
    taken: Counter[str] = Counter()
    chosen: list[Work] = []
    for each in sorted(work, key=lambda one: one[0].position):
        account = each[0].account
        if taken[account] < OF_ONE:
            taken[account] += 1
            chosen.append(each)
    return chosen


def _events(tx: Transaction, hook: Webhook, account: Account) -> tuple[Sequence[PoolEvent], int]:
    """Return the next events for a webhook, and up to which number there is nothing else for it."""
    _, newest = tx.event_numbers()
    within = _within(hook, account)
    if within == ():
        return [], newest
    found = tx.events(
        of_leases=True, of_nodes=False, within=within, kinds=hook.kinds, after=hook.position, limit=AT_ONCE
    )
    return found, found[-1].number if len(found) == AT_ONCE else newest


def _within(hook: Webhook, account: Account) -> tuple[str, ...] | None:
    """Return of which tenants a webhook is told, as its account is now; None for all."""
    if account.is_disabled or account.role == Role.NODE:
        return ()
    sees = None if account.role in (Role.ADMIN, Role.OPERATOR) else tuple(account.tenants)
    if hook.tenant is None:
        return sees
    return (hook.tenant,) if sees is None or any(own in sees for own in path(hook.tenant)) else ()
