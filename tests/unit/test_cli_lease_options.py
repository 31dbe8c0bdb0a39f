"""The options that say what lease to take."""

import pytest
import typer
from typer.testing import CliRunner

from accelpool.cli.lease_options import takes_lease_options
from accelpool.cli.main import app as accelpool
from accelpool.lease_request import LeaseRequest


def asked(*arguments: str) -> LeaseRequest:
    """Return what a command with these options asks for."""
    found = []

    @takes_lease_options
    def command(request: LeaseRequest, more: bool = False) -> None:
        found.append(request)

    app = typer.Typer()
    app.command()(command)
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    return found[0]


def test_what_is_not_said_is_what_acquire_assumes() -> None:
    body = asked("--more").body()
    assert body.pop("client")
    assert body == {
        "kind": "any", "count": 1, "ttl_s": 60.0, "queue_timeout_s": None, "ends_with_session": False,
    }  # fmt: skip


def test_every_option_of_acquire_is_there() -> None:
    words = (
        "--kind gpu --api cuda -n 2 --memory 4GiB --compute 0.5 --exclusive --where device.kind!='cpu' "
        "--placement pack --image ab --tolerates t --tolerates u --tenant org --priority 3 --preemptible "
        "--max-duration 60 --wait 5 --ttl 30"
    )
    body = asked(*words.split()).body()
    assert body.pop("client")
    assert body == {
        "kind": "gpu", "api": "cuda", "count": 2, "memory_bytes": 4 << 30, "compute": 0.5, "exclusive": True,
        "where": "device.kind!='cpu'", "placement": "pack", "image": "ab", "tolerates": ["t", "u"],
        "tenant": "org", "priority": 3, "preemptible": True, "max_duration_s": 60.0, "ttl_s": 30.0,
        "queue_timeout_s": 10.0, "ends_with_session": False,
    }  # fmt: skip


def refused(*arguments: str) -> str:
    """Return what is said of options that are not possible."""
    app = typer.Typer(pretty_exceptions_enable=False, rich_markup_mode=None)
    app.command()(takes_lease_options(lambda request: None))
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 2
    return done.stderr.splitlines()[-1]


def test_a_part_of_compute_may_be_in_percent_as_one_of_memory() -> None:
    assert asked("--compute", "25%", "--memory", "25%").body()["compute"] == 0.25


def test_what_is_no_number_is_told_with_what_was_expected() -> None:
    for option, what in (
        ("--wait", "a number of seconds"),
        ("--ttl", "a number of seconds"),
        ("--max-duration", "a number of seconds"),
        ("--starts-at", "an instant, such as 2027-01-15T08:00, or seconds since the Unix epoch"),
    ):
        assert refused(option, "abc").endswith(f"it is {what}, not 'abc'")
    what = "compute is a fraction of a device's time, above 0 and up to 1, or a string such as '25%'"
    assert refused("--compute", "abc").endswith(f"{what}, not 'abc'")
    assert refused("--compute", "125%").endswith(f"{what}, not '125%'")


def test_devices_are_named_by_id() -> None:
    assert asked("--device", "d").body()["device"] == "d"
    several = asked("--device", "d", "--device", "e").body()
    assert (several["devices"], several["count"]) == (["d", "e"], 2)


def test_a_reservations_times_may_be_words_or_seconds() -> None:
    body = asked("--starts-at", "2027-01-15T08:00:00+00:00", "--ends-at", "1800003600").body()
    assert (body["starts_at"], body["ends_at"]) == ("2027-01-15T08:00:00+00:00", "2027-01-15T09:00:00+00:00")


@pytest.mark.parametrize("command", [["run", "--api", "cuda", "--", "true"], ["shell", "--api", "cuda"]])
def test_a_program_that_nobody_changed_cannot_have_cuda(command: list[str]) -> None:
    done = CliRunner().invoke(accelpool, command)
    assert (done.exit_code, "accelpool.cuda" in done.output) == (2, True)


def test_an_api_that_there_is_not_is_refused() -> None:
    assert CliRunner().invoke(accelpool, ["acquire", "--shell", "--api", "metal"]).exit_code == 2
