"""The Helm chart, rendered once for all its tests."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.deployment.chart_cases import REFUSED, TAKEN

ROOT = Path(__file__).parents[2]
CHART, HELM = ROOT / "deploy/kubernetes/accelpool", ROOT / ".helm"


@pytest.fixture(scope="session")
def rendered() -> dict[str, Any]:
    if not HELM.exists():
        pytest.skip("Helm is not here: `make charts` installs it")
    cases = TAKEN | {name: values for name, (values, _) in REFUSED.items()}
    done = subprocess.run(
        [sys.executable, "-m", "tests.deployment.render", str(CHART)],
        input=json.dumps(cases),
        env=os.environ | {"PYTHONPATH": str(HELM)},
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found
