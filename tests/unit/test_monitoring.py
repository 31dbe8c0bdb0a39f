"""Metrics, the dashboard, the alerts and their documents agree; names keep Prometheus' rules."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import promql_parser
import pytest
import yaml
from prometheus_client import CollectorRegistry, Metric, generate_latest

from accelpool_broker.testing import BrokerInProcess

from ..metrics_rig import agents_registry, brokers_registry, names_of, rows_of

ROOT = Path(__file__).parents[2]
DASHBOARD = json.loads((ROOT / "deploy/grafana/accelpool.json").read_text())
RULES = [
    rule
    for group in yaml.safe_load((ROOT / "deploy/prometheus/alerts.yaml").read_text())["groups"]
    for rule in group["rules"]
]
CASES = yaml.safe_load((ROOT / "tests/unit/alerts_test.yaml").read_text())["tests"]
QUERIES = {
    f"{panel['title']} {target['refId']}": target["expr"]
    for panel in DASHBOARD["panels"]
    for target in panel.get("targets", ())
} | {rule["alert"]: rule["expr"] for rule in RULES}
PROMTOOL = shutil.which("promtool")
BASE_UNITS = ("bytes", "celsius", "joules", "ratio", "seconds", "volts")
OTHER_UNITS = re.compile(r"_(kb|kib|mb|mib|gib|ms|ns|minutes|hours|percent|watts)(_|$)")
OF_PROMETHEUS = {"up"}


@pytest.fixture(scope="module")
def registries() -> Iterator[Mapping[str, CollectorRegistry]]:
    with BrokerInProcess() as broker:
        yield {"broker": brokers_registry(broker), "agent": agents_registry()}


@pytest.fixture(scope="module")
def families(registries: Mapping[str, CollectorRegistry]) -> list[Metric]:
    return [family for registry in registries.values() for family in registry.collect()]


def selectors(expression: str) -> list[promql_parser.VectorSelector]:
    """Return what an expression selects by name."""
    found: list[promql_parser.VectorSelector] = []

    def visit(part: promql_parser.Expr) -> None:
        if isinstance(part, promql_parser.MatrixSelector):
            part = part.vector_selector
        if isinstance(part, promql_parser.VectorSelector):
            found.append(part)

    promql_parser.walk(promql_parser.parse(expression.replace("$__rate_interval", "5m")), visit)
    return found


@pytest.mark.parametrize("query", QUERIES)
def test_dashboard_and_alerts_ask_for_metrics_and_labels_that_exist(
    query: str, families: list[Metric]
) -> None:
    labels: dict[str, set[str]] = {}
    for family in families:
        for sample in family.samples:
            labels.setdefault(sample.name, set()).update(sample.labels)
    asked_for = selectors(QUERIES[query])
    assert asked_for
    for selector in asked_for:
        if selector.name not in OF_PROMETHEUS:
            assert selector.name in names_of(families)
            asked = {matcher.name for matcher in selector.matchers.matchers}
            assert asked <= labels.get(selector.name, asked), selector.name


@pytest.mark.parametrize("part", ["broker", "agent"])
def test_the_manual_lists_each_metric_with_its_labels_and_meaning(
    part: str, registries: Mapping[str, CollectorRegistry]
) -> None:
    manual = (ROOT / "docs/metrics.md").read_text().splitlines()
    rows = [row for row in rows_of(registries[part].collect()) if "`accelpool_" in row]
    assert [row for row in rows if row not in manual] == []


def test_the_manual_lists_no_metric_that_there_is_not(families: list[Metric]) -> None:
    listed = re.findall(r"^\| `(accelpool_\w+)` \|", (ROOT / "docs/metrics.md").read_text(), re.MULTILINE)
    assert len(listed) == len(set(listed))
    assert set(listed) == {row.split("`")[1] for row in rows_of(families) if "`accelpool_" in row}


def test_names_are_in_base_units_that_come_last(families: list[Metric]) -> None:
    for family in families:
        assert re.fullmatch(r"(accelpool|process)(_[a-z]+)+", family.name), family.name
        assert not OTHER_UNITS.search(family.name), family.name
        assert family.documentation, family.name
        for unit in BASE_UNITS:
            words = family.name.split("_")
            assert unit not in words[:-1], f"{family.name}: the unit comes last"


def test_what_only_grows_is_a_counter_and_nothing_else_ends_like_one(families: list[Metric]) -> None:
    for family in families:
        ends = {sample.name.endswith("_total") for sample in family.samples}
        assert ends in (set(), {family.type == "counter"}), family.name


@pytest.mark.parametrize("alert", [rule["alert"] for rule in RULES])
def test_the_runbook_has_a_section_for_each_alert(alert: str) -> None:
    rule = next(rule for rule in RULES if rule["alert"] == alert)
    _, found, section = (ROOT / "docs/runbook.md").read_text().partition(f"\n## {alert}\n")
    assert found
    section = section.partition("\n## ")[0]
    assert [word for word in ("**Means**", "**Look**", "**Do**") if word not in section] == []
    assert rule["annotations"]["runbook_url"].endswith(f"docs/runbook.md#{alert.lower()}")
    assert rule["labels"]["severity"] in ("info", "warning", "critical")


def test_the_runbook_has_no_section_for_an_alert_that_there_is_not() -> None:
    sections = re.findall(r"^## (Accelpool\w+)$", (ROOT / "docs/runbook.md").read_text(), re.MULTILINE)
    assert sections == [rule["alert"] for rule in RULES]


def test_each_alert_has_a_case_in_which_it_fires_and_one_in_which_it_does_not() -> None:
    cases = [case for group in CASES for case in group["alert_rule_test"]]
    alerts = {rule["alert"] for rule in RULES}
    assert {case["alertname"] for case in cases if case.get("exp_alerts")} == alerts
    assert alerts - {case["alertname"] for case in cases if not case.get("exp_alerts")} == set()


def test_panels_have_their_places_and_numbers_to_themselves() -> None:
    panels = DASHBOARD["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    places = {
        (x, y)
        for panel in panels
        for at in [panel["gridPos"]]
        for x in range(at["x"], at["x"] + at["w"])
        for y in range(at["y"], at["y"] + at["h"])
    }
    assert len(places) == sum(panel["gridPos"]["w"] * panel["gridPos"]["h"] for panel in panels)


@pytest.mark.skipif(PROMTOOL is None, reason="promtool is not installed (Debian: prometheus)")
@pytest.mark.parametrize("part", ["broker", "agent"])
def test_promtool_finds_nothing_wrong_with_the_metrics(
    part: str, registries: Mapping[str, CollectorRegistry]
) -> None:
    found = subprocess.run(
        [str(PROMTOOL), "check", "metrics"],
        input=generate_latest(registries[part]),
        capture_output=True,
        check=False,
    )
    assert (found.returncode, found.stdout, found.stderr) == (0, b"", b"")


@pytest.mark.skipif(PROMTOOL is None, reason="promtool is not installed (Debian: prometheus)")
@pytest.mark.parametrize(
    "arguments",
    [
        ["check", "rules", "deploy/prometheus/alerts.yaml"],
        ["check", "config", "--syntax-only", "deploy/prometheus/prometheus.yaml"],
        ["test", "rules", "tests/unit/alerts_test.yaml"],
    ],
    ids=lambda arguments: " ".join(arguments[:2]),
)
def test_promtool_finds_nothing_wrong_with_the_rules(arguments: list[str]) -> None:
    found = subprocess.run([str(PROMTOOL), *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout + found.stderr
