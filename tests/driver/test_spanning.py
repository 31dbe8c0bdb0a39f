"""Programs whose context is over devices of two nodes: content goes from worker to worker."""

import json
import re
from pathlib import Path

import pytest

from .lease_file import all_leased
from .losing import lose_the_second_node

pytestmark = pytest.mark.opencl

NAMES = ["spanning", "spanning_events", "spanning_programs", "spanning_images", "spanning_threads"]
CALLS = Path(__file__).parent / "spanning_calls.py"
BUFFERS_BYTES = (1 << 20) + 256


@pytest.mark.parametrize("name", NAMES)
def test_over_two_nodes_all_is_as_over_one(programs, two_node_lease_file, name):
    programs.run(name, two_node_lease_file)


def test_over_two_driver_environments_it_is_so_too(programs, opencl_pool, tmp_path):
    with all_leased(opencl_pool.url, opencl_pool.token, tmp_path) as lease_file:
        if len(json.loads(lease_file.read_text())["endpoints"]) < 2:
            pytest.skip("this machine has one driver environment")
        programs.run("spanning", lease_file)


@pytest.mark.parametrize("words", [("1",), ("2",), ("3", "out of order")])
def test_random_programs_see_one_memory(programs, two_node_lease_file, words):
    programs.run("spanning_random", two_node_lease_file, *words)


def test_content_goes_from_node_to_node_and_the_agents_count_it(
    programs, two_node_opencl_pool, tmp_path, wait_until
):
    pool = two_node_opencl_pool
    with all_leased(pool.url, pool.token, tmp_path) as lease_file:
        programs.run_python(CALLS, lease_file)
        lease = json.loads(lease_file.read_text())["lease"]
    ends = [re.compile(rf"lease {lease} is over.* {came} came from other nodes and {went} went there")
            for came, went in ((0, BUFFERS_BYTES), (BUFFERS_BYTES, 0))]  # fmt: skip
    for number, end in enumerate(ends, start=1):
        log = pool.folder / f"agent-{number}.log"
        wait_until(lambda log=log, end=end: end.search(log.read_text()))


def test_a_lost_node_gives_error_codes_and_no_hang(programs, own_two_node_pool, tmp_path):
    lose_the_second_node(programs, "spanning_lost", own_two_node_pool, tmp_path)
