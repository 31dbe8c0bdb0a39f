"""`python -m accelpool_broker.openapi`: print the API's description, openapi.yaml, made from the app."""

from __future__ import annotations

import json
import sys
from typing import Any

import yaml

from accelpool_broker.app import create_app
from accelpool_broker.settings import Settings

HEADER = "# Made by `make openapi` from the broker's own routes and schemas; a test compares the two.\n"


def document() -> dict[str, Any]:
    """Return the OpenAPI document of an app that keeps nothing."""
    app = create_app(Settings())
    try:
        spec = app.spec
        assert isinstance(spec, dict)
        return spec
    finally:
        app.extensions["accelpool"].close()


def text() -> str:
    """Return the document as YAML, in an order that depends on its content alone."""
    tree = json.loads(json.dumps(document()))  # nothing is shared in it, so YAML needs no anchors
    return HEADER + yaml.safe_dump(tree, sort_keys=True, allow_unicode=True, width=100)


def main() -> int:
    """Print the document."""
    sys.stdout.write(text())
    return 0


if __name__ == "__main__":
    sys.exit(main())
