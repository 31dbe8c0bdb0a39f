"""`accelpool login` where the broker, GitHub or the disk do not do as they should."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from accelpool import credentials
from accelpool.cli import login, token_exchange
from accelpool.cli.failures import CommandFailed
from accelpool.cli.job_id_token import job_id_token
from accelpool.cli.settings import CliSettings
from accelpool.errors import RemoteProtocolError
from accelpool.rest import Answer

GITHUB = {"ACTIONS_ID_TOKEN_REQUEST_URL": "https://github.example/t", "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "t"}
MADE = {"access_token": "aps_x", "account": "ci", "id": "tok_x", "expires_at": "2027-01-15T08:00:00Z"}


class Rest:
    """A broker that answers everything alike."""

    url = "http://pool"

    def __init__(self, body: Any) -> None:
        self.body = body

    def request(self, method: str, path: str, **_: Any) -> Answer:
        return Answer(body=self.body, retry_after_s=None)


class GitHub:
    def __init__(self, body: Any) -> None:
        self.body = body

    def get(self, url: str, headers: dict[str, str]) -> Any:
        return self.body


@pytest.mark.parametrize(
    "body", [None, [], {}, {"methods": {}}, {"methods": [{"issuer": "x"}]}, {"methods": ["x"]}]
)
def test_what_names_no_login_methods_is_no_broker(body: Any) -> None:
    with pytest.raises(RemoteProtocolError, match="no login methods"):
        login._method(Rest(body), None)  # type: ignore[arg-type]


@pytest.mark.parametrize("body", [None, [], {}, {**MADE, "access_token": 7}])
def test_what_gives_no_token_is_no_broker(body: Any) -> None:
    with pytest.raises(RemoteProtocolError, match="without a token"):
        token_exchange.exchange(Rest(body), "a.b.c")  # type: ignore[arg-type]


@pytest.mark.parametrize("body", [{}, {"value": ""}, {"value": 7}])
def test_what_gives_a_job_no_token_is_not_github(body: Any) -> None:
    with pytest.raises(RemoteProtocolError, match=r"github\.example answered without an ID token"):
        job_id_token(CliSettings.from_environment(GITHUB), "https://pool", GitHub(body))


def test_secrets_of_a_job_are_in_no_repr() -> None:
    settings = CliSettings.from_environment(
        {**GITHUB, "ACCELPOOL_ID_TOKEN": "id-secret", "ACCELPOOL_TOKEN": ""}
    )
    assert "id-secret" not in repr(settings)


def run(monkeypatch: pytest.MonkeyPatch, home: Path, **variables: str) -> Any:
    monkeypatch.setattr(login, "RestClient", lambda *_: Rest(MADE))
    app = typer.Typer()
    app.command()(login.login)
    env = {
        "HOME": str(home),
        "XDG_CONFIG_HOME": "",
        "ACCELPOOL_URL": "http://pool",
        "ACCELPOOL_ID_TOKEN": "a.b.c",
    }
    return CliRunner().invoke(app, ["--ci"], env={**env, **variables})


def test_who_has_a_token_in_the_environment_is_told_that_it_comes_first(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    done = run(monkeypatch, tmp_path, ACCELPOOL_TOKEN="older")
    assert "ACCELPOOL_TOKEN is set, and comes first" in done.stderr
    assert "aps_x" not in done.output


def test_the_credentials_of_another_pool_are_kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / ".config" / "accelpool" / "credentials.json"
    other = credentials.Credentials(url="http://other", token="other")
    credentials.save(other, path)
    done = run(monkeypatch, tmp_path, ACCELPOOL_TOKEN="")
    aside = path.with_name("credentials.json.previous")
    assert str(aside) in done.stderr.replace("\n", "")
    assert credentials.load(aside) == other
    assert credentials.load(path) == credentials.Credentials(
        url="http://pool", token="aps_x", audience="http://pool"
    )


def test_a_folder_that_cannot_be_written_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(credentials, "save", full)
    done = run(monkeypatch, tmp_path, ACCELPOOL_TOKEN="")
    assert isinstance(done.exception, CommandFailed)
    assert "cannot be written to" in str(done.exception)
    assert "No space left on device" in str(done.exception)


@pytest.mark.parametrize(
    ("started_at", "timeout", "is_warned"),
    [
        ("2027-01-15T07:00:00Z", "3600", False),
        ("2027-01-15T07:00:00Z", "3601", True),
        ("2027-01-15T07:00:00", "7200", False),
        ("yesterday", "7200", False),
        ("", "", False),
    ],
)
def test_a_job_of_gitlab_that_may_outlive_its_token_is_warned(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, started_at: str, timeout: str, is_warned: bool
) -> None:
    told = {"CI_JOB_STARTED_AT": started_at, "CI_JOB_TIMEOUT": timeout}
    done = run(monkeypatch, tmp_path, ACCELPOOL_TOKEN="", **told)
    assert done.exit_code == 0
    assert ("lifetime has to cover the job's" in done.stderr.replace("\n", " ")) is is_warned
