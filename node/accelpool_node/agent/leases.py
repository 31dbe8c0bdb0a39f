"""Which lease tokens still hold, from what the broker said and what tokens were seen. No I/O.

    the token's lease                                         the token is
    its own time is over                                      refused: lease-expired
    was granted by the broker's word, and is no longer        refused: how it ended
    granted now, with this epoch or a later one               accepted
    granted now, and the token's epoch is earlier             refused: stale-epoch
    unknown, epoch below the newest known of a device         doubtful: the broker is asked; if it does not
                                                              name the lease, refused: stale-epoch
    unknown, else                                             accepted: the broker's word is under way

A doubtful token is of a lease that has ended, or of a new one with a fraction of a device, of which another
fraction was granted since: of two new leases the later one's client may be here first. The broker grants a
lease before it hands out the token, so the answer to a question that was asked since the token came decides.
For the same reason a lease that has sessions but was never in the broker's word has ended once a whole
question and answer came after its first session.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable

from accelpool_node.agent.contract import GrantedLease
from accelpool_wire.errors import LeaseExpired, LeaseRevoked, ProblemError, StaleEpoch, problem
from accelpool_wire.lease_token import LeaseClaims, ShareClaim

MAX_ENDED = 4096


class LeaseTable:
    """What the node knows of leases.

    Args:
        hardware: Returns what of a device is granted: grants of all its faces are numbered in one series.

    Attributes:
        is_known: Whether the broker has said anything yet.
    """

    def __init__(self, hardware: Callable[[str], str] = str) -> None:
        self._hardware = hardware
        self.is_known = False
        self._granted: dict[str, GrantedLease] = {}
        self._ended: OrderedDict[str, ProblemError] = OrderedDict()
        self._newest: dict[str, int] = {}

    def check(self, claims: LeaseClaims, now: float) -> None:
        """Return if a token with these claims may open a session.

        Args:
            claims: Of a token whose signature holds.
            now: Seconds since the Unix epoch.

        Raises:
            LeaseExpired, LeaseRevoked: The lease has ended.
            StaleEpoch: The token is of an earlier grant of a device.
        """
        if claims.expires_at <= now:
            raise LeaseExpired(f"the token of lease {claims.lease} has expired")
        if claims.lease in self._ended:
            how = self._ended[claims.lease]
            raise problem(how.type, how.detail)
        granted = self._granted.get(claims.lease)
        for share in claims.shares:
            needed = self._needed_epoch(share, granted)
            if share.epoch < needed:
                raise StaleEpoch(
                    f"device {share.device} has been granted anew: the token of lease {claims.lease} has "
                    f"epoch {share.epoch}, the node knows {needed}"
                )

    def is_doubtful(self, claims: LeaseClaims) -> bool:
        """Whether only the broker can tell a token with these claims from one of an earlier grant."""
        is_unknown = claims.lease not in self._granted and claims.lease not in self._ended
        return is_unknown and any(share.epoch < self._newest_of(share.device) for share in claims.shares)

    def _needed_epoch(self, share: ShareClaim, granted: GrantedLease | None) -> int:
        for of_lease in granted.devices if granted else ():
            if of_lease.name == share.device:
                return of_lease.epoch
        return self._newest_of(share.device)

    def _newest_of(self, device: str) -> int:
        return self._newest.get(self._hardware(device), 0)

    def note(self, claims: LeaseClaims) -> None:
        """Take into account that a token was accepted."""
        self._note_epochs((share.device, share.epoch) for share in claims.shares)

    def update(
        self, leases: Iterable[GrantedLease], *, held: Collection[str], now: float
    ) -> dict[str, ProblemError]:
        """Take the broker's word, and return the leases that have ended by it, with how.

        Args:
            leases: All leases that the node should serve.
            held: Leases that had sessions before the broker was asked.
            now: Seconds since the Unix epoch.
        """
        wanted = {lease.id: lease for lease in leases}
        gone = {
            id: _ending(id, self._granted.get(id), now)
            for id in dict.fromkeys((*self._granted, *held))
            if id not in wanted and id not in self._ended
        }
        self._ended.update(gone)
        for id in wanted:
            self._ended.pop(id, None)
        while len(self._ended) > MAX_ENDED:
            self._ended.popitem(last=False)
        self._granted = wanted
        self._note_epochs((share.name, share.epoch) for lease in wanted.values() for share in lease.devices)
        self.is_known = True
        return gone

    def _note_epochs(self, epochs: Iterable[tuple[str, int]]) -> None:
        for device, epoch in epochs:
            self._newest[self._hardware(device)] = max(epoch, self._newest_of(device))


def _ending(id: str, granted: GrantedLease | None, now: float) -> ProblemError:
    if granted is not None and granted.has_expired(now):
        return LeaseExpired(f"lease {id} was not renewed in time")
    return LeaseRevoked(
        f"lease {id} has ended: it was released, taken back by the pool, or lost with another of its nodes"
    )
