"""`accelpool web`: the pool's web page, with the token in the link.

The token is in the link's fragment, which browsers send to nobody. They keep it in their history on the disk,
though, whatever the page does: so it is a token for this alone, which ends within hours. A browser's command
line could be read by other users, so it is given a private file that leads to the link.
"""

from __future__ import annotations

import html
import webbrowser
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated
from urllib.parse import quote

import typer

from accelpool.cli.access import pool_credentials
from accelpool.cli.failures import CommandFailed, one_line
from accelpool.cli.options import Json, Url
from accelpool.cli.output import Output
from accelpool.cli.settings import CliSettings
from accelpool.credentials import Credentials
from accelpool.errors import Forbidden, QuotaExceeded
from accelpool.rest import RestClient
from accelpool_wire.private_file import PRIVATE_DIR, replace_file

FILE = "web.html"
NAME, LASTS = "web", timedelta(hours=12)  # of the token in a link
PAGE = """\
<!doctype html>
<meta charset="utf-8">
<meta name="referrer" content="no-referrer">
<meta http-equiv="refresh" content="0; url={link}">
<title>accelpool</title>
<a href="{link}">To the pool</a>
"""


def web(
    url: Url = None,
    is_opened: Annotated[bool, typer.Option("--open", help="Open it in this machine's browser.")] = False,
    json: Json = False,
) -> None:
    """Show the link to the pool's web page, logged in.

    The link has a token in it, which opens the pool to whoever reads it, for 12 hours: not for logs.
    """
    found, output = pool_credentials(url), Output(json)
    link = link_to_page(found.url, _token(found, output))
    output.document({"url": link})
    output.text(link)
    if is_opened and not open_link(link, CliSettings.from_environment().state_dir):
        raise CommandFailed("there is no browser here that can be opened: open the link in one yourself")


def _token(found: Credentials, output: Output) -> str:
    """Return a token for the link alone, or the caller's own if that may make none."""
    wanted = {"name": NAME, "expires_at": (datetime.now(UTC) + LASTS).isoformat()}
    try:
        made = RestClient(found.url, found.token, found.ca).request("POST", "/tokens", json=wanted).body
    except (Forbidden, QuotaExceeded) as error:
        output.note(f"The link has your own token, which stays in the browser's history: {one_line(error)}")
        return found.token
    return str(made["token"])


def link_to_page(url: str, token: str) -> str:
    """Return the link that opens a broker's page logged in."""
    return f"{url.rstrip('/')}/#token={quote(token, safe='')}"


def open_link(link: str, state_dir: Path) -> bool:
    """Open a link in a browser, by a file that its user alone can read; return whether there is a browser.

    Raises:
        CommandFailed: The file cannot be written.
    """
    path = state_dir / FILE
    try:
        state_dir.mkdir(mode=PRIVATE_DIR, parents=True, exist_ok=True)
        replace_file(path, PAGE.format(link=html.escape(link)).encode())
    except OSError as error:
        raise CommandFailed(f"{path} cannot be written: {error.strerror}") from error
    return webbrowser.open(path.absolute().as_uri())
