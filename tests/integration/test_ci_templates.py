"""The CI templates of `deploy/`: their own shell, against a real pool and a real issuer of ID tokens."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import accelpool

from ..conftest import Pool, running, wait_until
from ..issuer_rig import Issuer
from ..issuer_rig import running as running_issuer
from .ci_rig import ACTION, TEMPLATE, Job, Scripts
from .cli_rig import Cli

ROOT = Path(__file__).parents[2]
WAITS = "Wait for an accelerator"
RUNS = "Run the commands"
GIVES_BACK = "Give the lease back"


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pool]:
    """A pool of one null device, which nobody else uses."""
    yield from running(Pool(folder=tmp_path_factory.mktemp("ci-pool"), backend="null:1"))


@pytest.fixture(scope="module")
def issuer(pool: Pool, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Issuer]:
    """An issuer whose tokens for acme/solver let in as the account `ci`."""
    cli = Cli(tmp_path_factory.mktemp("admin"))
    with running_issuer() as found:
        for account, repository in (("ci", "acme/solver"), ("ci-of-mesh", "acme/mesh")):
            cli.json("account", "create", account, "--service", "--tenant", "vision", pool=pool)
            cli.json(
                "trust", "add", account, "--issuer", found.url, "--audience", pool.url, "--account", account,
                "--claim", f"repository={repository}", pool=pool,
            )  # fmt: skip
        yield found


@pytest.fixture
def github(cli: Cli, pool: Pool, issuer: Issuer, driver: dict[str, str]) -> Any:
    """Makes a job of GitHub's that uses the action."""

    def job(folder: str = "job", repository: str = "acme/solver", **inputs: str) -> Job:
        of_job = {
            "ACTIONS_ID_TOKEN_REQUEST_URL": f"{issuer.url}/github?repository={repository}",
            "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "of-the-job",
        }
        (cli.home / folder).mkdir()
        return Job(cli.home / folder, cli.variables(**of_job, **driver), {"url": pool.url, **inputs})

    return job


@pytest.fixture
def gitlab(cli: Cli, pool: Pool, issuer: Issuer, driver: dict[str, str]) -> Any:
    """Makes a job of GitLab's that extends the template."""

    def job(
        shell: str = "bash", folder: str = "", repository: str = "acme/solver", **variables: str
    ) -> Scripts:
        token = issuer.token(aud=pool.url, repository=repository)
        of_job = {"ACCELPOOL_URL": pool.url, "ACCELPOOL_ID_TOKEN": token, **variables}
        (cli.home / folder).mkdir(exist_ok=True)
        return Scripts(cli.home / folder, cli.variables(**of_job, **driver), (shell,))

    return job


def leases(pool: Pool) -> list[dict[str, Any]]:
    """Return the leases, the newest first."""
    with accelpool.connect(pool.url, pool.token) as broker:
        return sorted(broker.leases(), key=lambda lease: lease["created_at"], reverse=True)


def states(pool: Pool) -> set[str]:
    return {lease["state"] for lease in leases(pool)}


@contextmanager
def busy(pool: Pool) -> Iterator[None]:
    """Have the pool's only device until somebody waits for it."""
    with accelpool.connect(pool.url, pool.token) as broker, broker.acquire(wait=30):
        yield


def is_waited_for(pool: Pool) -> bool:
    return "queued" in states(pool)


def assert_given_back(pool: Pool, cli: Cli, last: str = "released") -> None:
    assert leases(pool)[0]["state"] == last
    assert states(pool).isdisjoint({"queued", "active"})
    cli.assert_nothing_is_left()
    assert list((cli.home / "runtime").iterdir()) == []
    assert tokens_below(cli.home) == []


