"""openapi.yaml as it is committed, against the broker: every check that schemathesis has.

It sends what the document allows, what it forbids, and sequences of calls that use each other's answers.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import schemathesis
import werkzeug
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import events, from_schema
from schemathesis.python import wsgi

from accelpool_broker.testing import BrokerInProcess

from .api_rig import broker

DOCUMENT = Path(__file__).parents[2] / "openapi.yaml"
MOST_SAID = 2000  # characters about one failure
# What a schema cannot say: a request of the right form may still be refused for what it says.
OF_MEANING = ["410", "412", "422"]
OF_FORM = ["400", "401", "403", "404", "405", "409", "410", "413", "415", "422"]
OUT_OF_MEMORY = "507"
KEPT = "^/(leases|tokens)/"  # what is deleted there has ended, and can be read for some days
OF_NODES = ("PUT /nodes/{name}", "POST /nodes/{name}/reconcile")


def failures(seed: int, examples: int) -> list[str]:
    """Return what is wrong with the API, for people; a seed and a count decide all that is tried.

    Args:
        seed: Of all choices.
        examples: Made-up requests of each call.
    """
    with broker() as running:
        config = SchemathesisConfig.from_dict(_settings(running, seed, examples))
        schema = schemathesis.openapi.from_path(DOCUMENT, config=config)
        schema.app = running.app
        with mock.patch.object(wsgi, "get_client", InProcess):
            return list(dict.fromkeys(_told(from_schema(schema).execute())))


class InProcess(werkzeug.Client):
    """A client without a network, which settings of a network do not concern: schemathesis passes some on."""

    def open(self, *arguments: Any, **options: Any) -> Any:
        """Send a request."""
        for name in ("max_redirects", "verify", "cert"):
            options.pop(name, None)
        return super().open(*arguments, **options)


def _settings(running: BrokerInProcess, seed: int, examples: int) -> dict[str, Any]:
    node = _bearer(running.node_token("/nodes/n1"))
    return {
        "seed": seed,
        "workers": 1,
        "suppress-health-check": ["all"],  # a busy machine is no failure
        "continue-on-failure": True,
        "headers": _bearer(running.services.file_tokens["user"]),
        "generation": {"max-examples": examples, "database": "none", "no-shrink": False},
        "checks": {
            "not_a_server_error": {"expected-statuses": ["2xx", "3xx", "4xx", OUT_OF_MEMORY]},
            "positive_data_acceptance": {
                "expected-statuses": ["2xx", "401", "403", "404", "409", *OF_MEANING, OUT_OF_MEMORY]
            },
            "negative_data_rejection": {"expected-statuses": OF_FORM},
        },
        "operations": [
            *({"include-name": name, "headers": node} for name in OF_NODES),
            {"include-path-regex": KEPT, "checks": {"use_after_free": {"enabled": False}}},
        ],
    }


def _bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def _told(stream: Any) -> Iterator[str]:
    """Yield what a run finds wrong, with the request that shows it."""
    for event in stream:
        if isinstance(event, events.ScenarioFinished):
            for checks in event.recorder.checks.values():
                for check in checks:
                    if check.failure_info is not None:
                        yield _about(event.recorder.label, check.name, check.failure_info)
        elif isinstance(event, events.NonFatalError):
            yield f"{event.label}: {event.value!r}"
        elif isinstance(event, events.FatalError):
            raise event.exception


def _about(label: str, check: str, info: Any) -> str:
    return f"{label}: {check}: {info.failure}\n{info.code_sample}"[:MOST_SAID]
