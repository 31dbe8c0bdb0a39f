"""Programs whose context is over devices of two nodes: content goes from worker to worker."""

import pytest

pytestmark = pytest.mark.opencl


@pytest.mark.parametrize("name", ["spanning"])
def test_a_context_over_two_nodes_is_one(programs, two_node_lease_file, name):
    programs.run(name, two_node_lease_file)
