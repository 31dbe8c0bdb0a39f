"""Render a chart and validate what comes out: `python -m tests.deployment.render CHART < CASES > RENDERED`.

A process of its own: Helm is a library in Go, which takes over signals. CASES is JSON, {name: values};
RENDERED {name: {"manifests": [...], "notes": "...", "errors": [...]}}, or {"refused": "..."}.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import helm_python
import kubernetes_validate
import yaml

OWN_KINDS = {"PodMonitor"}  # an operator's, of which Kubernetes has no schema


def rendered(chart: helm_python.Chart, values: dict[str, Any]) -> dict[str, Any]:
    try:
        files = chart.render(values, name="pool", namespace="lab")
    except helm_python.HelmError as error:
        return {"refused": str(error)}
    notes = [text for path, text in files.items() if path.endswith("NOTES.txt")]
    texts = [text for path, text in files.items() if path.endswith(".yaml")]
    manifests = [manifest for text in texts for manifest in yaml.safe_load_all(text) if manifest]
    return {"manifests": manifests, "notes": "".join(notes), "errors": list(errors(manifests))}


def errors(manifests: list[dict[str, Any]]) -> list[str]:
    found = []
    for manifest in manifests:
        if manifest["kind"] in OWN_KINDS:
            continue
        for version in ("1.30", kubernetes_validate.latest_version()):
            try:
                kubernetes_validate.validate(manifest, version, strict=True)
            except kubernetes_validate.ValidationError as error:
                found.append(f"{manifest['kind']} {manifest['metadata']['name']}, {version}: {error}")
    return found


def main() -> None:
    chart = helm_python.Chart.load(sys.argv[1])
    cases = json.load(sys.stdin)
    json.dump({name: rendered(chart, values) for name, values in cases.items()}, sys.stdout)


if __name__ == "__main__":
    main()
