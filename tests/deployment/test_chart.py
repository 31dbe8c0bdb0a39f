"""The Helm chart: what it refuses, and that all it makes fits Kubernetes, the programs, and itself."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.deployment.chart_cases import REFUSED, TAKEN

from accelpool_broker import __main__ as broker_main
from accelpool_broker.testing import BrokerInProcess
from accelpool_node.agent.options import read_options
from accelpool_wire.errors import Unavailable
from accelpool_wire.version import __version__

ROOT = Path(__file__).parents[2]
CHART = ROOT / "deploy/kubernetes/accelpool"
READ = {"ACCELPOOL_DATABASE_URL", "ACCELPOOL_CA", "ACCELPOOL_JOIN_TOKEN", "ACCELPOOL_LOG_FORMAT"}
Manifest = dict[str, Any]


@pytest.fixture(params=TAKEN)
def manifests(request: pytest.FixtureRequest, rendered: dict[str, Any]) -> list[Manifest]:
    made = rendered[request.param]
    assert "refused" not in made, made
    found: list[Manifest] = made["manifests"]
    return found


def of_kind(manifests: list[Manifest], *kinds: str) -> list[Manifest]:
    return [manifest for manifest in manifests if manifest["kind"] in kinds]


def pods(manifests: list[Manifest]) -> list[Manifest]:
    return [each["spec"]["template"] for each in of_kind(manifests, "Deployment", "DaemonSet")]


def containers(pod: Manifest) -> list[Manifest]:
    return [*pod["spec"]["initContainers"], *pod["spec"]["containers"]]


def mains(manifests: list[Manifest]) -> Iterator[tuple[Manifest, Manifest]]:
    for pod in pods(manifests):
        for container in pod["spec"]["containers"]:
            yield pod, container


@pytest.mark.parametrize("case", REFUSED)
def test_values_that_cannot_be_are_refused_with_the_reason(rendered: dict[str, Any], case: str) -> None:
    assert REFUSED[case][1] in rendered[case].get("refused", "taken")


@pytest.mark.parametrize("case", TAKEN)
def test_each_manifest_is_one_that_kubernetes_knows(rendered: dict[str, Any], case: str) -> None:
    assert rendered[case]["errors"] == []


def test_every_value_is_described() -> None:
    def undescribed(schema: Manifest, path: str) -> Iterator[str]:
        for name, part in schema.get("properties", {}).items():
            if not part.get("description") and "$ref" not in part:
                yield f"{path}.{name}"
            yield from undescribed(part, f"{path}.{name}")

    schema = json.loads((CHART / "values.schema.json").read_text())
    assert [*undescribed(schema, ""), *undescribed(schema["definitions"]["agent"], "agent")] == []
    assert set(yaml.safe_load((CHART / "values.yaml").read_text())) <= set(schema["properties"])


def test_the_chart_is_of_this_version() -> None:
    assert yaml.safe_load((CHART / "Chart.yaml").read_text())["appVersion"] == __version__


def test_images_have_this_version_and_no_other(manifests: list[Manifest]) -> None:
    images = {container["image"] for pod in pods(manifests) for container in containers(pod)}
    known = {f"registry.example/team/accelpool-{part}:{__version__}" for part in ("broker", "agent")}
    assert images <= known


def test_every_container_has_requests_and_a_limit_of_memory(manifests: list[Manifest]) -> None:
    for pod in pods(manifests):
        for container in containers(pod):
            assert container["resources"]["limits"]["memory"]
            assert container["resources"]["requests"].keys() >= {"cpu", "memory"}


def test_nobody_is_root_but_who_makes_the_agents_directory(manifests: list[Manifest]) -> None:
    for pod in pods(manifests):
        spec = pod["spec"]
        assert spec["securityContext"]["runAsNonRoot"]
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert spec["automountServiceAccountToken"] is False
        roots = [each["name"] for each in containers(pod) if each["securityContext"].get("runAsUser") == 0]
        assert roots == (["state"] if spec["containers"][0]["name"] == "agent" else [])


def test_containers_have_no_capability_and_a_root_that_they_cannot_write(manifests: list[Manifest]) -> None:
    for pod in pods(manifests):
        for container in containers(pod):
            context = container["securityContext"]
            assert context["readOnlyRootFilesystem"]
            assert not context["allowPrivilegeEscalation"]
            assert context["capabilities"]["drop"] == ["ALL"]
            assert context["capabilities"].get("add", []) == (
                ["CHOWN"] if container["name"] == "state" else []
            )


def test_mounts_have_volumes_and_volumes_are_mounted(manifests: list[Manifest]) -> None:
    for pod in pods(manifests):
        mounted = {mount["name"] for each in containers(pod) for mount in each["volumeMounts"]}
        assert mounted == {volume["name"] for volume in pod["spec"]["volumes"]}


def test_no_secret_is_made_and_no_variable_holds_one(manifests: list[Manifest]) -> None:
    assert of_kind(manifests, "Secret") == []
    assert not re.search(r"ap[usn]_|://[^/\"]*@", json.dumps(manifests))


def test_selectors_match_the_labels_of_pods_and_of_one_program_only(manifests: list[Manifest]) -> None:
    labels = [pod["metadata"]["labels"] for pod in pods(manifests)]
    for manifest in of_kind(
        manifests, "Deployment", "DaemonSet", "Service", "PodDisruptionBudget", "NetworkPolicy", "PodMonitor"
    ):
        spec = manifest["spec"]
        selector = spec.get("selector") or spec["podSelector"]
        wanted = selector.get("matchLabels", selector).items()
        found = {each["app.kubernetes.io/component"] for each in labels if wanted <= each.items()}
        assert found == {manifest["metadata"]["labels"]["app.kubernetes.io/component"]}


def test_the_programs_know_their_options(manifests: list[Manifest]) -> None:
    for _, container in mains(manifests):
        arguments = [each.replace("$(NODE_IP)", "10.0.0.2") for each in container["args"]]
        if container["command"] == ["accelpool", "broker"]:
            broker_main._parse(arguments)
        else:
            assert container["command"] == ["accelpool", "node"]
            read_options(arguments)


def test_the_programs_read_the_variables_that_are_set(manifests: list[Manifest]) -> None:
    for _, container in mains(manifests):
        names = {each["name"] for each in container.get("env", ())}
        assert {name for name in names if name.startswith("ACCELPOOL_")} <= READ
        used = set(re.findall(r"\$\((\w+)\)", " ".join(container["args"])))
        assert used <= names


def test_files_that_options_name_are_mounted(manifests: list[Manifest]) -> None:
    for _, container in mains(manifests):
        folders = {mount["mountPath"] for mount in container["volumeMounts"]}
        files = re.findall(r"=(/[^ ]+)", " ".join(container["args"]))
        assert files
        for file in files:
            assert any(file.startswith(f"{folder}/") for folder in folders), file


def test_programs_listen_where_ports_probes_services_and_policies_say(manifests: list[Manifest]) -> None:
    for pod, container in mains(manifests):
        said = {each["name"]: each["containerPort"] for each in container["ports"]}
        options = " ".join(container["args"])
        ports = {int(port) for port in re.findall(r"--(?:port=|listen=\S+:|metrics=\S+:)(\d+)", options)}
        assert set(said.values()) == ports
        probes = [probe for name, probe in container.items() if name.endswith("Probe")]
        assert probes
        assert all((probe.get("httpGet") or probe["tcpSocket"])["port"] in said for probe in probes)
        component = pod["metadata"]["labels"]["app.kubernetes.io/component"]
        for policy in of_kind(manifests, "NetworkPolicy"):
            if policy["metadata"]["name"].endswith(component):
                open_ports = {each["port"] for rule in policy["spec"]["ingress"] for each in rule["ports"]}
                assert ports <= open_ports


def test_clients_are_told_an_address_of_the_node(rendered: dict[str, Any]) -> None:
    agents = of_kind(rendered["a GPU group"]["manifests"], "DaemonSet")
    for agent in agents:
        (container,) = agent["spec"]["template"]["spec"]["containers"]
        port = next(each for each in container["ports"] if each["name"] == "data")
        assert port["hostPort"] == port["containerPort"]
        assert f"--advertise=$(NODE_IP):{port['hostPort']}" in container["args"]


def test_several_brokers_are_not_all_taken_away_at_once(rendered: dict[str, Any]) -> None:
    assert of_kind(rendered["brokers alone"]["manifests"], "PodDisruptionBudget")
    assert not of_kind(rendered["one broker"]["manifests"], "PodDisruptionBudget")


def test_probes_speak_tls_where_the_broker_does(rendered: dict[str, Any]) -> None:
    for case, scheme in (("brokers alone", "HTTPS"), ("without TLS", "HTTP")):
        (broker,) = of_kind(rendered[case]["manifests"], "Deployment")
        (container,) = broker["spec"]["template"]["spec"]["containers"]
        assert container["readinessProbe"]["httpGet"]["path"] == "/readyz"
        assert {probe["httpGet"]["scheme"] for name, probe in container.items() if "Probe" in name} == {
            scheme
        }


def away() -> None:
    raise Unavailable("the database does not answer")


def test_brokers_are_alive_but_not_ready_while_the_database_is_away(
    rendered: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    (broker,) = of_kind(rendered["brokers alone"]["manifests"], "Deployment")
    (container,) = broker["spec"]["template"]["spec"]["containers"]
    with BrokerInProcess() as running:
        monkeypatch.setattr(running.services.pool.store, "read", away)
        monkeypatch.setattr(running.services.pool.store, "write", away)
        answers = {
            name: running.client.get(container[name]["httpGet"]["path"]).status_code
            for name in ("startupProbe", "livenessProbe", "readinessProbe")
        }
    assert answers == {"startupProbe": 200, "livenessProbe": 200, "readinessProbe": 503}
