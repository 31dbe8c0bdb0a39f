"""Counts requests as they are answered: how many, how long they took, and what went wrong."""

from __future__ import annotations

import time

from flask import Flask, Response, g, request

from accelpool_broker.meter import Meter

NO_ROUTE, OTHER = "none", "OTHER"


def register(app: Flask, meter: Meter) -> None:
    """Have the app's requests counted; before all else that is to be done before requests."""

    def begin() -> None:
        g.began_at = time.monotonic()

    def count(answer: Response) -> Response:
        method, route = named()
        meter.requests.labels(method, route, answer.status_code).inc()
        meter.answers.labels(method, route).observe(time.monotonic() - g.began_at)
        if problem := g.pop("problem", None):
            meter.problems.labels(problem).inc()
        return answer

    app.before_request(begin)
    app.after_request(count)


def named() -> tuple[str, str]:
    """Return method and route, such as `/leases/{id}`; of what has no route a client chose both."""
    rule = request.url_rule
    if rule is None:
        return OTHER, NO_ROUTE
    return request.method, rule.rule.replace("<", "{").replace(">", "}").replace("{path:", "{")
