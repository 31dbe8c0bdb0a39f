"""The files of the web page, with what browsers are told about them.

The page is static: HTML, CSS and ES modules, as they lie in the folder `web`. It asks the REST API as anybody
does, with the token of whoever logs in; the files themselves are no secret.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

FOLDER, INDEX = Path(__file__).parent / "web", "index.html"
ICON = FOLDER / "icon.svg"
TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
POLICY = "; ".join(
    (
        "default-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "object-src 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",  # the page never makes HTML of text
    )
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-cache",  # kept, and asked for anew: the files of one version belong together
}


@dataclass(frozen=True, kw_only=True)
class WebFile:
    """A file of the page.

    Attributes:
        content: Its bytes.
        media_type: What they are.
        etag: Changes with them.
    """

    content: bytes
    media_type: str
    etag: str


@cache
def web_files() -> dict[str, WebFile]:
    """Return all files of the page by their paths, such as `views/queue.js`; nothing else is served."""
    return {
        path.relative_to(FOLDER).as_posix(): read_file(path)
        for path in sorted(FOLDER.rglob("*"))
        if path.suffix in TYPES
    }


def read_file(path: Path) -> WebFile:
    """Return a file as it is served."""
    content = path.read_bytes()
    etag = hashlib.sha256(content).hexdigest()[:32]
    return WebFile(content=content, media_type=TYPES[path.suffix], etag=etag)
