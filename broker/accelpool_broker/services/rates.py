"""How many requests are answered per second: a budget for each token, in this broker's memory.

    whose              comes back per second    holds
    a node's token     node_requests_per_s      BURST_S seconds' worth
    any other token    requests_per_s           likewise
    an address         STRANGERS_PER_S          likewise; for calls that need no token; of IPv6 a /64

Nodes have budgets of their own, so that a limit for people and programs never keeps the broker from hearing
them. For each budget one number is kept: when it is whole again. One that is whole takes no place.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from ipaddress import IPv6Address, ip_address, ip_network

from accelpool_broker.clock import Clock
from accelpool_broker.models import Role
from accelpool_broker.services.caller import Caller
from accelpool_broker.settings import Settings
from accelpool_wire.errors import TooManyRequests

BURST_S = 10.0
MOST_KEPT = 4096
ROUNDING_S = 1e-9
STRANGERS_PER_S = 10.0


class Rates:
    """Budgets of one size, by whose they are.

    Args:
        per_s: How much comes back per second; 0 for no limit.
        burst_s: How many seconds' worth a whole budget is.
        most_kept: How many are remembered; past that those that were used longest ago are whole again.
        clock: Seconds from any start, never going back.
    """

    def __init__(
        self,
        per_s: float,
        *,
        burst_s: float = BURST_S,
        most_kept: int = MOST_KEPT,
        clock: Callable[[], float],
    ) -> None:
        self.per_s = per_s
        self._burst_s, self._most_kept, self._clock = burst_s, most_kept, clock
        self._lock = threading.Lock()
        self._whole_at: dict[str, float] = {}  # the one used longest ago comes first

    def take(self, whose: str) -> float:
        """Take one from a budget; return 0.0, or if there is none left the seconds until there is."""
        if not self.per_s:
            return 0.0
        with self._lock:
            now = self._clock()
            whole_at = max(now, self._whole_at.get(whose, now)) + 1 / self.per_s
            missing_s = whole_at - now - self._burst_s
            if missing_s > ROUNDING_S:
                return missing_s
            self._whole_at.pop(whose, None)
            self._whole_at[whose] = whole_at
            if len(self._whole_at) > self._most_kept:
                self._forget(now)
        return 0.0

    def _forget(self, now: float) -> None:
        """Forget those that are whole, and if that is not enough a tenth of the others."""
        self._whole_at = {whose: at for whose, at in self._whole_at.items() if at > now}
        if len(self._whole_at) > self._most_kept:
            for whose in list(self._whole_at)[: self._most_kept // 10 + 1]:
                del self._whole_at[whose]


class RequestRates:
    """The budgets of all tokens, at one broker."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        strangers_per_s = STRANGERS_PER_S if settings.requests_per_s else 0.0
        self._of_nodes = Rates(settings.node_requests_per_s, clock=clock.elapsed)
        self._of_others = Rates(settings.requests_per_s, clock=clock.elapsed)
        self._of_strangers = Rates(strangers_per_s, clock=clock.elapsed)

    def check(self, caller: Caller) -> None:
        """Count a request.

        Raises:
            TooManyRequests: Its token has sent too many; `retry_after_s` says how long to wait.
        """
        rates = self._of_nodes if caller.role == Role.NODE else self._of_others
        _take(rates, caller.token, f"token {caller.token} of account {caller.account}")

    def check_stranger(self, address: str) -> None:
        """Count a request without a token.

        Raises:
            TooManyRequests: Its address has sent too many; `retry_after_s` says how long to wait.
        """
        _take(self._of_strangers, _network(address), f"address {address}")


def _network(address: str) -> str:
    """Return what one stranger has: an address of IPv4, or of IPv6 the network of 64 bits around it."""
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if not isinstance(found, IPv6Address):
        return str(found)
    return str(found.ipv4_mapped or ip_network((int(found), 64), strict=False))


def _take(rates: Rates, whose: str, told: str) -> None:
    missing_s = rates.take(whose)
    if missing_s:
        raise TooManyRequests(
            f"{told} sends more than {rates.per_s:g} requests per second", retry_after_s=round(missing_s, 3)
        )
