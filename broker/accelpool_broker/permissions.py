"""What each endpoint needs: the one table that the guard reads. What is not in it does not start."""

from __future__ import annotations

from enum import Enum, auto

from accelpool_broker.models import Scope


class Need(Enum):
    """What an endpoint needs that needs no scope."""

    NOTHING = auto()
    COUNTED = auto()  # nor a token; whoever calls is counted by his address
    ANY_TOKEN = auto()


NEEDS: dict[str, Scope | Need] = {
    "health.get_livez": Need.NOTHING,
    "health.get_readyz": Need.NOTHING,
    "health.get_health": Need.NOTHING,
    "openapi.spec": Need.NOTHING,
    "web.get_page": Need.NOTHING,
    "web.get_file": Need.NOTHING,
    "web.get_description": Need.NOTHING,
    "web.get_description_file": Need.NOTHING,
    "login.get_login": Need.COUNTED,
    "login.exchange_token": Need.COUNTED,
    "static": Need.ANY_TOKEN,
    "kernels.list_kernels": Need.ANY_TOKEN,
    "kernels.get_kernel": Need.ANY_TOKEN,
    "whoami.get_whoami": Need.ANY_TOKEN,
    "events.list_events": Need.ANY_TOKEN,  # of leases with leases:read, of nodes with nodes:read
    "nodes.put_node": Scope.NODE,
    "nodes.reconcile_node": Scope.NODE,
    "enrolment.enrol_node": Scope.JOIN,
    "enrolment.post_join_token": Scope.NODES,
    "enrolment.list_join_tokens": Scope.NODES,
    "enrolment.delete_join_token": Scope.NODES,
    "nodes.get_node": Scope.NODES_READ,
    "nodes.list_nodes": Scope.NODES_READ,
    "nodes.patch_node": Scope.NODES,
    "devices.get_device": Scope.NODES_READ,
    "devices.list_devices": Scope.NODES_READ,
    "leases.post_lease": Scope.LEASES,
    "leases.list_leases": Scope.LEASES_READ,
    "leases.get_lease": Scope.LEASES_READ,
    "leases.get_explanation": Scope.LEASES_READ,
    "leases.list_sessions": Scope.LEASES_READ,
    "leases.patch_lease": Scope.LEASES,
    "leases.delete_lease": Scope.LEASES,
    "tenants.put_tenant": Scope.TENANTS,
    "tenants.get_tenant": Scope.TENANTS_READ,
    "tenants.get_usage": Scope.TENANTS_READ,
    "tenants.list_tenants": Scope.TENANTS_READ,
    "tenants.delete_tenant": Scope.TENANTS,
    "accounts.post_account": Scope.ACCOUNTS,
    "accounts.get_account": Scope.ACCOUNTS,
    "accounts.list_accounts": Scope.ACCOUNTS,
    "accounts.patch_account": Scope.ACCOUNTS,
    "tokens.post_token": Scope.TOKENS,
    "tokens.get_token": Scope.TOKENS,
    "tokens.list_tokens": Scope.TOKENS,
    "tokens.rotate_token": Scope.TOKENS,
    "tokens.delete_token": Scope.TOKENS,
    "trust_rules.post_trust_rule": Scope.ACCOUNTS,
    "trust_rules.get_trust_rule": Scope.ACCOUNTS,
    "trust_rules.list_trust_rules": Scope.ACCOUNTS,
    "trust_rules.delete_trust_rule": Scope.ACCOUNTS,
    "webhooks.post_webhook": Scope.TOKENS,  # it tells of leases when the token that made it is long gone
    "webhooks.get_webhook": Scope.TOKENS,
    "webhooks.list_webhooks": Scope.TOKENS,
    "webhooks.patch_webhook": Scope.TOKENS,
    "webhooks.delete_webhook": Scope.TOKENS,
    "audit.list_audit": Scope.AUDIT_READ,
    "metrics.get_metrics": Scope.METRICS,
    "programs.post_program": Scope.COMPUTE,
    "programs.get_program": Scope.COMPUTE,
    "programs.list_programs": Scope.COMPUTE,
    "programs.get_binary": Scope.COMPUTE,
    "programs.delete_program": Scope.COMPUTE,
    "buffers.post_buffer": Scope.COMPUTE,
    "buffers.get_buffer": Scope.COMPUTE,
    "buffers.list_buffers": Scope.COMPUTE,
    "buffers.put_content": Scope.COMPUTE,
    "buffers.get_content": Scope.COMPUTE,
    "buffers.delete_buffer": Scope.COMPUTE,
    "launches.post_launch": Scope.COMPUTE,
    "launches.get_launch": Scope.COMPUTE,
}


def need_of(endpoint: str | None) -> Scope | Need:
    """Return what an endpoint needs; that there is none, only those are told who have a token."""
    return Need.ANY_TOKEN if endpoint is None else NEEDS[endpoint]
