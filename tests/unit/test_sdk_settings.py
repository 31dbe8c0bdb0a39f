"""Settings and credentials: what is given, then the variables, then the file of `accelpool up`."""

import stat
from pathlib import Path

import pytest

from accelpool import credentials
from accelpool.credentials import Credentials
from accelpool.errors import Invalid, Unauthorized
from accelpool.settings import Settings, token_now

URL = "http://127.0.0.1:8750"


@pytest.fixture
def path(tmp_path):
    return tmp_path / "config" / "accelpool" / "credentials.json"


def settings(path, **environ):
    return Settings.from_environment({"XDG_CONFIG_HOME": str(path.parent.parent), **environ})


def test_the_variables_name_the_pool(path):
    found = settings(path, ACCELPOOL_URL=URL + "/", ACCELPOOL_TOKEN="t").credentials()
    assert found == Credentials(url=URL, token="t")


def test_arguments_win_over_variables(path):
    found = settings(path, ACCELPOOL_URL=URL, ACCELPOOL_TOKEN="t").credentials("http://other", "u")
    assert found == Credentials(url="http://other", token="u")


def test_a_token_read_from_a_file_may_end_with_its_line(path):
    assert settings(path).credentials(URL, "apu_secret\n").token == "apu_secret"


@pytest.mark.parametrize("token", ["apu_a b", "apu_a\nb", "apu_\u2013"])
def test_a_token_that_no_header_carries_is_refused_and_not_shown(path, token):
    with pytest.raises(Invalid, match="a token is ASCII letters") as refused:
        settings(path).credentials(URL, token)
    assert token not in str(refused.value)


def test_the_file_is_used_where_nothing_else_is_said(path):
    credentials.save(Credentials(url=URL, token="saved"), path)
    assert settings(path).credentials() == Credentials(url=URL, token="saved")


def test_the_token_of_a_pool_is_the_one_that_the_file_has_now(path, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(path.parent.parent))
    for name in ("ACCELPOOL_URL", "ACCELPOOL_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    assert token_now(URL) == ""
    for token in ("first", "second"):
        credentials.save(Credentials(url=URL, token=token), path)
        assert token_now(URL) == token
    assert token_now("http://elsewhere") == ""


def test_the_files_token_is_used_for_its_own_url_only(path):
    credentials.save(Credentials(url=URL, token="saved"), path)
    assert settings(path, ACCELPOOL_URL=URL).credentials().token == "saved"
    with pytest.raises(Unauthorized, match="no token for http://elsewhere"):
        settings(path, ACCELPOOL_URL="http://elsewhere").credentials()


@pytest.mark.parametrize(
    ("url", "told"),
    [("127.0.0.1:8750", "is it http://127.0.0.1:8750"), ("gopher://pool", "not 'gopher://pool'$")],
)
def test_a_url_of_another_kind_is_refused(path, url, told):
    with pytest.raises(Invalid, match=r"begins with http:// or https://.*" + told):
        settings(path, ACCELPOOL_URL=url, ACCELPOOL_TOKEN="t").credentials()


def test_without_any_the_error_says_how_to_get_one(path):
    with pytest.raises(Unauthorized, match="accelpool up") as caught:
        settings(path).credentials()
    assert "ACCELPOOL_URL" in str(caught.value)


def test_the_file_can_be_read_by_its_owner_only(path):
    credentials.save(Credentials(url=URL, token="secret"), path)
    credentials.save(Credentials(url=URL, token="secret2"), path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [file.name for file in path.parent.iterdir()] == ["credentials.json"]


def test_a_malformed_file_is_a_typed_error(path):
    path.parent.mkdir(parents=True)
    path.write_text('{"url": 5}')
    with pytest.raises(Unauthorized, match="is not of the form"):
        credentials.load(path)


def test_a_folder_in_its_place_is_a_typed_error(path):
    path.mkdir(parents=True)
    with pytest.raises(Unauthorized, match="cannot be read"):
        credentials.load(path)


def test_a_token_is_not_shown():
    assert "secret" not in repr(Credentials(url=URL, token="secret"))


def test_home_is_where_the_file_is_by_default():
    assert Settings.from_environment({"HOME": "/home/me"}).credentials_path == Path(
        "/home/me/.config/accelpool/credentials.json"
    )


def test_answers_are_separated_by_colons(path):
    assert settings(path, PYOPENCL_CTX="0:cpu").context_answers == ("0", "cpu")
    assert settings(path).context_answers is None


@pytest.mark.parametrize(("said", "expected"), [("1", True), ("0", False), ("", False)])
def test_nodes_need_no_tls_if_that_is_said(path, said, expected):
    found = settings(path, ACCELPOOL_URL=URL, ACCELPOOL_TOKEN="t", ACCELPOOL_INSECURE=said).credentials()
    assert found.is_insecure is expected
    credentials.save(Credentials(url=URL, token="saved"), path)
    assert settings(path, ACCELPOOL_INSECURE=said).credentials().is_insecure is expected
