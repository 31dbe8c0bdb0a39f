"""Reads docstrings in Google's style, as Sphinx's own extension does, but for its reading of a property's.

That takes what is before a colon for the type. Ours are annotated, and their docstrings are sentences.
"""

from typing import Any

from sphinx.application import Sphinx
from sphinx.ext.napoleon import Config, GoogleDocstring

STYLE = Config(napoleon_use_ivar=True, napoleon_custom_sections=[("Source", "notes_style")])


def setup(app: Sphinx) -> dict[str, bool]:
    """Have Sphinx read docstrings so."""
    app.connect("autodoc-process-docstring", read)
    return {"parallel_read_safe": True}


def read(app: Sphinx, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Turn a docstring's lines into reStructuredText, in place."""
    kind = "" if what in {"attribute", "data", "property"} else what
    lines[:] = GoogleDocstring(lines, STYLE, app, kind, name, obj, options).lines()
