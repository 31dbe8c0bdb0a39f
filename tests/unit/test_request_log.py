"""At which level a request is told."""

from __future__ import annotations

import logging

import pytest

from accelpool_broker.request_log import level

INFO, DEBUG = logging.INFO, logging.DEBUG


@pytest.mark.parametrize(
    ("method", "endpoint", "status", "wanted"),
    [
        ("POST", "leases.post_lease", 201, INFO),
        ("DELETE", "leases.delete_lease", 200, INFO),
        ("PUT", "nodes.put_node", 200, INFO),
        ("POST", "login.exchange_token", 200, INFO),
        ("GET", "leases.get_lease", 200, DEBUG),
        ("GET", "leases.get_lease", 404, INFO),
        ("PATCH", "leases.patch_lease", 200, DEBUG),
        ("PATCH", "leases.patch_lease", 410, INFO),
        ("POST", "nodes.reconcile_node", 200, DEBUG),
        ("POST", "nodes.reconcile_node", 503, INFO),
        ("POST", "launches.post_launch", 201, DEBUG),
        ("POST", "launches.post_launch", 507, INFO),
        ("GET", None, 404, INFO),
        ("POST", "leases.post_lease", 401, DEBUG),
        ("POST", "leases.post_lease", 429, DEBUG),
    ],
)
def test_changes_and_failures_are_told_and_what_comes_without_end_is_not(method, endpoint, status, wanted):
    assert level(method, endpoint, status) == wanted
