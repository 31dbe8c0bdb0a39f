"""How `make docs` makes a site of this repository's Markdown; docs/index.md is its table of contents.

Pages stay where they are, so that they read as well on a forge: the source folder is the repository itself.
Nothing is fetched, neither when the site is made nor when it is read. docs/decisions/0040 says why Sphinx.
"""

import sys
from pathlib import Path

from pygments.lexers.special import TextLexer
from sphinx.application import Sphinx

from accelpool_wire.version import __version__

sys.path.insert(0, str(Path(__file__).parent))  # the two extensions beside this file

project = "accelpool"
copyright = "the accelpool developers"
version = release = __version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "docstrings", "rest_reference"]
root_doc = "docs/index"
include_patterns = ["*.md", "docs/**.md", "sdk/accelpool_icd/README.md", "examples/**.md"]
exclude_patterns = [".*"]

myst_heading_anchors = 4
highlight_language = "none"  # an indented block is a transcript
default_role = "code"  # `name` in a docstring
autodoc_member_order = "groupwise"
autodoc_class_signature = "separated"

html_theme = "furo"
html_title = f"accelpool {__version__}"
html_extra_path = ["front"]
html_show_sourcelink = False
html_copy_source = False


def setup(app: Sphinx) -> None:
    """Show the golden frames of docs/wire.md as what they are, text."""
    app.add_lexer("golden", TextLexer)
