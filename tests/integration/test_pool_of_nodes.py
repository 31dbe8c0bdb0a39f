"""A lease over two nodes, as processes: granted together, served by both, ended together."""

from __future__ import annotations

from accelpool.broker import Broker


def test_two_nodes_of_a_pool_are_listed_with_their_devices(two_node_pool) -> None:
    with Broker(two_node_pool.url, two_node_pool.token) as broker:
        assert [(node["name"], node["device_count"]) for node in broker.nodes()] == [
            ("node-1", 2),
            ("node-2", 2),
        ]