def tokens_below(folder: Path) -> list[Path]:
    """Return the files that have a token of an account."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return [path for path in files if re.search(rb"ap[su]_", path.read_bytes())]


def accounts(pool: Pool, *ids: str) -> list[str]:
    """Return whose leases are."""
    return [lease["account"] for id in ids for lease in leases(pool) if lease["id"] == id]


def own_credentials(cli: Cli, pool: Pool) -> tuple[Path, str]:
    """Have whom the runner runs as be known to the pool, by a token that is none any more."""
    path = cli.home / ".config" / "accelpool" / "credentials.json"
    content = json.dumps({"url": pool.url, "token": "x"})
    path.parent.mkdir(parents=True)
    path.write_text(content)
    return path, content


@pytest.mark.parametrize(("path", "schema"), [(ACTION, "github-actions"), (TEMPLATE, "gitlab-ci")])
def test_a_template_is_what_the_platforms_schema_says(path: Path, schema: str) -> None:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", f"vendor.{schema}", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout


def test_githubs_commands_run_under_a_lease_that_ends_with_them(github: Any, pool: Pool, cli: Cli) -> None:
    commands = 'cat "$ACCELPOOL_LEASE_FILE" > lease.json\nls "$OCL_ICD_VENDORS"'
    job = github(run=commands, kind="custom", memory="25%", where="device.compute_units > 0", wait="30")
    job.run()
    assert not job.is_failed, job.steps
    assert job.steps[RUNS].output == "accelpool.icd\n"
    id = job.outputs["lease"]
    assert id in (job.folder / "lease.json").read_text()
    assert float(job.outputs["waited-seconds"]) >= 0
    notice = f"::notice title=accelpool::lease {id}, after {job.outputs['waited-seconds']} s in the queue\n"
    assert job.steps["Tell of the lease"].output == notice
    assert (leases(pool)[0]["id"], leases(pool)[0]["tenant"]) == (id, "vision")
    assert "ACCELPOOL_LEASE" not in job.env
    assert_given_back(pool, cli)


def test_jobs_of_github_beside_each_other_are_who_they_are_and_leave_no_token(
    github: Any, pool: Pool, cli: Cli
) -> None:
    own, content = own_credentials(cli, pool)
    part = {"run": "true", "memory": "25%", "compute": "25%"}
    one, other = github("one", **part), github("other", "acme/mesh", **part)
    for step, _ in zip(one.each_step(), other.each_step(), strict=True):
        assert tokens_below(cli.home) == [] or step in ("Log in to the pool", WAITS), step
    assert not one.is_failed, one.steps
    assert not other.is_failed, other.steps
    assert accounts(pool, one.outputs["lease"], other.outputs["lease"]) == ["ci", "ci-of-mesh"]
    assert own.read_text() == content
    assert_given_back(pool, cli)


def test_a_lease_of_githubs_job_outlives_the_token_that_it_was_granted_to(
    github: Any, pool: Pool, cli: Cli
) -> None:
    job = github(run="true", ttl="5")
    steps = job.each_step()
    while next(steps) != WAITS:
        pass
    assert not job.is_failed, job.steps
    revoke_tokens(cli, pool, "ci")
    wait_until(lambda: revoke_tokens(cli, pool, "ci"))  # it has got another one, and again
    ended = last_end(pool)
    wait_until(lambda: last_end(pool) > ended)
    for _ in steps:
        pass
    assert not job.is_failed, job.steps
    assert "is given back" in job.steps[GIVES_BACK].output
    assert_given_back(pool, cli)


def revoke_tokens(cli: Cli, pool: Pool, account: str) -> list[str]:
    """Revoke the tokens that an account has, as if they had ended; return their ids."""
    listed = cli.json("token", "list", "--account", account, pool=pool)["tokens"]
    held = [token["id"] for token in listed if token["revoked_at"] is None]
    for id in held:
        assert cli.call("token", "revoke", id, pool=pool).exit_code == 0
    return held


def last_end(pool: Pool) -> str:
    """Return when the newest lease ends unless it is renewed."""
    return leases(pool)[0]["expires_at"] or ""


def test_githubs_commands_that_fail_fail_the_job_and_give_the_lease_back(
    github: Any, pool: Pool, cli: Cli
) -> None:
    job = github(run="false | cat\necho not here")
    job.run()
    assert (job.is_failed, job.steps[RUNS].code, job.steps[RUNS].output) == (True, 1, "")
    assert job.steps[GIVES_BACK].output == f"Lease {job.outputs['lease']} is given back.\n"
    assert_given_back(pool, cli)


def test_a_job_of_github_that_is_cancelled_gives_the_lease_back(github: Any, pool: Pool, cli: Cli) -> None:
    job = github(run="touch up\nsleep 60\necho not here")
    job.run(cancelled_in=RUNS, once=lambda: wait_until((job.folder / "up").exists))
    assert job.steps[GIVES_BACK].code == 0
    assert job.steps[RUNS].output == ""
    assert_given_back(pool, cli)


def test_a_job_of_github_that_is_cancelled_in_the_queue_withdraws(github: Any, pool: Pool, cli: Cli) -> None:
    job = github(run="true")
    with busy(pool):
        job.run(cancelled_in=WAITS, once=lambda: wait_until(lambda: is_waited_for(pool), 30))
        assert (job.steps[WAITS].code, RUNS in job.steps) == (130, False)
        assert job.steps[GIVES_BACK].output == ""
        assert leases(pool)[0]["state"] == "withdrawn"
    assert_given_back(pool, cli, "withdrawn")


def test_a_job_of_github_says_why_it_got_no_accelerator(github: Any, pool: Pool, cli: Cli) -> None:
    job = github(run="true", wait="0")
    with busy(pool):
        job.run()
    assert (job.steps[WAITS].code, RUNS in job.steps) == (124, False)
    assert "was not granted within 0 s, at position 1: " in job.steps[WAITS].output


def test_without_commands_the_lease_is_the_rest_of_githubs_job(github: Any, pool: Pool, cli: Cli) -> None:
    job = github()
    job.temp.rmdir()
    told = {"folder": str(job.folder), "variables": dict(job.variables), "inputs": dict(job.inputs)}
    runner = subprocess.Popen(
        [sys.executable, "-m", "tests.integration.ci_rig"],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with runner:
        runner.stdin.write(f"{json.dumps(told)}\n")
        runner.stdin.flush()
        done = json.loads(runner.stdout.readline())
        assert not done["failed"], done["steps"]
        assert done["env"]["ACCELPOOL_LEASE"] == done["outputs"]["lease"] == leases(pool)[0]["id"]
        assert Path(done["env"]["ACCELPOOL_LEASE_FILE"]).exists()
        assert states(pool) >= {"active"}
        wait_until(lambda: len(cli.processes()) == 1)  # whoever started the keeper is gone
        (keeper,) = cli.processes()
        variables = Path(f"/proc/{keeper}/environ").read_text()
        assert "RUNNER_TRACKING_ID" not in variables  # else the runner kills it before the job's process ends
        runner.stdin.close()
    wait_until(lambda: states(pool).isdisjoint({"active"}))
    assert_given_back(pool, cli)


def test_a_lease_that_is_lost_under_githubs_commands_is_told(github: Any, pool: Pool, cli: Cli) -> None:
    job = github(run="accelpool release")
    job.run()
    assert "::warning title=accelpool::lease " in job.steps[GIVES_BACK].output


@pytest.mark.parametrize("shell", ["bash", "sh"])
def test_gitlabs_script_runs_under_a_lease_that_ends_with_it(
    gitlab: Any, pool: Pool, cli: Cli, shell: str
) -> None:
    asked = {"ACCELPOOL_KIND": "custom", "ACCELPOOL_WHERE": "device.compute_units > 0"}
    job = gitlab(shell, ACCELPOOL_WAIT="30", **asked)
    process = job.start('echo "under $ACCELPOOL_LEASE"', 'ls "$OCL_ICD_VENDORS"')
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0, output
    id = leases(pool)[0]["id"]
    assert f"under {id}\naccelpool.icd\nLease {id} is given back.\n" in output
    assert "section_start:" in output.partition("section_end:")[0]
    name, _, waited = (cli.home / "accelpool.env").read_text().partition("=")
    assert (name, float(waited) >= 0) == ("ACCELPOOL_WAITED_S", True)
    assert f"accelpool: lease {id}, after {waited.strip()} s in the queue\n" in output
    done = job.after()
    assert (done.code, done.output) == (0, "")
    assert_given_back(pool, cli)


def test_jobs_of_gitlab_beside_each_other_are_who_they_are_and_leave_no_token(
    gitlab: Any, pool: Pool, cli: Cli
) -> None:
    own, content = own_credentials(cli, pool)
    part = {"ACCELPOOL_MEMORY": "25%", "ACCELPOOL_COMPUTE": "25%"}
    jobs = [
        gitlab(folder="one", **part),
        gitlab(folder="other", repository="acme/mesh", **part),
    ]
    started = [job.start('echo "$ACCELPOOL_LEASE" > id') for job in jobs]
    said = [process.communicate(timeout=60)[0] for process in started]
    assert [process.returncode for process in started] == [0, 0], said
    ids = [(job.folder / "id").read_text().strip() for job in jobs]
    assert accounts(pool, *ids) == ["ci", "ci-of-mesh"]
    assert own.read_text() == content
    assert_given_back(pool, cli)


def test_gitlabs_script_that_fails_fails_the_job(gitlab: Any, pool: Pool, cli: Cli) -> None:
    process = gitlab().start("exit 7", "echo not here")
    output, _ = process.communicate(timeout=60)
    assert (process.returncode, "not here" in output) == (7, False), output
    assert_given_back(pool, cli)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_job_of_gitlab_that_is_cancelled_gives_the_lease_back(
    gitlab: Any, pool: Pool, cli: Cli, number: signal.Signals
) -> None:
    job = gitlab()
    process = job.start("touch up", "sleep 60")
    wait_until((cli.home / "up").exists, 60)
    os.killpg(process.pid, number)
    process.communicate(timeout=60)
    assert job.after().code == 0
    wait_until(lambda: leases(pool)[0]["state"] == "released")
    assert_given_back(pool, cli)


def test_a_job_of_gitlab_that_is_cancelled_in_the_queue_withdraws(gitlab: Any, pool: Pool, cli: Cli) -> None:
    job = gitlab()
    with busy(pool):
        process = job.start("true")
        wait_until(lambda: is_waited_for(pool), 60)
        os.killpg(process.pid, signal.SIGTERM)
        process.communicate(timeout=60)
        assert job.after().output == ""
        wait_until(lambda: leases(pool)[0]["state"] == "withdrawn")
    assert_given_back(pool, cli, "withdrawn")
