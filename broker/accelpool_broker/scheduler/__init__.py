"""Who gets which device, and what has ended: a pure function of the pool's state and the time.

    decide(inventory, leases, queue, tenants, policy, now) -> Outcome

1. What has ended, or has to: see `endings`.
2. Whose turn it is: see `fairness`, `quotas` and `serving`.
3. Which devices: see `fitness`, `selector` and `placement`.
4. Who has to yield: see `preemption`.
5. What is promised for a time to come: see `reservations`.

No clock, no database, no randomness; the order of the input does not matter.
"""

from accelpool_broker.scheduler.decide import Outcome, decide
from accelpool_broker.scheduler.decisions import Booking, Decisions, End, Ending, Grant, Wait
from accelpool_broker.scheduler.endings import loss
from accelpool_broker.scheduler.explanation import Explanation, Verdict, explain
from accelpool_broker.scheduler.inventory import Inventory
from accelpool_broker.scheduler.quotas import Quotas
from accelpool_broker.scheduler.reasons import never_within_quota, unfit, unfit_in, why_waiting
from accelpool_broker.scheduler.reservations import in_the_way
from accelpool_broker.scheduler.selector import selector
from accelpool_broker.scheduler.views import (
    ANY,
    CUDA,
    OPENCL,
    WHOLE,
    Demand,
    DeviceView,
    LeaseView,
    NodeView,
    Notice,
    Placement,
    Policy,
    Quota,
    Request,
    Share,
    TenantView,
    Why,
)

__all__ = [
    "ANY",
    "CUDA",
    "OPENCL",
    "WHOLE",
    "Booking",
    "Decisions",
    "Demand",
    "DeviceView",
    "End",
    "Ending",
    "Explanation",
    "Grant",
    "Inventory",
    "LeaseView",
    "NodeView",
    "Notice",
    "Outcome",
    "Placement",
    "Policy",
    "Quota",
    "Quotas",
    "Request",
    "Share",
    "TenantView",
    "Verdict",
    "Wait",
    "Why",
    "decide",
    "explain",
    "in_the_way",
    "loss",
    "never_within_quota",
    "selector",
    "unfit",
    "unfit_in",
    "why_waiting",
]
