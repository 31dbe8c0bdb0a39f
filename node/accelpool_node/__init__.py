"""accelpool_node: the agent and the workers that run on a machine with devices."""
